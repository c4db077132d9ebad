"""From the 201 of a booking to its effect committed in every subscriber, all services running.

First at a rate of a busy clinic, then at half load: half of the highest rate at which the whole
system keeps up, its lag flat. How an effect is timed is in `bench.ground`.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench.driver import percentile
from bench.footprint import used_by
from bench.ground import Ground, Kind, ground
from bench.half_load import Highest, highest
from bench.report import Figure, at_most

BOUND_MS = 250
RATE = 20
WARM_SECONDS = 3
HALF_LOAD_MS: dict[Kind, tuple[int, int]] = {"postgres": (10, 50), "kafka": (15, 60)}
"""p50 and p99 at half load."""


@dataclass(slots=True)
class Taken:
    """What was measured at one rate. waits: by service, seconds from each 201 to the effect.

    cpu: of one core, by program, while the bookings came.
    """

    waits: dict[str, list[float]]
    refused: list[str]
    cpu: dict[str, float]
    rate: float

    def milliseconds(self, share: float) -> float:
        """A percentile of the wait for the slowest subscriber of each booking."""
        last = [max(of_one) for of_one in zip(*self.waits.values(), strict=True)]
        return 1000 * percentile(last, share)

    def detail(self) -> dict[str, Any]:
        """What is behind the figure."""
        by_service = {
            name: {
                "p50_ms": round(1000 * percentile(found, 0.5), 1),
                "p99_ms": round(1000 * percentile(found, 0.99), 1),
            }
            for name, found in self.waits.items()
        }
        return {
            "bookings": len(next(iter(self.waits.values()))),
            "bookings_per_second": round(self.rate, 1),
            "refused": self.refused[:5],
            "by_service": by_service,
            "cpu_share": {name: round(share, 3) for name, share in self.cpu.items()},
            "taken_by": "commit timestamp of the applied row, before its record is flushed",
        }


def latency(bus: Kind, seconds: int) -> Iterator[Figure]:
    """Measure on one bus for so many seconds, on a system of its own. Raises CannotRun."""
    yield from asyncio.run(_on_system(bus, seconds))


async def _on_system(bus: Kind, seconds: int) -> list[Figure]:
    async with ground(bus, seconds) as made:
        await made.load(RATE, WARM_SECONDS)
        usual = await _taken(made, RATE, seconds)
        found = await highest(made, seconds)
        half = await _taken(made, found.rate / 2, seconds)
        flush_ms = round(await made.flush_ms(), 2)
    return [_usual(bus, usual, flush_ms), *_half(bus, half, found, flush_ms)]


async def _taken(made: Ground, rate: float, seconds: float) -> Taken:
    before = used_by(made.system)
    load = await made.load(rate, seconds)
    after = used_by(made.system)
    await made.settled()
    cpu = {name: (after[name] - before[name]) / load.seconds for name in after}
    return Taken(await made.waits(load.answered), load.refused, cpu, load.rate)


def _usual(bus: Kind, taken: Taken, flush_ms: float) -> Figure:
    return at_most(
        f"201 to effect, {bus} bus, p99", taken.milliseconds(0.99), BOUND_MS, "ms",
        f"the slowest of {', '.join(taken.waits)}",
        p50_ms=round(taken.milliseconds(0.5), 1), mean_flush_ms=flush_ms, **taken.detail(),
    )  # fmt: skip


def _half(bus: Kind, taken: Taken, found: Highest, flush_ms: float) -> list[Figure]:
    middle, most = HALF_LOAD_MS[bus]
    against = f"at {taken.rate:.0f}/s, half of what the whole system keeps up with"
    name = f"201 to effect at half load, {bus} bus"
    detail = {**taken.detail(), "mean_flush_ms": flush_ms, "highest": found.detail()}
    return [
        at_most(f"{name}, p50", taken.milliseconds(0.5), middle, "ms", against, **detail),
        at_most(f"{name}, p99", taken.milliseconds(0.99), most, "ms", against),
    ]
