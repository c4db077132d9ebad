"""What the local issuer has taken back: tokens, and roles that a person has no longer.

    revocations.json    who and what, since when; whom no more tokens are made for
    revocations.log     a line of JSON for each deed: who did what, when; it is written first

A revocation ends the tokens issued until then, and no new ones are made: for a person at all, or
for them in one role. Lifting it lets new ones be made; the old ones stay refused.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from ops import private_files
from shared.values.clock import Clock

FILE = "revocations.json"
LOG = "revocations.log"
LEEWAY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Revocation:
    """target: a person's or a client's id (`sub`), or that of one token (`jti`). barred: whether no
    new tokens are made for it. since: seconds of the epoch."""

    network: str
    target: str
    role: str | None
    since: int
    barred: bool = True

    @property
    def key(self) -> tuple[str, str, str | None]:
        """What it is of."""
        return self.network, self.target, self.role


class Revocations:
    """The list, in one private file that several processes read and write."""

    def __init__(self, folder: Path, clock: Clock, lifetime: timedelta) -> None:
        self._folder = folder
        self._clock = clock
        self._lifetime = lifetime

    def revoke(self, by: str, network: UUID, target: str, role: str | None = None) -> Revocation:
        """Take back what a person has, or have in a role, or one token. by: whose deed it is."""
        since = int(self._clock.now().timestamp())
        made = Revocation(str(network), target, role, since)
        with self._writing(by, "revoke", made) as kept:
            kept[made.key] = made
        return made

    def lift(self, by: str, network: UUID, target: str, role: str | None = None) -> bool:
        """Let new tokens be made again; False where none was barred."""
        wanted = Revocation(str(network), target, role, 0)
        with self._writing(by, "lift", wanted) as kept:
            found = kept.get(wanted.key)
            if found is None or not found.barred:
                return False
            kept[found.key] = Revocation(*found.key, found.since, barred=False)
        return True

    def barred(self, network: str, target: str, roles: Iterable[str]) -> bool:
        """Whether no token of these roles is made for somebody."""
        wanted = {(network, target, role) for role in (None, *roles)}
        return any(found.barred for found in self._kept().values() if found.key in wanted)

    def published(self) -> dict[str, Any]:
        """The list as `shared.web.published` reads it. An id may be a person's or a token's: no two
        things have the same, so both are named."""
        entries: list[dict[str, Any]] = []
        for found in self._kept().values():
            entry = {"network": found.network, "since": found.since}
            if found.role is not None:
                entries.append({**entry, "sub": found.target, "role": found.role})
            else:
                entries.append({**entry, "sub": found.target})
                entries.append({**entry, "jti": found.target})
        return {"revocations": entries}

    def _kept(self) -> dict[tuple[str, str, str | None], Revocation]:
        path = self._folder / FILE
        if not path.exists():
            return {}
        found = [Revocation(**entry) for entry in json.loads(path.read_text())]
        return {one.key: one for one in found}

    @contextmanager
    def _writing(
        self, by: str, did: str, what: Revocation
    ) -> Iterator[dict[tuple[str, str, str | None], Revocation]]:
        now = self._clock.now()
        with open(self._folder / LOG, "a", opener=_private) as journal:
            # The log is the lock, too: whoever writes the list has written who does it before.
            fcntl.flock(journal, fcntl.LOCK_EX)
            kept = self._kept()
            line = {"at": now.isoformat(), "by": by, "did": did, "network": what.network,
                    "target": what.target, "role": what.role}  # fmt: skip
            journal.write(json.dumps(line) + "\n")
            journal.flush()
            os.fsync(journal.fileno())
            yield kept
            # No token is as old as these: they say nothing any more, unless somebody is barred.
            oldest = (now - self._lifetime - LEEWAY).timestamp()
            lasting = [asdict(r) for r in kept.values() if r.barred or r.since >= oldest]
            private_files.write(self._folder / FILE, json.dumps(lasting, indent=1))


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
