"""Values to an interchange, with the same checks as reading."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.values.errors import Invalid
from shared.x12.reading import parse
from shared.x12.syntax import STANDARD, Delimiters, Interchange, Segment

CONTROL_NUMBER_MAX = 999_999_999
_SENDABLE = re.compile(r"[\x20-\x7e]*")
_LINE_ENDS = ("", "\n", "\r\n")


class Unsendable(Invalid):
    """A value that X12 cannot carry as it stands. It names the segment and element, not the value.

    Codes: ``x12.delimiter_in_data``, ``x12.charset``, ``x12.too_long``, ``x12.control_number``.
    """

    def __init__(self, code: str, place: str) -> None:
        super().__init__(code, "A value cannot be written in X12.", facts={"element": place})


@dataclass(frozen=True, slots=True)
class Address:
    """Who sends or receives: qualifier (ISA05, ISA07) and identifier (15 characters at most)."""

    id: str
    qualifier: str = "ZZ"


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the headers say.

    functional_id: GS01, e.g. ``HS``. transaction: ST01. version: GS08 and ST03.
    made_at: an aware instant; written in UTC. usage: ``P`` production, ``T`` test.
    line_end: what follows each terminator, for people who read the file.
    """

    sender: Address
    receiver: Address
    made_at: datetime
    control_number: int
    functional_id: str
    transaction: str
    version: str
    usage: str = "P"
    delimiters: Delimiters = STANDARD
    line_end: str = ""


def control_number(number: int) -> str:
    """ISA13 and IEA02: nine digits. Raises Unsendable ``x12.control_number`` where it has more."""
    if not 1 <= number <= CONTROL_NUMBER_MAX:
        raise Unsendable("x12.control_number", "ISA13")
    return f"{number:09d}"


def segment(
    name: str, *elements: str | Sequence[str], delimiters: Delimiters = STANDARD
) -> Segment:
    """A segment from values. A sequence is written as repetitions; empty ones at the end go.

    Raises Unsendable where a value holds a delimiter or a character outside printable ASCII (the
    basic and extended character sets of X12.6 hold no other that both sides must know).
    """
    written: list[str] = []
    for number, element in enumerate(elements, start=1):
        values = (element,) if isinstance(element, str) else tuple(element)
        for value in values:
            if not _SENDABLE.fullmatch(value):
                raise Unsendable("x12.charset", f"{name}{number:02d}")
            if any(mark in value for mark in delimiters):
                raise Unsendable("x12.delimiter_in_data", f"{name}{number:02d}")
        written.append(delimiters.repetition.join(values))
    while written and not written[-1]:
        written.pop()
    return Segment(name, tuple(written))


def made(envelope: Envelope, body: Sequence[Segment]) -> Interchange:
    """An interchange of one transaction set with `body` between its ST and SE.

    What is returned has been read back by `parse`. Raises Unsendable for values that cannot be
    written, ValueError for a naive instant or a line end that is none.
    """
    if envelope.made_at.tzinfo is None or envelope.line_end not in _LINE_ENDS:
        raise ValueError("an envelope needs an aware instant and a known line end")
    marks = envelope.delimiters
    inner = (
        segment("ST", envelope.transaction, "0001", envelope.version, delimiters=marks),
        *body,
        segment("SE", str(len(body) + 2), "0001", delimiters=marks),
    )
    number = str(envelope.control_number)
    parts = (
        _isa(envelope),
        _gs(envelope),
        *inner,
        segment("GE", "1", number, delimiters=marks),
        segment("IEA", "1", control_number(envelope.control_number), delimiters=marks),
    )
    return parse("".join(part.text(marks) + envelope.line_end for part in parts).encode())


def _isa(envelope: Envelope) -> Segment:
    """The header of fixed width. ISA01 and ISA03 say that no secret travels in it."""
    marks = envelope.delimiters
    for place, address in (("ISA06", envelope.sender), ("ISA08", envelope.receiver)):
        if not 1 <= len(address.id) <= 15:
            raise Unsendable("x12.too_long", place)
    at = envelope.made_at.astimezone(UTC)
    leading = segment(
        "ISA",
        "00",
        " " * 10,
        "00",
        " " * 10,
        envelope.sender.qualifier,
        envelope.sender.id.ljust(15),
        envelope.receiver.qualifier,
        envelope.receiver.id.ljust(15),
        at.strftime("%y%m%d"),
        at.strftime("%H%M"),
        delimiters=marks,
    )
    number = control_number(envelope.control_number)
    rest = (marks.repetition, "00501", number, "0", envelope.usage, marks.component)
    return Segment("ISA", (*leading.elements, *rest))


def _gs(envelope: Envelope) -> Segment:
    at = envelope.made_at.astimezone(UTC)
    return segment(
        "GS",
        envelope.functional_id,
        envelope.sender.id,
        envelope.receiver.id,
        at.strftime("%Y%m%d"),
        at.strftime("%H%M"),
        str(envelope.control_number),
        "X",
        envelope.version,
        delimiters=envelope.delimiters,
    )
