"""A room takes as many as it holds, and nobody before it is clean."""

import pytest

from services.appointments.domain.rooming import (
    RoomNow,
    RoomState,
    after_leaving,
    decide_clean,
    place_in,
)
from shared.values.errors import Conflict


def room(capacity: int, *taken: int, state: RoomState | None = None) -> RoomNow:
    found = state or (RoomState.OCCUPIED if taken else RoomState.FREE)
    return RoomNow(capacity, frozenset(taken), found)


def test_a_free_room_takes_somebody_at_its_first_place_that_is_free() -> None:
    assert place_in(room(1)) == 1
    assert place_in(room(3, 1, 3)) == 2


@pytest.mark.parametrize(
    ("now", "code"),
    [
        pytest.param(room(1, 1), "room.occupied", id="occupied"),
        pytest.param(room(2, 1, 2), "room.occupied", id="both-places"),
        pytest.param(room(1, state=RoomState.TO_BE_CLEANED), "room.to_be_cleaned", id="dirty"),
    ],
)
def test_a_room_that_is_full_or_dirty_refuses(now: RoomNow, code: str) -> None:
    with pytest.raises(Conflict) as refused:
        place_in(now)
    assert refused.value.code == code


def test_a_room_is_to_be_cleaned_when_the_last_has_left_it() -> None:
    assert after_leaving([2], cleaned_between=True) is RoomState.OCCUPIED
    assert after_leaving([], cleaned_between=True) is RoomState.TO_BE_CLEANED
    assert after_leaving([], cleaned_between=False) is RoomState.FREE


def test_an_occupied_room_is_not_cleaned() -> None:
    assert decide_clean(RoomState.TO_BE_CLEANED) is RoomState.FREE
    assert decide_clean(RoomState.FREE) is RoomState.FREE
    with pytest.raises(Conflict):
        decide_clean(RoomState.OCCUPIED)
