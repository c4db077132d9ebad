"""The relay on a real outbox: order, nothing lost, one leader."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from uuid import UUID

import asyncpg
import pytest

from shared.bus.port import Message, Producer, Record
from shared.bus.relay import Relay
from shared.bus.relay_machine import (
    BATCH_BYTES,
    Acquire,
    Append,
    Fence,
    Lost,
    MakeDays,
    Read,
    Renew,
    Rows,
    Save,
    Stale,
    Trouble,
    Wait,
)
from shared.bus.relay_statements import DAYS, READ
from shared.bus.tests.company import TOPIC, Company, until
from shared.bus.watch import _UNSENT
from shared.db import failpoints
from shared.db.bus_tables import make_outbox_days
from shared.testing.memory_bus import MemoryBus
from shared.values.ids import new_id


def on_bus(company: Company) -> list[Record]:
    """Every record on the memory bus, partition after partition."""
    assert isinstance(company.bus, MemoryBus)
    return [r for _, held in sorted(company.bus.log.partitions.items()) for r in held.records]


def sequences(company: Company, thing_id: UUID) -> list[int]:
    """The sequence numbers of a thing in the order in which they stand on the bus."""
    return [
        int(dict(r.headers)["ce_subjectseq"]) for r in on_bus(company) if r.key == str(thing_id)
    ]


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[asyncio.Task[None]]:
    """A relay at work; it stops properly in the end."""
    task = asyncio.create_task(relay.run())
    try:
        yield task
    finally:
        relay.stop()
        with contextlib.suppress(asyncio.CancelledError, failpoints.FailpointHit):
            await task


@asynccontextmanager
async def app_transaction(company: Company, network_id: UUID) -> AsyncIterator[asyncpg.Connection]:
    """An open transaction of alpha's app role with one event of a new thing in the outbox."""
    async with company.alpha.raw("app") as raw:
        await raw.execute(f"BEGIN; SELECT set_config('app.network', '{network_id}', true)")
        yield raw


async def put(raw: asyncpg.Connection, network_id: UUID, key: UUID, seq: int = 1) -> None:
    """Write an outbox row by hand."""
    await raw.execute(
        "INSERT INTO outbox (network_id, event_id, type, subject, subject_seq, correlation_id,"
        " occurred_at, topic, partition, key, headers, value)"
        " VALUES ($1, $2, 't', $3, $4, $2, now(), $5, 0, $6, $7, '{}')",
        network_id,
        new_id(),
        f"thing/{key}",
        seq,
        TOPIC,
        str(key),
        ["ce_subjectseq", str(seq)],
    )


async def step(relay: Relay, raw: asyncpg.Connection) -> tuple[object, object]:
    """One action of a relay and its outcome."""
    loop = asyncio.get_running_loop()
    action = relay._machine.decide(loop.time())
    fact = await relay._perform(raw, action)
    relay._machine.heard(fact, loop.time())
    return action, fact


async def read_once(relay: Relay, raw: asyncpg.Connection) -> Rows:
    """Step until the outbox was read."""
    while True:
        action, fact = await step(relay, raw)
        if isinstance(action, Read):
            assert isinstance(fact, Rows)
            return fact


async def test_rows_of_an_open_transaction_hold_back_later_ones(company: Company) -> None:
    """A opens, B opens, B commits, A commits: nothing goes before A, then A and B in order."""
    network_id, first, second = new_id(), new_id(), new_id()
    relay = company.relay()
    async with company.alpha.raw("worker") as worker, app_transaction(company, network_id) as a:
        await put(a, network_id, first)
        async with app_transaction(company, network_id) as b:
            await put(b, network_id, second)
            await b.execute("COMMIT")
        assert (await read_once(relay, worker)).rows == ()
        await a.execute("COMMIT")
        rows = (await read_once(relay, worker)).rows
        assert [row.message.key for row in rows] == [str(first), str(second)]
        while not on_bus(company):
            await step(relay, worker)
    assert [r.key for r in on_bus(company)] == [str(first), str(second)]


async def test_a_late_commit_below_the_cursor_is_not_lost(company: Company) -> None:
    """Rows go on being sent in commit order while transactions overlap at random."""
    network_id, things = new_id(), [new_id() for _ in range(12)]

    async def busy(thing_id: UUID) -> None:
        for n in range(10):
            await company.change(network_id, thing_id, n)

    async with running(company.relay()):
        await asyncio.gather(*(busy(thing_id) for thing_id in things))
        await until(lambda: _sent(company, 120))
    for thing_id in things:
        assert sequences(company, thing_id) == list(range(1, 11))


async def _sent(company: Company, count: int) -> bool:
    return len(on_bus(company)) >= count


async def test_a_commit_wakes_the_relay(company: Company) -> None:
    """In the same process and, by NOTIFY, from another one: well before the next look by itself."""
    network_id, thing_id = new_id(), new_id()
    loop = asyncio.get_running_loop()
    async with running(company.relay()) as task:
        await company.change(network_id, thing_id, 0)
        await until(lambda: _sent(company, 1))
        for n in range(1, 3):
            # Long enough without a commit for the relay to wait its longest.
            await asyncio.wait([task], timeout=1.2)
            started = loop.time()
            async with app_transaction(company, network_id) as raw:
                await put(raw, network_id, new_id())
                await raw.execute("COMMIT")
                await raw.execute("NOTIFY outbox")
            await until(partial(_sent, company, n + 1))
            assert loop.time() - started < 0.3


async def test_killed_between_append_and_cursor_the_rows_go_again(company: Company) -> None:
    """At least once: the next relay sends the same rows; no row is missing or out of order."""
    network_id, thing_id = new_id(), new_id()
    await company.change(network_id, thing_id, 1, 2, 3)
    failpoints.arm("relay.after_append:raise:1")
    with pytest.raises(failpoints.FailpointHit):
        await company.relay().run()
    failpoints.arm("")
    await company.alpha_super.execute("UPDATE relay_lease SET expires_at = now() - interval '1 s'")
    async with running(company.relay()):
        await until(lambda: _sent(company, 6))
    assert sequences(company, thing_id) == [1, 2, 3, 1, 2, 3]


async def test_a_zombie_relay_is_refused_and_stops(company: Company) -> None:
    """Paused with a batch in hand past its lease, it can neither append nor move the cursor."""
    network_id, thing_id = new_id(), new_id()
    await company.change(network_id, thing_id, 1)
    zombie = company.relay()
    async with company.alpha.raw("worker") as raw:
        await read_once(zombie, raw)
        held = zombie._machine.decide(asyncio.get_running_loop().time())
        assert isinstance(held, Append)
        await company.alpha_super.execute(
            "UPDATE relay_lease SET expires_at = now() - interval '1 s'"
        )
        await company.change(network_id, thing_id, 2)
        async with running(company.relay()):
            await until(lambda: _sent(company, 2))
        assert await zombie._perform(raw, held) == Stale()
        save = Save(held.epoch, held.rows[-1].cursor)
        assert await zombie._perform(raw, save) == Lost()
        assert await zombie._perform(raw, Renew(held.epoch)) == Lost()
    assert sequences(company, thing_id) == [1, 2]


async def test_a_standby_takes_over_within_three_seconds(company: Company) -> None:
    """From the death of the leader to the next event on the bus."""
    network_id, thing_id = new_id(), new_id()
    leader = asyncio.create_task(company.relay().run())
    await company.change(network_id, thing_id, 1)
    await until(lambda: _sent(company, 1))
    async with running(company.relay()):
        leader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await leader
        died = asyncio.get_running_loop().time()
        await company.change(network_id, thing_id, 2)
        await until(lambda: _sent(company, 2))
        assert asyncio.get_running_loop().time() - died < 3.0
    # The leader may have died before it moved its cursor.
    assert list(dict.fromkeys(sequences(company, thing_id))) == [1, 2]


async def test_a_relay_that_stops_gives_its_lease_back(company: Company) -> None:
    """The next one leads at once, with a later epoch."""
    first = company.relay()
    async with running(first):
        await until(lambda: _leads(first))
    second = company.relay()
    started = asyncio.get_running_loop().time()
    async with running(second):
        await until(lambda: _leads(second))
        assert asyncio.get_running_loop().time() - started < 1.0
        assert second.state()["epoch"] == 2


async def _leads(relay: Relay) -> bool:
    return bool(relay.state()["leads"])


async def test_writes_succeed_while_the_bus_is_down(company: Company) -> None:
    """The outbox takes them; when the bus is back they go, in order, each once."""
    network_id, thing_id = new_id(), new_id()
    assert isinstance(company.bus, MemoryBus)
    relay = company.relay()
    async with running(relay):
        await until(lambda: _leads(relay))
        company.bus.log.down = True
        for n in range(5):
            await company.change(network_id, thing_id, n)

        async def troubled() -> bool:
            return relay.state()["problem"] is not None

        await until(troubled)
        assert on_bus(company) == []
        company.bus.log.down = False
        await until(lambda: _sent(company, 5))
        assert relay.state()["problem"] is None
    assert sequences(company, thing_id) == [1, 2, 3, 4, 5]


async def test_the_relay_survives_its_database(company: Company) -> None:
    """Connections cut under it: it comes back by itself and loses nothing."""
    network_id, thing_id = new_id(), new_id()
    async with running(company.relay()):
        await company.change(network_id, thing_id, 1)
        await until(lambda: _sent(company, 1))
        await company.alpha_super.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'alpha_worker'"
        )
        await company.change(network_id, thing_id, 2)

        async def both() -> bool:
            return set(sequences(company, thing_id)) == {1, 2}

        await until(both)
    # Cut between the append and the cursor, the first one goes out twice: a reader drops it.
    assert list(dict.fromkeys(sequences(company, thing_id))) == [1, 2]


async def test_a_database_that_is_back_is_no_problem_though_nothing_is_sent(
    company: Company,
) -> None:
    relay = company.relay()

    async def leads() -> bool:
        return bool(relay.state()["leads"])

    async def told() -> bool:
        return relay.state()["problem"] is None

    async with running(relay):
        await company.change(new_id(), new_id(), 1)
        await until(lambda: _sent(company, 1))
        await until(leads)
        # It still leads when the server is back: it neither fences nor sends anything anew.
        relay._say("database: ConnectionDoesNotExistError")
        await until(told)


async def test_headers_and_value_go_out_as_they_stand_in_the_outbox(company: Company) -> None:
    """What the subscriber decodes is what the command said."""
    network_id, thing_id = new_id(), new_id()
    await company.change(network_id, thing_id, 42)
    async with running(company.relay()):
        await until(lambda: _sent(company, 1))
    sent = on_bus(company)[0]
    headers = dict(sent.headers)
    assert headers["ce_type"] == "clinicbus.alpha.thing.changed.v1"
    assert headers["ce_subject"] == f"thing/{thing_id}"
    assert headers["ce_tenant"] == str(network_id)
    assert sent.key == str(thing_id)
    assert b'"value":42' in sent.value


async def test_the_bounded_read_touches_few_partitions_and_sorts_nothing(company: Company) -> None:
    """The plan among 40 days: an index scan for each day of the bound, no sort, no other day."""
    network_id = new_id()
    async with company.alpha.raw("worker") as raw:
        await make_outbox_days(raw, 40)
    for n in range(40):  # each its own transaction
        await company.alpha_super.execute(
            "INSERT INTO outbox (recorded_on, network_id, event_id, type, subject, subject_seq,"
            " correlation_id, occurred_at, topic, partition, key, headers, value)"
            " SELECT (now() AT TIME ZONE 'UTC')::date + day, $1, $1, 't', 's/' || n, $2, $1,"
            " now(), 't', 0, 'k', '{}', ''"
            " FROM generate_series(-1, 2) day, generate_series(1, 300) n",
            network_id,
            n + 1,
        )
    await company.alpha_super.execute("ANALYZE outbox")
    last = await company.alpha_super.fetchval("SELECT max(xid::text::bigint) FROM outbox")
    async with company.alpha.raw("worker") as raw:
        today = await raw.fetchval("SELECT (now() AT TIME ZONE 'UTC')::date")
        bound = DAYS.format(since=today, today=today)
        read = READ.format(days=bound)
        for behind in (1, 20, 40):
            rows = await raw.fetch(f"EXPLAIN {read}", str(last - behind), 0, 500)
            plan = "\n".join(row[0] for row in rows)
            assert plan.count("Index Scan using") == 3, plan  # yesterday, today, tomorrow
            assert "Merge Append" in plan
            assert "Seq Scan" not in plan
            assert "->  Sort" not in plan
            for text, most in ((_UNSENT.format(days=bound), 3), (_UNSENT.format(days=""), 50)):
                rows = await raw.fetch(f"EXPLAIN {text}", str(last - behind), 0)
                plan = "\n".join(row[0] for row in rows)
                assert 3 <= plan.count("Index Scan using") <= most, plan
                assert "Seq Scan" not in plan
                assert "->  Sort" not in plan


async def test_days_are_made_by_the_relay_before_anything_else(company: Company) -> None:
    """A fresh relay's first actions, in order."""
    relay = company.relay()
    async with company.alpha.raw("worker") as raw:
        seen = [(await step(relay, raw))[0] for _ in range(4)]
    assert [type(action) for action in seen] == [MakeDays, Acquire, Fence, Read]
    assert isinstance(relay._machine.decide(asyncio.get_running_loop().time()), Wait)


async def test_a_batch_ends_with_the_row_that_fills_it(company: Company) -> None:
    """Three are in memory at a time: rows of any size, and none is left behind."""
    size, many, network_id = 60_000, 150, new_id()
    await company.alpha_super.execute(
        "INSERT INTO outbox (network_id, event_id, type, subject, subject_seq, correlation_id,"
        " occurred_at, topic, partition, key, headers, value)"
        " SELECT $1, $1, 't', 's', n, $1, now(), $2, 0, 'k', '{}',"
        " convert_to(repeat('x', $3), 'UTF8') FROM generate_series(1, $4) n",
        network_id, TOPIC, size, many,
    )  # fmt: skip
    relay, batches = company.relay(), list[int]()
    async with company.alpha.raw("worker") as raw:
        while sum(batches) < many:
            action, _ = await step(relay, raw)
            if isinstance(action, Append):
                batches.append(len(action.rows))
    first = -(-BATCH_BYTES // size)
    assert batches == [first, many - first]
    assert len(on_bus(company)) == many


async def test_full_batches_are_read_ahead_and_none_is_lost_doubled_or_out_of_order(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a batch is on its way the next is read; where the way fails it is read again."""
    monkeypatch.setattr("shared.bus.relay_machine.BATCH_ROWS", 5)
    network_id, things = new_id(), [new_id() for _ in range(7)]
    for n in range(6):
        for thing_id in things:
            await company.change(network_id, thing_id, n)
    relay, read = company.relay(), list[str]()
    assert isinstance(company.bus, MemoryBus)
    made: list[Sequence[Message]] = []
    given: list[Sequence[Message]] = []
    append = MemoryBus.append

    def ready(_: MemoryBus, messages: Sequence[Message]) -> Sequence[Message]:
        made.append(tuple(messages))
        return made[-1]

    async def appended(
        bus: MemoryBus, producer: Producer, messages: Sequence[Message]
    ) -> list[int]:
        given.append(messages)
        return await append(bus, producer, messages)

    monkeypatch.setattr(MemoryBus, "ready", ready)
    monkeypatch.setattr(MemoryBus, "append", appended)
    async with company.alpha.raw("worker") as raw:
        raw.add_query_logger(lambda query: read.append(query.query))
        failed = False
        for _ in range(100):
            if len(on_bus(company)) == 42:
                break
            company.bus.log.down = not failed and len(on_bus(company)) == 20
            action, fact = await step(relay, raw)
            failed = failed or (isinstance(action, Append) and isinstance(fact, Trouble))
    assert failed
    for thing_id in things:
        assert sequences(company, thing_id) == [1, 2, 3, 4, 5, 6]
    # What was made ready is what was appended, and what the failure left behind is not.
    assert len([each for each in made if any(each is one for one in given)]) >= 6
    # Nine batches, the one that failed twice, each read once: ahead or not.
    assert len([text for text in read if "FROM outbox" in text and "LIMIT" in text]) <= 12
