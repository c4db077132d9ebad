"""Calling the services as people of the clinics do, and timing every step."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx

from shared.values.ids import new_id
from shared.web.clocks import SharedClock

PATIENCE_SECONDS = 15.0
LOOK_SECONDS = 0.05
AT_ONCE = 8


class DayFailed(Exception):
    """A step of the day was refused, or what had to come did not come."""


@dataclass(slots=True)
class Steps:
    """How long each kind of step took, in seconds."""

    taken: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def slowest(self, count: int) -> list[tuple[str, int, float, float]]:
        """(step, how often, p50, p95) in milliseconds, the slowest first."""
        rows = []
        for step, seconds in self.taken.items():
            ordered = sorted(seconds)
            p50, p95 = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.95)]
            rows.append((step, len(ordered), p50 * 1000, p95 * 1000))
        return sorted(rows, key=lambda row: -row[3])[:count]


@dataclass(slots=True)
class Desk:
    """The people of a network in front of the services."""

    http: httpx.AsyncClient
    urls: Mapping[str, str]
    token: Callable[..., str]
    network: UUID
    clock: SharedClock
    steps: Steps = field(default_factory=Steps)
    _gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    _tokens: dict[str, str] = field(default_factory=dict)

    async def ask(
        self,
        role: str,
        service: str,
        method: str,
        path: str,
        *,
        step: str,
        version: int | None = None,
        accept: Iterable[int] = (200, 201, 202),
        proven: bool = False,
        **request: Any,
    ) -> httpx.Response:
        """One call. Raises DayFailed unless its status is one of `accept`."""
        token = self.token(role, self.network, proven=True) if proven else self._token(role)
        headers = {"Authorization": f"Bearer {token}"}
        if method == "POST":
            headers["Idempotency-Key"] = str(new_id())
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        async with self._gate:
            started = time.perf_counter()
            answer = await self.http.request(
                method, self.urls[service] + path, headers=headers, **request
            )
            self.steps.taken[step].append(time.perf_counter() - started)
        if answer.status_code not in set(accept):
            raise DayFailed(f"{step}: {method} {path} gave {answer.status_code} {answer.text}")
        return answer

    async def get(
        self, role: str, service: str, path: str, *, step: str, **query: Any
    ) -> dict[str, Any]:
        """Read a thing."""
        answer = await self.ask(role, service, "GET", path, step=step, params=query)
        found: dict[str, Any] = answer.json()
        return found

    async def post(
        self,
        role: str,
        service: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        step: str,
        version: int | None = None,
        proven: bool = False,
    ) -> dict[str, Any]:
        """Do a thing. proven: by somebody who has just proven who they are."""
        answer = await self.ask(
            role, service, "POST", path, step=step, version=version, proven=proven,
            json=dict(body) if body is not None else None,
        )  # fmt: skip
        found: dict[str, Any] = answer.json()
        return found

    async def until(
        self, look: Callable[[], Awaitable[Any]], good: Callable[[Any], bool], what: str
    ) -> Any:
        """Look until it is good. Raises DayFailed after a quarter of a minute."""
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            found = await look()
            if good(found):
                return found
            if time.monotonic() > until:
                raise DayFailed(f"{what} did not come; last seen: {found}")
            await asyncio.sleep(LOOK_SECONDS)

    def at(self, moment: datetime) -> None:
        """Let it be this time for every process."""
        self.clock.set(moment)

    def _token(self, role: str) -> str:
        if role not in self._tokens:
            self._tokens[role] = self.token(role, self.network)
        return self._tokens[role]
