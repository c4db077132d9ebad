"""Models of payments and refunds."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.payments.domain.allocation import Part
from services.payments.tables import Payment, ReceiptRow, Refund
from shared.web.fields import STRICT, CodeText, CurrencyCode, Line, PositiveCents

_CLINIC = "0190a1b2-0000-7000-8000-000000000010"
_PATIENT = "0190a1b2-0000-7000-8000-000000000001"
_APPOINTMENT = "0190a1b2-0000-7000-8000-000000000013"
_PAYMENT = "0190a1b2-0000-7000-8000-000000000030"
_DRAWER = "0190a1b2-0000-7000-8000-000000000034"
_RECEIPT = "0190a1b2-0000-7000-8000-000000000036"

CardToken = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_\-]{2,127}$")]
CheckNumber = Annotated[str, Field(pattern=r"^[0-9]{1,20}$")]


class TakePayment(BaseModel):
    """Money that a patient pays.

    Cash needs `drawer_id`; a check `check_number`, and goes into a drawer where one is named; a
    card `card_token`, the processor's own name for the card. A card number is refused everywhere.
    """

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [
                {
                    "patient_id": _PATIENT,
                    "clinic_id": _CLINIC,
                    "appointment_id": _APPOINTMENT,
                    "method": "cash",
                    "amount_cents": 3000,
                    "tendered_cents": 5000,
                    "drawer_id": _DRAWER,
                }
            ]
        },
    )

    patient_id: UUID
    clinic_id: UUID
    method: Literal["cash", "check", "card"]
    amount_cents: PositiveCents
    currency: CurrencyCode | None = None
    appointment_id: UUID | None = None
    drawer_id: UUID | None = None
    tendered_cents: Annotated[
        PositiveCents | None, Field(description="Cash handed over; the change is reckoned.")
    ] = None
    check_number: CheckNumber | None = None
    card_token: CardToken | None = None
    note: Line | None = None


class PartView(BaseModel):
    """Where a part of the money stands: against a charge, or as credit."""

    purpose: Literal["copay", "balance", "credit"]
    cents: int
    charge_id: UUID | None


class PaymentView(BaseModel):
    """A payment.

    `status`: pending (a card is being charged), unknown (the processor is asked what came of it),
    posted, partially_refunded, refunded, declined. `refunded_cents` counts refunds that are under
    way. `twin_of` names a payment of the same sum moments before: perhaps the same one twice.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": _PAYMENT,
                    "patient_id": _PATIENT,
                    "clinic_id": _CLINIC,
                    "appointment_id": _APPOINTMENT,
                    "method": "cash",
                    "status": "posted",
                    "amount_cents": 3000,
                    "currency": "USD",
                    "refunded_cents": 0,
                    "tendered_cents": 5000,
                    "change_cents": 2000,
                    "check_number": None,
                    "drawer_id": _DRAWER,
                    "card_brand": None,
                    "card_last4": None,
                    "decline_code": None,
                    "note": None,
                    "twin_of": None,
                    "business_date": "2026-11-30",
                    "taken_at": "2026-11-30T15:55:00Z",
                    "taken_by": "person/dana",
                    "posted_at": "2026-11-30T15:55:00Z",
                    "parts": [{"purpose": "copay", "cents": 3000, "charge_id": None}],
                    "receipt_id": _RECEIPT,
                    "receipt_number": 42,
                    "version": 1,
                }
            ]
        }
    )

    id: UUID
    patient_id: UUID
    clinic_id: UUID
    appointment_id: UUID | None
    method: str
    status: str
    amount_cents: int
    currency: str
    refunded_cents: int
    tendered_cents: int | None
    change_cents: int | None
    check_number: str | None
    drawer_id: UUID | None
    card_brand: str | None
    card_last4: str | None
    decline_code: str | None
    note: str | None
    twin_of: UUID | None
    business_date: date
    taken_at: datetime
    taken_by: str
    posted_at: datetime | None
    parts: list[PartView]
    receipt_id: UUID | None
    receipt_number: int | None
    version: int

    @classmethod
    def of(cls, row: Payment, parts: Sequence[Part], receipt: ReceiptRow | None) -> Self:
        """The view of a row, of where its money stands, and of its receipt."""
        own = {"change_cents", "parts", "receipt_id", "receipt_number"}
        members = {name: getattr(row, name) for name in cls.model_fields if name not in own}
        tendered = row.tendered_cents
        return cls(
            **members,
            change_cents=None if tendered is None else tendered - row.amount_cents,
            parts=[
                PartView(purpose=p.purpose.value, cents=p.cents, charge_id=p.charge_id)
                for p in parts
            ],
            receipt_id=receipt.id if receipt else None,
            receipt_number=receipt.number if receipt else None,
        )


class RefundPayment(BaseModel):
    """What is to go back, the way it came: cash from a drawer, a check as an office check."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [{"amount_cents": 3000, "reason": "overpaid", "drawer_id": _DRAWER}]
        },
    )

    amount_cents: PositiveCents
    reason: CodeText
    drawer_id: UUID | None = None
    check_number: CheckNumber | None = None


class RefundView(BaseModel):
    """A refund. `status`: pending, unknown, posted, declined."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "0190a1b2-0000-7000-8000-000000000033",
                    "payment_id": _PAYMENT,
                    "patient_id": _PATIENT,
                    "clinic_id": _CLINIC,
                    "method": "cash",
                    "status": "posted",
                    "amount_cents": 3000,
                    "currency": "USD",
                    "reason": "overpaid",
                    "drawer_id": _DRAWER,
                    "check_number": None,
                    "decline_code": None,
                    "business_date": "2026-11-30",
                    "asked_at": "2026-11-30T17:00:00Z",
                    "asked_by": "person/dana",
                    "posted_at": "2026-11-30T17:00:00Z",
                    "receipt_id": _RECEIPT,
                    "receipt_number": 43,
                    "version": 1,
                }
            ]
        }
    )

    id: UUID
    payment_id: UUID
    patient_id: UUID
    clinic_id: UUID
    method: str
    status: str
    amount_cents: int
    currency: str
    reason: str
    drawer_id: UUID | None
    check_number: str | None
    decline_code: str | None
    business_date: date
    asked_at: datetime
    asked_by: str
    posted_at: datetime | None
    receipt_id: UUID | None
    receipt_number: int | None
    version: int

    @classmethod
    def of(cls, row: Refund, receipt: ReceiptRow | None) -> Self:
        """The view of a row and of its receipt."""
        own = {"receipt_id", "receipt_number"}
        members = {name: getattr(row, name) for name in cls.model_fields if name not in own}
        return cls(
            **members,
            receipt_id=receipt.id if receipt else None,
            receipt_number=receipt.number if receipt else None,
        )
