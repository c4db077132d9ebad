"""May this visit be booked, and what does it occupy?"""

from calendar import monthrange
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from services.appointments.domain.allotment import Colleague, colleagues_for, units_for
from services.appointments.domain.beside import free_room, rooms_of_kind
from services.appointments.domain.bounds import Bound, require_within, within
from services.appointments.domain.judged import Judged, judged
from services.appointments.domain.occupancy import (
    Busy,
    Calendar,
    Occupancy,
    ResourceKind,
    provider_time,
    slot_taken,
)
from services.appointments.domain.resources import (
    AppointmentType,
    Equipment,
    Modality,
    Provider,
    Room,
)
from services.appointments.domain.rules import Asked, PatientFacts, Rule, RuleKind
from services.appointments.domain.tally import Counted, Tally
from shared.values.errors import Conflict, Forbidden, Invalid, NotFound
from shared.values.interval import Interval, at_most_a_day


@dataclass(frozen=True, slots=True)
class BookingPolicy:
    """past_grace: how far back a start may lie, for a walk-in. months_ahead: how far ahead."""

    past_grace: timedelta = timedelta(minutes=15)
    months_ahead: int = 18


@dataclass(frozen=True, slots=True)
class Wish:
    """What the caller asks for. Times are aware and agree with the clinic's zone already.

    patient_id: None where time is held and nobody knows yet for whom. ends_at: None takes the
    length of the type. room_id: None takes any room that is free. overbook: book above the
    provider's capacity if need be. overlap_reason: why the patient may be in two places.
    self_service: a patient books for themselves, so rules for patients bind.
    further_provider_ids: who takes part besides the provider, as many as the type asks for.
    """

    clinic_id: UUID
    patient_id: UUID | None
    starts_at: datetime
    ends_at: datetime | None = None
    known_patient: bool = True
    room_id: UUID | None = None
    overbook: bool = False
    overlap_reason: str | None = None
    self_service: bool = False
    further_provider_ids: tuple[UUID, ...] = ()
    modality: Modality = Modality.IN_PERSON


@dataclass(frozen=True, slots=True)
class BookingFacts:
    """What is known at the moment of booking, under its locks.

    open_times: when the provider is in at the clinic on the days around the visit, sorted and
    joined; bounds: what else the visit must lie within. rooms: the clinic's rooms, in the order in
    which they should fill up. busy: active occupancies of all of these that could touch the visit,
    expired holds left out. equipment: the clinic's, in its order. colleagues: the further providers
    that are asked for. rules: the network's that could decide; `patient` and `visits` (those of the
    local day) are what they must know. waived: kinds of rule that are not asked.
    """

    zone: ZoneInfo
    type: AppointmentType
    provider: Provider
    open_times: tuple[Interval, ...]
    rooms: tuple[Room, ...] = ()
    busy: tuple[Busy, ...] = ()
    may_overbook: bool = False
    equipment: tuple[Equipment, ...] = ()
    colleagues: tuple[Colleague, ...] = ()
    rules: tuple[Rule, ...] = ()
    patient: PatientFacts = field(default_factory=PatientFacts)
    visits: tuple[Counted, ...] = ()
    waived: frozenset[RuleKind] = frozenset()
    bounds: tuple[Bound, ...] = ()


@dataclass(frozen=True, slots=True)
class Booking:
    """A visit that may be booked: write its occupancies in one statement with it."""

    interval: Interval
    clinic_id: UUID
    patient_id: UUID | None
    provider_id: UUID
    room_id: UUID | None
    occupancies: tuple[Occupancy, ...]
    overbooked: bool
    overlap_reason: str | None
    """The reason, when the patient does overlap; None when none was needed."""
    further_provider_ids: tuple[UUID, ...] = ()
    equipment_ids: tuple[UUID, ...] = ()
    decided_by: tuple[Rule, ...] = ()
    """The network's rules that decided, one of each kind; those that are built in left out."""


def decide_booking(
    wish: Wish,
    facts: BookingFacts,
    now: datetime,
    policy: BookingPolicy | None = None,
    *,
    ignoring: UUID | None = None,
) -> Booking:
    """The booking that a wish leads to. `ignoring` is what gives way: see `Calendar`.

    Raises Invalid: ``time.naive``, ``time.format``, ``interval.reversed``, ``interval.too_long``,
    ``appointment.in_past``, ``appointment.too_far``, ``appointment.lead_time``,
    ``appointment.outside_horizon``, ``provider.inactive``, ``override.reason_required``,
    ``provider.count``, ``room.other_kind``, ``modality.not_offered``;
    NotFound: ``provider.not_found``, ``room.not_found``; Forbidden: ``overbook.forbidden``;
    Conflict: ``slot.outside_schedule``, ``clinic.closed``, ``provider.no_credential``,
    ``slot.taken`` (facts: resource, blocked, and of_kind of equipment or provider_id of a further
    provider), ``overbook.quota_used``, ``patient.overlap``; and what the network's rules refuse
    (`rule_checks`).
    """
    interval = wanted_interval(wish, facts.type)
    _check_time(interval, facts, now, policy or BookingPolicy())
    _check_provider(interval, wish.clinic_id, facts)
    facts.type.check_modality(wish.modality)
    under = rules_of(interval, wish, facts, now, ignoring=ignoring)
    under.require()
    provider = replace(facts.provider, capacity=under.capacity(facts.provider.capacity))
    facts = replace(facts, provider=provider, type=facts.type.met(wish.modality))
    calendar = Calendar(facts.busy, ignoring=ignoring)
    occupied = [_provider_occupancy(interval, wish, facts, calendar)]
    overbooked = occupied[0].lane > provider.capacity
    if overbooked:
        under.require_overbooking()
    place = (wish.clinic_id, interval, facts.zone, calendar)
    occupied += colleagues_for(
        facts.type, provider.id, wish.further_provider_ids, facts.colleagues, *place
    )
    room = _room_occupancy(interval, wish, facts, calendar)
    if room is not None:
        occupied.append(room)
    equipment = units_for(facts.type, facts.equipment, *place)
    occupied += equipment
    patient = _patient_occupancy(interval, wish, calendar)
    if patient is not None:
        occupied.append(patient)
    return Booking(
        interval=interval,
        clinic_id=wish.clinic_id,
        patient_id=wish.patient_id,
        provider_id=facts.provider.id,
        room_id=room.resource_id if room else None,
        occupancies=tuple(occupied),
        overbooked=overbooked,
        overlap_reason=wish.overlap_reason if patient and patient.lane > 1 else None,
        further_provider_ids=wish.further_provider_ids,
        equipment_ids=tuple(dict.fromkeys(unit.resource_id for unit in equipment)),
        decided_by=under.of_network,
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


def months_after(day: date, months: int) -> date:
    """The same day of a later month, or that month's last day where it is shorter."""
    years, month = divmod(day.month - 1 + months, 12)
    year, month = day.year + years, month + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def rules_of(
    interval: Interval,
    wish: Wish,
    facts: BookingFacts,
    now: datetime,
    *,
    ignoring: UUID | None = None,
) -> Judged:
    """The rules that decide of a wish at a time, and what they are asked."""
    asked = Asked(
        interval=interval,
        clinic_id=wish.clinic_id,
        type_id=facts.type.id,
        provider_id=facts.provider.id,
        zone=facts.zone,
        now=now,
        self_service=wish.self_service,
        tally=Tally(facts.visits, facts.zone, ignoring=ignoring),
        patient_id=wish.patient_id,
        patient=facts.patient,
    )
    return judged(asked, facts.type, facts.rules, facts.waived)


def _check_time(
    interval: Interval, facts: BookingFacts, now: datetime, policy: BookingPolicy
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


def _check_provider(interval: Interval, clinic_id: UUID, facts: BookingFacts) -> None:
    """At this clinic, active that day, and in at that time. Buffers may lie outside of hours."""
    provider = facts.provider
    if clinic_id not in provider.clinic_ids:
        raise NotFound("provider.not_found", "There is no such provider at this clinic.")
    if not provider.active_on(interval.start.astimezone(facts.zone).date()):
        title = "The provider does not work here on that day."
        raise Invalid("provider.inactive", title, pointer="/provider_id")
    if not within(interval, facts.open_times):
        raise Conflict("slot.outside_schedule", "The provider is not in at that time.")
    require_within(interval, facts.bounds)


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
    rooms = rooms_of_kind(rooms, facts.type)
    if wish.room_id and not rooms:
        title = "This kind of visit needs another kind of room."
        raise Invalid("room.other_kind", title, pointer="/room_id")
    found = free_room(rooms, wish.clinic_id, interval, calendar)
    if found is None:
        blocked = [calendar.blocked(ResourceKind.ROOM, room.id, interval) for room in rooms]
        raise slot_taken(ResourceKind.ROOM, blocked=any(blocked) and all(blocked))
    return Occupancy(ResourceKind.ROOM, found[0].id, found[1], interval)


def _patient_occupancy(interval: Interval, wish: Wish, calendar: Calendar) -> Occupancy | None:
    kind = ResourceKind.PATIENT
    if wish.patient_id is None:
        return None
    lane = calendar.free_lane(kind, wish.patient_id, interval)
    if lane is None:
        if wish.overlap_reason is None:
            raise Conflict("patient.overlap", "The patient has another visit at that time.")
        if not wish.overlap_reason.strip():
            title = "Overriding needs a reason."
            raise Invalid("override.reason_required", title, pointer="/overlap_reason")
        lane = calendar.further_lane(kind, wish.patient_id, interval)
    return Occupancy(kind, wish.patient_id, lane, interval)
