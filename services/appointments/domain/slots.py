"""Availability: the times that could be booked, over several providers, or why there are none."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from heapq import merge
from operator import itemgetter
from uuid import UUID
from zoneinfo import ZoneInfo

from services.appointments.domain.allotment import Colleague, Missing
from services.appointments.domain.beside import Beside
from services.appointments.domain.bounds import Bound, open_within
from services.appointments.domain.empty import MISSING, RANK, Empty
from services.appointments.domain.grid import GRIDS, starts_within
from services.appointments.domain.judged import judged
from services.appointments.domain.occupancy import Calendar, ResourceKind, provider_time
from services.appointments.domain.resources import (
    AppointmentType,
    Equipment,
    Modality,
    Provider,
    Room,
)
from services.appointments.domain.rule_checks import CHECKS
from services.appointments.domain.rules import Asked, Binds, PatientFacts, Rule, broken
from services.appointments.domain.tally import Tally
from shared.values.errors import Invalid
from shared.values.interval import Interval

WINDOW_MAX = timedelta(days=93)
LIMIT_MAX = 1000


Place = tuple[datetime, UUID, UUID]
"""Where a slot stands in the order: its start, provider and clinic."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked for: a slot that starts within `window`, at most 93 days long.

    grid: slots start on these marks of the wall clock. patient_id: leaves out times at which the
    patient is elsewhere, and asks the rules that need a patient. limit: how many slots are wanted
    at most. self_service: for a patient who books for themselves. any_room: one of the rooms given
    is wanted, though the visit needs none. after: only slots after this place in the order.
    """

    window: Interval
    type: AppointmentType
    known_patient: bool
    grid: timedelta = timedelta(minutes=15)
    patient_id: UUID | None = None
    limit: int = 200
    self_service: bool = False
    modality: Modality = Modality.IN_PERSON
    any_room: bool = False
    patient: PatientFacts = field(default_factory=PatientFacts)
    after: Place | None = None
    met: AppointmentType = field(init=False)
    """The type with what a visit of this modality takes."""

    def __post_init__(self) -> None:
        if self.window.length > WINDOW_MAX:
            raise Invalid("availability.window", "The window is longer than 93 days.")
        if self.grid not in GRIDS:
            raise Invalid("availability.grid", "The grid is 5, 10, 15, 20, 30 or 60 minutes.")
        if not 1 <= self.limit <= LIMIT_MAX:
            raise Invalid("availability.limit", "The limit is 1 to 1000.")
        self.type.check_modality(self.modality)
        object.__setattr__(self, "met", self.type.met(self.modality))

    @property
    def needs_room(self) -> bool:
        """Whether a slot must have a room."""
        return self.any_room or self.met.needs_room


@dataclass(frozen=True, slots=True)
class Offer:
    """A provider at a clinic, with their hours there that touch the window, sorted and joined.

    bounds: what else a time must lie within, in the order in which it is told. rules: those of the
    network that could decide here. tally: the visits that caps count, by the clinic's days.
    last_day: the last local day that the network books; None is open.
    """

    provider: Provider
    clinic_id: UUID
    zone: ZoneInfo
    open_times: tuple[Interval, ...]
    rules: tuple[Rule, ...] = ()
    tally: Tally | None = None
    last_day: date | None = None
    bounds: tuple[Bound, ...] = ()


@dataclass(frozen=True, slots=True)
class Slot:
    """A time that can be booked; each alone, for two may need the same room."""

    interval: Interval
    provider_id: UUID
    clinic_id: UUID
    room_id: UUID | None
    further_provider_ids: tuple[UUID, ...] = ()

    @property
    def place(self) -> Place:
        """Where it stands in the order."""
        return self.interval.start, self.provider_id, self.clinic_id


@dataclass(frozen=True, slots=True)
class Why:
    """Why an offer has no slot."""

    provider_id: UUID
    clinic_id: UUID
    reason: Empty


@dataclass(frozen=True, slots=True)
class Availability:
    """Slots in time order; `more` when the limit cut some off; `why` for each offer without any.

    Where some were cut off, `why` is of the time up to the last slot, for nothing after it was
    looked at.
    """

    slots: tuple[Slot, ...]
    more: bool
    why: tuple[Why, ...]


def availability(
    question: Question,
    offers: Sequence[Offer],
    rooms: Sequence[Room],
    calendar: Calendar,
    now: datetime,
    equipment: Sequence[Equipment] = (),
    others: Sequence[Offer] | None = None,
) -> Availability:
    """What can be booked. Looks at one time after the other and stops when it has enough.

    `rooms` and `equipment` in the order in which they should fill up; `calendar` holds what is
    taken of every provider, room, item and patient concerned, buffers included. others: who could
    join a visit of several providers, at the same clinic; None is whoever else is offered.
    """
    others = offers if others is None else others
    benches = []
    for offer in offers:
        beside = Beside(rooms, equipment, colleagues_of(offer, others))
        benches.append(Bench(question, offer, beside, calendar, now))
    slots: list[Slot] = []
    furthest = dict.fromkeys(range(len(benches)), Empty.NO_TEMPLATE)
    for _, place, interval in merge(
        *(_numbered(place, bench) for place, bench in enumerate(benches)), key=itemgetter(0)
    ):
        found = benches[place].judge(interval)
        if isinstance(found, Slot):
            furthest.pop(place, None)
            slots.append(found)
            if len(slots) > question.limit:
                break
        elif place in furthest:
            furthest[place] = max(furthest[place], found, key=RANK.__getitem__)
    why = tuple(
        Why(
            offers[place].provider.id,
            offers[place].clinic_id,
            benches[place].off_template() if reason is Empty.NO_TEMPLATE else reason,
        )
        for place, reason in furthest.items()
    )
    return Availability(tuple(slots[: question.limit]), len(slots) > question.limit, why)


def colleagues_of(offer: Offer, others: Sequence[Offer]) -> tuple[Colleague, ...]:
    """Who could join a visit of an offer: everybody else who is at the same clinic."""
    return tuple(
        Colleague(each.provider, open_within(each.open_times, each.bounds))
        for each in others
        if each.clinic_id == offer.clinic_id and each.provider.id != offer.provider.id
    )


def later(one: Why, other: Why) -> Why:
    """Of two reasons for the same offer the one that got further: it was nearer to a slot."""
    return max(one, other, key=lambda why: RANK[why.reason])


def _numbered(place: int, bench: "Bench") -> Iterator[tuple[Place, int, Interval]]:
    offer = bench.offer
    for interval in bench.on_template():
        at = interval.start, offer.provider.id, offer.clinic_id
        if bench.question.after is None or at > bench.question.after:
            yield at, place, interval


@dataclass(slots=True)
class Bench:
    """One offer with all that its times are judged by."""

    question: Question
    offer: Offer
    beside: Beside
    calendar: Calendar
    now: datetime
    _days: dict[date, tuple[tuple[Rule, ...], int]] = field(default_factory=dict)

    def on_template(self) -> Iterator[Interval]:
        """Every start on the grid whose visit lies within hours and bounds, on a day of work."""
        return self._within(open_within(self.offer.open_times, self.offer.bounds))

    def off_template(self) -> Empty:
        """Why no time is on the template: the first thing that left none."""
        reason, times = Empty.NO_TEMPLATE, self.offer.open_times
        for bound in self.offer.bounds:
            if next(self._within(times), None) is None:
                return reason
            reason, times = bound.reason, open_within(times, [bound])
        # Where there are times after all, they were beyond what was looked at.
        return reason if next(self._within(times), None) is None else Empty.NO_TEMPLATE

    def _within(self, times: Sequence[Interval]) -> Iterator[Interval]:
        question, zone = self.question, self.offer.zone
        length = question.type.length_for(known=question.known_patient)
        for interval in starts_within(times, question.window, length, question.grid, zone):
            if self._works_at(interval.start):
                yield interval

    def _works_at(self, moment: datetime) -> bool:
        provider = self.offer.provider
        if provider.active_from is None and provider.active_until is None:
            return True
        return provider.active_on(moment.astimezone(self.offer.zone).date())

    def judge(self, interval: Interval) -> Slot | Empty:
        """The slot of a time on the template, or the first thing that stands in its way."""
        offer, question, calendar = self.offer, self.question, self.calendar
        if interval.start < self.now:
            return Empty.PAST
        day = interval.start.astimezone(offer.zone).date()
        if offer.last_day is not None and day > offer.last_day:
            return Empty.TOO_FAR
        known = self._days.get(day)
        rules, capacity = known if known is not None else self._decide(day, interval)
        if rules:
            stopped = broken(rules, self._asked(interval), CHECKS)
            if stopped is not None:
                return Empty(stopped[1].reason or stopped[0].kind)
        wide = provider_time(interval, question.type)
        provider = offer.provider
        if calendar.blocked(ResourceKind.PROVIDER, provider.id, wide):
            return Empty.BLOCKED
        if calendar.free_lane(ResourceKind.PROVIDER, provider.id, wide, capacity) is None:
            return Empty.FULLY_BOOKED
        patient_id = question.patient_id
        if (
            patient_id is not None
            and calendar.free_lane(ResourceKind.PATIENT, patient_id, interval) is None
        ):
            return Empty.PATIENT_BUSY
        place = (offer.clinic_id, interval, offer.zone, calendar)
        found = self.beside.at(question.met, *place, room=question.needs_room)
        if isinstance(found, Missing):
            return MISSING[found.kind]
        return Slot(
            interval, provider.id, offer.clinic_id, found.room_id, found.further_provider_ids
        )

    def _decide(self, day: date, interval: Interval) -> tuple[tuple[Rule, ...], int]:
        """The rules of a day that could stand in the way, and how many at once are normal."""
        question, offer = self.question, self.offer
        under = judged(self._asked(interval), question.type, offer.rules, UNSEEN)
        bind = tuple(r for r in under.rules if r.binds is Binds.EVERYONE or question.self_service)
        self._days[day] = bind, under.capacity(offer.provider.capacity)
        return self._days[day]

    def _asked(self, interval: Interval) -> Asked:
        question, offer = self.question, self.offer
        return Asked(
            interval=interval,
            clinic_id=offer.clinic_id,
            type_id=question.type.id,
            provider_id=offer.provider.id,
            zone=offer.zone,
            now=self.now,
            self_service=question.self_service,
            tally=offer.tally or Tally((), offer.zone),
            patient_id=question.patient_id,
            patient=question.patient,
        )


UNSEEN = frozenset(kind for kind, check in CHECKS.items() if check.reason is None)
"""What availability leaves out: who books by themselves, which is told beside the slots; and how
far a provider may be overbooked, as it offers nothing above the capacity."""
