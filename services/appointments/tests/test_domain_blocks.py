"""Blocks: what they may hit, what they take, and what is proposed instead."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.appointments.domain.blocks import (
    FENCES,
    PIECE,
    BlockKind,
    BlockWish,
    Hit,
    OnVisits,
    check_block,
    cut,
    fence_lane,
    free_pieces,
    propose,
)
from services.appointments.domain.occupancy import ResourceKind
from services.appointments.domain.resources import AppointmentType
from services.appointments.domain.slots import Slot
from shared.values.errors import Conflict, DomainError
from shared.values.interval import Interval, normalised, subtracted

T0 = datetime(2026, 11, 3, 16, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ANN, BEN, CLINIC = UUID(int=1), UUID(int=2), UUID(int=10)
VISIT, BLOCK, SESSION = UUID(int=20), UUID(int=30), UUID(int=40)
TYPE = AppointmentType(
    UUID(int=40), 20 * MINUTE, 20 * MINUTE, buffer_before=5 * MINUTE, buffer_after=5 * MINUTE
)
PROVIDER = (ResourceKind.PROVIDER, ANN)


def span(start: int, end: int) -> Interval:
    return Interval(T0 + start * MINUTE, T0 + end * MINUTE)


def wish(kind: BlockKind, **more: object) -> BlockWish:
    given: dict[str, object] = {"interval": span(0, 60), "resources": (PROVIDER,), **more}
    if kind is BlockKind.HOLD:
        given.setdefault("type_id", TYPE.id)
    return BlockWish(kind, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("on_visits", OnVisits)
@pytest.mark.parametrize("kind", BlockKind)
def test_a_block_over_visits_needs_a_decision_unless_it_leaves_them(
    kind: BlockKind, on_visits: OnVisits
) -> None:
    check_block(wish(kind), on_visits, (), (), T0)
    if kind in FENCES or on_visits is not OnVisits.REFUSE:
        check_block(wish(kind), on_visits, (VISIT,), (), T0)
        return
    with pytest.raises(Conflict) as refused:
        check_block(wish(kind), on_visits, (VISIT,), (), T0)
    assert refused.value.code == "block.visits_hit"
    ways = ["keep", "propose"]
    assert refused.value.facts == {"visits": [str(VISIT)], "sessions": [], "decisions": ways}
    with pytest.raises(Conflict) as refused:
        check_block(wish(kind), on_visits, (), (), T0, (SESSION,))
    assert refused.value.facts == {"visits": [], "sessions": [str(SESSION)], "decisions": ways}


@pytest.mark.parametrize(
    ("kind", "refused"),
    [
        (BlockKind.MEETING, True),
        (BlockKind.ADMINISTRATION, True),
        (BlockKind.TRAVEL, True),
        (BlockKind.TIME_OFF, False),
        (BlockKind.HOLD, False),
        (BlockKind.FREEZE, False),
    ],
)
def test_nobody_is_in_two_meetings_but_anybody_may_fall_ill(kind: BlockKind, refused: bool) -> None:
    codes = []
    try:
        check_block(wish(kind), OnVisits.REFUSE, (), (BLOCK,), T0)
    except Conflict as error:
        codes.append(error.code)
    assert codes == (["block.overlaps"] if refused else [])


def test_a_block_of_the_past_is_refused() -> None:
    with pytest.raises(DomainError, match=r"block\.over"):
        check_block(wish(BlockKind.MEETING), OnVisits.REFUSE, (), (), T0 + 60 * MINUTE)
    check_block(wish(BlockKind.MEETING), OnVisits.REFUSE, (), (), T0 + 59 * MINUTE)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"resources": ()}, "block.resources"),
        ({"resources": (PROVIDER, PROVIDER)}, "block.resources"),
        ({"interval": Interval(T0, T0 + timedelta(days=400, minutes=1))}, "block.too_long"),
        ({"type_id": TYPE.id}, "block.type"),
    ],
)
def test_a_block_that_makes_no_sense_is_refused(change: dict[str, object], code: str) -> None:
    with pytest.raises(DomainError) as refused:
        wish(BlockKind.MEETING, **change)
    assert refused.value.code == code


def test_a_hold_is_for_a_type() -> None:
    with pytest.raises(DomainError, match=r"block\.type"):
        wish(BlockKind.HOLD, type_id=None)


SPANS = st.tuples(st.integers(0, 4000), st.integers(1, 3000)).map(lambda x: span(x[0], x[0] + x[1]))


@given(whole=SPANS, taken=st.lists(SPANS, max_size=6))
def test_a_block_takes_exactly_what_is_free_in_pieces_of_a_day(
    whole: Interval, taken: list[Interval]
) -> None:
    pieces = free_pieces(whole, taken)
    assert normalised(pieces) == subtracted([whole], taken)
    assert all(piece.length <= PIECE for piece in pieces)
    assert all(one.end <= other.start for one, other in pairwise(pieces))
    assert normalised(cut(whole)) == [whole]


@pytest.mark.parametrize(
    ("used", "lane"), [([], -1), ([0, 1], -1), ([-1], -2), ([-2], -1), ([-1, -2, -3], -4)]
)
def test_each_fence_has_a_lane_of_its_own(used: list[int], lane: int) -> None:
    assert fence_lane(used) == lane


def hit(number: int, start: int, provider_id: UUID = ANN) -> Hit:
    return Hit(UUID(int=100 + number), UUID(int=200 + number), provider_id, span(start, start + 20),
               TYPE)  # fmt: skip


def slot(start: int, provider_id: UUID = BEN, room_id: UUID | None = None) -> Slot:
    return Slot(span(start, start + 20), provider_id, CLINIC, room_id)


def test_the_nearest_goes_first_and_the_own_provider_at_the_same_distance() -> None:
    one = hit(1, 0)
    slots = {one.appointment_id: [slot(300), slot(60), slot(-60, ANN), slot(-60)]}
    (offered,) = propose([one], slots, {}).values()
    assert offered == (slot(-60, ANN), slot(-60), slot(60))


def test_a_patient_is_not_offered_when_they_are_elsewhere() -> None:
    one = hit(1, 0)
    slots = {one.appointment_id: [slot(60), slot(120)]}
    offered = propose([one], slots, {one.patient_id: [span(70, 75)]})
    assert offered[one.appointment_id] == (slot(120),)


def test_everybodys_first_choice_goes_before_anybodys_second() -> None:
    hits = [hit(1, 0), hit(2, 20)]
    both = [slot(60), slot(100)]
    offered = propose(hits, {h.appointment_id: both for h in hits}, {})
    assert [offered[h.appointment_id] for h in hits] == [(slot(60),), (slot(100),)]


@given(
    starts=st.lists(st.integers(0, 20).map(lambda n: n * 20), min_size=1, max_size=8),
    free=st.lists(
        st.tuples(
            st.integers(0, 60).map(lambda n: n * 5),
            st.sampled_from([ANN, BEN]),
            st.sampled_from([None, UUID(int=50), UUID(int=51)]),
        ),
        max_size=40,
    ),
)
def test_no_time_is_proposed_twice(
    starts: list[int], free: list[tuple[int, UUID, UUID | None]]
) -> None:
    hits = [hit(n, start) for n, start in enumerate(starts)]
    slots = [slot(*one) for one in free]
    offered = propose(hits, {h.appointment_id: slots for h in hits}, {})
    assert set(offered) == {h.appointment_id for h in hits}
    everything = [one for found in offered.values() for one in found]
    assert all(one in slots for one in everything)
    for n, one in enumerate(everything):
        for other in everything[n + 1 :]:
            if one.provider_id == other.provider_id or (
                one.room_id and one.room_id == other.room_id
            ):
                wide = [x.interval.widened(5 * MINUTE, 5 * MINUTE) for x in (one, other)]
                assert not wide[0].overlaps(wide[1])
    # Whoever is offered nothing, though a time was free, has lost each of them to another visit.
    if slots and len(hits) == 1:
        assert offered[hits[0].appointment_id]
