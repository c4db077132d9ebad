"""The bus of one service process: its relay and its consumer, on the transport it is told."""

import asyncio
from typing import Any

import structlog

from shared.bus.consumer import REJOIN_SECONDS, Consumer
from shared.bus.kafka_access import KafkaAccess
from shared.bus.port import Bus, BusError, GroupBroken
from shared.bus.postgres import PostgresBus
from shared.bus.relay import Relay
from shared.bus.subscriptions import Handler, Subscriptions
from shared.bus.watch import Watch
from shared.contracts.catalogue import PRODUCERS
from shared.db.database import Database
from shared.values.clock import Clock

__all__ = ["BusProcess", "Handler", "Subscriptions"]

log = structlog.get_logger(__name__)

STOP_SECONDS = 10.0


class BusProcess:
    """Relay and consumer of a service. `run` goes on until `stop`; then `close`."""

    def __init__(self, name: str, bus: Bus) -> None:
        self._name, self._bus = name, bus
        self._relay: Relay | None = None
        self._consumer: Consumer | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    def connect(
        cls,
        name: str,
        *,
        kind: str,
        postgres_url: str | None,
        kafka: str | None,
        access: KafkaAccess | None = None,
    ) -> "BusProcess":
        """On the transport `kind` (`postgres` or `kafka`); nothing is opened before it is needed.

        access: how that broker is reached; in the clear by default.
        Raises ValueError where the address of that transport is missing.
        """
        address = kafka if kind == "kafka" else postgres_url
        if address is None:
            raise ValueError(f"{name}: there is no address for the {kind} bus")
        if kind != "kafka":
            return cls(name, PostgresBus(address))
        from shared.bus.kafka import KafkaBus  # 3 MB that a process on Postgres spares

        return cls(name, KafkaBus(address, access))

    async def run(self, database: Database, clock: Clock, subscriptions: Subscriptions) -> None:
        """Relay and consume. Raises what neither can live with, such as GroupBroken."""
        self._relay = Relay(database, self._bus)
        self._consumer = Consumer(database, clock, self._bus, subscriptions)
        watch = Watch(database, self._bus, self._relay, self._consumer, subscriptions.topics)
        said = {event.topic() for event in PRODUCERS.get(self._name, ())}
        self._tasks = [
            asyncio.create_task(self._relay.run(), name=f"relay-{self._name}"),
            asyncio.create_task(self._consumer.run(), name=f"consumer-{self._name}"),
            asyncio.create_task(self._make_topics(sorted(said | set(subscriptions.topics)))),
        ]
        watching = asyncio.create_task(watch.run(), name=f"watch-{self._name}")
        try:
            await asyncio.gather(*self._tasks)
        except GroupBroken as error:
            log.critical("bus.group_broken", service=self._name, reason=str(error))
            raise
        except asyncio.CancelledError:
            # Unless it is cancelled itself, one of the two was, out of the client below it. As an
            # error: who waits for this must not take it for a task that was told to stop.
            running = asyncio.current_task()
            if running is None or not running.cancelling():
                log.critical("bus.cancelled", service=self._name)
                raise GroupBroken("a task of the bus was cancelled from within") from None
            raise
        finally:
            for task in (watching, *self._tasks):
                task.cancel()
            await asyncio.wait((watching, *self._tasks))

    async def _make_topics(self, topics: list[str]) -> None:
        while topics:
            try:
                await self._bus.create_topics(topics)
                return
            except BusError as error:
                log.warning("bus.no_topics", service=self._name, reason=type(error).__name__)
                await asyncio.sleep(REJOIN_SECONDS)

    async def stop(self) -> None:
        """Finish what is in hand, give lease and partitions back; within STOP_SECONDS."""
        if self._relay is not None and self._consumer is not None:
            self._relay.stop()
            self._consumer.stop()
            await asyncio.wait(self._tasks[:2], timeout=STOP_SECONDS)

    async def close(self) -> None:
        """Close the connection to the bus."""
        await self._bus.close()

    def state(self) -> dict[str, Any]:
        """How relay and consumer stand, for readiness and `clinicbus status`."""
        if self._relay is None or self._consumer is None:
            return {"state": "starting"}
        return {"relay": self._relay.state(), "consumer": self._consumer.state()}
