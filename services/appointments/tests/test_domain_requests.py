"""Times that patients ask the desk for: by whom, for when, and how a request ends."""

from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from services.appointments.domain.requests import (
    RequestState,
    checked_times,
    mode_at,
    require_askable,
    require_open,
    stands_at,
)
from services.appointments.domain.rules import Rule, RuleKind, Scope, SelfBooking
from shared.values.errors import Conflict, Forbidden, Invalid

NORTH, KIND, ANN, BEN = (UUID(int=n) for n in range(1, 5))
DENVER = ZoneInfo("America/Denver")
NOW = datetime(2027, 3, 1, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)
LATEST = NOW + timedelta(days=500)


def ruled(mode: str, version: int = 1, scope: Scope | None = None) -> Rule:
    return Rule(RuleKind.SELF_BOOKING, {"mode": mode}, version, scope=scope or Scope())


VIEW, ASK, BOOK = SelfBooking


@pytest.mark.parametrize(
    ("rules", "provider", "mode"),
    [
        ([], None, BOOK),
        ([ruled("request")], None, ASK),
        ([ruled("request"), ruled("view_only", 2)], None, VIEW),
        ([ruled("view_only"), ruled("request", scope=Scope(type_id=KIND))], None, ASK),
        ([ruled("request"), ruled("view_only", scope=Scope(provider_id=ANN))], None, ASK),
        ([ruled("request"), ruled("view_only", scope=Scope(provider_id=ANN))], ANN, VIEW),
        ([ruled("request"), ruled("view_only", scope=Scope(provider_id=ANN))], BEN, ASK),
    ],
)  # fmt: skip
def test_the_rule_that_decides_says_what_patients_may(
    rules: list[Rule], provider: UUID | None, mode: SelfBooking
) -> None:
    assert mode_at(rules, NORTH, KIND, provider, DENVER, NOW) is mode


def test_who_may_only_look_may_not_ask_and_the_desk_may() -> None:
    require_askable([ASK, BOOK], self_service=True)
    require_askable([VIEW], self_service=False)
    with pytest.raises(Forbidden) as refused:
        require_askable([ASK, VIEW], self_service=True)
    assert refused.value.code == "appointment_request.view_only"


@pytest.mark.parametrize(
    ("wished", "code", "pointer"),
    [
        ([], "times", "/wished"),
        ([NOW + HOUR] * 2, "times", "/wished"),
        ([NOW + n * HOUR for n in range(1, 5)], "times", "/wished"),
        ([NOW], "in_past", "/wished/0"),
        ([NOW + HOUR, NOW - HOUR], "in_past", "/wished/1"),
        ([LATEST, LATEST + HOUR], "too_far", "/wished/1"),
    ],
    ids=["none", "twice", "four", "now", "past", "far"],
)
def test_times_that_are_none_are_refused(wished: list[datetime], code: str, pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        checked_times(wished, NOW, LATEST)
    assert (refused.value.code, refused.value.pointer) == (f"appointment_request.{code}", pointer)


def test_up_to_three_times_are_taken_in_any_order() -> None:
    for wished in ([NOW + HOUR], [NOW + 3 * HOUR, NOW + HOUR, LATEST]):
        checked_times(wished, NOW, LATEST)


@pytest.mark.parametrize("state", RequestState)
def test_only_an_open_one_runs_out_and_only_an_open_one_can_be_answered(
    state: RequestState,
) -> None:
    last = NOW + HOUR
    assert stands_at(state, last, last - timedelta(microseconds=1)) is state
    after = stands_at(state, last, last)
    assert after is (RequestState.EXPIRED if state is RequestState.OPEN else state)
    if state is RequestState.OPEN:
        require_open(state)
        return
    with pytest.raises(Conflict) as refused:
        require_open(state)
    assert refused.value.code == f"appointment_request.{state.value}"
