"""X12 syntax (ASC X12 control standards, version 00501): read, check, build, write back the bytes.

Only syntax lives here: delimiters, segments, the envelope, loops by table, data types. What a
segment means belongs to the caller.
"""

from shared.x12.building import Address, Envelope, Unsendable, control_number, made, segment
from shared.x12.elements import Period, read_date, read_decimal, read_period
from shared.x12.errors import X12Error
from shared.x12.loops import Loop, Node, read_loops
from shared.x12.reading import BYTES_MAX, SEGMENTS_MAX, parse
from shared.x12.syntax import STANDARD, Delimiters, Group, Interchange, Segment, Transaction

__all__ = [
    "BYTES_MAX",
    "SEGMENTS_MAX",
    "STANDARD",
    "Address",
    "Delimiters",
    "Envelope",
    "Group",
    "Interchange",
    "Loop",
    "Node",
    "Period",
    "Segment",
    "Transaction",
    "Unsendable",
    "X12Error",
    "control_number",
    "made",
    "parse",
    "read_date",
    "read_decimal",
    "read_loops",
    "read_period",
    "segment",
]
