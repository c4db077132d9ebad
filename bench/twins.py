"""A service beside its twin that lacks one thing: what that thing costs.

One API process with 16 clients on the same server, in turn: A B A B. No worker runs in either.
"""

from statistics import median

from bench.bookings import CLIENTS, Run, run_api
from bench.report import Figure, at_least
from bench.stage import Stage


def beside(
    made: Stage,
    seconds: int,
    rounds: int,
    *,
    name: str,
    bound: float,
    twin: str,
    lacks: str,
    table: str,
) -> Figure:
    """Bookings with ÷ without; `rounds` runs of `seconds` each for either side.

    table: what the service writes rows of, and the twin none.
    """
    ours: list[Run] = []
    without: list[Run] = []

    def rows() -> int:
        (row,) = made.ask(f"SELECT count(*) AS many FROM {table}")
        return int(row["many"])

    for _ in range(rounds):
        before = rows()
        without.append(run_api(made, seconds, twin))
        if rows() != before:
            raise RuntimeError(f"the twin wrote to {table}")
        ours.append(run_api(made, seconds))
        if rows() == before:
            raise RuntimeError(f"the service wrote nothing to {table}")
    return at_least(
        name,
        median(run.rate for run in ours) / median(run.rate for run in without),
        bound,
        "",
        lacks,
        bookings_per_second=[round(run.rate) for run in ours],
        without_per_second=[round(run.rate) for run in without],
        cpu_ms_a_booking=[run.cpu_ms() for run in ours],
        without_cpu_ms=[run.cpu_ms() for run in without],
        clients=CLIENTS,
    )
