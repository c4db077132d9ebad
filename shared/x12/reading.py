"""Bytes to an interchange. Everything is kept; what does not hold together is refused.

ASC X12.5 (interchange) and X12.6 (application control structure): the ISA segment has a fixed
width, and its own characters declare the delimiters of the rest.
"""

import re

from shared.x12.errors import X12Error
from shared.x12.syntax import Delimiters, Group, Interchange, Segment, Transaction

BYTES_MAX = 1_000_000
SEGMENTS_MAX = 10_000

_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_ISA_WIDTHS = (2, 10, 2, 10, 2, 15, 2, 15, 6, 4, 1, 5, 9, 1, 1, 1)
_ISA_LENGTH = 106
_SEGMENT_ID = re.compile(r"[A-Z][A-Z0-9]{1,2}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_COUNT = re.compile(r"\d{1,10}")


def parse(
    data: bytes, *, bytes_max: int = BYTES_MAX, segments_max: int = SEGMENTS_MAX
) -> Interchange:
    """The one interchange that `data` holds, with every byte of it.

    Raises X12Error: see `shared.x12.errors.TITLES`. Line ends after terminators are kept; nothing
    but white space may follow the IEA segment.
    """
    text = _decoded(data, bytes_max)
    delimiters = _declared(text)
    segments = _split(text, delimiters, segments_max)
    return Interchange(delimiters, segments, _checked(segments))


def _decoded(data: bytes, bytes_max: int) -> str:
    if len(data) > bytes_max:
        raise X12Error("x12.too_large")
    if not data.strip():
        raise X12Error("x12.empty")
    if data.startswith(_BOMS):
        raise X12Error("x12.bom")
    if not data.startswith(b"ISA"):
        raise X12Error("x12.not_x12")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise X12Error("x12.charset") from error


def _declared(text: str) -> Delimiters:
    """The delimiters by position: 4th, 83rd, 105th and 106th character of the ISA segment."""
    if len(text) < _ISA_LENGTH:
        raise X12Error("x12.truncated", 1)
    delimiters = Delimiters(text[3], text[82], text[104], text[105])
    if any(mark.isalnum() or mark == " " for mark in delimiters):
        raise X12Error("x12.delimiter_unusable", 1)
    if len(set(delimiters)) < len(tuple(delimiters)):
        raise X12Error("x12.delimiter_clash", 1)
    elements = text[4:105].split(delimiters.element)
    if tuple(len(element) for element in elements) != _ISA_WIDTHS:
        raise X12Error("x12.isa_layout", 1)
    if elements[11] != "00501":
        raise X12Error("x12.version", 1)
    return delimiters


def _split(text: str, delimiters: Delimiters, segments_max: int) -> tuple[Segment, ...]:
    segments: list[Segment] = []
    start = 0
    while start < len(text):
        position = len(segments) + 1
        if position > segments_max:
            raise X12Error("x12.too_many_segments", position)
        # The ISA's own elements hold the other delimiters, but its width is fixed.
        end = _ISA_LENGTH - 1 if position == 1 else text.find(delimiters.segment, start)
        if end < 0:
            raise X12Error("x12.truncated", position)
        name, *elements = _elements(text[start:end], delimiters, position)
        start = _skipped(text, end + 1, " \t\r\n" if name == "IEA" else "\r\n")
        segments.append(Segment(name, tuple(elements), text[end + 1 : start], position))
        if name == "IEA" and start < len(text):
            code = "x12.more_than_one" if text.startswith("ISA", start) else "x12.trailing_data"
            raise X12Error(code, position + 1)
    return tuple(segments)


def _elements(raw: str, delimiters: Delimiters, position: int) -> list[str]:
    """The segment's identifier and elements. A delimiter may itself be a control character."""
    parts = raw.split(delimiters.element)
    if not _SEGMENT_ID.fullmatch(parts[0]):
        raise X12Error("x12.segment_id", position)
    marks = {ord(mark): None for mark in delimiters}
    if _CONTROL.search(raw.translate(marks)):
        raise X12Error("x12.control_character", position)
    return parts


def _skipped(text: str, start: int, blank: str) -> int:
    while start < len(text) and text[start] in blank:
        start += 1
    return start


def _checked(segments: tuple[Segment, ...]) -> tuple[Group, ...]:
    """The groups, once the envelope's order, counts and control numbers have been found true."""
    trailer = segments[-1]
    if trailer.id != "IEA":
        raise X12Error("x12.truncated", trailer.position)
    groups: list[Group] = []
    at = 1
    while at < len(segments) - 1:
        if segments[at].id == "TA1" and not groups:  # an acknowledgement stands before all groups
            at += 1
            continue
        group, at = _group(segments, at)
        groups.append(group)
    _match(trailer, len(groups), segments[0].get(13))
    return tuple(groups)


def _group(segments: tuple[Segment, ...], at: int) -> tuple[Group, int]:
    header = segments[at]
    if header.id != "GS":
        raise X12Error("x12.envelope", header.position)
    transactions: list[Transaction] = []
    at += 1
    while segments[at].id == "ST":
        transaction, at = _transaction(segments, at)
        transactions.append(transaction)
    trailer = segments[at]
    if trailer.id != "GE":
        raise X12Error("x12.envelope", trailer.position)
    _match(trailer, len(transactions), header.get(6))
    return Group(header, tuple(transactions), trailer), at + 1


_ENVELOPE = frozenset({"ISA", "GS", "ST", "SE", "GE", "IEA"})


def _transaction(segments: tuple[Segment, ...], at: int) -> tuple[Transaction, int]:
    first = at
    at += 1
    while segments[at].id not in _ENVELOPE:
        at += 1
    trailer = segments[at]
    if trailer.id != "SE":
        raise X12Error("x12.envelope", trailer.position)
    _match(trailer, at - first + 1, segments[first].get(2))
    return Transaction(segments[first], segments[first + 1 : at], trailer), at + 1


def _match(trailer: Segment, count: int, control_number: str) -> None:
    """Compare a trailer's count (first element) and control number (second) with what is there."""
    stated = trailer.get(1)
    if not _COUNT.fullmatch(stated) or int(stated) != count:
        raise X12Error("x12.count_lies", trailer.position)
    if not control_number or trailer.get(2) != control_number:
        raise X12Error("x12.control_number_lies", trailer.position)
