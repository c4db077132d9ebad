"""Models of going through the demographics with the person."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from services.patients.domain import verification as rules
from shared.web.fields import STRICT


class FieldAnswer(BaseModel):
    """What came of one field. `changed`: the record was amended and the new value read back."""

    model_config = ConfigDict(**STRICT)

    field: Annotated[rules.Field, Field(strict=False)]
    outcome: Annotated[rules.Outcome, Field(strict=False)]


class VerifyDemographics(BaseModel):
    """The fields that were gone through."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [
                {
                    "fields": [
                        {"field": "address", "outcome": "confirmed"},
                        {"field": "phone", "outcome": "changed"},
                    ]
                }
            ]
        },
    )

    fields: Annotated[list[FieldAnswer], Field(max_length=len(rules.Field))]


class FieldView(BaseModel):
    """How a field stands. `standing` is null for one that is not asked for."""

    field: str
    asked: bool
    standing: str | None
    outcome: str | None
    verified_at: datetime | None
    verified_by: str | None
    stale_after: datetime | None


class VerificationView(BaseModel):
    """How the demographics of a patient stand; complete when no field asked for is stale."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "complete": False,
                    "due": ["email"],
                    "fields": [
                        {
                            "field": "email",
                            "asked": True,
                            "standing": "never",
                            "outcome": None,
                            "verified_at": None,
                            "verified_by": None,
                            "stale_after": None,
                        }
                    ],
                }
            ]
        }
    )

    complete: bool
    due: list[str]
    fields: list[FieldView]

    @classmethod
    def of(
        cls,
        checks: list[rules.FieldCheck],
        amended: dict[rules.Field, datetime],
        now: datetime,
    ) -> Self:
        """The view of the last check of each field and of when its value last changed."""
        last = {check.field: check for check in checks}
        due = rules.due_fields(checks, now, amended=amended)
        return cls(
            complete=not due,
            due=[field.value for field in due],
            fields=[
                _field(field, last.get(field), amended.get(field), now) for field in rules.Field
            ],
        )


def _field(
    field: rules.Field,
    last: rules.FieldCheck | None,
    amended_at: datetime | None,
    now: datetime,
) -> FieldView:
    asked = field in rules.POLICY_DEFAULT
    checks = [] if last is None else [last]
    holds = rules.POLICY_DEFAULT.get(field)
    return FieldView(
        field=field.value,
        asked=asked,
        standing=rules.standing(field, checks, now, amended_at=amended_at).value if asked else None,
        outcome=None if last is None else last.outcome.value,
        verified_at=None if last is None else last.at,
        verified_by=None if last is None else last.by,
        stale_after=None if last is None or holds is None else last.at + holds,
    )
