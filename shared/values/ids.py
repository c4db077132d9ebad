"""Identifiers: UUIDv7 where a command makes a row, UUIDv5 where a handler does (RFC 9562)."""

from uuid import UUID, uuid5

import uuid_utils.compat


def new_id() -> UUID:
    """A new UUIDv7: unique, and in the order of making."""
    return uuid_utils.compat.uuid7()


def derived_id(event_id: UUID, role: str) -> UUID:
    """The id of the row that plays `role` in the effect of one event: the same on every replay."""
    return uuid5(event_id, role)
