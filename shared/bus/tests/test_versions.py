"""Versions of an event beside each other: each happening takes effect once, whoever reads it."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from itertools import product
from typing import Any, ClassVar
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.bus.consumer import Consumer
from shared.bus.consumer_machine import Apply
from shared.bus.delivery import Delivery, Unread, batch_of, delivery_of
from shared.bus.port import Bus, Message
from shared.bus.steps import Steps
from shared.bus.subscriptions import Subscriptions
from shared.bus.tests.company import Company, Thing, ThingChanged, record, said, until
from shared.bus.tests.harness import PostgresHarness
from shared.contracts.envelope import PARTITIONS, Before, Envelope, Event
from shared.contracts.partition import partition_of
from shared.contracts.versions import lineage, said_as, value_of
from shared.db.actor import Actor
from shared.db.locks import LockKey, lock_key
from shared.db.work import Context, Work
from shared.values.ids import new_id

HERE, THING = UUID(int=1), UUID(int=7)
ENDS = date(2027, 1, 31)


class Changed2(Event):
    """The value in halves: `value` is called `halves` and is twice as large."""

    producer: ClassVar[str] = "alpha"
    aggregate: ClassVar[str] = "thing"
    subject_field: ClassVar[str] = "thing_id"
    name: ClassVar[str] = "thing.changed"
    version: ClassVar[int] = 2
    before: ClassVar[Before | None] = Before(
        ThingChanged, up=lambda old: Changed2(thing_id=old.thing_id, halves=2 * old.value)
    )

    thing_id: UUID
    halves: int


class Changed3(Event):
    """The value in halves, with a unit."""

    producer: ClassVar[str] = "alpha"
    aggregate: ClassVar[str] = "thing"
    subject_field: ClassVar[str] = "thing_id"
    name: ClassVar[str] = "thing.changed"
    version: ClassVar[int] = 3
    before: ClassVar[Before | None] = Before(
        Changed2, up=lambda old: Changed3(thing_id=old.thing_id, size=(old.halves, "halves"))
    )

    thing_id: UUID
    size: tuple[int, str]


VERSIONS: tuple[type[Event], ...] = (ThingChanged, Changed2, Changed3)


def meant(event: Event) -> float:
    """What all versions mean."""
    match event:
        case ThingChanged():
            return event.value
        case Changed2():
            return event.halves / 2
        case Changed3():
            return event.size[0] / 2
    raise AssertionError(event)


def one(version: int, value: int) -> Event:
    """A happening in one version."""
    match version:
        case 1:
            return ThingChanged(thing_id=THING, value=value)
        case 2:
            return Changed2(thing_id=THING, halves=2 * value)
        case _:
            return Changed3(thing_id=THING, size=(2 * value, "halves"))


def windows(monkeypatch: pytest.MonkeyPatch, *open_to: type[Event]) -> None:
    """Let the versions before these be said with them."""
    for cls in (Changed2, Changed3):
        before = cls.before
        assert before is not None
        if cls in open_to:
            down = _down if cls is Changed2 else _down_from_3
            monkeypatch.setattr(cls, "before", replace(before, down=down, until=ENDS))


def _down(new: Changed2) -> ThingChanged:
    return ThingChanged(thing_id=new.thing_id, value=new.halves // 2)


def _down_from_3(new: Changed3) -> Changed2:
    return Changed2(thing_id=new.thing_id, halves=new.size[0])


def message(event: Event, seq: int, network_id: UUID = HERE) -> Message:
    """The record of an event as a producer writes it."""
    kind = said_as(type(event)).wire_type()
    found = said(network_id, event.subject_id, seq, 0, event=event, ce_type=kind)
    return found._replace(value=value_of(event))


def heard(event: Event, by: type[Event]) -> Delivery:
    """What a subscriber of one version makes of it."""
    known = subscriptions(by, None).known
    found = delivery_of(record(message(event, 1)), known, lambda _: [])
    assert isinstance(found, Delivery)
    return found


def subscriptions(event: type[Event], handler: Any) -> Subscriptions:
    """Hears one version."""
    return Subscriptions({event: handler}, _locks)


def _locks(event: Event) -> Sequence[LockKey]:
    return [lock_key("thing", event.subject_id)]


@pytest.mark.parametrize(
    ("says", "window", "hears"),
    [(s, w, h) for s, w, h in product((1, 2, 3), ((), (2,), (3,), (2, 3)), (1, 2, 3))],
)
def test_of_the_versions_in_a_record_one_is_read_or_the_key_is_parked(
    monkeypatch: pytest.MonkeyPatch, says: int, window: tuple[int, ...], hears: int
) -> None:
    """Every producer against every subscriber."""
    windows(monkeypatch, *(VERSIONS[n - 1] for n in window))
    oldest = says
    while oldest in window:
        oldest -= 1
    found = heard(one(says, 21), VERSIONS[hears - 1])
    if hears < oldest:
        assert (found.event, found.problem) == (None, "unknown_version")
    else:
        assert type(found.event) is VERSIONS[hears - 1]
        assert found.problem is None
        assert meant(found.event) == 21


def test_one_record_holds_all_versions_that_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest as if it were said alone; the others as members that its readers read past."""
    windows(monkeypatch, Changed2, Changed3)
    assert said_as(Changed3) is ThingChanged
    held = json.loads(value_of(one(3, 4)))
    assert held.pop("$v2") == {"thing_id": str(THING), "halves": 8}
    assert held.pop("$v3") == {"thing_id": str(THING), "size": [8, "halves"]}
    assert held == json.loads(value_of(one(1, 4)))


def test_the_newest_that_a_subscriber_knows_is_read_as_it_was_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not lifted from an older one beside it: version 1 cannot say an odd number of halves."""
    windows(monkeypatch, Changed2)
    odd = Changed2(thing_id=THING, halves=5)
    assert heard(odd, Changed2).event == odd
    assert heard(odd, Changed3).event == Changed3(thing_id=THING, size=(5, "halves"))
    assert heard(odd, ThingChanged).event == ThingChanged(thing_id=THING, value=2)


def test_nothing_changes_for_an_event_of_one_version() -> None:
    """Bytes as before."""
    event = one(1, 4)
    assert said_as(ThingChanged) is ThingChanged
    assert value_of(event) == event.model_dump_json().encode()


def test_a_subscriber_hears_one_version_of_a_name() -> None:
    """Two would both take effect."""
    with pytest.raises(ValueError, match="one version"):
        Subscriptions({ThingChanged: _never, Changed2: _never}, _locks)
    assert set(subscriptions(Changed3, _never).known) == {v.wire_type() for v in lineage(Changed3)}


def _fails(_old: Event) -> Event:
    raise KeyError("unit")


async def _never(_work: Work, _envelope: Envelope, _event: Any) -> None:
    raise AssertionError


def test_a_window_has_an_end_and_an_end_a_window() -> None:
    """It is declared by both."""
    with pytest.raises(ValueError, match="window"):
        Before(ThingChanged, up=_fails, down=_down)
    with pytest.raises(ValueError, match="window"):
        Before(ThingChanged, up=_fails, until=ENDS)


def test_versions_about_different_subjects_are_not_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record has one subject."""
    elsewhere = Before(
        ThingChanged, up=_fails, down=lambda _: ThingChanged(thing_id=HERE, value=1), until=ENDS
    )
    monkeypatch.setattr(Changed2, "before", elsewhere)
    with pytest.raises(ValueError, match="different subjects"):
        value_of(one(2, 1))


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"[]",
        b'"$v2"',
        b'{"$v2": null}',
        b'{"$v2": {"thing_id": "1"}}',
        b'{"thing_id": "00000000-0000-0000-0000-000000000007"}',
        b'{"$v2": {"thing_id": "00000000-0000-0000-0000-000000000008", "halves": 2}}',
    ],
)
def test_what_cannot_be_read_in_the_version_that_counts_parks_the_key(value: bytes) -> None:
    """An older one beside it does not stand in for it."""
    found = delivery_of(
        record(said(HERE, THING, 1, 1)._replace(value=value)),
        subscriptions(Changed2, _never).known,
        _locks,
    )
    assert isinstance(found, Delivery)
    assert (found.event, found.problem) == (None, "unreadable_data")


def test_an_upcaster_that_fails_parks_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it raises: the partition moves on."""
    monkeypatch.setattr(Changed2, "before", Before(ThingChanged, up=_fails))
    found = heard(one(1, 1), Changed2)
    assert (found.event, found.problem) == (None, "unreadable_data")


@given(st.binary(max_size=60))
def test_no_bytes_break_the_reading_of_an_older_version(value: bytes) -> None:
    """It says that it cannot read them."""
    found = delivery_of(
        record(said(HERE, THING, 1, 1)._replace(value=value)),
        subscriptions(Changed3, _never).known,
        _locks,
    )
    assert not isinstance(found, Unread)
    assert found.problem == "unreadable_data"


# ── mixed fleets, from alpha's commit over relay and bus to beta's rows ───────────────────────────


async def say(company: Company, network_id: UUID, thing_id: UUID, version: int, value: int) -> None:
    """Alpha, deployed as it says this version, changes a thing."""
    context = Context(network_id, Actor("person", "p1"), company.clock.now())
    async with company.alpha.work(context, [lock_key("thing", thing_id)]) as work:
        thing = await work.load(Thing, thing_id)
        if thing is None:
            thing = Thing(network_id=network_id, id=thing_id)
            work.add(thing)
        else:
            work.save(thing)
        thing.value = value
        work.say(one(version, value).model_copy(update={"thing_id": thing_id}), of=thing)


def hearing(version: int) -> Subscriptions:
    """What beta hears when deployed for a version; it keeps which one it read as hundreds."""

    async def on_changed(work: Work, envelope: Envelope, event: Event) -> None:
        await work.raw.execute(
            "INSERT INTO effect (network_id, event_id, thing_id, seq, value)"
            " VALUES ($1, $2, $3, $4, $5)",
            work.network_id,
            envelope.id,
            event.subject_id,
            envelope.subject_seq,
            100 * version + int(meant(event)),
        )

    return subscriptions(VERSIONS[version - 1], on_changed)


def beta(company: Company, version: int, bus: Bus | None = None) -> Consumer:
    """Beta, deployed as it hears this version."""
    at = bus or company.bus
    return Consumer(company.beta, company.clock, at, hearing(version), jitter=lambda: 0.0)


def one_a_partition() -> list[UUID]:
    """Things of which each is in a partition of its own."""
    found: dict[int, UUID] = {}
    while len(found) < PARTITIONS:
        thing_id = new_id()
        found[partition_of(str(thing_id))] = thing_id
    return list(found.values())


async def _shared(fleet: Sequence[Consumer]) -> bool:
    """Whether all consumers own partitions."""
    return all(0 < c.state()["partitions"] < PARTITIONS for c in fleet)


async def taken(company: Company, thing_ids: Sequence[UUID], seq: int) -> bool:
    """Whether beta has heard all things that far."""
    return all([await company.applied(t) == seq for t in thing_ids])


@pytest.mark.parametrize("transport", ["memory", "postgres"])
async def test_a_fleet_that_changes_its_versions_mid_stream_takes_each_happening_once(
    company: Company,
    postgres_bus: PostgresHarness,
    monkeypatch: pytest.MonkeyPatch,
    transport: str,
) -> None:
    """Consumer first, then producer, the old ones still at work beside the new ones."""
    if transport == "postgres":
        company.bus = await postgres_bus.bus()
        await company.bus.create_topics([ThingChanged.topic()])
    network_id, things = new_id(), one_a_partition()
    relay = company.relay()
    relaying = asyncio.create_task(relay.run())
    fleet: list[Consumer] = []
    working: list[asyncio.Task[None]] = []

    async def speak(version: int, value: int) -> None:
        for thing_id in things:
            await say(company, network_id, thing_id, version, value)

    async def deploy(version: int) -> None:
        bus = await postgres_bus.bus() if transport == "postgres" else None
        fleet.append(beta(company, version, bus))
        working.append(asyncio.create_task(fleet[-1].run()))

    async def retire(index: int) -> None:
        fleet[index].stop()
        await working[index]

    try:
        await deploy(1)
        await speak(1, 1)  # an old producer and an old consumer
        await until(lambda: taken(company, things, 1))
        await deploy(2)  # the new consumer beside the old one in its group
        await until(lambda: _shared(fleet))
        await speak(1, 2)
        windows(monkeypatch, Changed2)
        await speak(2, 3)  # a new producer, while an old one still speaks
        await speak(1, 4)
        await speak(2, 5)
        await until(lambda: taken(company, things, 5))
        await retire(0)
        await speak(2, 6)
        await until(lambda: taken(company, things, 6))
        monkeypatch.setattr(
            Changed2,
            "before",
            Before(ThingChanged, up=Changed2.before.up),  # type: ignore[union-attr]
        )
        await speak(2, 7)  # the window is over
        await until(lambda: taken(company, things, 7))
    finally:
        for consumer in fleet:
            consumer.stop()
        relay.stop()
        await asyncio.gather(relaying, *working)
    effects = await company.effects()
    for thing_id in things:
        mine = [(e["seq"], e["value"] % 100) for e in effects if e["thing_id"] == thing_id]
        assert mine == [(n, n) for n in range(1, 8)]
    by_seq = {n: {e["value"] // 100 for e in effects if e["seq"] == n} for n in range(1, 8)}
    assert by_seq[1] == {1}
    assert by_seq[2] == by_seq[3] == by_seq[4] == by_seq[5] == {1, 2}
    assert by_seq[6] == by_seq[7] == {2}
    assert await company.parked() == {}


async def test_a_reader_that_is_replaced_between_any_two_deliveries_takes_each_once(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the same records are delivered again to the newer one."""
    windows(monkeypatch, Changed2)
    network_id = new_id()
    for cut in range(4):
        thing_id = new_id()
        records = [
            message(
                one(2, seq).model_copy(update={"thing_id": thing_id}), seq, network_id=network_id
            )
            for seq in (1, 2, 3)
        ]
        await _deliver(company, 1, records[:cut])
        await _deliver(company, 2, records)
        found = [e["value"] for e in await company.effects() if e["thing_id"] == thing_id]
        assert found == [(100 if seq <= cut else 200) + seq for seq in (1, 2, 3)]


async def _deliver(company: Company, version: int, messages: Sequence[Message]) -> None:
    """Let beta, deployed as it hears this version, take records one transaction each."""
    hears = hearing(version)
    steps = Steps(company.beta, company.clock, hears, "memory")
    for each in messages:
        for group in batch_of([record(each)], hears.known, hears.locks).groups:
            await steps.apply(Apply(group))


async def test_a_window_that_ended_too_early_loses_nothing(company: Company) -> None:
    """An old consumer parks what only newer versions say; its successor applies it in order."""
    network_id, thing_id = new_id(), new_id()
    for version, value in ((1, 1), (2, 2), (1, 3)):
        await say(company, network_id, thing_id, version, value)
    relay = company.relay()
    relaying = asyncio.create_task(relay.run())
    try:
        old = beta(company, 1)
        task = asyncio.create_task(old.run())
        await until(lambda: _waits(company, [2, 3]))
        old.stop()
        await task
        assert await company.parked() == {
            f"thing/{thing_id}": ("poison", "unknown_version", [2, 3])
        }
        await beta(company, 2)._settler.replay(
            network_id, (ThingChanged.topic(), f"thing/{thing_id}")
        )
    finally:
        relay.stop()
        await relaying
    assert await company.values(thing_id) == [101, 202, 203]
    assert await company.parked() == {}


async def _waits(company: Company, seqs: list[int]) -> bool:
    return [held for _, _, held in (await company.parked()).values()] == [seqs]
