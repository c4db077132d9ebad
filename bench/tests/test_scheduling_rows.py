"""The rows that the scheduling benchmarks stand on are as the tables want them."""

from bench.scheduling_rows import bookings_before, full_clinic, open_full_clinic
from bench.stage import stage


def test_bookings_before_and_ahead_are_taken_by_the_tables() -> None:
    with stage() as made:
        open_full_clinic(made)
        full_clinic(made, 1, 1)
        bookings_before(made, 0, 200)
        (found,) = made.ask(
            "SELECT count(*) AS there,"
            " (SELECT count(*) FROM occupancies WHERE active) AS taken FROM appointments"
        )
    assert found["there"] - 200 > 1_000
    assert found["taken"] == 2 * found["there"]
