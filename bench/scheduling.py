"""Availability and bookings beside the same with few bookings in the tables.

Two servers that differ in their rows alone, asked in turn: A B A B.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from statistics import median
from urllib.parse import urlencode

import uvloop

from bench.bookings import run_api
from bench.driver import Result, drive, percentile, request
from bench.report import Figure, at_least, at_most
from bench.scheduling_rows import AHEAD, FULL_CLINIC, bookings_before, full_clinic, open_full_clinic
from bench.stage import LANE, NOW, Stage, stage

FEW, MANY, MOST = 2_000, 200_000, 2_000_000
FIRST_PAGE = 50
FIRST = NOW.replace(hour=0) + timedelta(days=1)
"""The first day that is asked for is nearly full on either side."""
P99_MS, TIMES, SHARE = 60, 2, 0.8


def availability(seconds: int, rounds: int) -> Iterator[Figure]:
    """The first 50 slots of 50 providers over 30 days, with 200,000 bookings and with 2,000."""
    found: dict[int, list[Result]] = {FEW: [], MANY: []}
    cpu: dict[int, list[float]] = {FEW: [], MANY: []}
    with (
        _clinic_of(FEW, days=1) as few,
        _clinic_of(MANY, days=AHEAD.days) as many,
        few.service("api") as one,
        many.service("api") as other,
    ):
        for number in range(rounds + 1):
            for rows, made, api in ((FEW, few, one), (MANY, many, other)):
                before = api.cpu_seconds() + made.server_cpu_seconds()
                result = uvloop.run(drive(api.port, 1, _asking(made), seconds / 2))
                used = api.cpu_seconds() + made.server_cpu_seconds() - before
                if result.count(200) != len(result.answered):
                    raise RuntimeError(f"availability: {result.statuses()}")
                if number:  # the first round warms up
                    found[rows].append(result)
                    cpu[rows].append(1000 * used / len(result.latencies))
    p99 = {rows: _p(results, 0.99) for rows, results in found.items()}
    p50 = {rows: _p(results, 0.5) for rows, results in found.items()}
    detail = {
        "cpu_ms_a_question": {str(rows): round(median(ms), 1) for rows, ms in cpu.items()},
        "p50_ms": {str(rows): round(ms, 1) for rows, ms in p50.items()},
        "p99_ms": {str(rows): round(ms, 1) for rows, ms in p99.items()},
        "questions": {
            str(rows): sum(len(r.latencies) for r in all_) for rows, all_ in found.items()
        },
    }
    yield at_most("availability: first 50 slots, p99", p99[MANY], P99_MS, "ms", "", **detail)
    yield at_most(
        "availability: 200,000 ÷ 2,000 bookings", p50[MANY] / p50[FEW], TIMES, "",
        "the same question with 2,000 bookings (medians)",
        of_p99=round(p99[MANY] / p99[FEW], 2), **detail,
    )  # fmt: skip


def bookings_among_many(seconds: int, rounds: int) -> Iterator[Figure]:
    """Bookings a second among two million ÷ among two thousand."""
    with stage() as few, stage() as many:
        bookings_before(few, 0, FEW)
        bookings_before(many, 0, MOST)
        rates: dict[int, list[float]] = {FEW: [], MOST: []}
        cpu: dict[int, list[float]] = {FEW: [], MOST: []}
        for number in range(rounds + 1):
            for rows, made in ((FEW, few), (MOST, many)):
                run = run_api(made, seconds)
                if number:
                    rates[rows].append(run.rate)
                    cpu[rows].append(sum(run.cpu_ms().values()))
    yield at_least(
        "bookings: among 2 M ÷ among 2,000", median(rates[MOST]) / median(rates[FEW]), SHARE, "",
        "the same API with 2,000 bookings in its tables",
        bookings_per_second={str(n): [round(r) for r in found] for n, found in rates.items()},
        cpu_ms_a_booking={str(n): round(median(found), 2) for n, found in cpu.items()},
    )  # fmt: skip


@contextmanager
def _clinic_of(rows: int, *, days: int) -> Iterator[Stage]:
    """A stage whose clinic of 50 providers is nearly full for so many days; the rest is past."""
    with stage() as made:
        open_full_clinic(made)
        full_clinic(made, 1, days)
        (found,) = made.ask("SELECT count(*) AS there FROM appointments")
        bookings_before(made, 0, rows - found["there"])
        made.rest()
        yield made


def _asking(made: Stage) -> Callable[[int, int], bytes]:
    query = {
        "clinic_id": str(FULL_CLINIC),
        "appointment_type_id": str(made.type_id),
        "patient_id": str(LANE[0].patient_id(0)),
        "since": FIRST.isoformat(),
        "until": (FIRST + AHEAD).isoformat(),
        "grid_minutes": "20",
        "limit": str(FIRST_PAGE),
    }
    ask = request("GET", f"/v1/availability?{urlencode(query)}", {
        "Authorization": f"Bearer {made.token}"
    })  # fmt: skip
    return lambda _client, _number: ask


def _p(results: list[Result], share: float) -> float:
    return 1000 * percentile([each for result in results for each in result.latencies], share)
