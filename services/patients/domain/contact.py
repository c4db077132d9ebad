"""How a person is reached: telephone, e-mail, and other people."""

import re
from enum import StrEnum
from uuid import UUID

from shared.values.errors import Invalid
from shared.values.text import checked_line

PHONE_TEXT_MAX = 40
EMAIL_MAX = 254
"""RFC 5321, section 4.5.3.1.3: a path of 256 octets, less its angle brackets (RFC erratum 1690)."""
EMAIL_LOCAL_MAX = 64

# [0-9], for \d takes the digits of every script.
_SEPARATORS = re.compile(r"[ .()\-\u00a0\u2010-\u2013]")
_NANP = re.compile(r"1?(?P<number>[2-9][0-9]{2}[2-9][0-9]{6})")
_E164 = re.compile(r"\+[1-9][0-9]{7,14}")

# Letters and digits of any script (RFC 6531), but no joiner or other mark that nobody sees.
_LOCAL = re.compile(r"[\w!#$%&'*+/=?^`{|}~\-]+")
_LABEL = re.compile(r"[^\W_]((?:[^\W_]|-){0,61}[^\W_])?")


class Relationship(StrEnum):
    """What another person is to the patient."""

    PARENT = "parent"
    GUARDIAN = "guardian"
    SPOUSE = "spouse"
    PARTNER = "partner"
    CHILD = "child"
    SIBLING = "sibling"
    GRANDPARENT = "grandparent"
    CAREGIVER = "caregiver"
    FRIEND = "friend"
    OTHER = "other"


def checked_phone(text: str, *, pointer: str = "/phone") -> str:
    """The number in E.164 (ITU-T), e.g. ``+13035550142``.

    Without a plus it is a North American number: ten digits, or eleven with a leading 1; area code
    and exchange begin with 2 to 9 and are no N11 service code. With a plus, 8 to 15 digits.
    Raises Invalid: ``phone.too_long``, ``phone.invalid``.
    """
    if len(text) > PHONE_TEXT_MAX:
        raise Invalid("phone.too_long", "The telephone number is too long.", pointer=pointer)
    packed = _SEPARATORS.sub("", text)
    national = _NANP.fullmatch(packed.removeprefix("+") if packed.startswith("+1") else packed)
    if national is not None:
        number = national["number"]
        if "11" not in (number[1:3], number[4:6]):
            return f"+1{number}"
    elif _E164.fullmatch(packed) and not packed.startswith("+1"):
        return packed
    raise Invalid("phone.invalid", "This is not a telephone number.", pointer=pointer)


def checked_email(text: str, *, pointer: str = "/email") -> str:
    """The address with its domain in lower case; only mail that arrives proves that it exists.

    Raises Invalid: ``email.too_long`` (254 characters; 64 before the @), ``email.invalid``,
    and what `checked_line` raises.
    """
    if len(text) > EMAIL_MAX or len(text.rpartition("@")[0]) > EMAIL_LOCAL_MAX:
        raise Invalid("email.too_long", "The e-mail address is too long.", pointer=pointer)
    local, _, domain = checked_line(text, pointer=pointer, limit=EMAIL_MAX).rpartition("@")
    labels = domain.split(".")
    shaped = all(_LOCAL.fullmatch(word) for word in local.split("."))
    if not shaped or len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        raise Invalid("email.invalid", "This is not an e-mail address.", pointer=pointer)
    return f"{local}@{domain.lower()}"


def email_search(email: str) -> str:
    """The form in which an address is searched and compared: in lower case, as mail is read."""
    return email.casefold()


def checked_relation(patient_id: UUID, other_id: UUID | None) -> None:
    """Raises Invalid ``contact.self`` where a person is to be their own guardian or contact."""
    if other_id == patient_id:
        title = "A person cannot be their own contact."
        raise Invalid("contact.self", title, pointer="/contact_patient_id")
