"""Fields of requests that mean the same in every service."""

import re
from datetime import date, datetime, time
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from shared.values.errors import Invalid
from shared.values.money import CENTS_MAX
from shared.values.text import LINE_MAX, checked_line

STRICT = ConfigDict(extra="forbid", strict=True)
"""What every request model is made with: a member nobody knows is an error, not a wish."""


def _line(text: str) -> str:
    try:
        return checked_line(text, pointer="")
    except Invalid as error:
        raise PydanticCustomError("text", "{code}", {"code": error.code}) from None


Line = Annotated[str, Field(max_length=LINE_MAX), AfterValidator(_line)]
"""One line of text, kept in NFC: a name, a reason."""

T = TypeVar("T")


def _not_null(value: T) -> T:
    # Runs for a null that is given; a member that is left out keeps its default unseen.
    if value is None:
        raise PydanticCustomError("text", "{code}", {"code": "member.required"})
    return value


Given = Annotated[T | None, AfterValidator(_not_null)]
"""A member of a merge patch that may be left out and cannot be taken away."""

CodeText = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}$")]
"""A code: letters, digits, dot, hyphen, underscore; it may travel on the bus."""

CurrencyCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
"""ISO 4217."""

Cents = Annotated[int, Field(strict=True, ge=0, le=CENTS_MAX)]
"""An amount in cents that is not negative."""

PositiveCents = Annotated[int, Field(strict=True, gt=0, le=CENTS_MAX)]
"""An amount in cents above zero."""

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}")
_DATETIME = TypeAdapter(datetime)


def _written(text: Any) -> Any:
    # Where all is text, a number is no date: 20261101 would be a day of 1970, in seconds.
    if isinstance(text, str) and not _DAY.match(text):
        raise PydanticCustomError("date_parsing", "It is not written as in ISO 8601")
    return text


def _day(text: Any) -> Any:
    if isinstance(text, str) and not _DAY.fullmatch(text):
        raise PydanticCustomError("date_parsing", "It is not a day as in ISO 8601")
    return text


def _time(given: Any) -> Any:
    # Digits alone would be seconds since 1970, and a day alone would be its midnight.
    if isinstance(given, str) and _TIME.match(given):
        try:
            return _DATETIME.validate_python(given)
        except ValidationError:
            pass
    raise PydanticCustomError("datetime_parsing", "It is not a time as in RFC 3339")


BodyTime = Annotated[datetime, BeforeValidator(_time)]
"""An instant in a body: RFC 3339, with or without an offset; no count of seconds, no day alone."""

QueryDay = Annotated[date, BeforeValidator(_day)]
"""A day in a query: `2026-11-01` and nothing else that could be read as one."""

QueryTime = Annotated[datetime, BeforeValidator(_written)]
"""An instant in a query: `2026-11-01T08:00:00-06:00`, no count of seconds."""

QueryInstant = Annotated[AwareDatetime, BeforeValidator(_written)]
"""The same where there is no clinic whose clocks could say what a time without an offset means."""

WallTime = Annotated[
    time, WithJsonSchema({"type": "string", "format": "time-local", "examples": ["08:00:00"]})
]
"""A time of a clinic's day, without an offset: JSON Schema's own `time` asks for one."""
