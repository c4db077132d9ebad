"""Fields of requests that mean the same in every service."""

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints
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

CodeText = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}$")]
"""A code: letters, digits, dot, hyphen, underscore; it may travel on the bus."""

CurrencyCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
"""ISO 4217."""

Cents = Annotated[int, Field(strict=True, ge=0, le=CENTS_MAX)]
"""An amount in cents that is not negative."""

PositiveCents = Annotated[int, Field(strict=True, gt=0, le=CENTS_MAX)]
"""An amount in cents above zero."""
