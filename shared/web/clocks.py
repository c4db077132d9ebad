"""Clocks of a process: the system's, or one shared between the processes of a local run."""

import mmap
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORMAT = struct.Struct("<q")


class SystemClock:
    """The time of the machine."""

    def now(self) -> datetime:
        """The current instant in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - the one place that asks the machine


class SharedClock:
    """A clock that every process of a local run reads from one file of eight bytes.

    The file holds microseconds since 1970 as a little-endian int64; 0 means the machine's time. A
    production profile refuses to start with one.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(_FORMAT.pack(0))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _FORMAT.size)
        self._system = SystemClock()

    def now(self) -> datetime:
        """The instant that was set, or the machine's."""
        (micros,) = _FORMAT.unpack(self._memory[: _FORMAT.size])
        if micros == 0:
            return self._system.now()
        return _EPOCH + timedelta(microseconds=micros)

    def set(self, moment: datetime | None) -> None:
        """Set the clock of every process that shares it; None gives the machine's time back."""
        micros = 0 if moment is None else (moment - _EPOCH) // timedelta(microseconds=1)
        self._memory[: _FORMAT.size] = _FORMAT.pack(micros)
