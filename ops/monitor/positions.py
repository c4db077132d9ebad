"""Where a reader stands, as the `id` of an SSE event: with it a stream resumes at exactly the next
event, also in another process. Pure.

The id holds every partition's next offset, and a mark of the bus and of its topics: an id of
another bus, or of other topics, is not taken for one of this.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from zlib import crc32

from shared.bus.port import TopicPartition
from shared.contracts.envelope import PARTITIONS

ID_LETTERS_MAX = 4096
_MARK_BYTES = 4
_OFFSET_MAX = 1 << 62


class Places:
    """Writes and reads the ids of one bus and its topics."""

    def __init__(self, bus_id: str, topics: Sequence[str]) -> None:
        self._keys = [(topic, n) for topic in sorted(topics) for n in range(PARTITIONS)]
        named = "\n".join([bus_id, *sorted(topics)])
        self._mark = crc32(named.encode()).to_bytes(_MARK_BYTES, "big")

    def written(self, positions: Mapping[TopicPartition, int]) -> str:
        """The id of a place."""
        made = bytearray(self._mark)
        for key in self._keys:
            rest = positions.get(key, 0)
            while rest > 0x7F:
                made.append(rest & 0x7F | 0x80)
                rest >>= 7
            made.append(rest)
        return base64.urlsafe_b64encode(bytes(made)).decode().rstrip("=")

    def read(self, text: str) -> dict[TopicPartition, int] | None:
        """The place that an id names, or None where it is none of this bus."""
        if len(text) > ID_LETTERS_MAX or not text.isascii():
            return None
        try:
            held = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        offsets = _numbers(held[_MARK_BYTES:])
        if held[:_MARK_BYTES] != self._mark or len(offsets) != len(self._keys):
            return None
        if any(offset > _OFFSET_MAX for offset in offsets):
            return None
        return dict(zip(self._keys, offsets, strict=True))


def _numbers(held: bytes) -> list[int]:
    """The varints in some bytes; an unfinished last one makes the count wrong."""
    found, value, shift = [], 0, 0
    for byte in held:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            found.append(value)
            value, shift = 0, 0
    return found if shift == 0 else []
