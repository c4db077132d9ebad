"""What can be wrong with X12 text: a code, the place, never the data."""

from collections.abc import Mapping
from types import MappingProxyType

from shared.values.errors import Malformed

TITLES: Mapping[str, str] = MappingProxyType(
    {
        "x12.empty": "There is nothing in it.",
        "x12.not_x12": "It does not begin with an ISA segment.",
        "x12.bom": "It begins with a byte order mark.",
        "x12.charset": "It holds bytes that are not UTF-8.",
        "x12.control_character": "It holds a control character inside a segment.",
        "x12.too_large": "It is over the limit on size.",
        "x12.too_many_segments": "It has too many segments.",
        "x12.truncated": "It ends before its end segment.",
        "x12.isa_layout": "The ISA segment does not have its fixed width.",
        "x12.delimiter_clash": "One character serves as two delimiters.",
        "x12.delimiter_unusable": "A letter, a digit or a space cannot be a delimiter.",
        "x12.version": "It is of another version than 00501.",
        "x12.segment_id": "A segment does not begin with a segment identifier.",
        "x12.envelope": "The segments of the envelope are out of order.",
        "x12.count_lies": "A count of the envelope is not what it holds.",
        "x12.control_number_lies": "A control number differs between a header and its trailer.",
        "x12.more_than_one": "It holds more than one interchange.",
        "x12.trailing_data": "Something follows the end of the interchange.",
        "x12.hl_parent": "A hierarchical level does not name the level above it.",
        "x12.hl_repeated": "Two hierarchical levels have the same number.",
        "x12.hl_level": "A hierarchical level is of a kind that has no place there.",
        "x12.loop_repeated": "A loop is repeated more often than its place allows.",
        "x12.loop_open": "A loop that has an end of its own is left open.",
        "x12.date": "A date is not one.",
        "x12.date_reversed": "A period ends before it begins.",
        "x12.number": "A number is not written as X12 writes numbers.",
    }
)


class X12Error(Malformed):
    """X12 text that is refused.

    code: dotted, stable; those of this package are the keys of `TITLES`.
    segment: position of the segment at fault, ISA being 1, or None where there is none.
    """

    def __init__(self, code: str, segment: int | None = None, title: str | None = None) -> None:
        super().__init__(
            code,
            title or TITLES.get(code, "The X12 text cannot be accepted."),
            facts={} if segment is None else {"segment": segment},
        )
        self.segment = segment

    def __str__(self) -> str:
        place = "" if self.segment is None else f" (segment {self.segment})"
        return f"{self.code}: {self.title}{place}"
