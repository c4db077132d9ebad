"""Data types of elements (ASC X12.6): dates, periods of dates, decimal numbers."""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from shared.x12.errors import X12Error

_DATE = re.compile(r"\d{8}", re.ASCII)
_DECIMAL = re.compile(r"-?(\d{1,18}(\.\d{0,18})?|\.\d{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Period:
    """From a day to a day, both included. A single day begins and ends the period."""

    start: date
    end: date


def read_date(text: str, position: int | None = None) -> date:
    """A date written CCYYMMDD (qualifier D8). Raises X12Error ``x12.date``."""
    if not _DATE.fullmatch(text):
        raise X12Error("x12.date", position)
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError as error:
        raise X12Error("x12.date", position) from error


def read_period(qualifier: str, text: str, position: int | None = None) -> Period:
    """A date (D8) or a range of two joined by a hyphen (RD8).

    Raises X12Error ``x12.date``, also for other qualifiers, and ``x12.date_reversed``.
    """
    if qualifier == "D8":
        day = read_date(text, position)
        return Period(day, day)
    first, hyphen, last = text.partition("-")
    if qualifier != "RD8" or not hyphen:
        raise X12Error("x12.date", position)
    period = Period(read_date(first, position), read_date(last, position))
    if period.end < period.start:
        raise X12Error("x12.date_reversed", position)
    return period


def read_decimal(text: str, position: int | None = None) -> Decimal:
    """A decimal number (type R): no grouping, no plus sign, no exponent here; exact.

    Raises X12Error ``x12.number``.
    """
    if not _DECIMAL.fullmatch(text):
        raise X12Error("x12.number", position)
    return Decimal(text)
