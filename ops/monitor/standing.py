"""How every service stands with the bus: lag, parked keys, relays. Of the whole system, no ids.

From the databases' own rows and the log's ends, and from each service's readiness and gauges. Read
when asked and kept for a moment, so that many pages cost what one does.
"""

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import asyncpg
import httpx

from shared.bus.port import Bus, BusError, TopicPartition
from shared.contracts.catalogue import all_topics
from shared.db.pool import AWAY
from shared.db.provision import SERVICES

AGE = re.compile(
    r'^clinicbus_consumer_oldest_unapplied_seconds\{(?:[^}]*,)?topic="([^"]+)"[^}]*\} (\S+)$', re.M
)
"""A gauge of a service: for how long the oldest event not applied has been on the bus, a topic."""

KEPT_SECONDS = 2.0
ASK_SECONDS = 3.0
UNSENT_MAX = 10_000

_OFFSETS = "SELECT topic, partition, next_offset FROM bus_offset WHERE bus_id = $1"
_PARKED = """
SELECT k.kind, count(DISTINCT (k.network_id, k.topic, k.subject))::int AS keys,
  count(e.seq)::int AS events
FROM parked_key k LEFT JOIN parked_event e USING (network_id, topic, subject)
GROUP BY k.kind ORDER BY k.kind
"""
_UNREADABLE = "SELECT count(*)::int FROM unreadable WHERE dropped_at IS NULL"
_LEASE = """
SELECT epoch, cursor_xid::text AS xid, cursor_id AS id, expires_at > clock_timestamp() AS led
FROM relay_lease WHERE producer = $1
"""
_UNSENT = """
SELECT count(*)::int FROM (
  SELECT 1 FROM outbox WHERE (xid, id) > ($1::text::xid8, $2::bigint) LIMIT $3) waiting
"""

Numbers = Mapping[TopicPartition, int]


class Standing:
    """Asks, at most once in KEPT_SECONDS. `urls`: the CLINICBUS_ variables; `apis`: base URLs."""

    def __init__(
        self,
        bus: Bus,
        urls: Mapping[str, str],
        apis: Mapping[str, str],
        http: httpx.AsyncClient,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bus, self._urls, self._apis, self._http, self._now = bus, urls, apis, http, now
        self._asking = asyncio.Lock()
        self._found: dict[str, Any] = {}
        self._until = float("-inf")
        self._stood: dict[tuple[str, str, int], tuple[int, float]] = {}

    async def read(self) -> dict[str, Any]:
        """{"bus": ok or away, "services": [...]}: who cannot be asked is told as such."""
        async with self._asking:
            if self._now() >= self._until:
                self._found = await self._read()
                self._until = self._now() + KEPT_SECONDS
            return self._found

    async def _read(self) -> dict[str, Any]:
        try:
            bus_id = await self._bus.bus_id()
            ends: Numbers | None = await self._bus.log_ends(all_topics())
        except BusError:
            bus_id, ends = "", None
        services = [await self._service(name, bus_id, ends) for name in SERVICES]
        return {"bus": "away" if ends is None else "ok", "services": services}

    async def _service(self, name: str, bus_id: str, ends: Numbers | None) -> dict[str, Any]:
        told: dict[str, Any] = {"service": name, **await self._readiness(name)}
        url = self._urls.get(f"CLINICBUS_{name.upper()}_WORKER_URL")
        if url is None:
            return {**told, "database": "unknown"}
        try:
            connection = await asyncpg.connect(url, timeout=ASK_SECONDS)
            try:
                return {
                    **told,
                    "database": "ok",
                    **await self._rows(connection, name, bus_id, ends),
                }
            finally:
                await connection.close(timeout=1)
        except AWAY:
            return {**told, "database": "away"}

    async def _readiness(self, name: str) -> dict[str, Any]:
        try:
            answer = await self._http.get(f"{self._apis[name]}/readyz", timeout=ASK_SECONDS)
            members = answer.json()
            bus = members.get("bus") or {}
        except (httpx.HTTPError, ValueError, KeyError, AttributeError):
            return {"ready": None, "problems": ["it does not answer"]}
        parts = [bus.get("relay") or {}, bus.get("consumer") or {}]
        problems = [str(part["problem"]) for part in parts if part.get("problem")]
        return {"ready": bool(members.get("ready")), "problems": problems}

    async def _put_ages(self, name: str, lags: list[dict[str, Any]]) -> None:
        """The ages that the service itself knows, for what has been standing here for less."""
        try:
            answer = await self._http.get(f"{self._apis[name]}/metrics", timeout=ASK_SECONDS)
        except (httpx.HTTPError, KeyError):
            return
        ages = {topic: float(age) for topic, age in AGE.findall(answer.text)}
        for lag in lags:
            if lag["events"]:
                lag["seconds"] = round(max(lag["seconds"], ages.get(lag["topic"], 0.0)), 1)

    async def _rows(
        self, connection: asyncpg.Connection, name: str, bus_id: str, ends: Numbers | None
    ) -> dict[str, Any]:
        lease = await connection.fetchrow(_LEASE, name)
        relay = None
        if lease is not None:
            cursor = (lease["xid"], lease["id"], UNSENT_MAX)
            unsent = await connection.fetchval(_UNSENT, *cursor)
            relay = {"epoch": lease["epoch"], "led": lease["led"], "unsent": unsent}
        parked = [dict(row) for row in await connection.fetch(_PARKED)]
        stands = {
            (topic, partition): at
            for topic, partition, at in await connection.fetch(_OFFSETS, bus_id)
        }
        return {
            "relay": relay,
            "parked": parked,
            "unreadable": await connection.fetchval(_UNREADABLE),
            "lag": None if ends is None else self._lag(name, stands, ends),
        }

    def _lag(self, name: str, stands: Numbers, ends: Numbers) -> list[dict[str, Any]]:
        """Events behind, a topic; seconds: for how long a partition that lags has not moved."""
        found: dict[str, dict[str, Any]] = {}
        for (topic, partition), at in sorted(stands.items()):
            behind = max(0, ends.get((topic, partition), at) - at)
            of = found.setdefault(topic, {"topic": topic, "events": 0, "seconds": 0.0})
            of["events"] += behind
            of["seconds"] = max(of["seconds"], self._still(name, topic, partition, at, behind))
        return list(found.values())

    def _still(self, name: str, topic: str, partition: int, at: int, behind: int) -> float:
        key = (name, topic, partition)
        if not behind:
            self._stood.pop(key, None)
            return 0.0
        before, since = self._stood.get(key, (-1, 0.0))
        if before != at:
            self._stood[key] = (at, self._now())
            return 0.0
        return round(self._now() - since, 1)
