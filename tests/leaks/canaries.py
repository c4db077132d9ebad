"""Values that nobody else would write, one for each member of a request that tells of a person.

Which members these are is derived (`tests.leaks.fields`); how each is filled, and why a member is
left out, stands here. One that is neither fails the tests.
"""

import re
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from tests.leaks.fields import Leaf, every_leaf, with_value

_LETTERS = "bcdfghjklmnpqrst"
ABROAD = "NZ"
"""A country whose states and postal codes nobody here judges."""
_FIRST_BORN = date(1885, 1, 2)
_FIRST_DEAD = date(1946, 1, 2)


@dataclass(slots=True)
class Mint:
    """Makes canaries, each once, and remembers them with the member that they were made for."""

    made: dict[str, str] = field(default_factory=dict)
    _counts: dict[Callable[[int], str], int] = field(default_factory=dict)

    def of(self, leaf: Leaf) -> Any:
        """A fresh value for a member."""
        maker = maker_of(leaf)
        assert maker is not None, leaf
        return self.other(maker, str(leaf))

    def other(self, kind: Callable[[int], str], why: str) -> str:
        """A fresh value for what is no member of a request."""
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return self.keep(kind(self._counts[kind]), why)

    def keep(self, value: str, why: str) -> str:
        """Remember a value."""
        assert value not in self.made, value
        self.made[value] = why
        return value

    def body(
        self, service: str, method: str, path: str, given: Mapping[str, Any], *without: str
    ) -> dict[str, Any]:
        """A body with a canary in every member that tells of a person; `given` wins over it.

        without: members, by their names as `Leaf.name` has them or the beginning of these, that are
        left out.
        """
        body: dict[str, Any] = {}
        for leaf in every_leaf():
            if (leaf.service, leaf.method, leaf.path) != (service, method, path):
                continue
            if leaf.steps[0] in given or leaf.name.startswith(without or ("\0",)):
                continue
            if leaf.steps[-1] == "country":
                body = with_value(body, leaf, ABROAD, empty=True)
            elif maker_of(leaf) is not None:
                body = with_value(body, leaf, self.of(leaf), empty=True)
        return {**body, **given}


def word(number: int) -> str:
    """A number as letters that form no word."""
    found = ""
    for _ in range(4):
        number, rest = divmod(number, len(_LETTERS))
        found += _LETTERS[rest]
    return found


def text(number: int) -> str:
    """Words with what encodings write otherwise: an accent, an apostrophe, a blank."""
    return f"Zq{word(number)}é {word(number)[::-1]}'k"


def plain(number: int) -> str:
    """A word of ASCII letters."""
    return f"Zq{word(number)}x{word(number)[::-1]}"


def capitals(number: int) -> str:
    """A word of capitals and a digit, which a payer answers as an active member's id."""
    return f"ACT{word(number)}{word(number)[::-1]}7".upper()


def email(number: int) -> str:
    """An address of e-mail."""
    return f"zq.{word(number)}@{word(number)}.example.test"


def phone(number: int) -> str:
    """A telephone number, as it is kept."""
    return f"+1{220 + number // 1000}555{1000 + number % 1000 * 7:04d}"


def born(number: int) -> str:
    """A date of birth at which nobody alive was born."""
    return (_FIRST_BORN + timedelta(days=7 * number)).isoformat()


def died(number: int) -> str:
    """A date of death."""
    return (_FIRST_DEAD + timedelta(days=7 * number)).isoformat()


def postal(number: int) -> str:
    """A postal code of a country where it may be anything."""
    return f"Z{word(number)}Q{word(number)[::-1]}".upper()


def digits(number: int) -> str:
    """A number of a check: no card's begins like this."""
    return f"90{number:012d}"


def diagnosis(number: int) -> str:
    """What has the shape of an ICD-10 code, and is none."""
    last, rest = "", number
    for _ in range(3):
        rest, each = divmod(rest, 36)
        last += "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[each]
    return f"Q7B.Z{last}"


MADE: tuple[tuple[str, Callable[[int], str]], ...] = (
    (r"(.*/)?(family|given|middle|suffix|preferred)", text),
    (r"(.*/)?(family_name|given_name)", text),
    (r"(name|plan_name|override_reason|overlap_reason|cover_override_reason|note|text)", text),
    (r"priority_reason|holidays/\[\]/name", text),
    (r"company|purpose|visits", text),
    (r"provider_name|badge|number", plain),
    (r"(.*/)?(lines/\[\]|city|state)|address/(\{\}|\{key\})", text),
    (r"(.*/)?postal_code", postal),
    (r"phones/\[\]/number|phone", phone),
    (r"emails/\[\]|email", email),
    (r"(.*/)?birth_date", born),
    (r"death_date", died),
    (r"member_id|group_number|mrn", capitals),
    (r"check_number", digits),
    (r"card_token|proxy_subject", plain),
    (r"diagnoses/\[\]", diagnosis),
)
"""How members are filled, by their names."""
REASON = (r"reason", text)
"""Free text where it is not a code."""

EXEMPT: Mapping[str, str] = {
    r"(.*/)?country": "a code of ISO 3166 and nothing else",
    r"currency": "a code of ISO 4217",
    r"time_zone": "a name of the IANA database",
    r"service_code_(new|known)|code|lines/\[\]/code": "what has a price; it is in a schedule that"
    " everybody hears of, and tests/contract shows that it never travels with a patient",
    r"lines/\[\]/modifiers/\[\]": "two letters or digits",
    r"(room_)?kind|demographics/\[\]/field|consents/\[\]/(kind|text_version)|forms/\[\]": "codes of"
    " the network's own, of things and of what it asks for",
    r"rrule": "when visits repeat, in the words of RFC 5545",
    r"text_version": "of a form of the network's own, on the bus with each consent",
    r"quiet_(from|until)": "hours in which a clinic sends nothing",
    r"role": "what somebody is on call for, a code of the network's own",
    r"region": "a code of ISO 3166-2",
    r"npi|provider_npi": "in a public register",
    r"payer_id|sender_id|receiver_id|service_types/\[\]": "addresses among payers",
    r"cursor": "ours, signed, and refused if it is not",
    r"sha256": "64 digits of a hash",
    r"(effective|active)_(from|to|until)|expires_on|granted_at|begins_at|until_at": "a period, on"
    " the bus",
    r"anchor|(first|last)_day|(hours|holidays)/\[\]/(day|opens|closes)": "when a provider is in"
    " and a clinic open",
    r"earliest|latest": "days on which somebody could come: those of visits",
    r"(moves/\[\]/)?starts_at|wished/\[\]|ends_at|since|until|at|day|opens|closes": "times of"
    " visits, which everybody has to hear of",
    r"booked_since": "when somebody looked last",
    r"business_date|service_date": "days of visits",
}
"""Members that hold no canary, and why not."""
KINDS: Mapping[str, str] = {
    "uuid": "ids are what everything else is told by",
    "closed": "one of a few words, or yes or no",
    "number": "amounts, counts and sizes",
}
"""What is left out by what it may hold."""


def maker_of(leaf: Leaf) -> Callable[[int], str] | None:
    """How a member is filled; None where it is left out. Raises LookupError where nobody says."""
    if leaf.kind in KINDS:
        return None
    for pattern, maker in MADE:
        if re.fullmatch(pattern, leaf.name):
            return maker
    if re.fullmatch(REASON[0], leaf.name):
        return None if "pattern" in leaf.schema else REASON[1]
    if any(re.fullmatch(pattern, leaf.name) for pattern in EXEMPT):
        return None
    raise LookupError(f"{leaf}: is it a canary's place, or exempt?")


def picture(note: str) -> bytes:
    """A PNG with a note in it (RFC 2083, section 4.2.3.3)."""
    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    told = b"Comment\0" + note.encode()
    parts = (b"IHDR", head), (b"tEXt", told), (b"IDAT", zlib.compress(b"\0\xff")), (b"IEND", b"")
    found = b"\x89PNG\r\n\x1a\n"
    for name, data in parts:
        found += struct.pack(">I", len(data)) + name + data
        found += struct.pack(">I", zlib.crc32(name + data))
    return found
