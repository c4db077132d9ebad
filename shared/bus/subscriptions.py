"""What a service hears."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.contracts.envelope import Envelope, Event
from shared.db.locks import LockKey
from shared.db.work import Work

Handler = Callable[[Work, Envelope, Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """A function an event, and a pure `locks` beside them: what the function will change."""

    handlers: Mapping[type[Event], Handler]
    locks: Callable[[Event], Sequence[LockKey]]

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics of the events heard, sorted."""
        return tuple(sorted({event.topic() for event in self.handlers}))

    @property
    def known(self) -> Mapping[str, type[Event]]:
        """The events heard, by wire type."""
        return {event.wire_type(): event for event in self.handlers}
