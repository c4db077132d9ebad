"""Anchors of the audit: signed heads of its chains, kept outside the database.

Who may do anything in the database can make a chain anew; not one whose heads were written down
elsewhere and signed with a key that the database does not know. An anchor is a line in a file: a
JWS (RFC 7515) of the service's name, a number that goes up by one, the digest of the line before,
and the heads that have moved since.
"""

import errno
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from joserfc import jws
from joserfc.jwk import RSAKey

ALGORITHM = "RS256"
"""Its signatures can be checked with a power and a comparison (RFC 8017, section 8.2.2)."""
EVERY = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Anchors:
    """Where anchors of this process go. folder: append-only, if the place can be made so."""

    folder: Path
    key: RSAKey = field(repr=False)
    every: timedelta = EVERY

    @classmethod
    def of(cls, folder: Path, key_file: Path, every: timedelta = EVERY) -> "Anchors":
        """With the private key that a file has, as a JWK (RFC 7517). Raises OSError, ValueError."""
        return cls(folder, RSAKey.import_key(json.loads(key_file.read_text())), every)

    def is_due(self, last: datetime | None) -> bool:
        """Whether it is time for another."""
        now = datetime.now(UTC)  # noqa: TID251 - anchors are of real time
        return last is None or now - last >= self.every

    def written(
        self, service: str, number: int, previous: bytes, heads: Iterable[Mapping[str, Any]]
    ) -> str:
        """Write an anchor; the line. Raises OSError.

        previous: the digest of the line before. heads: network, seq and head (in hex) of each.
        """
        said = {
            "service": service,
            "number": number,
            "previous": previous.hex(),
            "at": datetime.now(UTC).isoformat(),  # noqa: TID251 - anchors are of real time
            "heads": list(heads),
        }
        header = {"alg": ALGORITHM, "kid": self.key.thumbprint()}
        line = jws.serialize_compact(
            header, json.dumps(said).encode(), self.key, algorithms=[ALGORITHM]
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        file = os.open(self.folder / f"{service}.anchors", flags, 0o640)
        try:
            size = os.fstat(file).st_size
            data = line.encode() + b"\n"
            if os.write(file, data) != len(data):
                os.ftruncate(file, size)
                raise OSError(errno.ENOSPC, "the anchor did not fit")
            os.fsync(file)
        finally:
            os.close(file)
        return line


def fresh_key() -> tuple[str, str]:
    """A new key: the private JWK, and a set of public ones with this one in it."""
    key = RSAKey.generate_key(3072, auto_kid=True)
    return json.dumps(key.as_dict(private=True)), json.dumps({"keys": [key.as_dict(private=False)]})
