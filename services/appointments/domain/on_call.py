"""Who is on call: shifts of a role, at one clinic or for the network, and the gaps between them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid5

from shared.values.errors import Conflict, Invalid
from shared.values.interval import Interval, subtracted

SHIFT_MAX = timedelta(days=31)
_SCOPES = UUID("6f0f2a52-5d0c-4a52-9a60-6f6a3b0d9a11")


class Rank(StrEnum):
    """Whom to call first, and whom then."""

    PRIMARY = "primary"
    BACKUP = "backup"


@dataclass(frozen=True, slots=True)
class Shift:
    """Somebody is on call for a role. clinic_id: None is for the network."""

    id: UUID
    role: str
    rank: Rank
    provider_id: UUID
    interval: Interval
    clinic_id: UUID | None = None

    @property
    def scope(self) -> UUID:
        """One id for clinic, role and rank: of each there is one at a time."""
        return uuid5(_SCOPES, f"{self.clinic_id}/{self.role}/{self.rank.value}")


def check_shift(shift: Shift, others: Iterable[Shift]) -> None:
    """Raise unless the shift may be entered beside those of its role that there are.

    Raises Invalid ``on_call.too_long``; Conflict ``on_call.overlaps`` for a second of its rank, and
    ``on_call.same_person`` where nobody would be left to call (facts: shift).
    """
    if shift.interval.length > SHIFT_MAX:
        raise Invalid("on_call.too_long", "A shift lasts 31 days at most.", pointer="/ends_at")
    for other in others:
        same = (other.role, other.clinic_id) == (shift.role, shift.clinic_id)
        if not same or not other.interval.overlaps(shift.interval):
            continue
        facts = {"shift": str(other.id)}
        if other.rank is shift.rank:
            title = "Somebody else is on call then; two may be as primary and backup."
            raise Conflict("on_call.overlaps", title, facts=facts)
        if other.provider_id == shift.provider_id:
            title = "Nobody is their own backup."
            raise Conflict("on_call.same_person", title, facts=facts)


@dataclass(frozen=True, slots=True)
class Gap:
    """Nobody is on call first for a role."""

    role: str
    clinic_id: UUID | None
    interval: Interval


def gaps(shifts: Iterable[Shift], window: Interval, role: str | None = None) -> list[Gap]:
    """When nobody is primary within a window, for each role and clinic that the shifts name.

    role: one that is looked at though no shift names it. In the order of time.
    """
    of: dict[tuple[str, UUID | None], list[Interval]] = {}
    for shift in shifts:
        times = of.setdefault((shift.role, shift.clinic_id), [])
        if shift.rank is Rank.PRIMARY:
            times.append(shift.interval)
    if role is not None and not any(named == role for named, _ in of):
        of[role, None] = []
    found = [
        Gap(named, clinic_id, interval)
        for (named, clinic_id), times in of.items()
        for interval in subtracted([window], times)
    ]
    return sorted(found, key=lambda gap: (gap.interval, gap.role, str(gap.clinic_id)))


def at(shifts: Iterable[Shift], moment: datetime) -> list[Shift]:
    """Who is on call at an instant: by role, the network's before a clinic's, primaries first."""
    found = [s for s in shifts if s.interval.start <= moment < s.interval.end]
    order = {Rank.PRIMARY: 0, Rank.BACKUP: 1}
    return sorted(found, key=lambda s: (s.role, str(s.clinic_id or ""), order[s.rank]))
