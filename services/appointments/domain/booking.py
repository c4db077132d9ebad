"""May this visit be booked, and what does it occupy?"""

from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from services.appointments.domain.occupancy import (
    Busy,
    Calendar,
    Occupancy,
    ResourceKind,
    provider_time,
)
from services.appointments.domain.resources import AppointmentType, Provider, Room
from services.appointments.domain.slots import Empty, Slot, free_room
from shared.values.errors import Conflict, Forbidden, Invalid, NotFound
from shared.values.interval import Interval, at_most_a_day

ALTERNATIVES_MAX = 3

_SHUT = {
    Empty.CLINIC_CLOSED: lambda: Conflict("clinic.closed", "The clinic is closed at that time."),
    Empty.NO_CREDENTIAL: lambda: Conflict(
        "provider.no_credential", "The provider lacks what the clinic asks for on that day."
    ),
}


@dataclass(frozen=True, slots=True)
class BookingPolicy:
    """past_grace: how far back a start may lie, for a walk-in. months_ahead: how far ahead."""

    past_grace: timedelta = timedelta(minutes=15)
    months_ahead: int = 18


@dataclass(frozen=True, slots=True)
class Wish:
    """What the caller asks for. Times are aware and agree with the clinic's zone already.

    ends_at: None takes the length of the type. room_id: None takes any room that is free.
    overbook: book above the provider's capacity if need be. overlap_reason: why the patient may be
    in two places. self_service: a patient books for themselves, so lead time and horizon bind.
    """

    clinic_id: UUID
    patient_id: UUID
    starts_at: datetime
    ends_at: datetime | None = None
    known_patient: bool = True
    room_id: UUID | None = None
    overbook: bool = False
    overlap_reason: str | None = None
    self_service: bool = False


@dataclass(frozen=True, slots=True)
class BookingFacts:
    """What is known at the moment of booking, under its locks.

    open_times: when the provider is in at the clinic on the days around the visit, sorted and
    joined. rooms: the clinic's rooms, in the order in which they should fill up. busy: active
    occupancies of provider, rooms and patient that could touch the visit, expired holds left out.
    """

    zone: ZoneInfo
    type: AppointmentType
    provider: Provider
    open_times: tuple[Interval, ...]
    rooms: tuple[Room, ...] = ()
    busy: tuple[Busy, ...] = ()
    may_overbook: bool = False
    shut: tuple[tuple[Empty, tuple[Interval, ...]], ...] = ()
    """As in an offer: what would be open, were it not for a reason."""


@dataclass(frozen=True, slots=True)
class Booking:
    """A visit that may be booked: write its occupancies in one statement with it."""

    interval: Interval
    clinic_id: UUID
    patient_id: UUID
    provider_id: UUID
    room_id: UUID | None
    occupancies: tuple[Occupancy, ...]
    overbooked: bool
    overlap_reason: str | None
    """The reason, when the patient does overlap; None when none was needed."""


def decide_booking(
    wish: Wish,
    facts: BookingFacts,
    now: datetime,
    policy: BookingPolicy | None = None,
    *,
    ignoring: UUID | None = None,
) -> Booking:
    """The booking that a wish leads to. `ignoring` is the appointment that is being moved.

    Raises Invalid: ``time.naive``, ``time.format``, ``interval.reversed``, ``interval.too_long``,
    ``appointment.in_past``, ``appointment.too_far``, ``appointment.lead_time``,
    ``appointment.outside_horizon``, ``provider.inactive``, ``override.reason_required``;
    NotFound: ``provider.not_found``, ``room.not_found``; Forbidden: ``overbook.forbidden``;
    Conflict: ``clinic.closed``, ``provider.no_credential``, ``slot.outside_schedule``,
    ``slot.taken`` (facts: resource, blocked),
    ``overbook.quota_used``, ``patient.overlap``.
    """
    interval = wanted_interval(wish, facts.type)
    _check_time(interval, wish, facts, now, policy or BookingPolicy())
    _check_provider(interval, wish.clinic_id, facts)
    calendar = Calendar(facts.busy, ignoring=ignoring)
    occupied = [_provider_occupancy(interval, wish, facts, calendar)]
    room = _room_occupancy(interval, wish, facts, calendar)
    if room is not None:
        occupied.append(room)
    patient = _patient_occupancy(interval, wish, calendar)
    occupied.append(patient)
    return Booking(
        interval=interval,
        clinic_id=wish.clinic_id,
        patient_id=wish.patient_id,
        provider_id=facts.provider.id,
        room_id=room.resource_id if room else None,
        occupancies=tuple(occupied),
        overbooked=occupied[0].lane > facts.provider.capacity,
        overlap_reason=wish.overlap_reason if patient.lane > 1 else None,
    )


def wanted_interval(wish: Wish, kind: AppointmentType) -> Interval:
    """The interval asked for: true elapsed time, so a visit over a clock change keeps its length.

    Raises Invalid: ``time.naive``, ``time.format`` (seconds), ``interval.reversed`` (equal ends
    too), ``interval.too_long`` (more than 24 hours).
    """
    if wish.starts_at.tzinfo is None:
        raise Invalid("time.naive", "A time needs an offset.", pointer="/starts_at")
    start = wish.starts_at.astimezone(UTC)
    length = kind.length_for(known=wish.known_patient)
    interval = at_most_a_day(Interval(start, wish.ends_at or start + length))
    for moment in (interval.start, interval.end):
        if moment.second or moment.microsecond:
            raise Invalid("time.format", "A visit starts and ends on a whole minute.")
    return interval


def alternatives(wanted: Interval, provider_id: UUID, slots: Iterable[Slot]) -> tuple[Slot, ...]:
    """At most three slots to offer instead, in time order.

    The nearest in time; at the same distance the provider asked for comes first, then the earlier.
    """
    nearest = sorted(
        slots,
        key=lambda slot: (
            abs(slot.interval.start - wanted.start),
            slot.provider_id != provider_id,
            slot.interval,
            slot.provider_id,
        ),
    )
    return tuple(
        sorted(nearest[:ALTERNATIVES_MAX], key=lambda slot: (slot.interval, slot.provider_id))
    )


def months_after(day: date, months: int) -> date:
    """The same day of a later month, or that month's last day where it is shorter."""
    years, month = divmod(day.month - 1 + months, 12)
    year, month = day.year + years, month + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def _check_time(
    interval: Interval, wish: Wish, facts: BookingFacts, now: datetime, policy: BookingPolicy
) -> None:
    """Not long gone, not too far ahead; by the server's clock."""
    pointer = "/starts_at"
    if interval.start < now - policy.past_grace:
        raise Invalid("appointment.in_past", "This time has passed.", pointer=pointer)
    until = months_after(now.astimezone(facts.zone).date(), policy.months_ahead)
    if interval.start.astimezone(facts.zone).date() > until:
        title = "This is further ahead than the network books."
        ahead = {"until": until.isoformat()}
        raise Invalid("appointment.too_far", title, pointer=pointer, facts=ahead)
    if not wish.self_service:
        return
    if interval.start < now + facts.type.lead_time:
        raise Invalid("appointment.lead_time", "This is too soon to book.", pointer=pointer)
    if interval.start > now + facts.type.horizon:
        title = "This is too far ahead to book."
        raise Invalid("appointment.outside_horizon", title, pointer=pointer)


def _check_provider(interval: Interval, clinic_id: UUID, facts: BookingFacts) -> None:
    """At this clinic, active that day, and in at that time. Buffers may lie outside of hours."""
    provider = facts.provider
    if clinic_id not in provider.clinic_ids:
        raise NotFound("provider.not_found", "There is no such provider at this clinic.")
    if not provider.active_on(interval.start.astimezone(facts.zone).date()):
        title = "The provider does not work here on that day."
        raise Invalid("provider.inactive", title, pointer="/provider_id")
    if not any(open_time.contains(interval) for open_time in facts.open_times):
        for cause, else_open in facts.shut:
            if any(open_time.contains(interval) for open_time in else_open):
                raise _SHUT[cause]()
        raise Conflict("slot.outside_schedule", "The provider is not in at that time.")


def _provider_occupancy(
    interval: Interval, wish: Wish, facts: BookingFacts, calendar: Calendar
) -> Occupancy:
    kind, provider = ResourceKind.PROVIDER, facts.provider
    wide = provider_time(interval, facts.type)
    if calendar.blocked(kind, provider.id, wide):
        raise slot_taken(kind, blocked=True)
    lane = calendar.free_lane(kind, provider.id, wide, provider.capacity)
    if lane is None:
        if not wish.overbook:
            raise slot_taken(kind)
        if not facts.may_overbook:
            raise Forbidden("overbook.forbidden", "You may not book above the capacity.")
        lane = calendar.further_lane(kind, provider.id, wide, provider.capacity)
        if lane > provider.capacity + provider.overbook_quota:
            raise Conflict("overbook.quota_used", "The quota for overbooking is used up.")
    return Occupancy(kind, provider.id, lane, wide)


def _room_occupancy(
    interval: Interval, wish: Wish, facts: BookingFacts, calendar: Calendar
) -> Occupancy | None:
    """The room asked for, or the first that is free. Rooms are never overbooked: they are full."""
    if wish.room_id is None and not facts.type.needs_room:
        return None
    rooms = [room for room in facts.rooms if wish.room_id in (None, room.id)]
    if wish.room_id and not any(room.clinic_id == wish.clinic_id for room in rooms):
        raise NotFound("room.not_found", "There is no such room at this clinic.")
    found = free_room(rooms, wish.clinic_id, interval, calendar)
    if found is None:
        blocked = [calendar.blocked(ResourceKind.ROOM, room.id, interval) for room in rooms]
        raise slot_taken(ResourceKind.ROOM, blocked=any(blocked) and all(blocked))
    return Occupancy(ResourceKind.ROOM, found[0].id, found[1], interval)


def _patient_occupancy(interval: Interval, wish: Wish, calendar: Calendar) -> Occupancy:
    kind = ResourceKind.PATIENT
    lane = calendar.free_lane(kind, wish.patient_id, interval)
    if lane is None:
        if wish.overlap_reason is None:
            raise Conflict("patient.overlap", "The patient has another visit at that time.")
        if not wish.overlap_reason.strip():
            title = "Overriding needs a reason."
            raise Invalid("override.reason_required", title, pointer="/overlap_reason")
        lane = calendar.further_lane(kind, wish.patient_id, interval)
    return Occupancy(kind, wish.patient_id, lane, interval)


def slot_taken(kind: ResourceKind, *, blocked: bool = False) -> Conflict:
    """The refusal when a resource is taken; also for a violated exclusion constraint."""
    facts = {"resource": kind.value, "blocked": blocked}
    return Conflict("slot.taken", "This time is taken.", facts=facts)
