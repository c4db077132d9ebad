"""Finding values in bytes, however they are written there.

    found = Search({"Zqbcdf Ödegård"}).hits(Path("patients.log").read_bytes())

Each value is looked for as it is, without accents and case, URL-encoded, JSON-escaped, in base64 at
each of the three places where it may begin in a group of three bytes, in hex, and as Python and
HTML escape it. A birth date is also looked for as X12 and people write it, a telephone number by
its digits.
"""

import base64
import html
import json
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

from shared.values.text import compact_form, search_form

SHORTEST = 8
"""A value of fewer bytes is found in everything, sooner or later."""
_GRAM = 6
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
_PHONE = re.compile(r"\+?1?(\d{10})")
_MONTHS = "January February March April May June July August September October November December"
_WORDY = frozenset(b"0123456789abcdefghijklmnopqrstuvwxyz")


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a value was found: which one, in what form, at which byte."""

    value: str
    form: str
    at: int


class Search:
    """Looks for many values at once."""

    def __init__(self, values: Iterable[str]) -> None:
        self.values = frozenset(values)
        short = [value for value in self.values if len(value) < SHORTEST]
        if short:
            raise ValueError(f"too short to be looked for: {short[:3]}")
        self._by_gram: defaultdict[bytes, dict[bytes, tuple[str, str]]] = defaultdict(dict)
        for value in sorted(self.values):
            for form, needle in forms(value):
                low = needle.lower()
                self._by_gram[low[:_GRAM]].setdefault(low, (value, form))

    def hits(self, data: bytes) -> list[Hit]:
        """Every place in the data at which one of the values begins, in the order of places."""
        low, grams = data.lower(), self._by_gram
        found = []
        for at in range(len(low) - _GRAM + 1):
            gram = low[at : at + _GRAM]
            if gram in grams:
                for needle, (value, form) in grams[gram].items():
                    if low.startswith(needle, at) and _stands(low, needle, at):
                        found.append(Hit(value, form, at))
        return found


def _stands(low: bytes, needle: bytes, at: int) -> bool:
    """Digits alone have to stand alone: ids and hashes hold every short row of them."""
    if not needle.isdigit():
        return True
    end = at + len(needle)
    before = at > 0 and low[at - 1] in _WORDY
    return not before and not (end < len(low) and low[end] in _WORDY)


def forms(value: str) -> Iterator[tuple[str, bytes]]:
    """The ways in which a value may be written, each with a name. Letter case does not count."""
    yield from _written(value)
    for name, other in _said_otherwise(value):
        yield name, other.encode()
    plain = value.encode()
    yield "hex", plain.hex().encode()
    for start, encoded in enumerate(_base64(plain)):
        yield f"base64+{start}", encoded
        yield f"base64url+{start}", encoded.replace(b"+", b"-").replace(b"/", b"_")


def _written(value: str) -> Iterator[tuple[str, bytes]]:
    ways = (value, value.upper(), value.lower(), unicodedata.normalize("NFD", value))
    for text in dict.fromkeys(ways):
        yield "plain", text.encode()
        yield "url", quote(text, safe="").encode()
        yield "form", quote_plus(text, safe="").encode()
        escaped = json.dumps(text)[1:-1]
        yield "json", escaped.encode()
        yield "json in json", json.dumps(escaped)[1:-1].encode()
        yield "python", text.encode("ascii", "backslashreplace")
        yield "bytes", repr(text.encode())[2:-1].encode()
        yield "html", html.escape(text).encode()
        yield "html", html.escape(text).encode("ascii", "xmlcharrefreplace")
        if not text.isascii():
            yield "latin", text.encode("latin-1", "replace")


def _said_otherwise(value: str) -> Iterator[tuple[str, str]]:
    if (day := _DATE.fullmatch(value)) is not None:
        year, month, date = day.groups()
        yield "x12", f"{year}{month}{date}"
        yield "slashes", f"{month}/{date}/{year}"
        yield "words", f"{_MONTHS.split()[int(month) - 1]} {int(date)}, {year}"
        return
    if (phone := _PHONE.fullmatch(value)) is not None:
        digits = phone[1]
        yield "digits", digits
        yield "digits", f"1{digits}"
        yield "hyphens", f"{digits[:3]}-{digits[3:6]}-{digits[6:]}"
        yield "brackets", f"({digits[:3]}) {digits[3:6]}-{digits[6:]}"
        return
    bare = "".join(
        mark for mark in unicodedata.normalize("NFKD", value) if not unicodedata.combining(mark)
    )
    ways = (("bare", bare), ("folded", search_form(value)), ("compact", compact_form(value)))
    for name, text in ways:
        if len(text) >= SHORTEST:
            yield name, text
            yield f"{name} base64", _base64(text.encode())[0].decode()


def _base64(data: bytes) -> list[bytes]:
    """The letters that stand for these bytes and no others, for each place they may begin at."""
    found = []
    for start in range(3):
        encoded = base64.b64encode(b"\0" * start + data)
        first = -(-start * 8 // 6)
        last = (start + len(data)) * 8 // 6
        found.append(encoded[first:last])
    return found
