"""Models of drawers and of the day's close."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.payments.domain.day import Blocker
from services.payments.queries.days import closing_of
from services.payments.tables import Drawer
from shared.web.fields import STRICT, Cents, Line, QueryDay
from shared.web.minimum import minimum

_CLINIC = "0190a1b2-0000-7000-8000-000000000010"
_DRAWER = "0190a1b2-0000-7000-8000-000000000034"


class OpenDrawer(BaseModel):
    """A drawer to open, with the cash that lies in it to begin with."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [{"clinic_id": _CLINIC, "name": "Front desk", "float_cents": 20000}]
        },
    )

    clinic_id: UUID
    name: Line
    float_cents: Cents


class CloseDrawer(BaseModel):
    """What was counted. A count that is not as expected needs a reason."""

    model_config = ConfigDict(**STRICT, json_schema_extra={"examples": [{"counted_cents": 26000}]})

    counted_cents: Cents
    check_count: Annotated[int, Field(ge=0, le=10_000)] = 0
    check_cents: Cents = 0
    reason: Line | None = None


class DrawerView(BaseModel):
    """A drawer session. What is expected in it is told only once it is counted and closed."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": _DRAWER,
                    "clinic_id": _CLINIC,
                    "name": "Front desk",
                    "status": "closed",
                    "currency": "USD",
                    "float_cents": 20000,
                    "business_date": "2026-11-30",
                    "opened_at": "2026-11-30T14:00:00Z",
                    "opened_by": "person/dana",
                    "expected_cents": 26000,
                    "expected_check_count": 0,
                    "expected_check_cents": 0,
                    "counted_cents": 26000,
                    "counted_check_count": 0,
                    "counted_check_cents": 0,
                    "variance_cents": 0,
                    "variance_reason": None,
                    "closed_at": "2026-12-01T00:10:00Z",
                    "closed_by": "person/dana",
                    "version": 2,
                }
            ]
        }
    )

    id: UUID
    clinic_id: UUID
    name: str
    status: str
    currency: str
    float_cents: int
    business_date: date
    opened_at: datetime
    opened_by: str
    expected_cents: int | None
    expected_check_count: int | None
    expected_check_cents: int | None
    counted_cents: int | None
    counted_check_count: int | None
    counted_check_cents: int | None
    variance_cents: int | None
    variance_reason: str | None
    closed_at: datetime | None
    closed_by: str | None
    version: int

    @classmethod
    def of(cls, row: Drawer) -> Self:
        """The view of a row."""
        members = {n: getattr(row, n) for n in cls.model_fields if n != "variance_cents"}
        closing = closing_of(row)
        return cls(**members, variance_cents=closing.variance.cash_cents if closing else None)


class CloseDay(BaseModel):
    """The day of the clinic's calendar that is to be closed."""

    model_config = ConfigDict(
        **STRICT, json_schema_extra={"examples": [{"business_date": "2026-11-30"}]}
    )

    business_date: date


class ReadDay(BaseModel):
    """A day of the clinic's calendar."""

    model_config = ConfigDict(extra="forbid")

    business_date: QueryDay


class MethodView(BaseModel):
    """One method's share of a day."""

    method: str
    payment_count: int
    payment_cents: int
    refund_count: int
    refund_cents: int
    net_cents: int


class DrawerOfDay(BaseModel):
    """A closed drawer of a day."""

    drawer_id: UUID
    float_cents: int
    expected_cents: int
    counted_cents: int
    variance_cents: int
    check_count: int
    check_cents: int
    check_variance_cents: int
    explained: bool


class NoChargeCount(BaseModel):
    """How many visits cost nothing for a reason."""

    reason: str
    count: int


class ReasonView(BaseModel):
    """A rule that stands in the way of closing, and the rows that break it."""

    rule: str
    ids: list[str]


class DayReportView(BaseModel):
    """A day in figures. Open days stand as they do now, with what is in the way of closing."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "clinic_id": _CLINIC,
                    "business_date": "2026-11-30",
                    "currency": "USD",
                    "closed": True,
                    "closed_at": "2026-12-01T00:15:00Z",
                    "business_day_id": "0190a1b2-0000-7000-8000-000000000035",
                    "reasons": [],
                    "methods": [
                        {
                            "method": "cash",
                            "payment_count": 2,
                            "payment_cents": 6000,
                            "refund_count": 0,
                            "refund_cents": 0,
                            "net_cents": 6000,
                        }
                    ],
                    "payment_cents": 6000,
                    "refund_cents": 0,
                    "net_cents": 6000,
                    "charge_cents": 18000,
                    "ledger_cents": 0,
                    "drawers": [
                        {
                            "drawer_id": _DRAWER,
                            "float_cents": 20000,
                            "expected_cents": 26000,
                            "counted_cents": 26000,
                            "variance_cents": 0,
                            "check_count": 0,
                            "check_cents": 0,
                            "check_variance_cents": 0,
                            "explained": False,
                        }
                    ],
                    "visit_count": 1,
                    "no_charge": [],
                }
            ]
        }
    )

    clinic_id: UUID
    business_date: date
    currency: str
    closed: bool
    closed_at: datetime | None
    business_day_id: UUID | None
    reasons: list[ReasonView]
    methods: list[MethodView]
    payment_cents: int
    refund_cents: int
    net_cents: int
    charge_cents: int
    ledger_cents: int
    drawers: list[DrawerOfDay]
    visit_count: int
    no_charge: list[NoChargeCount]

    @classmethod
    def of(
        cls,
        report: dict[str, Any],
        reasons: Sequence[Blocker] = (),
        closed_at: datetime | None = None,
        business_day_id: UUID | None = None,
    ) -> Self:
        """The view of a report's document."""
        return cls(
            **report,
            closed=business_day_id is not None,
            closed_at=closed_at,
            business_day_id=business_day_id,
            reasons=[ReasonView(rule=each.rule, ids=list(each.ids)) for each in reasons],
        )


_METHOD = ("payment_count", "payment_cents", "refund_count", "refund_cents", "net_cents")
DayReportTotals = minimum(
    DayReportView,
    "DayReportTotals",
    *("clinic_id", "business_date", "currency", "closed", "closed_at"),
    *("methods.method", *(f"methods.{name}" for name in _METHOD)),
    *("payment_cents", "refund_cents", "net_cents", "charge_cents", "ledger_cents"),
    *("visit_count", "no_charge.reason", "no_charge.count"),
)
"""A day in totals: no drawer, and no visit or payment that stands in the way of closing."""
