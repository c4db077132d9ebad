"""Rooms on the day: free, occupied, to be cleaned; and whether one takes somebody."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from shared.values.errors import Conflict


class RoomState(StrEnum):
    """How a room stands."""

    FREE = "free"
    OCCUPIED = "occupied"
    TO_BE_CLEANED = "to_be_cleaned"


@dataclass(frozen=True, slots=True)
class RoomNow:
    """A room as it stands: how many it holds, which of its places are taken, and its state."""

    capacity: int
    taken: frozenset[int]
    state: RoomState


def place_in(room: RoomNow) -> int:
    """The place that the next visit takes, from 1.

    Raises Conflict ``room.to_be_cleaned`` and ``room.occupied``.
    """
    if room.state is RoomState.TO_BE_CLEANED:
        raise room_dirty()
    for place in range(1, room.capacity + 1):
        if place not in room.taken:
            return place
    raise room_full()


def after_leaving(others: Collection[int], *, cleaned_between: bool) -> RoomState:
    """How a room stands once a visit has left it; `others`: the places still taken.

    A room for several is cleaned when the last has left.
    """
    if others:
        return RoomState.OCCUPIED
    return RoomState.TO_BE_CLEANED if cleaned_between else RoomState.FREE


def decide_clean(state: RoomState) -> RoomState:
    """A room that was cleaned. Cleaning a free one changes nothing.

    Raises Conflict ``room.occupied``: what is done while a patient is in it is not it.
    """
    if state is RoomState.OCCUPIED:
        raise room_full()
    return RoomState.FREE


def room_full() -> Conflict:
    """The refusal of a room whose places are taken; also for a violated constraint."""
    return Conflict("room.occupied", "This room is occupied.")


def room_dirty() -> Conflict:
    """The refusal of a room that is not clean; also for a violated constraint."""
    return Conflict("room.to_be_cleaned", "This room is to be cleaned first.")
