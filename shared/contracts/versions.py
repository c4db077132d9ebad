"""Versions of one event, published beside each other in one record.

What cannot be added to an event becomes a new version of it: a class of the same name and subject
with `version = 2` and `before = Before(V1, up=...)`, and `down=` while readers of version 1 are
left. The rule:

- **One happening is one record**, in however many versions it is said. Type and value are of the
  oldest version said; each later one stands in the value as a member `$v2`, `$v3`, which a reader
  of the oldest reads past, as it does past any member that it does not know. No field of an event
  can be called so.
- **A subscriber hears one version of a name.** Of those in a record it takes the newest that is
  not newer than its own, and lifts it by `up` where it is older.

So a happening has one number in its subject's sequence and takes effect once for each subscriber,
whichever version the process at hand reads, also where a newer process takes over mid-stream.
(A record for each version was considered: a subscriber that is replaced by a newer one between the
two records takes both or neither, whatever a header says, unless it keeps which one it took.)

A record that holds newer versions only is parked as `unknown_version`; it is applied when a process
that reads it retries. So the window may end when the last reader of the older version is gone.
"""

import json
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json, to_json

from shared.contracts.envelope import (
    VALUE_BYTES_MAX,
    Envelope,
    Event,
    UnknownEvent,
    Unreadable,
)


def lineage(cls: type[Event]) -> tuple[type[Event], ...]:
    """An event and the versions before it, newest first."""
    found = [cls]
    while (before := found[-1].before) is not None:
        found.append(before.event)
    return tuple(found)


def said_as(cls: type[Event]) -> type[Event]:
    """The oldest version that is said with an event: its record's type."""
    while cls.before is not None and cls.before.down is not None:
        cls = cls.before.event
    return cls


def value_of(event: Event) -> bytes:
    """The value of an event's record, with the older versions that are still said.

    Raises ValueError where a version is about another subject.
    """
    versions = [event]
    while (before := versions[-1].before) is not None and before.down is not None:
        versions.append(before.down(versions[-1]))
    oldest = versions.pop()
    if not versions:
        return event.model_dump_json().encode()
    if any(newer.subject != oldest.subject for newer in versions):
        raise ValueError(f"versions of {event.name} are about different subjects")
    value = oldest.model_dump(mode="json")
    value |= {_member(type(newer)): newer.model_dump(mode="json") for newer in versions}
    return to_json(value)


def _once(members: list[tuple[str, object]]) -> None:
    if len(dict(members)) != len(members):
        raise ValueError("a member twice")


def _never(name: str) -> None:
    raise ValueError(name)


_STRICT = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_never)


def event_of(envelope: Envelope, value: bytes, known: Mapping[str, type[Event]]) -> Event:
    """The event in a record's value; `known` tells by wire type as which event it is read.

    Raises UnknownEvent for a type that is not in `known`; Unreadable where the value is over its
    limit, is not JSON of that type, says a member twice or a number that JSON does not have, cannot
    be lifted, or is about another subject than its headers say.
    """
    cls = known.get(envelope.type)
    if cls is None:
        raise UnknownEvent(envelope.type)
    if len(value) > VALUE_BYTES_MAX:
        raise Unreadable("the data is over its limit")
    try:
        if envelope.type == cls.wire_type():
            event = cls.model_validate_json(value, strict=True)
        else:
            event = _lifted(cls, envelope.type, value)
        # Pydantic takes the last of two equal members, and NaN in a member that it ignores. It has
        # refused what is too deep or too long for the reader below.
        _STRICT.decode(value.decode())
    except ValueError:
        raise Unreadable("the data does not fit its type") from None
    if event.subject != envelope.subject:
        raise Unreadable("data and headers name different subjects")
    return event


def _lifted(cls: type[Event], said: str, value: bytes) -> Event:
    """Read a record whose type is an older version of `cls`."""
    held: Any = from_json(value)
    newer: list[type[Event]] = []
    for version in lineage(cls):
        if version.wire_type() == said:
            found = version.model_validate_json(value, strict=True)
            break
        if isinstance(held, dict) and _member(version) in held:
            found = version.model_validate_json(to_json(held[_member(version)]), strict=True)
            break
        newer.append(version)
    for version in reversed(newer):
        found = _up(version, found)
    return found


def _up(version: type[Event], older: Event) -> Event:
    assert version.before is not None  # noqa: S101 - by `lineage`
    try:
        return version.before.up(older)
    except Exception as error:  # noqa: BLE001 - whatever it is, this record is not read
        raise Unreadable(
            f"{type(error).__name__} when lifted to version {version.version}"
        ) from None


def _member(version: type[Event]) -> str:
    return f"$v{version.version}"
