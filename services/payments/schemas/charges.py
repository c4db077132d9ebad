"""Models of charges and of visits that cost nothing."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from services.payments.domain.charge import DIAGNOSES_MAX, LINES_MAX, POINTERS_MAX, UNITS_MAX
from services.payments.domain.codes import MODIFIERS_MAX
from services.payments.queries.accounts import Copay
from services.payments.schemas.fees import ServiceCode
from services.payments.tables import Charge, ChargeLine, KnownVisit, NoCharge
from shared.web.fields import STRICT, Line

_APPOINTMENT = "0190a1b2-0000-7000-8000-000000000013"
_VIEW: JsonDict = {
    "id": "0190a1b2-0000-7000-8000-000000000032",
    "appointment_id": _APPOINTMENT,
    "patient_id": "0190a1b2-0000-7000-8000-000000000001",
    "clinic_id": "0190a1b2-0000-7000-8000-000000000010",
    "status": "captured",
    "service_date": "2026-11-30",
    "business_date": "2026-11-30",
    "amount_cents": 18000,
    "open_cents": 15000,
    "currency": "USD",
    "diagnoses": ["J06.9"],
    "lines": [
        {
            "line": 1,
            "code": "V-EST",
            "units": 1,
            "unit_price_cents": 18000,
            "amount_cents": 18000,
            "modifiers": [],
            "diagnoses": [1],
        }
    ],
    "captured_at": "2026-11-30T16:45:00Z",
    "captured_by": "person/dana",
    "version": 1,
}


class LineOfCharge(BaseModel):
    """A service that was done. diagnoses: places in the charge's list, counted from 1."""

    model_config = STRICT

    code: ServiceCode
    units: Annotated[int, Field(ge=1, le=UNITS_MAX)] = 1
    modifiers: Annotated[
        list[Annotated[str, Field(max_length=2)]], Field(max_length=MODIFIERS_MAX)
    ] = []
    diagnoses: Annotated[
        list[Annotated[int, Field(ge=1, le=DIAGNOSES_MAX)]], Field(max_length=POINTERS_MAX)
    ] = []


class CaptureCharge(BaseModel):
    """What was done at a visit, priced by the clinic's fee schedule on the day of the visit."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [
                {
                    "appointment_id": _APPOINTMENT,
                    "lines": [{"code": "V-EST", "diagnoses": [1]}],
                    "diagnoses": ["J06.9"],
                }
            ]
        },
    )

    appointment_id: UUID
    lines: Annotated[list[LineOfCharge], Field(min_length=1, max_length=LINES_MAX)]
    diagnoses: Annotated[
        list[Annotated[str, Field(max_length=8)]], Field(max_length=DIAGNOSES_MAX)
    ] = []


class ChargeLineView(BaseModel):
    """A service of a charge."""

    line: int
    code: str
    units: int
    unit_price_cents: int
    amount_cents: int
    modifiers: list[str]
    diagnoses: list[int]


class ChargeView(BaseModel):
    """A charge; `open_cents` is what nothing has met yet."""

    model_config = ConfigDict(json_schema_extra={"examples": [_VIEW]})

    id: UUID
    appointment_id: UUID
    patient_id: UUID
    clinic_id: UUID
    status: str
    service_date: date
    business_date: date
    amount_cents: int
    open_cents: int
    currency: str
    diagnoses: list[str]
    lines: list[ChargeLineView]
    captured_at: datetime
    captured_by: str
    version: int

    @classmethod
    def of(cls, row: Charge, lines: Sequence[ChargeLine], open_cents: int) -> Self:
        """The view of a row, its lines, and what is open of it."""
        own = {"lines", "open_cents"}
        members = {name: getattr(row, name) for name in cls.model_fields if name not in own}
        names = ChargeLineView.model_fields
        views = [ChargeLineView(**{n: getattr(line, n) for n in names}) for line in lines]
        return cls(**members, lines=views, open_cents=open_cents)


class NoteNoCharge(BaseModel):
    """Why a visit costs nothing."""

    model_config = ConfigDict(**STRICT, json_schema_extra={"examples": [{"reason": "courtesy"}]})

    reason: Literal[
        "included_in_other_visit",
        "courtesy",
        "left_without_being_seen",
        "administrative",
        "research",
    ]
    note: Line | None = None


class VisitMoneyView(BaseModel):
    """What is known of the money of a visit: the copay expected and paid, and its charge."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "appointment_id": _APPOINTMENT,
                    "patient_id": _VIEW["patient_id"],
                    "clinic_id": _VIEW["clinic_id"],
                    "state": "checked_out",
                    "copay_expected_cents": 3000,
                    "copay_open_cents": 0,
                    "charge_id": _VIEW["id"],
                    "no_charge_reason": None,
                }
            ]
        }
    )

    appointment_id: UUID
    patient_id: UUID
    clinic_id: UUID
    state: str
    copay_expected_cents: int
    copay_open_cents: int
    charge_id: UUID | None
    no_charge_reason: str | None

    @classmethod
    def of(
        cls, visit: KnownVisit, copay: Copay, charge: Charge | None, no_charge: NoCharge | None
    ) -> Self:
        """The view of what was heard and of what was done."""
        free = no_charge if charge is None else None
        return cls(
            appointment_id=visit.appointment_id,
            patient_id=visit.patient_id,
            clinic_id=visit.clinic_id,
            state=visit.state,
            copay_expected_cents=copay.expected_cents,
            copay_open_cents=copay.open_cents,
            charge_id=charge.id if charge else None,
            no_charge_reason=free.reason if free else None,
        )
