"""A service beside its twin that lacks one thing: what that thing costs.

One API process with 16 clients on the same server, in turn and in pairs: A B, B A, A B. The two of
a pair ran next to each other, so what else the machine did weighs on both. No worker runs in
either.
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
    """Bookings with ÷ without: the median of twice `rounds` pairs, each run of `seconds`.

    table: what the service writes rows of, and the twin none.
    """
    ours: list[Run] = []
    without: list[Run] = []

    def rows() -> int:
        (row,) = made.ask(f"SELECT count(*) AS many FROM {table}")
        return int(row["many"])

    def run_twin() -> None:
        before = rows()
        without.append(run_api(made, seconds, twin))
        if rows() != before:
            raise RuntimeError(f"the twin wrote to {table}")

    def run_ours() -> None:
        before = rows()
        ours.append(run_api(made, seconds))
        if rows() == before:
            raise RuntimeError(f"the service wrote nothing to {table}")

    for pair in range(2 * rounds):
        for run in (run_twin, run_ours) if pair % 2 else (run_ours, run_twin):
            run()
    pairs = [one.rate / other.rate for one, other in zip(ours, without, strict=True)]
    return at_least(
        name,
        median(pairs),
        bound,
        "",
        lacks,
        pairs=[round(ratio, 3) for ratio in pairs],
        bookings_per_second=[round(run.rate) for run in ours],
        without_per_second=[round(run.rate) for run in without],
        cpu_ms_a_booking=[run.cpu_ms() for run in ours],
        without_cpu_ms=[run.cpu_ms() for run in without],
        clients=CLIENTS,
    )
