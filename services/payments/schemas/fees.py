"""Models of fee schedules."""

from datetime import date
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.payments.tables import FeePrice
from shared.web.fields import STRICT, Cents, CurrencyCode, QueryDay
from shared.web.pages import PageQuery

_CLINIC = "0190a1b2-0000-7000-8000-000000000010"

ServiceCode = Annotated[str, Field(min_length=1, max_length=16)]
"""A network's own code (`V-EST`), a HCPCS code, or one in the shape of CPT."""


class SetPrice(BaseModel):
    """A price to enter. An open price of the same code ends on the day on which this begins."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [
                {
                    "clinic_id": _CLINIC,
                    "code": "V-EST",
                    "amount_cents": 18000,
                    "effective_from": "2026-01-01",
                }
            ]
        },
    )

    clinic_id: UUID
    code: ServiceCode
    amount_cents: Cents
    effective_from: date
    effective_to: Annotated[
        date | None, Field(description="The first day on which it no longer holds.")
    ] = None
    currency: CurrencyCode | None = None


class PriceView(BaseModel):
    """A price of a code on the days from `effective_from` up to, not including, `effective_to`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "0190a1b2-0000-7000-8000-000000000031",
                    "clinic_id": _CLINIC,
                    "code": "V-EST",
                    "amount_cents": 18000,
                    "currency": "USD",
                    "effective_from": "2026-01-01",
                    "effective_to": None,
                    "version": 1,
                }
            ]
        }
    )

    id: UUID
    clinic_id: UUID
    code: str
    amount_cents: int
    currency: str
    effective_from: date
    effective_to: date | None
    version: int

    @classmethod
    def of(cls, row: FeePrice) -> Self:
        """The view of a row."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class PricePage(BaseModel):
    """Prices by code and first day."""

    items: list[PriceView]
    next: str | None


class ListPrices(PageQuery):
    """The prices of a clinic; `day`: only those that hold on it."""

    clinic_id: UUID
    day: QueryDay | None = None
