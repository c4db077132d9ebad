"""Blocks: time of providers and rooms that is not for visits.

A block takes every lane of its time where nothing else is. Where visits stay, and for as long as
they do, a fence (a lane below 0) keeps new bookings out and stands beside them. A hold and a freeze
are nothing but fences: they take nobody's time away.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from services.appointments.domain.alternatives import ALTERNATIVES_MAX
from services.appointments.domain.occupancy import ResourceKind
from services.appointments.domain.resources import AppointmentType
from services.appointments.domain.slots import Slot
from shared.values.errors import Conflict, Invalid
from shared.values.interval import Interval, subtracted

BLOCK_MAX = timedelta(days=400)
RESOURCES_MAX = 50
VISITS_MAX = 60
"""How many visits are moved at once: each needs a handful of locks."""
PIECE = timedelta(hours=24)
"""No row of occupied time is longer: what looks around a moment need look no further back."""
LOWEST_LANE = -1000


class BlockKind(StrEnum):
    """What the time is for."""

    MEETING = "meeting"
    TIME_OFF = "time_off"
    ADMINISTRATION = "administration"
    TRAVEL = "travel"
    HOLD = "hold"
    FREEZE = "freeze"


class OnVisits(StrEnum):
    """What is to become of the visits in the way."""

    REFUSE = "refuse"
    KEEP = "keep"
    PROPOSE = "propose"


FENCES = frozenset({BlockKind.HOLD, BlockKind.FREEZE})
"""These leave visits where they are."""
_PRESENT = frozenset({BlockKind.MEETING, BlockKind.ADMINISTRATION, BlockKind.TRAVEL})
"""Somebody does these, and so cannot be in another block."""

Resource = tuple[ResourceKind, UUID]


@dataclass(frozen=True, slots=True)
class BlockWish:
    """A block to make; times are of the clinic's zone already. type_id: whom a hold is for."""

    kind: BlockKind
    interval: Interval
    resources: tuple[Resource, ...]
    type_id: UUID | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.resources) <= RESOURCES_MAX:
            raise Invalid("block.resources", "A block is of 1 to 50 providers and rooms.")
        if len(set(self.resources)) < len(self.resources):
            raise Invalid("block.resources", "A block names each of its resources once.")
        if self.interval.length > BLOCK_MAX:
            raise Invalid("block.too_long", "A block lasts 400 days at most.", pointer="/ends_at")
        if (self.kind is BlockKind.HOLD) != (self.type_id is not None):
            title = "A hold, and nothing else, is for an appointment type."
            raise Invalid("block.type", title, pointer="/appointment_type_id")


@dataclass(frozen=True, slots=True)
class Hit:
    """A visit in the way. movable: it has not begun, so it can be booked elsewhere."""

    appointment_id: UUID
    patient_id: UUID
    provider_id: UUID
    interval: Interval
    type: AppointmentType
    movable: bool = True


def check_block(
    wish: BlockWish,
    on_visits: OnVisits,
    hits: Sequence[UUID],
    others: Sequence[UUID],
    now: datetime,
    sessions: Sequence[UUID] = (),
) -> None:
    """Raise unless the block may be made.

    hits: the visits in the way; sessions: the group sessions, with seats taken or not. others:
    blocks of its resources that overlap.
    Raises Invalid ``block.over``; Conflict ``block.overlaps`` (facts: blocks) and
    ``block.visits_hit`` (facts: visits, sessions, decisions).
    """
    if wish.interval.end <= now:
        raise Invalid("block.over", "This time has passed.", pointer="/ends_at")
    if wish.kind in _PRESENT and others:
        title = "Somebody or something is in another block then."
        raise Conflict("block.overlaps", title, facts={"blocks": [str(b) for b in others]})
    if wish.kind not in FENCES and (hits or sessions) and on_visits is OnVisits.REFUSE:
        facts = {
            "visits": [str(visit) for visit in hits],
            "sessions": [str(session) for session in sessions],
            "decisions": [OnVisits.KEEP.value, OnVisits.PROPOSE.value],
        }
        raise Conflict("block.visits_hit", "There are visits at that time.", facts=facts)


def cut(interval: Interval) -> list[Interval]:
    """An interval in pieces of a day at most."""
    found, start = [], interval.start
    while start < interval.end:
        end = min(start + PIECE, interval.end)
        found.append(Interval(start, end))
        start = end
    return found


def free_pieces(interval: Interval, taken: Iterable[Interval]) -> list[Interval]:
    """What a block can take for itself: its time without what is taken, in pieces."""
    return [piece for free in subtracted([interval], taken) for piece in cut(free)]


def fence_lane(used: Iterable[int]) -> int:
    """The first lane below 0 that no other fence of the resource uses. Raises Conflict."""
    lane, taken = -1, set(used)
    while lane in taken:
        lane -= 1
    if lane < LOWEST_LANE:
        raise Conflict("block.too_many", "There are too many blocks at that time.")
    return lane


@dataclass(frozen=True, slots=True)
class _Taken:
    owner: UUID
    interval: Interval
    slot: Slot


def propose(
    hits: Sequence[Hit],
    slots: Mapping[UUID, Sequence[Slot]],
    engaged: Mapping[UUID, Sequence[Interval]],
) -> dict[UUID, tuple[Slot, ...]]:
    """For each visit up to three times instead, in the order of preference, none of them twice.

    slots: what is free for each visit, by the rule of availability. engaged: when each patient is
    elsewhere. In rounds by the visits' starts: everybody's first choice goes before anybody's
    second. Nearest in time; then with their own provider; then the earlier. Two visits are never
    offered a provider or a room at the same time, buffers included.
    """
    taken: list[_Taken] = []
    found: dict[UUID, list[Slot]] = {hit.appointment_id: [] for hit in hits}
    order = sorted(hits, key=lambda hit: (hit.interval, hit.appointment_id))
    nearest = {
        hit.appointment_id: iter(sorted(slots.get(hit.appointment_id, ()), key=_distance(hit)))
        for hit in order
    }
    for _ in range(ALTERNATIVES_MAX):
        for hit in order:
            for slot in nearest[hit.appointment_id]:
                if _fits(hit, slot, taken, engaged.get(hit.patient_id, ())):
                    found[hit.appointment_id].append(slot)
                    taken.append(_Taken(hit.appointment_id, _wide(hit, slot), slot))
                    break
    return {visit: tuple(offered) for visit, offered in found.items()}


def _distance(hit: Hit):  # type: ignore[no-untyped-def]
    def key(slot: Slot) -> tuple[timedelta, bool, Interval, UUID]:
        apart = abs(slot.interval.start - hit.interval.start)
        return apart, slot.provider_id != hit.provider_id, slot.interval, slot.provider_id

    return key


def _wide(hit: Hit, slot: Slot) -> Interval:
    return slot.interval.widened(hit.type.buffer_before, hit.type.buffer_after)


def _fits(hit: Hit, slot: Slot, taken: Sequence[_Taken], engaged: Sequence[Interval]) -> bool:
    if any(slot.interval.overlaps(other) for other in engaged):
        return False
    wide = _wide(hit, slot)
    return not any(
        other.interval.overlaps(wide)
        and (
            _providers(other.slot) & _providers(slot)
            or (slot.room_id is not None and other.slot.room_id == slot.room_id)
        )
        for other in taken
    )


def _providers(slot: Slot) -> set[UUID]:
    return {slot.provider_id, *slot.further_provider_ids}
