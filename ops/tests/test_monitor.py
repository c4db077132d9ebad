"""The event monitor: exact resumption, filters, networks and clinics, values, slow readers."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import httpx
import pytest
from typer.testing import CliRunner

from ops import monitor as package
from ops.errors import CannotRun
from ops.monitor import standing
from ops.monitor import stream as streams
from ops.monitor.feed import Feed, Listener
from ops.monitor.positions import Places
from ops.monitor.site import policy_of
from ops.monitor.stream import EventStream, Wish
from ops.tests.events import SECRET, TOPIC, booked
from ops.tests.monitored import PATIENCE_SECONDS, Sent, World, serving, stream, take
from shared.bus.port import Message
from shared.contracts.catalogue import all_topics
from shared.contracts.permissions import MATRIX, Permission, Role
from shared.testing.memory_bus import MemoryBus, MemoryLog
from shared.values.ids import new_id

ROLES = [pytest.param(role, id=role.value) for role in Role]


@pytest.fixture
async def world() -> World:
    """An empty bus with its topics."""
    return await World().begin()


def numbers(found: list[Sent]) -> list[int]:
    return [sent.data["sequence"] for sent in found]


async def until_ready(events: AsyncIterator[Sent]) -> None:
    async for sent in events:
        if sent.name == "ready":
            return


# ── the stream ───────────────────────────────────────────────────────────────────────────────


async def test_events_come_as_they_are_said_and_without_their_values(
    world: World, network_id: UUID
) -> None:
    clinic = new_id()
    async with (
        world.serve() as url,
        asyncio.timeout(PATIENCE_SECONDS),
        aclosing(stream(url, world.headers(network_id))) as events,
    ):
        await until_ready(events)
        message = booked(7, network=network_id, clinic=clinic)
        (offset,) = await world.say(message)
        async for sent in events:
            if sent.name == "event":
                break
    headers = dict(message.headers)
    assert sent.data == {
        "topic": TOPIC,
        "partition": message.partition,
        "offset": offset,
        "id": headers["ce_id"],
        "type": headers["ce_type"],
        "time": headers["ce_time"],
        "subject": headers["ce_subject"],
        "sequence": 7,
        "network": str(network_id),
        "clinic": str(clinic),
        "actor": "person/dana",
        "correlation": headers["ce_correlationid"],
        "causation": None,
    }


async def test_a_stream_resumes_at_exactly_the_next_event_whatever_was_restarted(
    world: World, network_id: UUID
) -> None:
    """Cut after each event in turn, each time at a fresh monitor."""
    headers = world.headers(network_id)
    async with world.serve() as url:
        first = await _first(url, headers, world, network_id)
    await world.say(*(booked(n, network=network_id) for n in range(2, 12)))
    place, seen = first.place, [1]
    for _ in range(10):
        async with world.serve() as url:
            (sent,) = await take(1, url, headers, place)
        seen.append(sent.data["sequence"])
        place = sent.place
    assert sorted(seen) == list(range(1, 12))
    async with world.serve() as url:
        await world.say(booked(12, network=network_id))
        assert numbers(await take(1, url, headers, place)) == [12]


async def _first(url: str, headers: dict[str, str], world: World, network: UUID) -> Sent:
    async with aclosing(stream(url, headers)) as events:
        await until_ready(events)
        await world.say(booked(1, network=network))
        async for sent in events:
            if sent.name == "event":
                return sent
    raise AssertionError("nothing came")


async def test_while_it_catches_up_nothing_new_is_missed_or_doubled(
    world: World, network_id: UUID
) -> None:
    headers = world.headers(network_id)
    async with world.serve() as url:
        first = await _first(url, headers, world, network_id)
        await world.say(*(booked(n, network=network_id) for n in range(2, 60)))
        taking = asyncio.create_task(take(1500, url, headers, first.place))
        for start in range(60, 1502, 50):
            await world.say(
                *(
                    booked(n % 59 + 1, network=network_id)
                    for n in range(start, min(start + 50, 1502))
                )
            )
            await asyncio.sleep(0)
        found = await taking
    keys = [(s.data["topic"], s.data["partition"], s.data["offset"]) for s in found]
    assert len(set(keys)) == 1500
    for partition in range(12):
        offsets = [offset for _, number, offset in keys if number == partition]
        assert offsets == sorted(offsets)


async def test_the_last_few_come_first_in_the_order_of_time(world: World, network_id: UUID) -> None:
    messages = [booked(n, network=network_id) for n in (5, 4, 3, 2, 1)]
    await world.say(*messages, booked(9, network=new_id()))
    async with world.serve() as url:
        headers = world.headers(network_id)
        assert numbers(await take(3, url, headers, last=4)) == [3, 4, 5]
        assert numbers(await take(2, url, headers, last=3)) == [4, 5]


async def test_a_beat_moves_the_place_past_what_does_not_fit(
    world: World, network_id: UUID
) -> None:
    headers = world.headers(network_id)
    async with (
        world.serve() as url,
        asyncio.timeout(PATIENCE_SECONDS),
        aclosing(stream(url, headers)) as events,
    ):
        await until_ready(events)
        (offset,) = await world.say(strange := booked(1, network=new_id()))
        places = Places(world.log.name, all_topics())
        async for sent in events:
            found = places.read(sent.place)
            assert sent.name == "beat"
            assert found is not None
            if found[TOPIC, strange.partition] == offset + 1:
                break


async def test_a_place_of_another_bus_is_told_and_not_believed(
    world: World, network_id: UUID
) -> None:
    await world.say(booked(1, network=network_id))
    other = Places("memory:elsewhere", all_topics()).written({})
    async with world.serve() as url:
        headers = world.headers(network_id)
        for place in (other, "nonsense", "A" * 5000):
            (told,) = await take(1, url, headers, place)
            assert told.name == "again"


async def test_what_the_bus_has_forgotten_is_told(world: World, network_id: UUID) -> None:
    headers, key = world.headers(network_id), new_id()
    await world.say(*(booked(n, network=network_id, key=key) for n in (1, 2, 3)))
    partition = booked(1, network=network_id, key=key).partition
    world.log.trim((TOPIC, partition), 2)
    place = Places(world.log.name, all_topics()).written({})
    async with world.serve() as url:
        async with asyncio.timeout(PATIENCE_SECONDS):
            async with aclosing(stream(url, headers, place)) as events:
                async for sent in events:
                    if sent.name == "gap":
                        break
    assert sent.data == {"partition": f"{TOPIC}/{partition}"}


async def test_the_bus_may_go_and_come_back(
    world: World, network_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.following.PAUSE_SECONDS", 0.05)
    async with (
        world.serve() as url,
        asyncio.timeout(PATIENCE_SECONDS),
        aclosing(stream(url, world.headers(network_id))) as events,
    ):
        await until_ready(events)
        world.log.down = True
        async for sent in events:
            assert sent.name == "beat"
            break
        world.log.down = False
        await world.say(booked(4, network=network_id))
        async for sent in events:
            if sent.name == "event":
                break
    assert sent.data["sequence"] == 4


async def test_nothing_is_read_while_nobody_listens(world: World, network_id: UUID) -> None:
    feed = Feed(lambda: MemoryBus(world.log), all_topics())
    async with feed.listening():
        assert feed._task is not None
        async with feed.listening():
            pass
        assert feed._task is not None
    assert feed._task is None
    await feed.close()


# ── filters, networks, clinics ───────────────────────────────────────────────────────────────


async def test_each_filter_lets_its_own_through(world: World, network_id: UUID) -> None:
    clinic, key, flow = new_id(), new_id(), new_id()
    own = booked(2, network=network_id, clinic=clinic, key=key, correlation_id=flow)
    await world.say(booked(1, network=network_id, clinic=new_id()), own)
    async with world.serve() as url:
        for query in (
            {"clinic": clinic},
            {"subject": key},
            {"subject": f"appointment/{key}"},
            {"correlation": flow},
            {"type": "appointment.booked", "clinic": clinic, "service": "appointments"},
        ):
            (found,) = await take(1, url, world.headers(network_id), last=100, **query)
            assert found.data["sequence"] == 2, query
        await world.say(booked(3, network=network_id))
        nothing: dict[str, Any] = {"service": "payments", "last": 100}
        async with aclosing(stream(url, world.headers(network_id), **nothing)) as events:
            seen = [sent.name async for sent in _two(events)]
        assert seen == ["ready", "beat"]


async def _two(events: AsyncIterator[Sent]) -> AsyncIterator[Sent]:
    count = 0
    async for sent in events:
        yield sent
        count += 1
        if count == 2:
            return


@pytest.mark.parametrize(
    "query",
    ["clinic=x", "last=9999", "last=-1", "last=x", "service=kitchen", "token=abc", "type=a&type=b"],
)
async def test_a_filter_that_is_none_is_refused(world: World, network_id: UUID, query: str) -> None:
    async with world.serve() as url, httpx.AsyncClient() as http:
        answer = await http.get(f"{url}/events?{query}", headers=world.headers(network_id))
    assert answer.status_code == 422
    assert answer.json()["code"].startswith("filter.")


async def test_another_networks_events_are_never_shown(world: World, network_id: UUID) -> None:
    other = new_id()
    for number in range(1, 6):
        await world.say(booked(number, network=other), booked(number, network=network_id))
    async with world.serve() as url:
        for network in (network_id, other):
            found = await take(5, url, world.headers(network), last=100)
            assert {sent.data["network"] for sent in found} == {str(network)}
            assert len(found) == 5


async def test_a_token_of_some_clinics_sees_theirs_alone(world: World, network_id: UUID) -> None:
    """Also not what names no clinic: it may be about people of any."""
    mine, other = new_id(), new_id()
    await world.say(
        booked(1, network=network_id, clinic=other),
        booked(2, network=network_id, clinic=None),
        booked(3, network=network_id, clinic=mine),
    )
    limited = world.headers(network_id, clinics=[str(mine)])
    async with world.serve() as url:
        (found,) = await take(1, url, limited, last=100)
        assert found.data["sequence"] == 3
        assert numbers(await take(3, url, world.headers(network_id), last=100)) == [1, 2, 3]
        async with httpx.AsyncClient() as http:
            line = await http.get(f"{url}/subjects/appointment/{new_id()}", headers=limited)
    assert (line.status_code, line.json()["code"]) == (403, "clinics.limited")


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_may_do_what_the_matrix_says(
    world: World, network_id: UUID, role: Role
) -> None:
    headers = world.headers(network_id, role.value)
    needed = {
        "/events?last=x": Permission.EVENTS_READ,  # 422 once it is let in
        "/state": Permission.EVENTS_READ,
        f"/events/{TOPIC}/0/0": Permission.EVENT_VALUES_READ,
        f"/subjects/appointment/{new_id()}": Permission.TRACE_READ,
    }
    async with world.serve() as url, httpx.AsyncClient() as http:
        for path, permission in needed.items():
            answer = await http.get(url + path, headers=headers)
            assert (answer.status_code != 403) == (permission in MATRIX[role]), path
    seers = {r for r in Role if Permission.EVENTS_READ in MATRIX[r]}
    assert seers == {Role.OPS, Role.AUDITOR}
    assert {r for r in Role if Permission.EVENT_VALUES_READ in MATRIX[r]} == {Role.AUDITOR}


@pytest.mark.parametrize(
    "path", ["/events", "/state", f"/events/{TOPIC}/0/0", f"/subjects/patient/{UUID(int=1)}"]
)
async def test_nothing_but_the_page_is_shown_without_a_token(
    world: World, network_id: UUID, path: str
) -> None:
    good = world.headers(network_id)["Authorization"].removeprefix("Bearer ")
    async with world.serve() as url, httpx.AsyncClient() as http:
        for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": f"Basic {good}"}):
            answer = await http.get(url + path, headers=headers)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        in_url = await http.get(f"{url}{path}?access_token={good}")
        assert in_url.status_code == 401
        ours = {"Authorization": f"Bearer {good}", "Host": "evil.example"}
        assert (await http.get(url + path, headers=ours)).status_code == 403
        assert (await http.get(url)).status_code == 200


async def test_a_stream_ends_when_its_token_is_not_accepted_any_more(world: World) -> None:
    feed = Feed(lambda: MemoryBus(world.log), all_topics())

    async def no_more() -> bool:
        return False

    answer = EventStream(feed, Wish(lambda _: True), no_more, beat_seconds=0.01)
    sent: list[bytes] = []

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))

    async def receive() -> Any:
        await asyncio.Event().wait()

    async with asyncio.timeout(PATIENCE_SECONDS):
        await answer({"type": "http"}, receive, send)
    assert b"the token is not accepted any more" in b"".join(sent)
    await feed.close()


# ── slow readers ─────────────────────────────────────────────────────────────────────────────


async def test_a_slow_listener_is_cut_off_and_resumes_without_a_gap(network_id: UUID) -> None:
    world = await World().begin()
    feed = Feed(lambda: MemoryBus(world.log), all_topics(), waiting_max=5)
    async with feed.listening(), asyncio.timeout(PATIENCE_SECONDS):
        listener = Listener(feed, lambda _: True, dict(feed.positions))
        seen: list[tuple[str, int, int]] = []
        async with aclosing(listener.items(5.0)) as items:
            taking = asyncio.ensure_future(anext(items))
            await asyncio.sleep(0)
            await world.say(*(booked(n, network=network_id) for n in range(1, 4)))
            item = await taking
            assert item is not None
            seen.append((*item.key, item.offset))
            await world.say(*(booked(n, network=network_id) for n in range(4, 31)))
            while not listener.is_cut:
                await asyncio.sleep(0.01)
            async for item in items:
                raise AssertionError(f"given after the cut: {item}")
        again = Listener(feed, lambda _: True, listener.positions)
        async with aclosing(again.items(0.05)) as items:
            async for item in items:
                if item is None:
                    break
                seen.append((*item.key, item.offset))
    assert len(seen) == len(set(seen)) == 30
    await feed.close()


async def test_a_client_that_takes_nothing_is_let_go(
    world: World, network_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "SEND_SECONDS", 0.3)
    site = world.site()
    async with serving(site) as url, asyncio.timeout(60):
        to = urlsplit(url)
        token = world.headers(network_id)["Authorization"]
        with socket.create_connection((to.hostname, to.port)) as mute:
            mute.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            mute.sendall(
                b"GET /events HTTP/1.1\r\nHost: %b\r\nAuthorization: %b\r\n\r\n"
                % (to.netloc.encode(), token.encode())
            )
            while not site.feed.listeners:
                await asyncio.sleep(0.01)
            while site.feed._users:
                await world.say(*(booked(n % 59 + 1, network=network_id) for n in range(500)))
                await asyncio.sleep(0.02)
        assert site.feed.listeners == set()
        while site._streams:
            await asyncio.sleep(0.01)


# ── values ───────────────────────────────────────────────────────────────────────────────────


async def audits(environment: dict[str, str], superuser: str, network: UUID) -> list[Any]:
    database = urlsplit(environment["CLINICBUS_APPOINTMENTS_WORKER_URL"]).path
    connection = await asyncpg.connect(urlsplit(superuser)._replace(path=database).geturl())
    try:
        return list(
            await connection.fetch(
                "SELECT actor, roles, action, resource, patient_ids, outcome, correlation_id::text"
                " FROM audit WHERE network_id = $1",
                network,
            )
        )
    finally:
        await connection.close()


async def test_a_value_is_shown_to_whom_it_is_and_the_look_is_on_record(
    environment: dict[str, str], postgres_superuser_url: str, network_id: UUID
) -> None:
    world = await World(urls=environment).begin()
    patient = new_id()
    message = booked(1, network=network_id)
    told = Message(
        message.topic,
        message.key,
        message.partition,
        message.headers,
        f'{{"patient_id":"{patient}"}}'.encode(),
    )
    (offset,) = await world.say(told)
    path = f"/events/{TOPIC}/{message.partition}/{offset}"
    async with world.serve() as url, httpx.AsyncClient() as http:
        refused = await http.get(url + path, headers=world.headers(network_id, "ops"))
        strange = await http.get(url + path, headers=world.headers(new_id(), "auditor"))
        limited = await http.get(
            url + path, headers=world.headers(network_id, "auditor", clinics=[str(new_id())])
        )
        assert [a.status_code for a in (refused, strange, limited)] == [403, 404, 404]
        assert await audits(environment, postgres_superuser_url, network_id) == []
        shown = await http.get(url + path, headers=world.headers(network_id, "auditor", sub="ann"))
    assert shown.status_code == 200
    assert shown.json()["value"] == {"patient_id": str(patient)}
    headers = dict(message.headers)
    (row,) = await audits(environment, postgres_superuser_url, network_id)
    assert tuple(row) == (
        "person/ann",
        ["auditor"],
        "read_event_value",
        f"event/{headers['ce_id']}",
        [patient],
        "ok",
        headers["ce_correlationid"],
    )


@pytest.mark.parametrize(
    "urls", [{}, {"CLINICBUS_APPOINTMENTS_APP_URL": "postgresql://x@127.0.0.1:1/x"}]
)
async def test_where_the_look_cannot_be_recorded_nothing_is_shown(
    urls: dict[str, str], network_id: UUID
) -> None:
    world = await World(urls=urls).begin()
    message = booked(1, network=network_id)
    await world.say(message)
    path = f"/events/{TOPIC}/{message.partition}/0"
    async with world.serve() as url, httpx.AsyncClient() as http:
        answer = await http.get(url + path, headers=world.headers(network_id, "auditor"))
    assert (answer.status_code, answer.json()["code"]) == (503, "audit.away")
    assert SECRET.decode() not in answer.text


@pytest.mark.parametrize(
    "place", [f"{TOPIC}/0/0", f"{TOPIC}/0/7", f"{TOPIC}/12/0", "clinicbus.none.thing.v1/0/0"]
)
async def test_there_is_no_event_where_there_is_none(
    world: World, network_id: UUID, place: str
) -> None:
    async with world.serve() as url, httpx.AsyncClient() as http:
        answer = await http.get(
            f"{url}/events/{place}", headers=world.headers(network_id, "auditor")
        )
    assert answer.status_code == 404


# ── how the services stand, and timelines ────────────────────────────────────────────────────


async def test_lag_and_parked_keys_of_each_service_are_told_without_an_id(
    environment: dict[str, str], postgres_superuser_url: str, network_id: UUID
) -> None:
    world = await World(urls=environment).begin()
    database = urlsplit(environment["CLINICBUS_PAYMENTS_WORKER_URL"]).path
    connection = await asyncpg.connect(
        urlsplit(postgres_superuser_url)._replace(path=database).geturl()
    )
    message = booked(1, network=network_id)
    await world.say(message, message, message)
    place = (world.log.name, TOPIC, message.partition)
    await connection.execute("INSERT INTO bus_offset VALUES ($1, $2, $3, 1)", *place)
    where = (network_id, TOPIC, f"appointment/{message.key}")
    await connection.execute("INSERT INTO parked_key VALUES ($1, $2, $3, 'hole', 'waits')", *where)
    try:
        async with world.serve() as url, httpx.AsyncClient() as http:
            answer = await http.get(f"{url}/state", headers=world.headers(network_id))
    finally:
        for table, column in (("parked_key", "network_id"), ("bus_offset", "bus_id")):
            value = network_id if table == "parked_key" else world.log.name
            await connection.execute(f"DELETE FROM {table} WHERE {column} = $1", value)
        await connection.close()
    told = {one["service"]: one for one in answer.json()["services"]}
    assert list(told) == ["appointments", "patients", "eligibility", "payments", "documents"]
    assert told["payments"]["lag"] == [{"topic": TOPIC, "events": 2, "seconds": 0.0}]
    assert {"kind": "hole", "keys": 1, "events": 0} in told["payments"]["parked"]
    assert told["payments"]["problems"] == ["it does not answer"]  # no API runs here
    assert str(network_id) not in answer.text
    assert message.key not in answer.text


async def test_how_long_a_partition_stands_still_is_counted() -> None:
    now = [100.0]
    log = MemoryLog()
    async with httpx.AsyncClient() as http:
        found = standing.Standing(MemoryBus(log), {}, {}, http, lambda: now[0])
        ends = {(TOPIC, 0): 5, (TOPIC, 1): 2}
        stands = {(TOPIC, 0): 3, (TOPIC, 1): 2}
        first = found._lag("ear", stands, ends)
        now[0] += 4
        still = found._lag("ear", stands, ends)
        moved = found._lag("ear", {(TOPIC, 0): 4, (TOPIC, 1): 2}, ends)
    told = [(lag[0]["events"], lag[0]["seconds"]) for lag in (first, still, moved)]
    assert told == [(2, 0.0), (2, 4.0), (1, 0.0)]


async def test_the_age_that_the_service_knows_is_told_where_it_lags() -> None:
    text = (
        "# HELP clinicbus_consumer_oldest_unapplied_seconds x\n"
        f'clinicbus_consumer_oldest_unapplied_seconds{{service="ear",topic="{TOPIC}"}} 12.34\n'
        'clinicbus_consumer_oldest_unapplied_seconds{service="ear",topic="other"} 9.0\n'
    )
    answer = httpx.MockTransport(lambda _: httpx.Response(200, text=text))
    async with httpx.AsyncClient(transport=answer) as http:
        found = standing.Standing(MemoryBus(MemoryLog()), {}, {"ear": "http://ear.test"}, http)
        lags = [
            {"topic": TOPIC, "events": 2, "seconds": 1.0},
            {"topic": "other", "events": 0, "seconds": 0.0},
            {"topic": "third", "events": 1, "seconds": 3.0},
        ]
        await found._put_ages("ear", lags)
        await found._put_ages("nobody", lags)
    assert [lag["seconds"] for lag in lags] == [12.3, 0.0, 3.0]


async def test_one_answer_serves_many_who_ask_at_once(
    world: World, network_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    world.apis = {"payments": "http://payments.test"}

    def ready(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200, json={"ready": True, "bus": {"relay": {"problem": "slow"}}})

    world.switchboard.connect("http://payments.test", ready)
    async with world.serve() as url, httpx.AsyncClient() as http:
        get = [http.get(f"{url}/state", headers=world.headers(network_id)) for _ in range(5)]
        answers = await asyncio.gather(*get)
    assert {a.status_code for a in answers} == {200}
    assert asked == ["/readyz"]
    (payments,) = [s for s in answers[0].json()["services"] if s["service"] == "payments"]
    assert (payments["ready"], payments["problems"]) == (True, ["slow"])


async def test_a_timeline_is_asked_with_the_callers_own_token(
    world: World, network_id: UUID
) -> None:
    given: list[str] = []
    key = new_id()

    def trace(request: httpx.Request) -> httpx.Response:
        given.append(request.headers["authorization"])
        assert request.url.path == f"/v1/traces/{key}"
        entry = {"at": "2026-11-05T10:00:00Z", "kind": "event", "what": "booked"}
        return httpx.Response(200, json={"entries": [entry]})

    world.apis = {"appointments": "http://appointments.test", "payments": "http://payments.test"}
    world.switchboard.connect("http://appointments.test", trace)
    headers = world.headers(network_id)
    async with world.serve() as url, httpx.AsyncClient() as http:
        answer = await http.get(f"{url}/subjects/appointment/{key}", headers=headers)
        unknown = await http.get(f"{url}/subjects/kitchen/{key}", headers=headers)
    told = answer.json()
    assert [entry["service"] for entry in told["entries"]] == ["appointments"]
    assert told["away"] == ["payments (ConnectError)"]
    assert given == [headers["Authorization"]]
    assert unknown.status_code == 404


# ── ids and the page ─────────────────────────────────────────────────────────────────────────


def test_a_place_is_read_as_it_was_written() -> None:
    places = Places("bus", all_topics())
    positions = {
        (topic, n): (index * 1000 + n) ** 3 % (1 << 60)
        for index, topic in enumerate(all_topics())
        for n in range(12)
    }
    text = places.written(positions)
    assert places.read(text) == positions
    assert re.fullmatch(r"[\w-]+", text)
    assert len(places.written({})) < 400
    for other in (Places("other", all_topics()), Places("bus", all_topics()[1:])):
        assert other.read(text) is None
    for broken in (text[:-2], text + "AA", "", "é", "A" * 5000, text[:20]):
        assert places.read(broken) is None


def test_the_page_is_whole_in_itself_and_never_writes_html() -> None:
    page = (Path(package.__file__).parent / "page.html").read_text()
    policy = policy_of(page)
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for word in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "http://",
                 "https://", " style=", " onclick=", "@import", "url("):  # fmt: skip
        assert word not in page, word


async def test_the_page_comes_with_its_policy(world: World) -> None:
    async with world.serve() as url, httpx.AsyncClient() as http:
        answer = await http.get(url)
    assert answer.headers["content-security-policy"] == policy_of(answer.text)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


def test_where_nothing_runs_one_sentence_says_so(tmp_path: Path) -> None:
    result = CliRunner().invoke(package.app, ["--data", str(tmp_path / "none")])
    assert isinstance(result.exception, CannotRun)
    assert "start it with `make run`" in str(result.exception)


def test_a_port_that_is_taken_is_said(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, url in environment.items():
        monkeypatch.setenv(name, url)
    monkeypatch.setenv("CLINICBUS_ISSUER", "http://127.0.0.1:8110")
    monkeypatch.setenv("CLINICBUS_URLS", "{}")
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        result = CliRunner().invoke(package.app, ["--port", str(port)])
    assert isinstance(result.exception, CannotRun)
    assert f"Port {port} is taken" in str(result.exception)
