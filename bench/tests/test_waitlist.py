"""The comparison with a manual list, in small: fair, repeatable, and with the bound it reports."""

from bench import waitlist_parameters as p
from bench.waitlist import Offering, called_through, clinic, refilled, waitlist


def test_more_is_filled_than_by_hand_on_every_seed() -> None:
    shown, worst = waitlist(seeds=3, clinics=6)
    by_seed = worst.detail["ours_and_manual_by_seed"]
    assert len(by_seed) == 3
    assert all(ours > manual > 0.3 for ours, manual in by_seed)
    assert worst.holds
    assert shown.value is not None
    assert shown.value <= 1


def test_a_seed_gives_the_same_figures_each_time_and_another_gives_others() -> None:
    assert refilled(1, 2) == refilled(1, 2)
    assert clinic("1/0") == clinic("1/0")
    assert clinic("1/0") != clinic("2/0")


def test_both_sides_start_from_the_same_clinic_and_leave_it_as_it_was() -> None:
    case = clinic("3/0")
    before = clinic("3/0")
    Offering(case).run()
    called_through(case)
    assert case == before
    assert len(case.released) == p.DAYS * p.RELEASES_A_DAY


def test_nobody_is_given_two_times_and_no_time_is_given_twice() -> None:
    case = clinic("4/0")
    run = Offering(case)
    filled = run.run()
    assert 0 < filled == len(case.entries) - len(run.waiting)


def test_free_times_lie_in_opening_hours_after_their_release() -> None:
    for each in clinic("5/0").released:
        starts = each.slot.interval.start
        assert each.at < starts
        assert starts.isoweekday() <= 5
        assert p.OPENS <= starts.hour < p.CLOSES
