"""Equipment and colleagues of a visit: what it gets, and what it is refused for."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.appointments.domain.allotment import Colleague, Missing, equipment_for
from services.appointments.domain.booking import BookingFacts, Wish, decide_booking
from services.appointments.domain.empty import Empty
from services.appointments.domain.occupancy import Busy, Calendar, Occupancy, ResourceKind
from services.appointments.domain.resources import AppointmentType, Equipment, Provider, Room
from services.appointments.domain.slots import Offer, Question, availability
from shared.values.errors import DomainError, Invalid
from shared.values.interval import Interval

DENVER = ZoneInfo("America/Denver")
ANN, BEN, CAM, PAT, NORTH, SOUTH = (UUID(int=n) for n in range(1, 7))
SCAN_1, SCAN_2, CUFF, LAB, EXAM = (UUID(int=n) for n in range(11, 16))
START = datetime(2027, 3, 3, 17, tzinfo=UTC)
HOUR = timedelta(hours=1)
AT = Interval(START, START + HOUR)
NOW = START - 24 * HOUR
TODAY = date(2027, 3, 3)
EQUIPMENT, PROVIDER, ROOM = ResourceKind.EQUIPMENT, ResourceKind.PROVIDER, ResourceKind.ROOM
TYPE = AppointmentType(
    UUID(int=31),
    HOUR,
    HOUR,
    needs_room=True,
    room_kind="lab",
    equipment=(("cuff", 1), ("scanner", 2)),
    providers=2,
)
ITEMS = (
    Equipment(CUFF, NORTH, "cuff"),
    Equipment(SCAN_1, NORTH, "scanner"),
    Equipment(SCAN_2, NORTH, "scanner"),
)
OPEN = (Interval(START - 3 * HOUR, START + 6 * HOUR),)
FACTS = BookingFacts(
    zone=DENVER,
    type=TYPE,
    provider=Provider(ANN, frozenset({NORTH})),
    open_times=OPEN,
    rooms=(Room(EXAM, NORTH, kind="exam"), Room(LAB, NORTH, kind="lab")),
    equipment=ITEMS,
    colleagues=(Colleague(Provider(BEN, frozenset({NORTH})), OPEN),),
)
WISH = Wish(NORTH, PAT, START, further_provider_ids=(BEN,))


def busy(kind: ResourceKind, whose: UUID, lane: int | None = 1) -> Busy:
    return Busy(kind, whose, lane, AT, UUID(int=99))


def refused(facts: BookingFacts = FACTS, wish: Wish = WISH) -> DomainError:
    with pytest.raises(DomainError) as found:
        decide_booking(wish, facts, NOW)
    return found.value


def test_a_visit_takes_all_that_its_type_asks_for_at_once() -> None:
    booking = decide_booking(WISH, FACTS, NOW)
    taken = [(o.kind.value, o.resource_id) for o in booking.occupancies]
    assert taken == [
        ("provider", ANN), ("provider", BEN), ("room", LAB),
        ("equipment", CUFF), ("equipment", SCAN_1), ("equipment", SCAN_2), ("patient", PAT),
    ]  # fmt: skip
    assert booking.equipment_ids == (CUFF, SCAN_1, SCAN_2)
    assert booking.further_provider_ids == (BEN,)
    assert not booking.overbooked


@pytest.mark.parametrize(
    ("taken", "facts"),
    [
        (busy(PROVIDER, ANN), {"resource": "provider", "blocked": False}),
        (
            busy(PROVIDER, BEN),
            {"resource": "provider", "blocked": False, "provider_id": str(BEN)},
        ),
        (
            busy(PROVIDER, BEN, None),
            {"resource": "provider", "blocked": True, "provider_id": str(BEN)},
        ),
        (busy(ROOM, LAB), {"resource": "room", "blocked": False}),
        (busy(EQUIPMENT, CUFF), {"resource": "equipment", "blocked": False, "of_kind": "cuff"}),
        (
            busy(EQUIPMENT, SCAN_2),
            {"resource": "equipment", "blocked": False, "of_kind": "scanner"},
        ),
    ],
    ids=["provider", "colleague", "colleague-blocked", "room", "cuff", "scanner"],
)
def test_whichever_is_taken_is_named_s32(taken: Busy, facts: dict[str, object]) -> None:
    error = refused(replace(FACTS, busy=(taken,)))
    assert (error.code, error.facts) == ("slot.taken", facts)
    decide_booking(WISH, FACTS, NOW)


@pytest.mark.parametrize("asked", [(), (ANN,), (BEN, CAM), (BEN, BEN)])
def test_as_many_further_providers_as_the_type_asks_for(asked: tuple[UUID, ...]) -> None:
    error = refused(wish=replace(WISH, further_provider_ids=asked))
    assert (type(error), error.code) == (Invalid, "provider.count")
    assert error.facts == {"further": 1}


def test_a_colleague_who_is_not_in_is_named() -> None:
    away = (Colleague(Provider(BEN, frozenset({NORTH})), ()),)
    error = refused(replace(FACTS, colleagues=away))
    assert (error.code, error.facts) == ("slot.outside_schedule", {"provider_id": str(BEN)})


def test_a_room_that_is_asked_for_is_of_the_kind() -> None:
    error = refused(wish=replace(WISH, room_id=EXAM))
    assert (error.code, error.pointer) == ("room.other_kind", "/room_id")


def test_what_is_out_of_service_on_a_day_of_the_visit_is_not_there() -> None:
    day = timedelta(days=1)
    cases = [
        ((None, None), True),
        ((TODAY, TODAY), False),
        ((TODAY - day, None), False),
        ((TODAY + day, None), True),
        ((TODAY - 9 * day, TODAY - day), True),
    ]
    for (since, until), there in cases:
        cuff = replace(ITEMS[0], out_from=since, out_until=until)
        found = equipment_for(TYPE, (cuff, *ITEMS[1:]), NORTH, AT, DENVER, Calendar(()))
        assert isinstance(found, list) is there, (since, until)


def test_what_is_of_another_clinic_is_not_there() -> None:
    cuff = replace(ITEMS[0], clinic_id=SOUTH)
    found = equipment_for(TYPE, (cuff, *ITEMS[1:]), NORTH, AT, DENVER, Calendar(()))
    assert found == Missing(EQUIPMENT, of_kind="cuff")


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.integers(1, 8),
    st.sets(st.tuples(st.integers(0, 3), st.integers(1, 4))),
)
def test_units_are_lanes_and_none_is_given_twice(
    capacities: list[int], wanted: int, taken: set[tuple[int, int]]
) -> None:
    items = [
        Equipment(UUID(int=100 + n), NORTH, "pump", capacity)
        for n, capacity in enumerate(capacities)
    ]
    rows = [busy(EQUIPMENT, UUID(int=100 + n), lane) for n, lane in taken]
    kind = replace(TYPE, equipment=(("pump", wanted),))
    free = sum((n, lane) not in taken for n, c in enumerate(capacities) for lane in range(1, c + 1))
    found = equipment_for(kind, items, NORTH, AT, DENVER, Calendar(rows))
    if free < wanted:
        assert found == Missing(EQUIPMENT, of_kind="pump")
        return
    assert isinstance(found, list)
    assert len(set(found)) == len(found) == wanted
    assert not {(unit.resource_id.int - 100, unit.lane) for unit in found} & taken
    assert all(isinstance(unit, Occupancy) for unit in found)


@pytest.mark.parametrize(
    ("taken", "reason"),
    [
        (None, None),
        (busy(ROOM, LAB), Empty.ROOM_TAKEN),
        (busy(EQUIPMENT, SCAN_1), Empty.EQUIPMENT_TAKEN),
        (busy(PROVIDER, BEN), Empty.COLLEAGUE_BUSY),
    ],
    ids=["free", "room", "equipment", "colleague"],
)
def test_availability_says_the_same(taken: Busy | None, reason: Empty | None) -> None:
    both = [Offer(Provider(who, frozenset({NORTH})), NORTH, DENVER, (AT,)) for who in (ANN, BEN)]
    asked = Question(AT, TYPE, known_patient=True, grid=HOUR)
    rows = (taken,) if taken else ()
    found = availability(asked, both, FACTS.rooms, Calendar(rows), NOW, ITEMS)
    if reason is None:
        assert [(s.provider_id, s.further_provider_ids) for s in found.slots] == [
            (ANN, (BEN,)),
            (BEN, (ANN,)),
        ]
    else:
        assert found.slots == ()
        assert found.why[0].reason is reason
