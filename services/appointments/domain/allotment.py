"""Which equipment and which colleagues a visit gets besides its provider and its room.

Equipment is units of a kind: an item of capacity n is n lanes, and a visit that needs two units may
have both of one item. What is out of service on a local day of the visit is not there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from services.appointments.domain.occupancy import (
    Calendar,
    Occupancy,
    ResourceKind,
    provider_time,
    slot_taken,
)
from services.appointments.domain.resources import AppointmentType, Equipment, Provider
from shared.values.errors import Conflict, Invalid
from shared.values.interval import Interval

_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Colleague:
    """A further provider, with the times when they are in at the clinic."""

    provider: Provider
    open_times: tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """What a visit cannot have at a time. blocked: no lane of it will be free in that time."""

    kind: ResourceKind
    of_kind: str | None = None
    provider_id: UUID | None = None
    blocked: bool = False


def local_days_of(interval: Interval, zone: ZoneInfo) -> tuple[date, date]:
    """The first and the last local day of an interval; one that ends at midnight ends before."""
    last = interval.end - _INSTANT
    return interval.start.astimezone(zone).date(), last.astimezone(zone).date()


def equipment_for(
    kind: AppointmentType,
    items: Iterable[Equipment],
    clinic_id: UUID,
    interval: Interval,
    zone: ZoneInfo,
    calendar: Calendar,
) -> list[Occupancy] | Missing:
    """The units that a visit gets, items in their order, lower lanes first; or what is missing."""
    first, last = local_days_of(interval, zone)
    there = [e for e in items if e.clinic_id == clinic_id and e.in_service(first, last)]
    found: list[Occupancy] = []
    for wanted, count in kind.equipment:
        units = [
            Occupancy(ResourceKind.EQUIPMENT, item.id, lane, interval)
            for item in there
            if item.kind == wanted
            for lane in calendar.free_lanes(
                ResourceKind.EQUIPMENT, item.id, interval, item.capacity
            )
        ]
        if len(units) < count:
            return Missing(ResourceKind.EQUIPMENT, of_kind=wanted)
        found += units[:count]
    return found


def units_for(
    kind: AppointmentType,
    items: Iterable[Equipment],
    clinic_id: UUID,
    interval: Interval,
    zone: ZoneInfo,
    calendar: Calendar,
) -> list[Occupancy]:
    """As `equipment_for`. Raises Conflict ``slot.taken`` with the kind that is missing."""
    found = equipment_for(kind, items, clinic_id, interval, zone, calendar)
    if isinstance(found, Missing):
        raise slot_taken(found.kind, of_kind=found.of_kind)
    return found


def colleagues_for(
    kind: AppointmentType,
    provider_id: UUID,
    asked: Sequence[UUID],
    colleagues: Iterable[Colleague],
    clinic_id: UUID,
    interval: Interval,
    zone: ZoneInfo,
    calendar: Calendar,
) -> list[Occupancy]:
    """What a visit takes of the further providers that are asked for.

    Raises Invalid ``provider.count`` unless they are as many as the type asks for, and others;
    Conflict: ``slot.outside_schedule``, ``slot.taken``, each with whom it is about.
    """
    wanted = kind.providers - 1
    if len(asked) != wanted or len({*asked, provider_id}) != wanted + 1:
        title = "This kind of visit needs another number of further providers."
        more = {"further": wanted}
        raise Invalid("provider.count", title, pointer="/further_provider_ids", facts=more)
    found = []
    for colleague in colleagues:
        taken = colleague_time(kind, colleague, clinic_id, interval, zone, calendar)
        about = {"provider_id": str(colleague.provider.id)}
        if taken is None:
            title = "A further provider is not in at that time."
            raise Conflict("slot.outside_schedule", title, facts=about)
        if isinstance(taken, Missing):
            raise slot_taken(taken.kind, blocked=taken.blocked, **about)
        found.append(taken)
    return found


def colleague_time(
    kind: AppointmentType,
    colleague: Colleague,
    clinic_id: UUID,
    interval: Interval,
    zone: ZoneInfo,
    calendar: Calendar,
) -> Occupancy | Missing | None:
    """What a visit takes of a colleague. None: they are not in; Missing: their time is taken.

    A colleague is never overbooked: they would be in two rooms.
    """
    provider = colleague.provider
    working = provider.active_on(interval.start.astimezone(zone).date())
    is_in = any(open_time.contains(interval) for open_time in colleague.open_times)
    if clinic_id not in provider.clinic_ids or not working or not is_in:
        return None
    wide = provider_time(interval, kind)
    lane = calendar.free_lane(ResourceKind.PROVIDER, provider.id, wide, provider.capacity)
    if lane is None:
        blocked = calendar.blocked(ResourceKind.PROVIDER, provider.id, wide)
        return Missing(ResourceKind.PROVIDER, provider_id=provider.id, blocked=blocked)
    return Occupancy(ResourceKind.PROVIDER, provider.id, lane, wide)


def colleagues_free(
    kind: AppointmentType,
    colleagues: Sequence[Colleague],
    clinic_id: UUID,
    interval: Interval,
    zone: ZoneInfo,
    calendar: Calendar,
) -> tuple[UUID, ...] | None:
    """Colleagues who could join, as many as the type asks for, in their order; None: too few."""
    wanted = kind.providers - 1
    free: list[UUID] = []
    for colleague in colleagues:
        if len(free) == wanted:
            break
        taken = colleague_time(kind, colleague, clinic_id, interval, zone, calendar)
        if isinstance(taken, Occupancy):
            free.append(colleague.provider.id)
    return tuple(free) if len(free) == wanted else None
