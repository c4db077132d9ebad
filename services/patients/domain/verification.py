"""Demographics are verified field by field: who asked the person, when, and what came of it."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from shared.values.errors import Invalid


class Field(StrEnum):
    """What is gone through with the person."""

    NAME = "name"
    BIRTH_DATE = "birth_date"
    GENDER = "gender"
    ADDRESS = "address"
    PHONE = "phone"
    EMAIL = "email"
    EMERGENCY_CONTACT = "emergency_contact"


class Outcome(StrEnum):
    """What the person said."""

    CONFIRMED = "confirmed"
    CHANGED = "changed"


class Standing(StrEnum):
    """How a field stands at an instant."""

    NEVER = "never"
    CURRENT = "current"
    STALE = "stale"


POLICY_DEFAULT: Mapping[Field, timedelta | None] = MappingProxyType(
    {
        Field.NAME: None,
        Field.BIRTH_DATE: None,
        Field.ADDRESS: timedelta(days=180),
        Field.PHONE: timedelta(days=180),
        Field.EMAIL: timedelta(days=365),
    }
)
"""How long a verification of a field holds; None for ever. What is not listed is not asked for."""


@dataclass(frozen=True, slots=True)
class FieldCheck:
    """One field was gone through with the person. by: the actor, as the audit names it."""

    field: Field
    outcome: Outcome
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Verification:
    """What a round of verification comes to.

    checks: one for each field gone through. changed: the fields whose values change with it.
    due: the fields that still have to be gone through. complete: none is.
    """

    checks: tuple[FieldCheck, ...]
    changed: tuple[Field, ...]
    due: tuple[Field, ...]
    complete: bool


def standing(
    field: Field,
    checks: Iterable[FieldCheck],
    now: datetime,
    policy: Mapping[Field, timedelta | None] = POLICY_DEFAULT,
    amended_at: datetime | None = None,
) -> Standing:
    """How a field stands at `now`.

    amended_at: when its value last changed. A value that came after the last check has not been
    verified by it. Raises KeyError for a field that the policy does not list.
    """
    holds = policy[field]
    last = max((check.at for check in checks if check.field is field), default=None)
    if last is None:
        return Standing.NEVER
    if amended_at is not None and amended_at > last:
        return Standing.STALE
    return Standing.STALE if holds is not None and now - last > holds else Standing.CURRENT


def due_fields(
    checks: Collection[FieldCheck],
    now: datetime,
    policy: Mapping[Field, timedelta | None] = POLICY_DEFAULT,
    amended: Mapping[Field, datetime] | None = None,
) -> tuple[Field, ...]:
    """The fields of the policy that are to be gone through, in its order.

    One that the record has no value for is among them: "there is none" is an answer too.
    """
    when = amended or {}
    return tuple(
        field
        for field in policy
        if standing(field, checks, now, policy, when.get(field)) is not Standing.CURRENT
    )


def decide_verification(
    answers: Collection[tuple[Field, Outcome]],
    before: Collection[FieldCheck],
    by: str,
    now: datetime,
    policy: Mapping[Field, timedelta | None] = POLICY_DEFAULT,
    amended: Mapping[Field, datetime] | None = None,
) -> Verification:
    """The verification of some fields by a person at `now`, over the checks made `before`.

    Raises Invalid: ``verification.empty``, ``verification.field_twice``.
    """
    if not answers:
        title = "Name at least one field."
        raise Invalid("verification.empty", title, pointer="/fields")
    if len({field for field, _ in answers}) < len(answers):
        title = "A field is there twice."
        raise Invalid("verification.field_twice", title, pointer="/fields")
    checks = tuple(FieldCheck(field, outcome, by, now) for field, outcome in answers)
    due = due_fields((*before, *checks), now, policy, amended)
    return Verification(
        checks=checks,
        changed=tuple(check.field for check in checks if check.outcome is Outcome.CHANGED),
        due=due,
        complete=not due,
    )
