"""The highest rate of bookings at which the whole system keeps up: its lag is flat, and when the
load ends, nothing is left to do but what came last.

Steps of a few seconds, each half again as fast as the one before, until one is not kept up with;
one more in between; then the best of them for as long as a full run asks, and less where it does
not hold for so long.
"""

from dataclasses import dataclass, field
from statistics import median
from typing import Any

from bench.ground import Ground
from bench.paced import Paced

FIRST_RATE = 20.0
FACTOR = 1.5
LESS = 0.85
STEPS_MAX = 9
STEP_SECONDS = 5.0
CONFIRM = 2.5
"""Times the seconds of a measurement for which the rate found must hold: 60 s in a full run."""
TRIES = 4
FLAT_SECONDS = 0.1
"""How far the lag at the end of a step may be from that in its second quarter. One that falls was
higher than the rate allows."""
LEFT_SECONDS = 3.0
"""How long what is left may take once the load ends: the payer's calls, and timers, which wait for
up to a second for others to fire with."""
REFUSED_SHARE = 0.001


@dataclass(frozen=True, slots=True)
class Step:
    """One rate that was tried. drift: seconds by which the lag grew. left: seconds until nothing
    was left to do."""

    asked: float
    reached: float
    drift: float
    left: float
    seconds: float
    holds: bool


@dataclass(slots=True)
class Highest:
    """The rate found, and how. confirmed_seconds: for how long it held."""

    rate: float = 0.0
    confirmed_seconds: float = 0.0
    steps: list[Step] = field(default_factory=list)

    def detail(self) -> dict[str, Any]:
        """For the report."""
        return {
            "bookings_per_second": round(self.rate, 1),
            "held_for_seconds": round(self.confirmed_seconds, 1),
            "tried": [
                f"{s.asked:.0f}/s for {s.seconds:.0f} s: lag {1000 * s.drift:+.0f} ms, "
                f"{s.left:.1f} s to the end"
                f"{'' if s.holds else ', not kept up with'}"
                for s in self.steps
            ],
        }


async def highest(made: Ground, seconds: float) -> Highest:
    """Find it. seconds: of a measurement. Raises RuntimeError where no rate holds."""
    found = Highest()
    best, failed, rate = 0.0, float("inf"), FIRST_RATE
    for _ in range(STEPS_MAX):
        if await _tried(made, found, rate, STEP_SECONDS):
            best, rate = rate, rate * FACTOR
        else:
            failed = rate
            break
    if best and failed < float("inf"):
        between = (best + failed) / 2
        best = between if await _tried(made, found, between, STEP_SECONDS) else best
    rate = best or FIRST_RATE / 2
    for _ in range(TRIES):
        if await _tried(made, found, rate, CONFIRM * seconds):
            found.rate, found.confirmed_seconds = rate, CONFIRM * seconds
            return found
        rate *= LESS
    raise RuntimeError(f"no rate was kept up with: {found.detail()}")


async def _tried(made: Ground, found: Highest, rate: float, seconds: float) -> bool:
    load = await made.load(rate, seconds)
    left = await made.settled()
    drift = await _drift(made, load)
    refused = len(load.refused) > REFUSED_SHARE * len(load.answered)
    holds = abs(drift) <= FLAT_SECONDS and left <= LEFT_SECONDS and not refused
    found.steps.append(Step(rate, load.rate, drift, left, load.seconds, holds))
    return holds


async def _drift(made: Ground, load: Paced) -> float:
    """How much longer it took at the end, from when a booking was due to its last effect."""
    order = sorted(load.due, key=load.due.__getitem__)
    waits = await made.waits({visit: load.due[visit] for visit in order})
    last = [max(of_one) for of_one in zip(*waits.values(), strict=True)]
    quarter = len(last) // 4
    if not quarter:
        return float("inf")
    return float(median(last[-quarter:]) - median(last[quarter : 2 * quarter]))
