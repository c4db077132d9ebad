"""What a service hears."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.contracts.envelope import Envelope, Event
from shared.contracts.versions import lineage
from shared.db.locks import LockKey
from shared.db.work import Work

HANDLER_SECONDS = 30.0

Handler = Callable[[Work, Envelope, Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """A function an event, and a pure `locks` beside them: what the function will change.

    handler_seconds: how long a function may take for one event.
    Raises ValueError for two versions of one event: a happening must take effect once.
    """

    handlers: Mapping[type[Event], Handler]
    locks: Callable[[Event], Sequence[LockKey]]
    handler_seconds: float = HANDLER_SECONDS

    def __post_init__(self) -> None:
        names = [(event.producer, event.name) for event in self.handlers]
        if len(set(names)) < len(names):
            raise ValueError("one version of an event is heard, and others are read as that one")

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics of the events heard, sorted."""
        return tuple(sorted({event.topic() for event in self.handlers}))

    @property
    def known(self) -> Mapping[str, type[Event]]:
        """The events heard, by their own wire type and those of the versions before."""
        return {v.wire_type(): event for event in self.handlers for v in lineage(event)}
