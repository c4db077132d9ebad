"""All benchmarks: `python -m bench`, or some of them: `python -m bench --only race,latency`.

Writes bench/results/latest.json and prints a table. Exit code 1 when a bound does not hold.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from asyncpg import PostgresError
from httpx import HTTPError

from bench import against_control, backlog, held_snapshot, kills, scheduling
from bench.bookings import bookings
from bench.bus_rates import EVENTS as RATES_EVENTS
from bench.bus_rates import bus_rates
from bench.control_stage import arena
from bench.day_system import footprint
from bench.latency import latency
from bench.outbox_cost import outbox_cost
from bench.race import race
from bench.report import LATEST, Figure, failed, show, write
from bench.stage import stage
from bench.trust import trust
from bench.waitlist import waitlist
from ops.day.desk import DayFailed
from ops.errors import CannotRun
from ops.seed import SeedFailed

TRIES = 10_000
BREAKS = (CannotRun, DayFailed, SeedFailed, HTTPError, PostgresError, OSError, RuntimeError)
"""What ends a section and not the run: its figures do not hold, and say why."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is run. seconds: of each run. rounds: runs of either side. share: of all events."""

    seconds: int
    rounds: int
    share: float

    def events(self, of: int) -> int:
        """So many of the events of a full run, in thousands."""
        return max(1, round(of * self.share / 1000)) * 1000


def on_one_server(size: Size) -> Iterator[Figure]:
    """Bookings against pgbench, and against bookings without an outbox."""
    with stage() as made:
        yield from bookings(made, size.seconds, size.rounds)
        yield outbox_cost(made, size.seconds, size.rounds)


def with_trust(size: Size) -> Iterator[Figure]:
    """What the audit and all else that trust asks for cost."""
    with stage() as made:
        yield from trust(made, size.seconds, size.rounds)


def among_many(size: Size) -> Iterator[Figure]:
    """Availability and bookings with many bookings in the tables, beside few."""
    yield from scheduling.availability(size.seconds, size.rounds)
    yield from scheduling.bookings_among_many(size.seconds, size.rounds)


def racing(_: Size) -> Iterator[Figure]:
    """The race for slots."""
    with stage() as made:
        yield from race(made, TRIES)


def beside_the_control(size: Size) -> Iterator[Figure]:
    """The control: its speed, its race, and what a kill loses of it and of ours."""
    with stage() as made, arena(made) as found:
        yield from against_control.speed(found, size.seconds, size.rounds)
        yield from against_control.control_race(found)
        yield from kills.kill_control(found)
        yield from kills.kill_ours(found)


def until_the_effect(size: Size) -> Iterator[Figure]:
    """From the 201 to the effect, on both buses."""
    yield from latency("postgres", 4 * size.seconds)
    yield from latency("kafka", 4 * size.seconds)


def on_the_bus(size: Size) -> Iterator[Figure]:
    """Relay and consumer against the bare thing."""
    yield from bus_rates(size.events(RATES_EVENTS), size.rounds)


def after_an_outage(size: Size) -> Iterator[Figure]:
    """A long backlog, and an outbox under a held snapshot."""
    yield from backlog.backlog(size.events(backlog.EVENTS))
    yield from held_snapshot.held_snapshot(size.events(held_snapshot.EVENTS))


def refilling(_: Size) -> Iterator[Figure]:
    """Free times that the waitlist fills, beside a list that somebody calls through."""
    yield from waitlist()


def taking(_: Size) -> Iterator[Figure]:
    """Memory, connections, idle share."""
    yield from footprint()


SECTIONS: dict[str, Callable[[Size], Iterator[Figure]]] = {
    "bookings": on_one_server,
    "trust": with_trust,
    "scheduling": among_many,
    "race": racing,
    "control": beside_the_control,
    "bus": on_the_bus,
    "backlog": after_an_outage,
    "latency": until_the_effect,
    "footprint": taking,
    "waitlist": refilling,
}


def main(arguments: Sequence[str]) -> int:
    """Run the sections asked for; the exit code."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, by comma")
    parser.add_argument("--seconds", type=int, default=6, help="of each run")
    parser.add_argument("--rounds", type=int, default=3, help="runs of either side")
    parser.add_argument("--share", type=float, default=1.0, help="of the events of a full run")
    given = parser.parse_args(arguments)
    wanted = given.only.split(",")
    if unknown := sorted(set(wanted) - SECTIONS.keys()):
        parser.error(f"there is no {', '.join(unknown)}: choose of {', '.join(SECTIONS)}")
    # Whole systems take it from here, single services from `serving`.
    os.environ["CLINICBUS_RATES"] = "off"
    figures: list[Figure] = []
    size = Size(given.seconds, given.rounds, given.share)
    for name in wanted:
        with _said(name):
            figures += _taken(name, size)
    if wanted == list(SECTIONS) and size.share >= 1:
        write(figures)
        print(f"Written to {LATEST.relative_to(LATEST.parents[2])}.")
    show(figures)
    return 0 if figures and all(figure.holds for figure in figures) else 1


def _taken(name: str, size: Size) -> list[Figure]:
    """A section's figures; where it breaks off, those before and why it did."""
    found: list[Figure] = []
    try:
        for figure in SECTIONS[name](size):
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
