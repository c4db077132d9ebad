"""Dates of birth and death, and the administrative gender."""

from datetime import date, datetime
from enum import StrEnum

from shared.values.errors import Invalid

BORN_FIRST = date(1880, 1, 1)
"""Nobody alive was born earlier; a date before is a slip of the century."""


class Gender(StrEnum):
    """HL7 administrative-gender, the value set that FHIR R4 requires of Patient.gender."""

    MALE = "male"
    FEMALE = "female"
    OTHER = "other"
    UNKNOWN = "unknown"


def checked_gender(code: str) -> Gender:
    """The gender of a code. Raises Invalid ``gender.unknown_code``."""
    try:
        return Gender(code)
    except ValueError:
        title = "The gender is male, female, other or unknown."
        raise Invalid("gender.unknown_code", title, pointer="/gender") from None


def checked_birth_date(born: date, today: date) -> date:
    """The date of birth itself. `today` is the local day where the person is registered.

    Raises Invalid: ``birth_date.future``, ``birth_date.too_early`` (before 1880).
    """
    if born > today:
        title = "The date of birth is in the future."
        raise Invalid("birth_date.future", title, pointer="/birth_date")
    if born < BORN_FIRST:
        title = "The date of birth is before 1880."
        raise Invalid("birth_date.too_early", title, pointer="/birth_date")
    return born


def checked_death_date(died: date, born: date, today: date) -> date:
    """The date of death itself.

    Raises Invalid: ``death_date.before_birth``, ``death_date.future``.
    """
    if died < born:
        title = "The date of death is before that of birth."
        raise Invalid("death_date.before_birth", title, pointer="/death_date")
    if died > today:
        title = "The date of death is in the future."
        raise Invalid("death_date.future", title, pointer="/death_date")
    return died


def age_on(born: date, day: date) -> int:
    """Completed years on a day. Who was born on 29 February turns a year older on 1 March."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def year_told(born: date, at: datetime) -> int:
    """The year of birth as others are told it: nobody seems older than 90.

    A year and no more is no identifier but for ages above 89 (45 CFR 164.514(b)(2)(i)(C)).
    """
    return max(born.year, at.year - 90)
