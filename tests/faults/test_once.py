"""One key, one effect: whoever dies or hangs up between the receipt of a request and its reply, and
however many ask at once (M36, M43, M44, A51 of the list of bad inputs)."""

import asyncio
import itertools
import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from ops import probe, processes
from ops.child import Process
from ops.ports import Ports
from shared.values.ids import new_id
from tests.faults.buses import ON_POSTGRES
from tests.faults.stable import SERVICE, Stable
from tests.faults.town import Town, until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(3600)]

POINTS = {
    "route.received": (0,),
    "route.before_command": (0,),
    "app.before_commit": (0,),
    "app.commit_sent": (0, 1),
    "route.before_reply": (1,),
    "reply.begun": (1,),
}
"""Where a process dies: the request is read; its key is locked; the command is done; COMMIT is on
its way; it has come back; half of the reply has left. And how many effects may be there then."""
DEEDS = ("booking", "cash", "card")
KILLED = 137
PORT_TRIES, READY_SECONDS = 3, 30.0
AT_ONCE = 4
CLIENTS = 100
HUNG_UP = 30
PATIENCE_SECONDS = 0.02
"""Within this a client hangs up: some before, some while and some after its request commits."""
A_WEEK = 240
"""Bookings that a week has room for without a second one at its end."""


@dataclass(frozen=True, slots=True)
class Deed:
    """What is asked for under one key, and the one sum or time by which it is told from others."""

    kind: str
    body: dict[str, Any]
    key: str

    @property
    def service(self) -> str:
        """Who does it."""
        return "appointments" if self.kind == "booking" else "payments"

    @property
    def path(self) -> str:
        """Where it is asked for."""
        return f"/v1/{self.service}"


@dataclass(slots=True)
class Till:
    """Makes deeds, no two of them alike, and counts what came of each."""

    town: Town
    drawer: str
    cents: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1_001))
    seats: list[dict[str, Any]] = field(default_factory=list)

    async def deed(self, kind: str) -> Deed:
        """Something that nobody has asked for yet."""
        key = f"once-{new_id()}"
        if kind == "booking":
            if not self.seats:
                self.seats = await self.town.bookings(self.town.free_week(), A_WEEK)
                self.town.free_week()
            return Deed(kind, self.seats.pop(), key)
        cents = next(self.cents)
        patients = await self.town.people()
        body = {
            "patient_id": patients[cents % len(patients)],
            "clinic_id": self.town.facts["clinics"][0],
            "method": kind,
            "amount_cents": cents,
        }
        means = {"drawer_id": self.drawer} if kind == "cash" else {"card_token": "sim_ok"}
        return Deed(kind, body | means, key)

    async def effects(self, deed: Deed) -> list[UUID]:
        """The ids of what the deed has made."""
        body, network = deed.body, self.town.network
        if deed.kind == "booking":
            text = (
                "SELECT a.id FROM appointments a WHERE a.network_id = $1 AND a.patient_id = $2"
                " AND a.provider_id = $3 AND a.starts_at = $4::text::timestamptz"
            )
            given: tuple[Any, ...] = (
                UUID(body["patient_id"]), UUID(body["provider_id"]), body["starts_at"],
            )  # fmt: skip
        else:
            text = (
                "SELECT id FROM payments WHERE network_id = $1 AND patient_id = $2"
                " AND method = $3 AND amount_cents = $4"
            )
            given = (UUID(body["patient_id"]), deed.kind, body["amount_cents"])
        return [row["id"] for row in await self.town.rows(deed.service, text, network, *given)]

    async def said_once(self, deed: Deed, made: UUID) -> None:
        """Of the one effect one event, of money one entry and one receipt, of a card one charge."""
        if deed.kind == "booking":
            said = "SELECT subject_seq FROM outbox WHERE key = $1 AND type LIKE '%.booked.%'"
            assert len(await self.town.rows("appointments", said, str(made))) == 1
            return
        for text in (
            "SELECT 1 FROM ledger_entries WHERE kind = 'payment' AND source_id = $1",
            "SELECT 1 FROM receipts WHERE payment_id = $1",
        ):
            assert len(await self.town.rows("payments", text, made)) == 1, text
        if deed.kind == "card":
            intents = "SELECT 1 FROM intent WHERE kind = 'charge_card' AND subject_id = $1"
            assert len(await self.town.rows("payments", intents, made)) == 1
            folder = self.town.system.layout.objects / "payments" / "payments" / "card-processor"
            (charge,) = folder.glob(f"{made}.json")
            cents = json.loads(charge.read_text())["wish"]["amount"]["cents"]
            assert cents == deed.body["amount_cents"]

    async def paid(self) -> None:
        """Wait until every card has been charged."""
        open_cards = "SELECT id FROM payments WHERE status IN ('pending', 'unknown', 'received')"
        await until(
            lambda: self.town.rows("payments", open_cards), lambda found: not found, "the cards"
        )


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def till(town: Town) -> Till:
    clinic = town.facts["clinics"][0]
    body = {"clinic_id": clinic, "name": f"Window {new_id()}", "float_cents": 10_000}
    made = await town.insist("front_desk", "payments", "/v1/drawers", body)
    return Till(town, made.json()["id"])


async def begun(till: Till, stable: Stable, service: str, failpoints: str) -> tuple[str, Process]:
    """A process of a service that answers requests, on its way to its death; where it listens."""
    environment = till.town.system.environment_of(service) | {"CLINICBUS_FAILPOINTS": failpoints}
    log = till.town.system.layout.log / "once.log"
    for _ in range(PORT_TRIES):
        # Between the look for a free port and its use, another may take it.
        port = Ports.free().of[service]
        arguments = (f"services.{service}.app:service", "--role", "api", "--port", str(port))
        process = stable.start(SERVICE, arguments, environment, log)
        async with asyncio.timeout(READY_SECONDS):
            while process.poll() is None:
                if await probe.accepts(port):
                    return f"http://127.0.0.1:{port}", process
                await asyncio.sleep(0.02)
    raise AssertionError(f"{service} does not start: see {log}")


async def killed_at(till: Till, stable: Stable, deed: Deed, point: str) -> tuple[int, bool]:
    """One round. How many effects there were when the process was dead; whether the client, who
    asks again under the same key, was told of one that there already was."""
    town = till.town
    url, process = await begun(till, stable, deed.service, f"{point}:exit:1")
    headers, flow = town.headers("front_desk")
    headers["Idempotency-Key"] = deed.key
    with pytest.raises(httpx.TransportError):
        await town.http.post(url + deed.path, json=deed.body, headers=headers)
    async with asyncio.timeout(30):
        assert await processes.exit_of(process) == KILLED
    left = await till.effects(deed)
    asked = ("front_desk", deed.service, deed.path, deed.body, deed.key)
    answer = await town.insist(*asked, flow=flow)
    assert answer.status_code == (202 if deed.kind == "card" else 201), answer.text
    again = await town.insist(*asked, flow=flow)
    assert (again.status_code, again.content) == (answer.status_code, answer.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert await till.effects(deed) == [UUID(answer.json()["id"])]
    return len(left), "idempotency-replayed" in answer.headers


@ON_POSTGRES
async def test_m43_m44_a_process_killed_between_receipt_and_reply_has_one_effect(
    town: Town,
    till: Till,
    stable: Stable,
    dice: random.Random,
    full: bool,
    figure: Callable[[str], None],
) -> None:
    every = list(itertools.product(DEEDS, POINTS))
    rounds = every * (56 if full else 1) + dice.sample(every, k=6)
    dice.shuffle(rounds)
    assert len(rounds) == (1_014 if full else 24)
    gate, found = asyncio.Semaphore(AT_ONCE), Counter[tuple[str, int]]()
    deeds = [await till.deed(kind) for kind, _ in rounds]

    async def one(deed: Deed, point: str) -> None:
        async with gate:
            left, replayed = await killed_at(till, stable, deed, point)
        assert left in POINTS[point], f"{deed.kind} at {point}: {left} effects"
        # COMMIT may have been at work still when it was looked whether there is anything.
        assert replayed == (left == 1) or point == "app.commit_sent"
        found[point, int(replayed)] += 1

    async with asyncio.TaskGroup() as group:
        for deed, (_, point) in zip(deeds, rounds, strict=True):
            group.create_task(one(deed, point))
    await till.paid()
    for deed in deeds:
        (made,) = await till.effects(deed)
        await till.said_once(deed, made)
    await town.whole()
    committed = found["app.commit_sent", 1]
    figure(
        f"{len(rounds)} rounds, one effect each; {committed} died with COMMIT on its way and kept"
    )


@ON_POSTGRES
@pytest.mark.parametrize("kind", DEEDS)
async def test_m36_a_hundred_clients_with_one_key_have_one_effect(
    town: Town, till: Till, kind: str
) -> None:
    deed = await till.deed(kind)
    headers, _ = town.headers("front_desk")
    headers["Idempotency-Key"] = deed.key
    url = town.system.urls[deed.service] + deed.path
    limits = httpx.Limits(max_connections=CLIENTS)
    async with httpx.AsyncClient(timeout=60, limits=limits) as http:
        answers = await asyncio.gather(
            *(http.post(url, json=deed.body, headers=headers) for _ in range(CLIENTS))
        )
    done = [answer for answer in answers if answer.is_success]
    waiting = [answer for answer in answers if not answer.is_success]
    assert len({(answer.status_code, answer.content) for answer in done}) == 1
    assert {(a.status_code, a.json()["code"]) for a in waiting} <= {
        (409, "idempotency.in_progress")
    }
    assert sum("idempotency-replayed" not in answer.headers for answer in done) == 1
    await till.paid()
    assert await till.effects(deed) == [UUID(done[0].json()["id"])]
    await till.said_once(deed, UUID(done[0].json()["id"]))


async def hangs_up(deed: Deed, url: str, headers: dict[str, str], after: float) -> None:
    """Send a whole request, and be gone some time later without having read a reply."""
    to, body = httpx.URL(url), json.dumps(deed.body).encode()
    lines = [
        f"POST {deed.path} HTTP/1.1",
        f"Host: {to.netloc.decode()}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    _, writer = await asyncio.open_connection(to.host, to.port)
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    await writer.drain()
    await asyncio.sleep(after)
    writer.transport.abort()


@ON_POSTGRES
async def test_a51_a_client_that_hangs_up_leaves_a_whole_effect_or_none(
    town: Town,
    till: Till,
    dice: random.Random,
    full: bool,
    figure: Callable[[str], None],
) -> None:
    rounds = HUNG_UP * (10 if full else 1)
    deeds = [await till.deed(kind) for kind in DEEDS for _ in range(rounds // len(DEEDS))]
    gate, at_once = asyncio.Semaphore(AT_ONCE), Counter[bool]()

    async def one(deed: Deed, after: float) -> None:
        headers, flow = town.headers("front_desk")
        headers["Idempotency-Key"] = deed.key
        async with gate:
            await hangs_up(deed, town.system.urls[deed.service], headers, after)
            asked = ("front_desk", deed.service, deed.path, deed.body, deed.key)
            answer = await town.insist(*asked, flow=flow)
        assert answer.is_success, answer.text
        at_once["idempotency-replayed" in answer.headers] += 1
        assert await till.effects(deed) == [UUID(answer.json()["id"])]

    async with asyncio.TaskGroup() as group:
        for deed in deeds:
            group.create_task(one(deed, dice.uniform(0, PATIENCE_SECONDS)))
    await till.paid()
    for deed in deeds:
        (made,) = await till.effects(deed)
        await till.said_once(deed, made)
    await town.whole()
    figure(f"{len(deeds)} clients hung up; {at_once[True]} found it done when they asked again")
