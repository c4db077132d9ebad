"""Bookings per second with the outbox ÷ without: what it costs to say what was done.

One API process with 16 clients on the same server, in turn: A B A B. No relay and no subscriber
runs in either. The other side is `bench.without_outbox`.
"""

from statistics import median

from bench.bookings import CLIENTS, Run, run_api
from bench.report import Figure, at_least
from bench.stage import Stage

BOUND = 0.9
TWIN = "bench.without_outbox:service"


def outbox_cost(made: Stage, seconds: int, rounds: int) -> Figure:
    """Measure and compare; `rounds` runs of `seconds` each for either side."""
    ours: list[Run] = []
    without: list[Run] = []
    for _ in range(rounds):
        before = _rows(made)
        without.append(run_api(made, seconds, TWIN))
        if _rows(made) != before:
            raise RuntimeError("the twin without an outbox wrote to the outbox")
        ours.append(run_api(made, seconds))
        if _rows(made) == before:
            raise RuntimeError("the service wrote nothing to the outbox")
    return at_least(
        "bookings with ÷ without outbox",
        median(run.rate for run in ours) / median(run.rate for run in without),
        BOUND, "", "the same API, in which saying an event writes nothing",
        bookings_per_second=[round(run.rate) for run in ours],
        without_per_second=[round(run.rate) for run in without],
        cpu_ms_a_booking=[run.cpu_ms() for run in ours],
        without_cpu_ms=[run.cpu_ms() for run in without],
        clients=CLIENTS,
    )  # fmt: skip


def _rows(made: Stage) -> int:
    (row,) = made.ask("SELECT count(*) AS many FROM outbox")
    return int(row["many"])
