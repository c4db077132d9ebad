"""Rules of time zones that are not, as a release of the tz database would bring them."""

import struct
import zoneinfo
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path


def compiled(first_minutes: int, changes: Sequence[tuple[datetime, int]]) -> bytes:
    """A zone as a TZif file (RFC 8536): its first offset, and others from instants on, for good."""
    offsets = [first_minutes, *(minutes for _, minutes in changes)]
    times = b"".join(struct.pack(">q", int(at.timestamp())) for at, _ in changes)
    kinds = bytes(range(1, len(offsets)))
    types = b"".join(struct.pack(">ibb", minutes * 60, 0, 0) for minutes in offsets)
    last = offsets[-1]
    sign = "-" if last > 0 else ""
    footer = f"\n<T>{sign}{abs(last) // 60}:{abs(last) % 60:02d}\n".replace("<T>", "<TST>")

    def head(*counts: int) -> bytes:
        return b"TZif2" + bytes(15) + struct.pack(">6l", *counts)

    old = head(0, 0, 0, 0, 1, 4) + struct.pack(">ibb", first_minutes * 60, 0, 0) + b"TST\0"
    new = head(0, 0, 0, len(changes), len(offsets), 4) + times + kinds + types + b"TST\0"
    return old + new + footer.encode()


def entered(folder: Path, **zones: bytes) -> Path:
    """A folder of rules: `America__Denver=...` is the zone America/Denver."""
    for name, rules in zones.items():
        file = folder / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(rules)
    return folder


@contextmanager
def installed(folder: Path) -> Iterator[None]:
    """In this process a zone has the rules of a folder, where they are there."""
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath(to=[folder, *before])
    zoneinfo.ZoneInfo.clear_cache()
    try:
        yield
    finally:
        zoneinfo.reset_tzpath(to=before)
        zoneinfo.ZoneInfo.clear_cache()
