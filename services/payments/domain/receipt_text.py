"""What a receipt says, as one structure for JSON and PDF alike. Every text in it is final."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from services.payments.domain.amounts import shown
from services.payments.domain.payment import Method
from shared.values.errors import Invalid
from shared.values.money import Money

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


class Direction(StrEnum):
    """Whether the receipt is for money taken or for money given back."""

    PAYMENT = "payment"
    REFUND = "refund"


@dataclass(frozen=True, slots=True)
class Letterhead:
    """The clinic as it shows itself: its name and the lines below it (address, phone)."""

    name: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Instrument:
    """What was paid with. Of a card only the brand, the last four digits and the approval code."""

    method: Method
    check_number: str | None = None
    card_brand: str | None = None
    card_last4: str | None = None
    approval_code: str | None = None
    tendered: Money | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that the money was for."""

    text: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Receipt:
    """The facts of a receipt. The items sum to the amount; `owed_after` below zero is credit.

    number: gap-free per clinic, from 1. received_from and mrn: fetched when it is printed, absent
    in the stored JSON. issued_at: an instant; it is shown in `zone`.
    """

    number: int
    direction: Direction
    letterhead: Letterhead
    issued_at: datetime
    zone: ZoneInfo
    instrument: Instrument
    items: Sequence[Item]
    amount: Money
    owed_after: Money
    visit_on: date | None = None
    received_from: str | None = None
    mrn: str | None = None


def number_text(number: int) -> str:
    """A receipt's number as printed: at least six digits, ``000042``."""
    return f"{number:06d}"


def day_text(day: date) -> str:
    """``Monday, November 30, 2026``, the same in every locale."""
    return f"{_WEEKDAYS[day.weekday()]}, {_MONTHS[day.month - 1]} {day.day}, {day.year}"


def moment_text(instant: datetime, zone: ZoneInfo) -> str:
    """``Monday, November 30, 2026, 9:05 AM MST``: an instant as the clinic's clocks show it."""
    wall = instant.astimezone(zone)
    hour = wall.hour % 12 or 12
    half = "AM" if wall.hour < 12 else "PM"
    return f"{day_text(wall.date())}, {hour}:{wall.minute:02d} {half} {wall.tzname()}"


def instrument_text(instrument: Instrument) -> str:
    """``Cash``, ``Check 1042``, ``Visa card ending in 4242``."""
    if instrument.method is Method.CHECK:
        return f"Check {instrument.check_number}" if instrument.check_number else "Check"
    if instrument.method is Method.CARD:
        brand = f"{instrument.card_brand} card" if instrument.card_brand else "Card"
        return f"{brand} ending in {instrument.card_last4}" if instrument.card_last4 else brand
    return "Cash"


def content(receipt: Receipt) -> dict[str, Any]:
    """The receipt as plain JSON values: cents for machines, texts for people.

    Raises Invalid ``receipt.items`` where the items do not sum to the amount.
    """
    if sum(item.amount.cents for item in receipt.items) != receipt.amount.cents:
        raise Invalid("receipt.items", "The items do not sum to the amount.")
    refund = receipt.direction is Direction.REFUND
    number = number_text(receipt.number)
    name = "Refund receipt" if refund else "Receipt"
    return {
        "title": f"{name} {number}",
        "name": name,
        "direction": receipt.direction.value,
        "number": receipt.number,
        "number_text": number,
        "clinic": {"name": receipt.letterhead.name, "lines": list(receipt.letterhead.lines)},
        "issued_at": receipt.issued_at.isoformat(),
        "currency": receipt.amount.currency,
        "facts": _facts(receipt),
        "items": [
            {"text": i.text, "cents": i.amount.cents, "amount": shown(i.amount)}
            for i in receipt.items
        ],
        "total": {
            "text": "Refunded" if refund else "Paid",
            "cents": receipt.amount.cents,
            "amount": shown(receipt.amount),
        },
        "balance": _balance(receipt.owed_after),
    }


def _facts(receipt: Receipt) -> list[dict[str, str]]:
    instrument = receipt.instrument
    refund = receipt.direction is Direction.REFUND
    pairs = [
        ("Date", moment_text(receipt.issued_at, receipt.zone)),
        ("Refunded to" if refund else "Received from", receipt.received_from),
        ("Record number", receipt.mrn),
        ("Visit", day_text(receipt.visit_on) if receipt.visit_on else None),
        ("Refunded by" if refund else "Paid by", instrument_text(instrument)),
        ("Approval code", instrument.approval_code),
        *_cash_facts(receipt),
    ]
    return [{"label": label, "text": text} for label, text in pairs if text]


def _cash_facts(receipt: Receipt) -> list[tuple[str, str]]:
    tendered = receipt.instrument.tendered
    if tendered is None:
        return []
    return [("Handed over", shown(tendered)), ("Change", shown(tendered - receipt.amount))]


def _balance(owed: Money) -> dict[str, Any]:
    if owed.cents > 0:
        text, figure = "Balance still owed", owed
    elif owed.cents < 0:
        text, figure = "Credit on the account", -owed
    else:
        text, figure = "Balance owed", owed
    return {"text": text, "cents": owed.cents, "amount": shown(figure)}
