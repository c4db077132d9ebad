"""A system under fault: clients that insist, processes that die, and what must hold then."""

import asyncio
import itertools
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

from ops.day import checks
from ops.day.check import Check
from ops.day.databases import opened
from ops.local_system import LocalSystem
from ops.ports import Ports
from ops.programs import Program
from shared.values.ids import new_id
from tests.faults import truth
from tests.faults.bus.lengths import FULL
from tests.faults.truth import Told, Witness

PATIENCE_SECONDS = 600.0 if FULL else 60.0
PAUSE_SECONDS = 0.05
LISTENERS = ("eligibility", "payments", "documents", "patients")
SLOT = timedelta(minutes=30)
SLOTS_A_DAY = 10
Body = dict[str, Any]


async def until(look: Callable[[], Awaitable[Any]], good: Callable[[Any], bool], what: str) -> Any:
    """Look until it is good, for a minute at most; for ten in the long list, where whoever is asked
    may die hundreds of times."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = await look()
        if good(found):
            return found
        assert time.monotonic() < end, f"{what} did not come; last seen: {found}"
        await asyncio.sleep(PAUSE_SECONDS)


_AT_WORK = """
SELECT datname, usename, application_name, state, wait_event, now() - xact_start AS open_for,
  pg_blocking_pids(pid) AS blocked_by, pid, left(query, 80) AS query
FROM pg_stat_activity WHERE xact_start IS NOT NULL OR state <> 'idle'
"""
"""Who does what in the server: for the message, where something does not come to an end."""


@dataclass(slots=True)
class Town:
    """The system, one network in it, and what its clients lived through."""

    system: LocalSystem
    http: httpx.AsyncClient
    network: UUID
    facts: dict[str, Any]
    lived_through: Counter[str] = field(default_factory=Counter)
    at_a_loss: list[str] = field(default_factory=list)
    """Where a service answered 500: it may be away or busy, but never at a loss."""
    patients: list[str] = field(default_factory=list)
    witness: Witness = field(init=False)
    weeks: "itertools.count[int]" = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.witness = Witness({self.network})

    # ── clients ──────────────────────────────────────────────────────────────────────────────

    async def insist(
        self,
        role: str,
        service: str,
        path: str,
        body: Mapping[str, Any],
        key: str | None = None,
        version: int | None = None,
        flow: UUID | None = None,
    ) -> httpx.Response:
        """POST until there is an answer, always under the same key, as clients are told to.

        flow: the one that a first try began elsewhere.
        """
        key = key or str(new_id())
        headers, flow = self.headers(role, flow)
        headers["Idempotency-Key"] = key
        if version is not None:
            headers["If-Match"] = f'"{version}"'

        async def tried() -> httpx.Response | str:
            try:
                answer = await self.http.post(
                    self.system.urls[service] + path, json=dict(body), headers=headers
                )
            except httpx.TransportError as error:
                return type(error).__name__
            if answer.status_code == 500:
                self.at_a_loss.append(f"{service} {path}: {self.last_words(service)}")
            again = answer.status_code in (429, 500, 503)
            waits = answer.status_code == 409 and "idempotency.in_progress" in answer.text
            return answer if not (again or waits) else str(answer.status_code)

        def answered(found: httpx.Response | str) -> bool:
            if isinstance(found, str):
                self.lived_through[found] += 1
            return not isinstance(found, str)

        found: httpx.Response = await until(tried, answered, f"an answer of {service} {path}")
        if found.is_success:
            made = found.json().get("id")
            told = Told(service, path, flow, key, found.status_code, found.content, made)
            self.witness.hear(told)
        return found

    def headers(self, role: str, flow: UUID | None = None) -> tuple[dict[str, str], UUID]:
        """The headers of a request, and the flow that it begins or is part of."""
        flow = flow or new_id()
        return {
            "Authorization": f"Bearer {self.system.token(role, self.network)}",
            "traceparent": f"00-{flow.hex}-{new_id().hex[16:]}-01",
        }, flow

    async def get(self, role: str, service: str, path: str) -> Body:
        """Read a thing that is there. An audit row has the path without what was asked of it."""
        headers, flow = self.headers(role)
        answer = await self.http.get(self.system.urls[service] + path, headers=headers)
        assert answer.status_code == 200, answer.text
        self.witness.hear(Told(service, path.partition("?")[0], flow))
        found: Body = answer.json()
        return found

    async def register(self, count: int, tag: str) -> list[httpx.Response]:
        """Register people, four at a time."""

        def person(number: int) -> Body:
            mark = new_id().hex[-12:]
            name = {"family": f"{tag}-{mark} {number}", "given": f"Given-{mark}"}
            birth_date = f"19{10 + number % 80}-01-{1 + number % 28:02d}"
            phone = f"+1303555{number % 10_000:04d}"
            self.witness.identifiers |= {*name.values(), birth_date, phone, phone[2:]}
            return {
                "name": name,
                "birth_date": birth_date,
                "phones": [{"number": phone, "use": "mobile"}],
                "override_reason": "Asked: another person",
            }

        path = "/v1/patients"
        deeds = [self.insist("front_desk", "patients", path, person(n)) for n in range(count)]
        return await at_once(4, deeds)

    async def people(self) -> list[str]:
        """Twelve patients whom every service has heard of."""
        if not self.patients:
            made = await self.register(12, "Town")
            self.patients = [answer.json()["id"] for answer in made]
            await self.settled()
        return self.patients

    def free_week(self) -> datetime:
        """An opening time in a week in which nothing is booked yet. December is for fixed days."""
        return utc(1, 17) + timedelta(days=62, weeks=next(self.weeks))

    async def bookings(self, day: datetime, count: int) -> list[Body]:
        """Bodies of bookings from a day on that do not get into each other's way: 60 a day."""
        patients = await self.people()
        seats = [(c, p) for c in self.facts["clinics"] for p in self.facts["providers"][c]]
        made = []
        for number in range(count):
            slot, seat = divmod(number, len(seats))
            clinic_id, provider_id = seats[seat]
            made.append(
                {
                    "patient_id": patients[number % len(patients)],
                    "clinic_id": clinic_id,
                    "provider_id": provider_id,
                    "appointment_type_id": self.facts["types"]["Office visit"],
                    "starts_at": _opening(day, slot).isoformat(),
                }
            )
        return made

    async def book(self, body: Mapping[str, Any], key: str | None = None) -> httpx.Response:
        """Book, however long it takes."""
        return await self.insist("front_desk", "appointments", "/v1/appointments", body, key)

    async def cancel(self, visit: str) -> httpx.Response:
        """Call a visit off, in whatever version it is."""
        path = f"/v1/appointments/{visit}"
        while True:
            version = (await self.get("front_desk", "appointments", path))["version"]
            wish = {"reason": "patient_request"}
            answer = await self.insist(
                "front_desk", "appointments", f"{path}/cancel", wish, version=version
            )
            if answer.status_code != 412:
                return answer

    # ── faults ───────────────────────────────────────────────────────────────────────────────

    def kill(self, name: str) -> int:
        """Kill a process as by `kill -9`; its id."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGKILL)
        return pid

    def last_words(self, name: str) -> str:
        """What a process logged last."""
        log = self.system.layout.log / f"{name}.log"
        return log.read_text()[-600:] if log.exists() else ""

    def pid(self, name: str) -> int:
        """The id of a process of the system."""
        (found,) = [p.pid for p in self.system.state().processes if p.name == name]
        assert found is not None, f"{name} does not run"
        return found

    def restarts(self, name: str) -> int:
        """How often a process was started again."""
        (found,) = [p.restarts for p in self.system.state().processes if p.name == name]
        return found

    async def died(self, *names: str) -> None:
        """Wait until each of these has died once and was started again."""

        async def living() -> list[str]:
            return [name for name in names if not self.restarts(name)]

        await until(living, lambda found: not found, "the death of a process")

    async def armed(
        self,
        name: str,
        failpoints: str = "",
        *,
        again: bool = False,
        role: str = "all",
        **environment: str,
    ) -> None:
        """Start a service anew with these failpoints and variables, or with none.

        Once it has died of failpoints it is started as usual; again: with them every time.
        """
        await self.system.children[name].stop()
        if failpoints:
            environment["CLINICBUS_FAILPOINTS"] = failpoints
        usual = self.program(name)
        arguments = tuple(role if text == "all" else text for text in usual.arguments)
        program = replace(usual, arguments=arguments, environment=environment)
        child = await self.system.start_program(program)
        if failpoints and not again:
            child.spawn = self.system.child_of(usual).spawn
        await child.wait_until_ready()

    def program(self, name: str) -> Program:
        """How a service is started as a rule."""
        (found,) = [p for p in self.system.plan.services if p.name == name]
        return found

    def freeze(self, name: str) -> int:
        """Stop a process where it is; its id, by which it is thawed."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGSTOP)
        return pid

    @staticmethod
    def thaw(pid: int) -> None:
        """Let a frozen process go on."""
        os.kill(pid, signal.SIGCONT)

    @asynccontextmanager
    async def worker(
        self, service: str, label: str, launcher: tuple[str, ...] = ()
    ) -> AsyncIterator[str]:
        """Another worker of a service, ready to take over; the name it runs under.

        launcher: a module, and its arguments, that starts the worker's.
        """
        name = f"{service}_{label}"
        port = Ports.free().of[service]
        arguments = ("shared.web.run", f"services.{service}.app:service", "--role", "worker")
        program = Program(
            name,
            (*launcher, *arguments, "--port", str(port)),
            port,
            environment=self.system.environment_of(service),
        )
        child = await self.system.start_program(program)
        try:
            await child.wait_until_ready()
            yield name
        finally:
            await self.system.children.pop(name).stop()

    async def leader(self, service: str) -> tuple[str, int]:
        """Who relays what a service says, and since which epoch."""
        (row,) = await self.rows(service, "SELECT owner, epoch FROM relay_lease")
        return row["owner"], row["epoch"]

    async def booked_on(self, day: int) -> int:
        """How many visits there are on a day of December."""
        text = "SELECT count(*) AS n FROM appointments WHERE starts_at >= $1 AND starts_at < $2"
        (row,) = await self.rows("appointments", text, utc(day, 0), utc(day + 1, 0))
        return int(row["n"])

    # ── what must hold afterwards ────────────────────────────────────────────────────────────

    async def rows(self, service: str, statement: str, *arguments: Any) -> list[dict[str, Any]]:
        """Rows of a service's database."""
        async with opened(self.system.superuser_url, service) as connection:
            return [dict(row) for row in await connection.fetch(statement, *arguments)]

    async def settled(self) -> None:
        """Every event of every outbox is applied, in order, by all who hear it; none is parked."""

        async def look() -> list[str]:
            found = await checks.events_applied(self.system.superuser_url)
            assert found.counted > 0
            return found.problems

        try:
            await until(look, lambda problems: not problems, "the end of what is on its way")
        except AssertionError as error:
            error.add_note(
                "\n".join([str(row) for row in await self.rows("appointments", _AT_WORK)])
            )
            raise

    async def ready(self) -> None:
        """Every process of the system runs, and says itself that nothing in it has died."""

        async def look() -> list[str]:
            processes = self.system.state().processes
            late = [
                f"{p.name} is {p.state} after {p.restarts} restarts: {self.last_words(p.name)}"
                for p in processes
                if p.state != "ready"
            ]
            away = {p.name for p in processes if p.state != "ready"}
            for name, url in self.system.urls.items():
                if name not in away:
                    try:
                        answer = await self.http.get(f"{url}/readyz")
                    except httpx.TransportError as error:
                        # Killed a moment ago: its end has not been heard of yet.
                        late.append(f"{name}: {type(error).__name__}")
                        continue
                    late += [f"{name}: {answer.text}"] if answer.status_code != 200 else []
            return late

        await until(look, lambda late: not late, "readiness")

    async def whole(self) -> list[Check]:
        """What holds after every fault, in the whole system: see `tests.faults.truth`."""
        lost, self.at_a_loss = self.at_a_loss, []
        assert lost == [], lost
        await self.ready()
        await self.settled()
        return await truth.holds(self.system, self.witness)

    async def visits_are_everywhere(self, booked: list[str]) -> None:
        """These visits are kept once, were said once, and are known once to all who listen."""
        ids = sorted(UUID(key) for key in booked)
        assert len(set(ids)) == len(booked)
        kept = "SELECT id FROM appointments WHERE id = ANY($1) ORDER BY 1"
        assert [row["id"] for row in await self.rows("appointments", kept, ids)] == ids
        said = (
            "SELECT key FROM outbox WHERE type LIKE '%.appointment.booked.%'"
            " AND key = ANY($1) ORDER BY 1"
        )
        rows = await self.rows("appointments", said, [str(key) for key in ids])
        assert [UUID(row["key"]) for row in rows] == ids
        known = "SELECT appointment_id AS id FROM known_visits WHERE appointment_id = ANY($1)"
        for service in LISTENERS:
            rows = await self.rows(service, known + " ORDER BY 1", ids)
            assert [row["id"] for row in rows] == ids, service


async def at_once(
    count: int, deeds: Sequence[Coroutine[Any, Any, httpx.Response]]
) -> list[httpx.Response]:
    """The answers of deeds that are done some at a time, in the order of the deeds."""
    gate = asyncio.Semaphore(count)

    async def do(deed: Coroutine[Any, Any, httpx.Response]) -> httpx.Response:
        async with gate:
            return await deed

    return list(await asyncio.gather(*(do(deed) for deed in deeds)))


def _opening(first: datetime, slot: int) -> datetime:
    """The time of a slot: ten a day, on the days from Monday to Friday."""
    days, number = divmod(slot, SLOTS_A_DAY)
    weeks, days = divmod(days + first.weekday(), 5)
    return first + timedelta(weeks=weeks, days=days - first.weekday()) + number * SLOT


def utc(day: int, hour: int) -> datetime:
    """A time of December 2026; 17:00 to 22:00 both clinics are open."""
    return datetime(2026, 12, day, hour, tzinfo=UTC)
