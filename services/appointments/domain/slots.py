"""Availability: the times that could be booked, over several providers, or why there are none."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from services.appointments.domain.occupancy import Calendar, ResourceKind, provider_time
from services.appointments.domain.resources import AppointmentType, Provider, Room
from shared.values.errors import Invalid
from shared.values.interval import Interval

WINDOW_MAX = timedelta(days=93)
LIMIT_MAX = 1000
GRIDS = frozenset(timedelta(minutes=minutes) for minutes in (5, 10, 15, 20, 30, 60))
"""Grids divide the hour, so that every hour has the same marks."""

_DAY_START = {"hour": 0, "minute": 0, "second": 0, "microsecond": 0}


class Empty(StrEnum):
    """Why a provider has no slot: the first step that left none."""

    NO_TEMPLATE = "no_template"
    """Not in during the window, or never for long enough."""
    CLINIC_CLOSED = "clinic_closed"
    """In by the template, outside of the clinic's hours or on a holiday."""
    NO_CREDENTIAL = "no_credential"
    """Without what the clinic asks who works there to hold."""
    LEAD_TIME = "lead_time"
    OUTSIDE_HORIZON = "outside_horizon"
    BLOCKED = "blocked"
    FULLY_BOOKED = "fully_booked"
    PATIENT_BUSY = "patient_busy"
    ROOM_TAKEN = "room_taken"


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked for: a slot that starts within `window`, at most 93 days long.

    grid: slots start on these marks of the wall clock. patient_id: leaves out times at which the
    patient is elsewhere. limit: how many slots are wanted at most.
    """

    window: Interval
    type: AppointmentType
    known_patient: bool
    grid: timedelta = timedelta(minutes=15)
    patient_id: UUID | None = None
    limit: int = 200

    def __post_init__(self) -> None:
        if self.window.length > WINDOW_MAX:
            raise Invalid("availability.window", "The window is longer than 93 days.")
        if self.grid not in GRIDS:
            raise Invalid("availability.grid", "The grid is 5, 10, 15, 20, 30 or 60 minutes.")
        if not 1 <= self.limit <= LIMIT_MAX:
            raise Invalid("availability.limit", "The limit is 1 to 1000.")


@dataclass(frozen=True, slots=True)
class Offer:
    """A provider at a clinic, with the openings there that touch the window, sorted and joined.

    shut: for each reason why a time that else were open is not, what it takes away from, the
    narrowest first.
    """

    provider: Provider
    clinic_id: UUID
    zone: ZoneInfo
    open_times: tuple[Interval, ...]
    shut: tuple[tuple[Empty, tuple[Interval, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Slot:
    """A time that can be booked; each alone, for two may need the same room."""

    interval: Interval
    provider_id: UUID
    clinic_id: UUID
    room_id: UUID | None


@dataclass(frozen=True, slots=True)
class Why:
    """Why an offer has no slot."""

    provider_id: UUID
    clinic_id: UUID
    reason: Empty


@dataclass(frozen=True, slots=True)
class Availability:
    """Slots in time order; `more` when the limit cut some off; `why` for each offer without any."""

    slots: tuple[Slot, ...]
    more: bool
    why: tuple[Why, ...]


def availability(
    question: Question,
    offers: Sequence[Offer],
    rooms: Sequence[Room],
    calendar: Calendar,
    now: datetime,
) -> Availability:
    """What can be booked.

    `rooms` in the order in which they should fill up; `calendar` holds what is taken of every
    provider, room and patient concerned, buffers included.
    """
    slots: list[Slot] = []
    why: list[Why] = []
    for offer in offers:
        found, reason = _of_one(question, offer, rooms, calendar, now)
        slots += found
        if reason is not None:
            why.append(Why(offer.provider.id, offer.clinic_id, reason))
    slots.sort(key=lambda slot: (slot.interval, slot.provider_id, slot.clinic_id))
    limit = question.limit
    return Availability(tuple(slots[:limit]), len(slots) > limit, tuple(why))


def grid_starts(open_time: Interval, grid: timedelta, zone: ZoneInfo) -> Iterator[datetime]:
    """The instants (UTC) within [start, end) at which the wall clock of a zone is on the grid.

    The wall clock is asked at every step, so a change by an hour or by half of one keeps the marks.
    """
    at = open_time.start
    while at < open_time.end:
        wall = at.astimezone(zone).replace(tzinfo=None)
        beyond = (wall - wall.replace(**_DAY_START)) % grid  # type: ignore[arg-type]
        if beyond:
            at += grid - beyond
        else:
            yield at
            at += grid


def free_room(
    rooms: Sequence[Room], clinic_id: UUID, interval: Interval, calendar: Calendar
) -> tuple[Room, int] | None:
    """The first room of a clinic with a free lane, and the lane."""
    for room in rooms:
        if room.clinic_id == clinic_id:
            lane = calendar.free_lane(ResourceKind.ROOM, room.id, interval, room.capacity)
            if lane is not None:
                return room, lane
    return None


def _of_one(
    question: Question, offer: Offer, rooms: Sequence[Room], calendar: Calendar, now: datetime
) -> tuple[list[Slot], Empty | None]:
    """The slots of one offer, or the step that left none."""
    left = _on_template(question, offer)
    reason = Empty.NO_TEMPLATE
    if not left:
        for cause, else_open in offer.shut:
            if _on_template(question, replace(offer, open_times=else_open)):
                return [], cause
    for step, keeps in _steps(question, offer, calendar, now):
        if left:
            reason = step
            left = [interval for interval in left if keeps(interval)]
    if left and not question.type.needs_room:
        return [Slot(at, offer.provider.id, offer.clinic_id, None) for at in left], None
    slots: list[Slot] = []
    for interval in left:
        reason = Empty.ROOM_TAKEN
        found = free_room(rooms, offer.clinic_id, interval, calendar)
        if found is not None:
            slots.append(Slot(interval, offer.provider.id, offer.clinic_id, found[0].id))
    return slots, None if slots else reason


def _on_template(question: Question, offer: Offer) -> list[Interval]:
    """Every start on the grid whose visit lies within an opening, on a day the provider works."""
    length = question.type.length_for(known=question.known_patient)
    window = question.window
    found: list[Interval] = []
    for open_time in offer.open_times:
        begin, end = max(open_time.start, window.start), min(open_time.end, window.end)
        if begin < end:
            for at in grid_starts(Interval(begin, end), question.grid, offer.zone):
                day = at.astimezone(offer.zone).date()
                if at + length <= open_time.end and offer.provider.active_on(day):
                    found.append(Interval(at, at + length))
    return found


def _steps(
    question: Question, offer: Offer, calendar: Calendar, now: datetime
) -> list[tuple[Empty, Callable[[Interval], bool]]]:
    """What a time on the template must pass, in the order in which a person would ask."""
    kind, provider = question.type, offer.provider
    earliest, latest = now + kind.lead_time, now + kind.horizon

    def unblocked(interval: Interval) -> bool:
        wide = provider_time(interval, kind)
        return not calendar.blocked(ResourceKind.PROVIDER, provider.id, wide)

    def unbooked(interval: Interval) -> bool:
        wide = provider_time(interval, kind)
        lane = calendar.free_lane(ResourceKind.PROVIDER, provider.id, wide, provider.capacity)
        return lane is not None

    def patient_free(interval: Interval) -> bool:
        patient_id = question.patient_id
        if patient_id is None:
            return True
        return calendar.free_lane(ResourceKind.PATIENT, patient_id, interval) is not None

    return [
        (Empty.LEAD_TIME, lambda interval: interval.start >= earliest),
        (Empty.OUTSIDE_HORIZON, lambda interval: interval.start <= latest),
        (Empty.BLOCKED, unblocked),
        (Empty.FULLY_BOOKED, unbooked),
        (Empty.PATIENT_BUSY, patient_free),
    ]
