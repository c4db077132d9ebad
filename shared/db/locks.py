"""Advisory locks: one sorted pass at the start of a transaction, before its first write.

An advisory lock takes no transaction id and a write does, so with all locks first the order in
which transactions of one aggregate get their ids is the order in which they commit.
"""

from collections.abc import Iterable
from hashlib import blake2b
from uuid import UUID

LockKey = tuple[str, str]
"""(kind, id): `("appointment", "<uuid>")`. The network is added when it is hashed."""

LOCKS_MAX = 256
"""Per transaction. More would fill the lock table of a server with default settings."""


def lock_key(kind: str, key: object) -> LockKey:
    """The key of one aggregate or resource."""
    return (kind, str(key))


def advisory_number(network_id: UUID, key: LockKey) -> int:
    """The 64-bit number Postgres locks for a key of a network."""
    text = f"{network_id}/{key[0]}/{key[1]}".encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big", signed=True)


def advisory_numbers(network_id: UUID, keys: Iterable[LockKey]) -> list[int]:
    """The numbers of a pass: sorted and without repeats, so that two passes never deadlock."""
    numbers = sorted({advisory_number(network_id, key) for key in keys})
    if len(numbers) > LOCKS_MAX:
        raise ValueError(f"{len(numbers)} locks in one transaction; {LOCKS_MAX} at most")
    return numbers
