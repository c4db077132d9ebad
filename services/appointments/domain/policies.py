"""What a network asks for on the day of a visit: data, for all, a clinic, a kind of visit.

One policy applies to a visit, whole: the one for its clinic and kind, or else its clinic's, or else
its kind's, or else the network's, or else the default.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from services.appointments.domain.requirement_values import (
    CheckInPolicy,
    ConsentAsked,
    FieldAsked,
)


@dataclass(frozen=True, slots=True)
class VisitPolicy:
    """What is asked at check-in, and how the day goes.

    patience: how long after their turn somebody may wait before an alarm; None raises none.
    rooms_cleaned: a room is cleaned between two visits.
    """

    check_in: CheckInPolicy = field(default_factory=CheckInPolicy)
    patience: timedelta | None = timedelta(minutes=15)
    rooms_cleaned: bool = True


@dataclass(frozen=True, slots=True)
class Scoped:
    """The members of a policy, and what it is for. None is all there are."""

    clinic_id: UUID | None
    appointment_type_id: UUID | None
    members: Mapping[str, Any]


def policy_for(
    entered: Iterable[Scoped], clinic_id: UUID, appointment_type_id: UUID
) -> VisitPolicy:
    """The policy of a visit, of those that a network has entered."""
    held = {(one.clinic_id, one.appointment_type_id): one.members for one in entered}
    for scope in (
        (clinic_id, appointment_type_id),
        (clinic_id, None),
        (None, appointment_type_id),
        (None, None),
    ):
        if scope in held:
            return policy_of(held[scope])
    return VisitPolicy()


def policy_of(members: Mapping[str, Any]) -> VisitPolicy:
    """A policy of its members as they were entered; times are in days and minutes."""
    return VisitPolicy(
        check_in=CheckInPolicy(
            identity_valid=_days(members["identity_valid_days"]),
            cover_asked=members["cover_asked"],
            consents=tuple(ConsentAsked(**one) for one in members["consents"]),
            balance_limit_cents=members["balance_limit_cents"],
            opens_before=_minutes(members["opens_before_minutes"]),
            identity_document_asked=members["identity_document_asked"],
            demographics=tuple(
                FieldAsked(one["field"], timedelta(days=one["valid_days"]))
                for one in members["demographics"]
            ),
            forms=tuple(members["forms"]),
            authorization_asked=members["authorization_asked"],
            copay_asked=members["copay_asked"],
        ),
        patience=_minutes(members["waiting_alarm_minutes"]),
        rooms_cleaned=members["rooms_cleaned"],
    )


def _days(count: int | None) -> timedelta | None:
    return None if count is None else timedelta(days=count)


def _minutes(count: int | None) -> timedelta | None:
    return None if count is None else timedelta(minutes=count)
