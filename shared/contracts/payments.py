"""What the payments service says."""

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field, JsonValue

from shared.contracts.envelope import Code, Event

_CLINIC = "0190a1b2-0000-7000-8000-000000000010"
_APPOINTMENT = "0190a1b2-0000-7000-8000-000000000013"
_PATIENT = "0190a1b2-0000-7000-8000-000000000001"
_PAYMENT = "0190a1b2-0000-7000-8000-000000000030"

Currency = Field(pattern=r"^[A-Z]{3}$")
Method = Literal["cash", "check", "card"]


class FeePriced(Event):
    """A clinic's price of one service from a day on. Names no patient."""

    producer: ClassVar[str] = "payments"
    aggregate: ClassVar[str] = "fee"
    subject_field: ClassVar[str] = "fee_id"
    name: ClassVar[str] = "fee.priced"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "fee_id": "0190a1b2-0000-7000-8000-000000000031",
                    "clinic_id": _CLINIC,
                    "service_code": "V-EST",
                    "amount_cents": 18000,
                    "currency": "USD",
                    "effective_from": "2026-01-01",
                }
            ]
        }
    )

    fee_id: UUID
    clinic_id: UUID
    service_code: Code
    amount_cents: int
    currency: str = Currency
    effective_from: date


class AccountEvent(Event):
    """Where all that moves one patient's account stands; `balance_cents` is what they owe after."""

    producer: ClassVar[str] = "payments"
    aggregate: ClassVar[str] = "account"
    subject_field: ClassVar[str] = "patient_id"

    patient_id: UUID
    appointment_id: UUID | None = None
    amount_cents: int
    currency: str = Currency
    balance_cents: int
    occurred_at: AwareDatetime


_ACCOUNT: dict[str, JsonValue] = {
    "patient_id": _PATIENT,
    "appointment_id": _APPOINTMENT,
    "amount_cents": 3000,
    "currency": "USD",
    "balance_cents": 15000,
    "occurred_at": "2026-11-30T15:55:00Z",
}


class ChargeCaptured(AccountEvent):
    """A service was charged to the patient's account."""

    name: ClassVar[str] = "charge.captured"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{**_ACCOUNT, "charge_id": "0190a1b2-0000-7000-8000-000000000032"}]
        }
    )

    charge_id: UUID


class PaymentPosted(AccountEvent):
    """Money came in and stands in the ledger."""

    name: ClassVar[str] = "payment.posted"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {**_ACCOUNT, "payment_id": _PAYMENT, "clinic_id": _CLINIC, "method": "cash"}
            ]
        }
    )

    payment_id: UUID
    clinic_id: UUID
    method: Method


class PaymentFailed(AccountEvent):
    """A card payment did not come about; nothing was posted and the balance is as it was."""

    name: ClassVar[str] = "payment.failed"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_ACCOUNT,
                    "payment_id": _PAYMENT,
                    "clinic_id": _CLINIC,
                    "method": "card",
                    "reason": "card.declined",
                }
            ]
        }
    )

    payment_id: UUID
    clinic_id: UUID
    method: Method
    reason: Code


class PaymentRefunded(AccountEvent):
    """Money went back, in part or in whole."""

    name: ClassVar[str] = "payment.refunded"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_ACCOUNT,
                    "payment_id": _PAYMENT,
                    "refund_id": "0190a1b2-0000-7000-8000-000000000033",
                    "clinic_id": _CLINIC,
                    "method": "cash",
                }
            ]
        }
    )

    payment_id: UUID
    refund_id: UUID
    clinic_id: UUID
    method: Method


class DrawerEvent(Event):
    """Where all that happens to one drawer session stands."""

    producer: ClassVar[str] = "payments"
    aggregate: ClassVar[str] = "drawer"
    subject_field: ClassVar[str] = "drawer_id"

    drawer_id: UUID
    clinic_id: UUID
    business_date: date


_DRAWER: dict[str, JsonValue] = {
    "drawer_id": "0190a1b2-0000-7000-8000-000000000034",
    "clinic_id": _CLINIC,
    "business_date": "2026-11-30",
}


class DrawerOpened(DrawerEvent):
    """A drawer was opened with a float."""

    name: ClassVar[str] = "drawer.opened"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{**_DRAWER, "float_cents": 20000, "opened_at": "2026-11-30T14:00:00Z"}]
        }
    )

    float_cents: int
    opened_at: AwareDatetime


class DrawerClosed(DrawerEvent):
    """A drawer was counted and closed."""

    name: ClassVar[str] = "drawer.closed"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_DRAWER,
                    "expected_cents": 26000,
                    "counted_cents": 26000,
                    "variance_cents": 0,
                    "closed_at": "2026-12-01T00:10:00Z",
                }
            ]
        }
    )

    expected_cents: int
    counted_cents: int
    variance_cents: int
    closed_at: AwareDatetime


class DayClosed(Event):
    """A clinic's business day is closed: nothing is posted into it any more."""

    producer: ClassVar[str] = "payments"
    aggregate: ClassVar[str] = "business_day"
    subject_field: ClassVar[str] = "business_day_id"
    name: ClassVar[str] = "day.closed"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "business_day_id": "0190a1b2-0000-7000-8000-000000000035",
                    "clinic_id": _CLINIC,
                    "business_date": "2026-11-30",
                    "cash_cents": 6000,
                    "check_cents": 3000,
                    "card_cents": 9000,
                    "refund_cents": 0,
                    "currency": "USD",
                    "closed_at": "2026-12-01T00:15:00Z",
                }
            ]
        }
    )

    business_day_id: UUID
    clinic_id: UUID
    business_date: date
    cash_cents: int
    check_cents: int
    card_cents: int
    refund_cents: int
    currency: str = Currency
    closed_at: AwareDatetime


EVENTS: tuple[type[Event], ...] = (
    FeePriced,
    ChargeCaptured,
    PaymentPosted,
    PaymentFailed,
    PaymentRefunded,
    DrawerOpened,
    DrawerClosed,
    DayClosed,
)
