"""The bus of one service process: its relay and its consumer, on the transport it is told."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.contracts.envelope import Envelope, Event
from shared.db.database import Database
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.values.clock import Clock

Handler = Callable[[Work, Envelope, Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """What a service hears: a function an event, and a pure `locks` beside them."""

    handlers: Mapping[type[Event], Handler]
    locks: Callable[[Event], Sequence[LockKey]]


@dataclass(slots=True)
class BusProcess:
    """WIRED BY OWNER once relay.py and consumer.py exist."""

    name: str

    @classmethod
    def connect(
        cls, name: str, *, kind: str, postgres_url: str | None, kafka: str | None
    ) -> "BusProcess":
        return cls(name)

    async def run(self, database: Database, clock: Clock, subscriptions: Subscriptions) -> None:
        return None

    async def stop(self) -> None:
        return None

    async def close(self) -> None:
        return None

    def state(self) -> dict[str, Any]:
        return {}
