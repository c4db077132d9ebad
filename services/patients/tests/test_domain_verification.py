"""Demographics, verified field by field."""

from datetime import UTC, datetime, timedelta

import pytest

from services.patients.domain.verification import (
    POLICY_DEFAULT,
    Field,
    FieldCheck,
    Outcome,
    Standing,
    decide_verification,
    due_fields,
    standing,
)
from shared.values.errors import Invalid

NOW = datetime(2027, 3, 1, 16, tzinfo=UTC)
DAY = timedelta(days=1)
DESK = "person/desk"
CONFIRMED, CHANGED = Outcome.CONFIRMED, Outcome.CHANGED


def check(field: Field, at: datetime) -> FieldCheck:
    return FieldCheck(field, CONFIRMED, DESK, at)


ALL = [check(field, NOW - 100 * DAY) for field in POLICY_DEFAULT]


@pytest.mark.parametrize(
    ("field", "age", "expected"),
    [
        (Field.ADDRESS, 180 * DAY, Standing.CURRENT),
        (Field.ADDRESS, 180 * DAY + timedelta(seconds=1), Standing.STALE),
        (Field.PHONE, 181 * DAY, Standing.STALE),
        (Field.EMAIL, 181 * DAY, Standing.CURRENT),
        (Field.EMAIL, 366 * DAY, Standing.STALE),
        (Field.BIRTH_DATE, 20_000 * DAY, Standing.CURRENT),
        (Field.NAME, 20_000 * DAY, Standing.CURRENT),
    ],
)
def test_each_field_grows_stale_in_its_own_time(
    field: Field, age: timedelta, expected: Standing
) -> None:
    assert standing(field, [check(field, NOW - age)], NOW) is expected


def test_a_field_never_gone_through_is_due_whatever_else_was() -> None:
    assert standing(Field.EMAIL, [check(Field.PHONE, NOW)], NOW) is Standing.NEVER


def test_the_latest_check_counts() -> None:
    checks = [check(Field.PHONE, NOW - DAY), check(Field.PHONE, NOW - 400 * DAY)]
    assert standing(Field.PHONE, checks, NOW) is Standing.CURRENT


@pytest.mark.parametrize(
    ("amended", "expected"),
    [(-DAY, Standing.CURRENT), (timedelta(0), Standing.CURRENT), (DAY, Standing.STALE)],
)
def test_a_value_that_came_later_was_not_verified(amended: timedelta, expected: Standing) -> None:
    at = NOW - 10 * DAY
    assert standing(Field.NAME, [check(Field.NAME, at)], NOW, amended_at=at + amended) is expected


def test_the_fields_that_are_due_are_in_the_order_of_the_policy() -> None:
    assert due_fields([], NOW) == tuple(POLICY_DEFAULT)
    assert due_fields(ALL, NOW) == ()
    assert due_fields(ALL, NOW + 81 * DAY) == (Field.ADDRESS, Field.PHONE)
    assert due_fields(ALL, NOW, amended={Field.NAME: NOW - DAY}) == (Field.NAME,)
    assert due_fields([], NOW, {Field.GENDER: None}) == (Field.GENDER,)


def test_a_round_records_who_when_and_what_came_of_it() -> None:
    done = decide_verification(
        [(Field.ADDRESS, CHANGED), (Field.PHONE, CONFIRMED)], ALL, DESK, NOW + 81 * DAY
    )
    assert done.checks == (
        FieldCheck(Field.ADDRESS, CHANGED, DESK, NOW + 81 * DAY),
        FieldCheck(Field.PHONE, CONFIRMED, DESK, NOW + 81 * DAY),
    )
    assert (done.changed, done.due, done.complete) == ((Field.ADDRESS,), (), True)


def test_a_round_that_leaves_something_out_is_not_complete() -> None:
    done = decide_verification([(Field.NAME, CONFIRMED), (Field.GENDER, CONFIRMED)], [], DESK, NOW)
    assert not done.complete
    assert done.due == (Field.BIRTH_DATE, Field.ADDRESS, Field.PHONE, Field.EMAIL)


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ([], "verification.empty"),
        ([(Field.NAME, CONFIRMED), (Field.NAME, CHANGED)], "verification.field_twice"),
    ],
)
def test_a_round_without_fields_or_with_one_twice_is_refused(
    answers: list[tuple[Field, Outcome]], code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        decide_verification(answers, [], DESK, NOW)
    assert refused.value.code == code
