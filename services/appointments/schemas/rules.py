"""Models of booking rules and of why a booking is refused."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.appointments import tables as t
from services.appointments.domain.rule_values import PAYERS_MOST
from services.appointments.domain.rules import Binds, RuleKind
from services.appointments.schemas.availability import SlotView
from services.appointments.schemas.visits import BookAppointment, RuleVersion
from shared.web.fields import STRICT

_CLINIC = "0190a1b2-0000-7000-8000-000000000010"
_TYPE = "0190a1b2-0000-7000-8000-000000000012"


class RuleValue(BaseModel):
    """What a rule says: the members that its kind takes, and no other.

    `minutes` of lead time; `days` of a horizon; `visits` of a cap, quota or wave; `from_years` and
    `until_years` of an age limit, both included; the administrative `genders` that a visit is for;
    the `verdicts` that cover must have; the `only_payers` that a visit is booked with or the
    `not_payers`, by who pays first on its day; the `mode` of self-booking; `required` of a referral
    or an authorization, of which nothing is heard yet: such a rule refuses everybody whom it binds.
    """

    model_config = ConfigDict(**STRICT)

    minutes: int | None = None
    days: int | None = None
    visits: int | None = None
    from_years: int | None = None
    until_years: int | None = None
    verdicts: (
        Annotated[
            list[Literal["active", "inactive", "unverified", "self_pay"]], Field(max_length=4)
        ]
        | None
    ) = None
    genders: (
        Annotated[list[Literal["female", "male", "other", "unknown"]], Field(max_length=4)] | None
    ) = None
    only_payers: Annotated[list[UUID], Field(max_length=PAYERS_MOST)] | None = None
    not_payers: Annotated[list[UUID], Field(max_length=PAYERS_MOST)] | None = None
    required: bool | None = None
    mode: Literal["view_only", "request", "self_book"] | None = None


class EnterRule(BaseModel):
    """A rule to enter; of the same kind and narrowing as one that is there, its next version."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [
                {
                    "kind": "daily_cap",
                    "value": {"visits": 12},
                    "clinic_id": _CLINIC,
                    "appointment_type_id": _TYPE,
                    "effective_from": "2026-11-30",
                }
            ]
        },
    )

    kind: Annotated[RuleKind, Field(strict=False)]
    value: RuleValue
    binds: Annotated[Binds, Field(strict=False)] = Binds.EVERYONE
    clinic_id: UUID | None = None
    appointment_type_id: UUID | None = None
    provider_id: UUID | None = None
    effective_from: date | None = None
    effective_until: date | None = None


class EndRule(BaseModel):
    """The last local day of visits of which the rule decides."""

    model_config = ConfigDict(
        **STRICT, json_schema_extra={"examples": [{"effective_until": "2026-12-31"}]}
    )

    effective_until: date


class FindRules(BaseModel):
    """Which rules are listed: those that could decide of visits there, wider ones as well.

    `ended` adds those that decide of no day from today on.
    """

    model_config = ConfigDict(extra="forbid")

    kind: RuleKind | None = None
    clinic_id: UUID | None = None
    appointment_type_id: UUID | None = None
    provider_id: UUID | None = None
    ended: bool = False


class RuleView(BaseModel):
    """One version of a rule, who entered it and who ended it."""

    id: UUID
    kind: str
    rule_version: int
    value: dict[str, Any]
    binds: str
    clinic_id: UUID | None
    appointment_type_id: UUID | None
    provider_id: UUID | None
    effective_from: date | None
    effective_until: date | None
    entered_at: datetime
    entered_by: str
    ended_at: datetime | None
    ended_by: str | None
    version: int

    @classmethod
    def of(cls, row: t.BookingRule) -> Self:
        """The view of a row."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class RuleList(BaseModel):
    """Booking rules, by kind, narrowing and version."""

    items: list[RuleView]


class ExplainBooking(BookAppointment):
    """A booking to be judged and not made. appointment_id: the visit that would be moved."""

    appointment_id: UUID | None = None


class RefusalView(BaseModel):
    """One reason for which a booking would be refused, as its problem document would say it.

    `version` is 0 for a rule that is built in.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "rule": "daily_cap",
                    "version": 3,
                    "facts": {"visits": 12, "booked": 12},
                    "code": "daily_cap.reached",
                    "status": 409,
                    "title": "The clinic takes no more of these visits on that day.",
                }
            ]
        }
    )

    rule: str
    version: int
    facts: dict[str, Any]
    code: str
    status: int
    title: str


class ExplanationView(BaseModel):
    """Whether a booking would be made; every refusal if not; and times that are free instead."""

    bookable: bool
    refusals: list[RefusalView]
    decided_by: list[RuleVersion]
    alternatives: list[SlotView]
