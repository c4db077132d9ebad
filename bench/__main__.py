"""All benchmarks: `python -m bench`, or some of them: `python -m bench --only race,latency`.

Writes bench/results/latest.json and prints a table. Exit code 1 when a bound does not hold.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from asyncpg import PostgresError
from httpx import HTTPError

from bench import against_control, kills
from bench.bookings import bookings
from bench.control_stage import arena
from bench.day_system import footprint
from bench.latency import latency
from bench.race import race
from bench.report import LATEST, Figure, failed, show, write
from bench.stage import stage
from ops.day.desk import DayFailed
from ops.errors import CannotRun
from ops.seed import SeedFailed

TRIES = 10_000
BREAKS = (CannotRun, DayFailed, SeedFailed, HTTPError, PostgresError, OSError, RuntimeError)
"""What ends a section and not the run: its figures do not hold, and say why."""


def on_one_server(seconds: int, rounds: int) -> Iterator[Figure]:
    """Bookings against pgbench."""
    with stage() as made:
        yield from bookings(made, seconds, rounds)


def racing(_seconds: int, _rounds: int) -> Iterator[Figure]:
    """The race for slots."""
    with stage() as made:
        yield from race(made, TRIES)


def beside_the_control(seconds: int, rounds: int) -> Iterator[Figure]:
    """The control: its speed, its race, and what a kill loses of it and of ours."""
    with stage() as made, arena(made) as found:
        yield from against_control.speed(found, seconds, rounds)
        yield from against_control.control_race(found)
        yield from kills.kill_control(found)
        yield from kills.kill_ours(found)


def until_the_effect(seconds: int, _rounds: int) -> Iterator[Figure]:
    """From the 201 to the effect, on both buses."""
    yield from latency("postgres", 5 * seconds)
    yield from latency("kafka", 5 * seconds)


def taking(_seconds: int, _rounds: int) -> Iterator[Figure]:
    """Memory, connections, idle share."""
    yield from footprint()


SECTIONS: dict[str, Callable[[int, int], Iterator[Figure]]] = {
    "bookings": on_one_server,
    "race": racing,
    "control": beside_the_control,
    "latency": until_the_effect,
    "footprint": taking,
}


def main(arguments: Sequence[str]) -> int:
    """Run the sections asked for; the exit code."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, by comma")
    parser.add_argument("--seconds", type=int, default=6, help="of each run")
    parser.add_argument("--rounds", type=int, default=3, help="runs of either side")
    given = parser.parse_args(arguments)
    wanted = given.only.split(",")
    if unknown := sorted(set(wanted) - SECTIONS.keys()):
        parser.error(f"there is no {', '.join(unknown)}: choose of {', '.join(SECTIONS)}")
    figures: list[Figure] = []
    for name in wanted:
        with _said(name):
            figures += _taken(name, given.seconds, given.rounds)
    if wanted == list(SECTIONS):
        write(figures)
        print(f"Written to {LATEST.relative_to(LATEST.parents[2])}.")
    show(figures)
    return 0 if figures and all(figure.holds for figure in figures) else 1


def _taken(name: str, seconds: int, rounds: int) -> list[Figure]:
    """A section's figures; where it breaks off, those before and why it did."""
    found: list[Figure] = []
    try:
        for figure in SECTIONS[name](seconds, rounds):
            found.append(figure)
    except BREAKS as error:
        found.append(failed(name, f"{type(error).__name__}: {error}"))
    return found


@contextmanager
def _said(name: str) -> Iterator[None]:
    started = time.perf_counter()
    print(f"{name} ...", end=" ", flush=True)
    yield
    print(f"{time.perf_counter() - started:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
