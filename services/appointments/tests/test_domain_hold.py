"""May a time be held, for how long, and by whom may it be taken?"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.appointments.domain.hold import (
    TTL_MAX,
    Hold,
    HoldState,
    extended_until,
    lifetime,
    release_ends,
    require_below_cap,
    require_takeable,
    taken_already,
)
from shared.values.errors import Conflict, DomainError, Invalid

NOW = datetime(2027, 3, 1, 15, tzinfo=UTC)
PAT, QUIN, VISIT = UUID(int=1), UUID(int=2), UUID(int=3)
DANA, NOOR = "person/dana", "person/noor"
MINUTE = timedelta(minutes=1)
LIVING = Hold(HoldState.HELD, DANA, NOW + 5 * MINUTE, PAT)
FOR_NOBODY = replace(LIVING, patient_id=None)
ENDED = {
    "hold.released": replace(LIVING, state=HoldState.RELEASED),
    "hold.expired": replace(LIVING, state=HoldState.EXPIRED),
    "hold.taken": replace(LIVING, state=HoldState.TAKEN, appointment_id=VISIT),
}


def code_of(ask: Callable[[], object]) -> tuple[type[DomainError], str]:
    with pytest.raises(DomainError) as refused:
        ask()
    return type(refused.value), refused.value.code


def test_a_hold_for_a_patient_is_taken_by_anybody_for_that_patient() -> None:
    require_takeable(LIVING, PAT, NOOR, NOW)
    assert code_of(lambda: require_takeable(LIVING, QUIN, DANA, NOW)) == (Conflict, "hold.anothers")


def test_a_hold_for_nobody_is_taken_by_who_holds_it_for_anybody() -> None:
    require_takeable(FOR_NOBODY, QUIN, DANA, NOW)
    refused = code_of(lambda: require_takeable(FOR_NOBODY, QUIN, NOOR, NOW))
    assert refused == (Conflict, "hold.anothers")


@pytest.mark.parametrize("code", ENDED)
def test_a_hold_that_has_ended_is_neither_taken_nor_extended(code: str) -> None:
    held = ENDED[code]
    assert code_of(lambda: require_takeable(held, PAT, DANA, NOW)) == (Conflict, code)
    assert code_of(lambda: extended_until(held, DANA, NOW, MINUTE)) == (Conflict, code)


def test_it_ends_at_its_last_instant_by_the_servers_clock_s48() -> None:
    last = LIVING.expires_at - timedelta(microseconds=1)
    require_takeable(LIVING, PAT, DANA, last)
    late = code_of(lambda: require_takeable(LIVING, PAT, DANA, LIVING.expires_at))
    assert late == (Conflict, "hold.expired")


def test_a_hold_that_became_a_visit_gives_it_again_to_the_same_patient_alone() -> None:
    taken = ENDED["hold.taken"]
    assert taken_already(taken, PAT) == VISIT
    assert taken_already(taken, QUIN) is None
    assert taken_already(LIVING, PAT) is None


def test_a_hold_is_extended_once_from_now_on_and_never_made_shorter() -> None:
    assert extended_until(LIVING, DANA, NOW, 10 * MINUTE) == NOW + 10 * MINUTE
    assert extended_until(LIVING, DANA, NOW, MINUTE) == LIVING.expires_at
    again = replace(LIVING, extended=True)
    refused = code_of(lambda: extended_until(again, DANA, NOW, MINUTE))
    assert refused == (Conflict, "hold.extended_already")
    other = code_of(lambda: extended_until(LIVING, NOOR, NOW, MINUTE))
    assert other == (Conflict, "hold.anothers")


def test_a_hold_whose_time_somebody_took_when_it_was_over_is_not_revived() -> None:
    gone = replace(LIVING, intact=False)
    assert code_of(lambda: extended_until(gone, DANA, NOW, MINUTE)) == (Conflict, "hold.expired")


@pytest.mark.parametrize("ttl", [timedelta(0), -MINUTE, TTL_MAX + MINUTE])
def test_a_lifetime_has_limits(ttl: timedelta) -> None:
    assert code_of(lambda: lifetime(ttl)) == (Invalid, "hold.ttl")
    assert lifetime(TTL_MAX) == TTL_MAX


@pytest.mark.parametrize(("living", "fits"), [(0, True), (19, True), (20, False), (21, False)])
def test_who_holds_as_much_as_they_may_holds_no_more(living: int, fits: bool) -> None:
    if fits:
        require_below_cap(living, 20)
    else:
        assert code_of(lambda: require_below_cap(living, 20)) == (Conflict, "hold.too_many")


def test_giving_back_changes_a_living_hold_and_no_other() -> None:
    assert release_ends(LIVING, NOW)
    assert not release_ends(ENDED["hold.released"], NOW)
    assert not release_ends(ENDED["hold.expired"], NOW)
    refused = code_of(lambda: release_ends(ENDED["hold.taken"], NOW))
    assert refused == (Conflict, "hold.taken")


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 29))
def test_no_hold_lives_longer_than_twice_the_most(first: int, second: int, after: int) -> None:
    begun = replace(LIVING, expires_at=NOW + lifetime(first * MINUTE))
    at = NOW + min(after, first - 1) * MINUTE
    assert extended_until(begun, DANA, at, second * MINUTE) <= NOW + 2 * TTL_MAX
