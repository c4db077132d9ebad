"""Availability and booking agree: over random clinics every slot can be booked, and nothing else.

A time that could be booked and is not offered has a reason that says why it is not.
"""

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import combinations
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.appointments.domain.beside import Beside
from services.appointments.domain.blocks import cut
from services.appointments.domain.booking import (
    Booking,
    BookingFacts,
    BookingPolicy,
    Wish,
    decide_booking,
    months_after,
)
from services.appointments.domain.bounds import Bound
from services.appointments.domain.clinic_hours import ClinicHours, Holiday, OpenHours
from services.appointments.domain.empty import Empty
from services.appointments.domain.grid import grid_starts
from services.appointments.domain.occupancy import Busy, Calendar, ResourceKind
from services.appointments.domain.resources import (
    AppointmentType,
    Equipment,
    Modality,
    Provider,
    Room,
)
from services.appointments.domain.rule_checks import CHECKS
from services.appointments.domain.rules import Binds, CoverHeld, PatientFacts, Rule, RuleKind, Scope
from services.appointments.domain.schedule import ScheduleException, WeeklySchedule, openings
from services.appointments.domain.slots import (
    Bench,
    Offer,
    Question,
    Slot,
    availability,
    colleagues_of,
)
from services.appointments.domain.tally import Counted, Tally
from shared.values.errors import DomainError
from shared.values.interval import Interval
from shared.values.zones import day_bounds

ANN, BEN, PAT, SUE, NORTH, KIND, ROOM_1, ROOM_2, CAT, SCANNER, BED, SOUTH = (
    UUID(int=n) for n in range(1, 13)
)
ACME, OTHER = UUID(int=51), UUID(int=52)
ZONES = [ZoneInfo(n) for n in ("America/Denver", "Australia/Lord_Howe", "Africa/Cairo")]
DAY = date(2027, 3, 12)
"""A Friday; the clocks of Denver change in the night to Sunday."""
GRID = timedelta(minutes=30)


def minutes(number: int) -> timedelta:
    return timedelta(minutes=number)


LENGTHS = st.sampled_from([20, 30, 45, 90]).map(minutes)
BUFFERS = st.sampled_from([0, 0, 10]).map(minutes)
RULES: dict[RuleKind, st.SearchStrategy[dict[str, object]]] = {
    RuleKind.LEAD_TIME: st.fixed_dictionaries({"minutes": st.sampled_from([0, 240, 2000])}),
    RuleKind.HORIZON: st.fixed_dictionaries({"days": st.integers(1, 3)}),
    RuleKind.AGE: st.fixed_dictionaries({"from_years": st.sampled_from([17, 18, 19])}),
    RuleKind.COVER: st.sampled_from([{"verdicts": ["active"]}, {"verdicts": ["unverified"]}]),
    RuleKind.GENDER: st.sampled_from([{"genders": ["female"]}, {"genders": ["male", "unknown"]}]),
    RuleKind.PAYER: st.sampled_from(
        [{"only_payers": [str(ACME)]}, {"not_payers": [str(ACME)]}, {"only_payers": [str(OTHER)]}]
    ),
    RuleKind.REFERRAL: st.fixed_dictionaries({"required": st.booleans()}),
    RuleKind.AUTHORIZATION: st.fixed_dictionaries({"required": st.booleans()}),
    RuleKind.WAVE: st.fixed_dictionaries({"visits": st.integers(1, 3)}),
    RuleKind.DAILY_CAP: st.fixed_dictionaries({"visits": st.integers(0, 1)}),
    RuleKind.PROVIDER_DAILY_CAP: st.fixed_dictionaries({"visits": st.integers(0, 1)}),
    RuleKind.PATIENT_DAILY_CAP: st.fixed_dictionaries({"visits": st.integers(1, 2)}),
    RuleKind.OVERBOOK_PER_HOUR: st.fixed_dictionaries({"visits": st.integers(0, 2)}),
}
SCOPES = st.sampled_from(
    [Scope(), Scope(), Scope(NORTH), Scope(type_id=KIND), Scope(provider_id=ANN)]
)


@st.composite
def a_rule(draw: st.DrawFn) -> Rule:
    kind = draw(st.sampled_from(sorted(RULES)))
    return Rule(
        kind,
        draw(RULES[kind]),
        draw(st.integers(1, 3)),
        draw(st.sampled_from(Binds)),
        draw(SCOPES),
        draw(st.sampled_from([None, DAY + timedelta(days=1)])),
        draw(st.sampled_from([None, DAY + timedelta(days=2)])),
    )


@st.composite
def busy(draw: st.DrawFn, zone: ZoneInfo) -> Busy:
    kind, whose, lane = draw(
        st.sampled_from(
            [
                (ResourceKind.PROVIDER, ANN, 1),
                (ResourceKind.PROVIDER, ANN, 2),
                (ResourceKind.PROVIDER, BEN, 1),
                (ResourceKind.PROVIDER, BEN, None),
                (ResourceKind.PROVIDER, CAT, 1),
                (ResourceKind.EQUIPMENT, SCANNER, 1),
                (ResourceKind.EQUIPMENT, BED, None),
                (ResourceKind.ROOM, ROOM_1, 1),
                (ResourceKind.ROOM, ROOM_2, None),
                (ResourceKind.PATIENT, PAT, 1),
            ]
        )
    )
    start = datetime.combine(DAY, time(6), zone).astimezone(UTC) + minutes(
        draw(st.integers(0, 60 * 48))
    )
    return Busy(kind, whose, lane, Interval(start, start + minutes(draw(st.integers(5, 400)))))


@st.composite
def blocks(draw: st.DrawFn, zone: ZoneInfo) -> list[Busy]:
    """A block as its rows: no longer than a day each, however long it lasts."""
    kind, whose = draw(
        st.sampled_from(
            [
                (ResourceKind.PROVIDER, ANN),
                (ResourceKind.PROVIDER, CAT),
                (ResourceKind.ROOM, ROOM_1),
            ]
        )
    )
    start = datetime.combine(DAY - timedelta(days=1), time(12), zone).astimezone(UTC)
    start += timedelta(hours=draw(st.integers(0, 72)))
    whole = Interval(start, start + timedelta(hours=draw(st.sampled_from([1, 3, 30, 50]))))
    return [Busy(kind, whose, None, piece) for piece in cut(whole)]


@st.composite
def exceptions(draw: st.DrawFn, who: UUID, zone: ZoneInfo) -> ScheduleException:
    day = DAY + timedelta(days=draw(st.integers(0, 2)))
    if draw(st.booleans()):
        return ScheduleException(who, day, day)
    place, opens = draw(st.sampled_from([NORTH, NORTH, SOUTH])), time(draw(st.integers(0, 12)))
    return ScheduleException(who, day, day, place, zone, opens, time(15))


@st.composite
def clinic_hours(draw: st.DrawFn, zone: ZoneInfo) -> ClinicHours | None:
    if draw(st.booleans()):
        return None
    weekly = [OpenHours(day, time(7), time(draw(st.integers(12, 18)))) for day in (5, 6, 7)]
    day = DAY + timedelta(days=draw(st.integers(0, 2)))
    holidays = [Holiday(day, "Half a day", time(8), time(11)), Holiday(day, "Closed")]
    named = draw(st.sampled_from([(), *((holiday,) for holiday in holidays)]))
    return ClinicHours(zone, tuple(weekly[: draw(st.integers(2, 3))]), named)


def days(zone: ZoneInfo, first: int, last: int) -> tuple[Interval, ...]:
    """The local days from one to the one before another, as a credential lives on whole days."""
    ends = (day_bounds(DAY + timedelta(days=n), zone)[0] for n in (first, last))
    return (Interval(*ends),)


@st.composite
def clinics(draw: st.DrawFn, kind_of_rule: RuleKind | None) -> "Drawn":
    zone = draw(st.sampled_from(ZONES))
    kind = AppointmentType(
        KIND, draw(LENGTHS), draw(LENGTHS), draw(BUFFERS), draw(BUFFERS),
        needs_room=draw(st.booleans()),
        room_kind=draw(st.sampled_from([None, None, "quiet"])),
        equipment=draw(st.sampled_from([(), (("scanner", 1),), (("scanner", 2),)])),
        providers=draw(st.sampled_from([1, 1, 2, 3])),
        lead_time=draw(st.sampled_from([0, 300]).map(minutes)),
        horizon=timedelta(days=draw(st.integers(1, 4))),
        modalities=frozenset(Modality),
    )  # fmt: skip
    starts = datetime.combine(DAY, time(0), zone).astimezone(UTC)
    now = starts + timedelta(hours=draw(st.integers(0, 30)))
    rules = tuple(draw(st.lists(a_rule(), max_size=4 if kind_of_rule is None else 2)))
    if kind_of_rule is not None:
        rules += (Rule(kind_of_rule, draw(RULES[kind_of_rule]), 9),)
    taken = draw(st.lists(busy(zone), min_size=3, max_size=8))
    taken += [
        row
        for rows in draw(st.lists(blocks(zone), max_size=2 if kind_of_rule is None else 1))
        for row in rows
    ]
    counted = tuple(
        Counted(
            UUID(int=100 + n),
            starts + timedelta(hours=draw(st.integers(0, 71))),
            NORTH,
            KIND,
            draw(st.sampled_from([ANN, BEN])),
            draw(st.sampled_from([PAT, SUE])),
        )
        for n in range(draw(st.integers(2, 6)))
    )
    # With one rule looked at the clinic is open, so that there is enough for the rule to judge.
    hours = draw(clinic_hours(zone)) if kind_of_rule is None else None
    bounds: tuple[Bound, ...] = ()
    if hours is not None:
        times = hours.open_times(DAY - timedelta(days=1), DAY + timedelta(days=3))
        bounds = (Bound(Empty.CLINIC_CLOSED, tuple(times)),)
    offers = []
    for who, capacity in ((ANN, 2), (BEN, 1), (CAT, 1)):
        weekly = [
            WeeklySchedule(who, NORTH, zone, day, time(draw(st.integers(0, 9))), time(17, 20))
            for day in draw(st.sets(st.integers(5, 7), min_size=1))
        ]
        differs = draw(st.lists(exceptions(who, zone), max_size=1))
        found = openings(weekly, DAY, DAY + timedelta(days=2), differs)
        open_times = [opening.interval for opening in found if opening.clinic_id == NORTH]
        entitled = None
        if kind_of_rule is None:
            entitled = draw(st.sampled_from([None, None, days(zone, 0, 2), days(zone, 1, 3)]))
        until = draw(st.sampled_from([None, DAY + timedelta(days=1)]))
        provider = Provider(who, frozenset({NORTH}), None, until, capacity)
        last = months_after(now.astimezone(zone).date(), BookingPolicy().months_ahead)
        offers.append(
            Offer(
                provider, NORTH, zone, tuple(open_times), rules, Tally(counted, zone), last,
                bounds if entitled is None else (*bounds, Bound(Empty.NO_CREDENTIAL, entitled)),
            )
        )  # fmt: skip
    question = Question(
        Interval(starts, starts + timedelta(days=3)),
        kind,
        draw(st.booleans()),
        GRID,
        PAT,
        limit=1000,
        self_service=draw(st.booleans()),
        modality=draw(st.sampled_from(Modality)),
        patient=PatientFacts(
            draw(st.sampled_from([None, 2008, 2009])),
            draw(st.sampled_from([None, "active"])),
            gender=draw(st.sampled_from([None, "female", "male"])),
            covers=draw(
                # In effect until the second of the days that are asked for.
                st.sampled_from([(), (CoverHeld(ACME, "primary", DAY, DAY + timedelta(days=1)),)])
            ),
        ),
    )
    rooms = [Room(ROOM_1, NORTH), Room(ROOM_2, NORTH, kind="quiet")][: draw(st.integers(0, 2))]
    items = [
        Equipment(SCANNER, NORTH, "scanner", 1, None, None),
        Equipment(BED, NORTH, "scanner", 1, draw(st.sampled_from([None, DAY])), DAY),
    ]
    return question, offers, rooms, items[: draw(st.integers(0, 2))], taken, now, counted


Drawn = tuple[
    Question, list[Offer], list[Room], list[Equipment], list[Busy], datetime, tuple[Counted, ...]
]
OF_A_RULE = {Empty(c.reason): kind for kind, c in CHECKS.items() if c.reason is not None}


@pytest.mark.parametrize("kind", [None, *RULES])
def test_every_slot_can_be_booked_and_what_is_not_offered_has_its_reason(
    kind: RuleKind | None,
) -> None:
    """And the clinics showed the reason, or each that is no rule's; 18 months are tried apart."""
    seen: Counter[Empty | None] = Counter()

    @settings(max_examples=200 if kind is None else 80, deadline=None, derandomize=True)
    @given(clinics(kind))
    def agree(clinic: Drawn) -> None:
        _agree(clinic, seen)

    agree()
    assert seen[None] > 50
    if kind is None:
        assert set(Empty) - set(seen) - set(OF_A_RULE) == {Empty.TOO_FAR}
    elif kind in OF_A_RULE.values():
        assert {reason for reason, of in OF_A_RULE.items() if of is kind} <= set(seen)


def _agree(clinic: Drawn, seen: Counter[Empty | None]) -> None:
    question, offers, rooms, items, taken, now, _ = clinic
    calendar = Calendar(taken)
    found_there = availability(question, offers, rooms, calendar, now, items)
    offered = {slot.place: slot for slot in found_there.slots}
    for offer in offers:
        bench = Bench(
            question, offer, Beside(rooms, items, colleagues_of(offer, offers)), calendar, now
        )
        companies = companies_of(question, offer, offers)
        on_template = {interval.start: interval for interval in bench.on_template()}
        for at in grid_starts(question.window, question.grid, offer.zone):
            slot = offered.get((at, offer.provider.id, NORTH))
            reason = bench.judge(on_template[at]) if at in on_template else at_that_time(bench, at)
            if slot is not None:
                company = slot.further_provider_ids
                found = book(clinic, offer, at, company)
                assert isinstance(found, Booking), (found, slot)
                assert reason == slot
                assert (found.interval, found.room_id) == (slot.interval, slot.room_id)
                assert found.further_provider_ids == company
                units = sum(row.kind is ResourceKind.EQUIPMENT for row in found.occupancies)
                assert units == sum(count for _, count in question.met.equipment)
                assert not found.overbooked
                seen[None] += 1
                continue
            assert isinstance(reason, Empty)
            seen[reason] += 1
            refused = [book(clinic, offer, at, each) for each in companies]
            for code in {found.code for found in refused if isinstance(found, DomainError)}:
                assert BOUNDED.get(code, reason) is reason
            if any(isinstance(found, Booking) for found in refused):
                # The desk may still enter who has just come.
                assert reason is Empty.PAST
                assert at >= now - BookingPolicy().past_grace


BOUNDED = {"clinic.closed": Empty.CLINIC_CLOSED, "provider.no_credential": Empty.NO_CREDENTIAL}


def at_that_time(bench: Bench, at: datetime) -> Empty:
    """Why one time is not on the template."""
    asked = replace(bench.question, window=Interval(at, at + minutes(1)))
    return replace(bench, question=asked).off_template()


def companies_of(question: Question, offer: Offer, offers: list[Offer]) -> list[tuple[UUID, ...]]:
    """Every choice of colleagues that somebody could ask for."""
    others = [colleague.provider.id for colleague in colleagues_of(offer, offers)]
    return list(combinations(others, question.type.providers - 1))


def book(
    clinic: Drawn, offer: Offer, at: datetime, company: tuple[UUID, ...]
) -> Booking | DomainError:
    question, offers, rooms, items, taken, now, counted = clinic
    wish = Wish(
        NORTH, PAT, at, known_patient=question.known_patient,
        self_service=question.self_service, modality=question.modality,
        further_provider_ids=company,
    )  # fmt: skip
    facts = BookingFacts(
        zone=offer.zone,
        type=question.type,
        provider=offer.provider,
        open_times=offer.open_times,
        bounds=offer.bounds,
        rooms=tuple(rooms),
        equipment=tuple(items),
        colleagues=tuple(c for c in colleagues_of(offer, offers) if c.provider.id in company),
        busy=tuple(taken),
        rules=offer.rules,
        patient=question.patient,
        visits=counted,
    )
    try:
        return decide_booking(wish, facts, now)
    except DomainError as error:
        return error


def test_a_slot_is_the_place_of_a_slot() -> None:
    interval = Interval(
        datetime(2027, 3, 12, 16, tzinfo=UTC), datetime(2027, 3, 12, 17, tzinfo=UTC)
    )
    assert Slot(interval, ANN, NORTH, None).place == (interval.start, ANN, NORTH)
