"""Models of receipts."""

from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from services.payments.tables import ReceiptRow

_RECEIPT = "0190a1b2-0000-7000-8000-000000000036"


class FactView(BaseModel):
    """A line of a receipt: what it is about, and what it says."""

    label: str
    text: str


class ItemView(BaseModel):
    """One thing that the money was for."""

    text: str
    cents: int
    amount: str


class FigureView(BaseModel):
    """A sum of a receipt."""

    text: str
    cents: int
    amount: str


class ReceiptView(BaseModel):
    """A receipt as it was issued. It names nobody; the printed one does."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": _RECEIPT,
                    "clinic_id": "0190a1b2-0000-7000-8000-000000000010",
                    "patient_id": "0190a1b2-0000-7000-8000-000000000001",
                    "payment_id": "0190a1b2-0000-7000-8000-000000000030",
                    "refund_id": None,
                    "direction": "payment",
                    "number": 42,
                    "number_text": "000042",
                    "title": "Receipt 000042",
                    "issued_at": "2026-11-30T15:55:00Z",
                    "currency": "USD",
                    "facts": [
                        {"label": "Date", "text": "Monday, November 30, 2026, 8:55 AM MST"},
                        {"label": "Paid by", "text": "Cash"},
                    ],
                    "items": [{"text": "Copay", "cents": 3000, "amount": "$30.00"}],
                    "total": {"text": "Paid", "cents": 3000, "amount": "$30.00"},
                    "balance": {"text": "Balance owed", "cents": 0, "amount": "$0.00"},
                    "pdf_state": "rendered",
                    "version": 2,
                }
            ]
        }
    )

    id: UUID
    clinic_id: UUID
    patient_id: UUID
    payment_id: UUID
    refund_id: UUID | None
    direction: str
    number: int
    number_text: str
    title: str
    issued_at: datetime
    currency: str
    facts: list[FactView]
    items: list[ItemView]
    total: FigureView
    balance: FigureView
    pdf_state: str
    version: int

    @classmethod
    def of(cls, row: ReceiptRow) -> Self:
        """The view of a row."""
        says: dict[str, Any] = row.content
        from_row = {
            name: getattr(row, name) for name in cls.model_fields if name in type(row).model_fields
        }
        names = ("number_text", "title", "facts", "items", "total", "balance")
        return cls(**from_row, **{name: says[name] for name in names})


class PdfPending(BaseModel):
    """The receipt is being printed; ask again in a moment."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"receipt_id": _RECEIPT, "pdf_state": "waiting"}]}
    )

    receipt_id: UUID
    pdf_state: str
