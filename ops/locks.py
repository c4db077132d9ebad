"""A lock file: held by one process, given back by the kernel when that process ends."""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(slots=True)
class Lock:
    """A held lock. It is not inherited by child processes."""

    descriptor: int

    @classmethod
    def take(cls, path: Path) -> "Lock | None":
        """Take the lock at once, or None when another process holds it."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return cls(descriptor)

    def release(self) -> None:
        """Give it back; once."""
        os.close(self.descriptor)
