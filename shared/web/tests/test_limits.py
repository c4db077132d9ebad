"""How often one caller may ask: the reckoning, its bounds and its price."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.web.limits import DEFAULTS, Limits, Meter, Rate, rates_of

PRICE_MICROSECONDS = 20.0


def told(headers: tuple[tuple[bytes, bytes], ...]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in headers}


def test_as_many_as_allowed_at_once_and_then_one_in_a_while() -> None:
    meter = Meter("requests", Rate(2, 5))
    assert [meter.take("a", 100.0)[0] for _ in range(5)] == [0.0] * 5
    wait, headers = meter.take("a", 100.0)
    assert wait == pytest.approx(0.5)
    assert told(headers)["ratelimit"] == '"requests";r=0;t=3'
    # Who asks too early is not put back for it.
    assert meter.take("a", 100.2)[0] == pytest.approx(0.3)
    assert meter.take("a", 100.5)[0] == 0.0
    assert meter.take("a", 100.5)[0] == pytest.approx(0.5)
    assert [meter.take("a", 200.0)[0] for _ in range(6)][-2:] == [0.0, pytest.approx(0.5)]


def test_what_is_left_is_told_as_the_draft_writes_it() -> None:
    meter = Meter("finding", Rate(10, 60))
    _, headers = meter.take("a", 5.0)
    assert told(headers) == {
        "ratelimit-policy": '"finding";q=60;w=6',
        "ratelimit": '"finding";r=59;t=1',
    }
    for _ in range(59):
        meter.take("a", 5.0)
    assert told(meter.take("a", 5.0)[1])["ratelimit"] == '"finding";r=0;t=6'


def test_callers_do_not_count_for_each_other() -> None:
    meter = Meter("requests", Rate(1, 1))
    assert meter.take(("network", "a"), 0.0)[0] == 0.0
    assert meter.take(("network", "b"), 0.0)[0] == 0.0
    assert meter.take(("network", "a"), 0.0)[0] > 0


@given(
    st.floats(0.1, 500),
    st.integers(1, 300),
    st.lists(st.floats(0, 5), min_size=1, max_size=300),
)
def test_never_more_than_the_allowance_and_what_has_come_since(
    a_second: float, at_once: int, pauses: list[float]
) -> None:
    meter, now, admitted = Meter("requests", Rate(a_second, at_once)), 1_000.0, 0
    for pause in pauses:
        now += pause
        wait, _ = meter.take("a", now)
        admitted += wait == 0.0
        assert admitted <= at_once + (now - 1_000.0) * a_second + 1e-3
        if wait:
            # And nobody waits for longer than is said, give or take the clock's last digit.
            assert Meter.take(meter, "a", now + wait + 1e-6)[0] == 0.0
            now += wait + 1e-6
            admitted += 1


def test_only_so_many_callers_are_remembered() -> None:
    meter = Meter("requests", Rate(1, 1), callers_max=1_000)
    for number in range(5_000):
        meter.take(number, float(number))
    assert len(meter._whole_at) == 1_000
    # The one who asked last is still known.
    assert meter.take(4_999, 4_999.0)[0] > 0


@pytest.mark.parametrize(
    "text",
    [
        *("requests=0/1", "requests=1/0", "requests=-1/5", "requests=1", "all=1/1", "on"),
        *("requests=nan/1", "requests=inf/1"),
    ],
)
def test_a_rate_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        rates_of(text)


def test_rates_are_read_from_the_setting() -> None:
    assert rates_of("") == dict(DEFAULTS)
    assert rates_of("off") == {}
    changed = rates_of("requests=50/100, finding=0.5/20")
    assert changed == {**DEFAULTS, "requests": Rate(50, 100), "finding": Rate(0.5, 20)}
    assert Limits({}).refused("127.0.0.1") == 0.0


def test_it_costs_next_to_nothing() -> None:
    meter = Meter("requests", DEFAULTS["requests"])
    callers = [("network", "person", str(n)) for n in range(100)]
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(20):
            for caller in callers:
                meter.take(caller, time.monotonic())
        best = min(best, (time.perf_counter() - started) / 2_000)
    assert best * 1e6 < PRICE_MICROSECONDS
