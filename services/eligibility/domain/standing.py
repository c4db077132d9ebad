"""Whether a 271 says that the cover is active on a day."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from services.eligibility.domain.benefits import Benefit, Benefits, CoverDate
from services.eligibility.domain.codes import (
    ACTIVE,
    CANNOT_PROCESS,
    CONTACT_PAYER,
    DATES_BEGIN,
    DATES_END,
    DATES_RANGE,
    INACTIVE,
    PLAN,
)

_OPEN_END_YEAR = 9999  # written where there is no last day


@dataclass(frozen=True, slots=True)
class Bounds:
    """First and last day, both included; None where nothing bounds that side."""

    start: date | None = None
    end: date | None = None

    def hold(self, day: date | None) -> bool:
        """Whether `day` lies within; an unknown day does."""
        if day is None:
            return True
        return (self.start is None or self.start <= day) and (self.end is None or day <= self.end)


@dataclass(frozen=True, slots=True)
class Standing:
    """kind: what the lines say together. plan: its name, may be empty. bounds: its dates."""

    kind: Literal["active", "inactive", "contradictory", "ask_payer", "unstated"]
    plan: str = ""
    bounds: Bounds = Bounds()


def bounds_of(dates: Iterable[CoverDate]) -> Bounds:
    """The days between which the given dates say that cover is in force.

    A single day under a range qualifier (291 D8) tells the day asked about and bounds nothing.
    """
    starts, ends = [], []
    for item in dates:
        ranged = item.qualifier in DATES_RANGE and not item.single
        if item.qualifier in DATES_BEGIN or ranged:
            starts.append(item.start)
        if item.qualifier in DATES_END or ranged:
            ends.append(item.end)
    ends = [day for day in ends if day.year < _OPEN_END_YEAR]
    return Bounds(max(starts, default=None), min(ends, default=None))


def standing(benefits: Benefits, service_types: Sequence[str], on: date | None) -> Standing:
    """What the answer says about the plan, or where it says nothing, about the services asked for.

    An active and an inactive line side by side are usual where each has its own dates (X12 RFI 583)
    or its own plan; for the same plan on the same day they contradict each other.
    """
    for wanted in ({PLAN, ""}, set(service_types)):
        lines = [line for line in benefits.lines if wanted & set(line.service_types or ("",))]
        found = _among(benefits, lines, on)
        if found is not None:
            return found
    if any(line.code in {CONTACT_PAYER, CANNOT_PROCESS} for line in benefits.lines):
        return Standing("ask_payer")
    return Standing("unstated")


def _among(benefits: Benefits, lines: Sequence[Benefit], on: date | None) -> Standing | None:
    active = [line for line in lines if line.code in ACTIVE]
    inactive = [line for line in lines if line.code in INACTIVE]
    now_active = [line for line in active if bounds_of(line.dates).hold(on)]
    now_inactive = [line for line in inactive if bounds_of(line.dates).hold(on)]
    if any(_same_plan(one, other) for one in now_active for other in now_inactive):
        return Standing("contradictory")
    if now_active:
        return _stands("active", benefits, now_active[0])
    if now_inactive:
        return _stands("inactive", benefits, now_inactive[0])
    if active:  # active, but on other days: the dates go along, the verdict compares them
        return _stands("active", benefits, active[0])
    return None


def _stands(kind: Literal["active", "inactive"], benefits: Benefits, line: Benefit) -> Standing:
    named = (other.plan for other in benefits.lines if other.plan and other.code not in INACTIVE)
    plan = line.plan or (next(named, "") if kind == "active" else "")
    own = bounds_of(line.dates)
    return Standing(kind, plan, own if own != Bounds() else bounds_of(benefits.dates))


def _same_plan(one: Benefit, other: Benefit) -> bool:
    """Whether two lines may be about one plan: neither name nor kind of insurance differs."""
    names = {one.plan, other.plan} - {""}
    kinds = {one.insurance_type, other.insurance_type} - {""}
    return len(names) <= 1 and len(kinds) <= 1
