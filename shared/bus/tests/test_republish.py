"""A bus that lost something gets it back from the outbox, and nothing takes effect twice."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from shared.bus.port import BusUnavailable, Message, Producer, StaleProducer, TopicPartition
from shared.bus.republish import ROUNDS, Republished, republish, reset
from shared.bus.tests.company import TOPIC, Company, until
from shared.bus.tests.test_consumer import heard, running
from shared.bus.tests.test_outbox_days import relayed
from shared.bus.tests.test_relay import on_bus, sequences
from shared.contracts.envelope import PARTITIONS
from shared.testing.memory_bus import MemoryBus, MemoryLog
from shared.values.ids import new_id


async def again(company: Company, *, dry_run: bool = False) -> Republished:
    """Republish what alpha said."""
    async with company.alpha.raw("worker") as raw:
        return await republish(raw, company.bus, "alpha", [TOPIC], dry_run=dry_run)


async def to_start(company: Company) -> int:
    """Send beta back."""
    async with company.beta.raw("worker") as raw:
        return await reset(raw, company.bus, [TOPIC])


def lose(company: Company, which: slice) -> list[str]:
    """Lose records of every partition; the subjects whose events went."""
    assert isinstance(company.bus, MemoryBus)
    gone = []
    for held in company.bus.log.partitions.values():
        gone += [str(record.key) for record in held.records[which]]
        del held.records[which]
    return gone


async def test_the_exact_missing_events_are_sent_again(company: Company) -> None:
    """As after a broker lost its newest segment: what is there is not sent a second time."""
    network_id, things = new_id(), [new_id() for _ in range(20)]
    for thing_id in things:
        await company.change(network_id, thing_id, 1, 2, 3)
    await relayed(company, 60)
    gone = lose(company, slice(-1, None))
    assert 0 < len(gone) < 20
    counted = await again(company, dry_run=True)
    assert (counted.said, counted.by_topic) == (60, {TOPIC: len(gone)})
    assert len(on_bus(company)) == 60 - len(gone)
    assert (await again(company)).missing == len(gone)
    assert (await again(company)).missing == 0
    assert len(on_bus(company)) == 60
    for thing_id in things:
        assert sorted(sequences(company, thing_id)) == [1, 2, 3]


async def test_a_wiped_bus_is_healed_and_nothing_takes_effect_twice(company: Company) -> None:
    """Half of it was heard before; the subscriber is sent back to the start."""
    network_id, things = new_id(), [new_id() for _ in range(10)]
    for thing_id in things:
        await company.change(network_id, thing_id, 1, 2)
    await relayed(company, 20)
    async with running(company.consumer()):
        await heard(company)
    for thing_id in things:
        await company.change(network_id, thing_id, 3)
    await relayed(company, 30)
    lose(company, slice(None))
    assert (await again(company)).missing == 30
    assert await to_start(company) == PARTITIONS
    async with running(company.consumer()):
        await heard(company)
    assert [await company.values(thing_id) for thing_id in things] == [[1, 2, 3]] * 10
    assert await company.parked() == {}


async def test_another_bus_in_its_place_is_filled_and_read_from_the_start(
    company: Company,
) -> None:
    """A broker made anew is another bus: nobody has an offset there."""
    network_id, thing_id = new_id(), new_id()
    await company.change(network_id, thing_id, 1, 2)
    await relayed(company, 2)
    async with running(company.consumer()):
        await heard(company)
    company.bus = MemoryBus(MemoryLog("memory:anew"))
    assert (await again(company)).missing == 2
    await company.change(network_id, thing_id, 3)
    await relayed(company, 3)
    async with running(company.consumer()):
        await until(lambda: _has_three(company))
    assert await company.values(thing_id) == [1, 2, 3]


async def _has_three(company: Company) -> bool:
    return len(await company.effects()) == 3


async def test_a_running_subscriber_that_is_sent_back_follows_and_repeats_nothing(
    company: Company,
) -> None:
    """Three times, though nothing new is said."""
    network_id, thing_id = new_id(), new_id()
    await company.change(network_id, thing_id, 1, 2, 3)
    await relayed(company, 3)
    async with running(company.consumer()):
        await heard(company)
        for _ in range(3):
            await to_start(company)
            assert await company.stored() == 0
            await heard(company)
    assert await company.values(thing_id) == [1, 2, 3]


async def test_what_the_relay_has_not_sent_yet_is_left_to_it(company: Company) -> None:
    """And without any relay there ever was nothing is missing."""
    network_id, thing_id = new_id(), new_id()
    await company.change(network_id, thing_id, 1)
    assert (await again(company)).said == 0
    await relayed(company, 1)
    await company.change(network_id, thing_id, 2)
    found = await again(company)
    assert (found.said, found.missing) == (1, 0)
    assert sequences(company, thing_id) == [1]


async def test_a_takeover_in_between_is_waited_for(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is sent goes under the epoch of the relay that leads; for ever it does not wait."""
    monkeypatch.setattr("shared.bus.republish.TAKEOVERS", 2)
    monkeypatch.setattr("shared.bus.republish.TAKEOVER_SECONDS", 0.0)
    await company.change(new_id(), new_id(), 1)
    await relayed(company, 1)
    lose(company, slice(None))
    assert isinstance(company.bus, MemoryBus)
    epoch = company.bus.log.epochs["alpha"]
    company.bus.log.epochs["alpha"] = epoch + 1
    with pytest.raises(StaleProducer):
        await again(company)
    await company.alpha_super.execute("UPDATE relay_lease SET epoch = epoch + 1")
    assert (await again(company)).missing == 1
    company.bus.log.down = True
    with pytest.raises(BusUnavailable):
        await again(company)


class Unreliable(MemoryBus):
    """A bus that refuses the first batch and takes the second, or all, for repeats: as Kafka may
    that was wiped."""

    tries: int = 0
    forgets: bool = False

    async def append(self, producer: Producer, messages: Sequence[Message]) -> list[int]:
        """Refuse, forget, and then be a bus."""
        self.tries += 1
        if self.tries == 1:
            raise BusUnavailable("OutOfOrderSequenceNumber")
        if self.tries == 2 or self.forgets:
            return [0] * len(messages)
        return await super().append(producer, messages)


async def test_what_was_sent_is_looked_for_and_sent_again(company: Company) -> None:
    """Until nothing is missing; where it does not stay, that is said."""
    network_id, thing_id = new_id(), new_id()
    await company.change(network_id, thing_id, 1, 2)
    await relayed(company, 2)
    lose(company, slice(None))
    assert isinstance(company.bus, MemoryBus)
    company.bus = Unreliable(company.bus.log)
    assert (await again(company)).missing == 2
    assert sequences(company, thing_id) == [1, 2]
    lose(company, slice(None))
    company.bus.forgets = True
    with pytest.raises(BusUnavailable, match="2 events do not stay"):
        await again(company)


class Forgetful(MemoryBus):
    """A bus that takes some batches and keeps nothing of them, and then is one."""

    left: int = ROUNDS - 1

    async def append(self, producer: Producer, messages: Sequence[Message]) -> list[int]:
        """Forget, while any is left to forget."""
        if self.left:
            self.left -= 1
            return [0] * len(messages)
        return await super().append(producer, messages)


async def test_what_stays_at_the_last_try_is_there(company: Company) -> None:
    network_id, thing_id = new_id(), new_id()
    await company.change(network_id, thing_id, 1, 2)
    await relayed(company, 2)
    lose(company, slice(None))
    assert isinstance(company.bus, MemoryBus)
    company.bus = Forgetful(company.bus.log)
    assert (await again(company)).missing == 2
    assert sequences(company, thing_id) == [1, 2]


class Beside(MemoryBus):
    """A bus that is filled while the service goes on saying things on another."""

    company: Company
    said: int = 1

    async def append(self, producer: Producer, messages: Sequence[Message]) -> list[int]:
        """Take a batch; by then the next event is on the other bus."""
        self.said += 1
        await self.company.change(new_id(), new_id(), self.said)
        await relayed(self.company, self.said)
        return await super().append(producer, messages)


async def test_what_is_said_elsewhere_meanwhile_is_left_to_the_next_time(company: Company) -> None:
    """Else a busy service would never be copied: each look finds what was said since the last."""
    await company.change(new_id(), new_id(), 1)
    await relayed(company, 1)
    other = Beside(MemoryLog("memory:other"))
    other.company = company
    async with company.alpha.raw("worker") as raw:
        found = await republish(raw, other, "alpha", [TOPIC])
        assert (found.said, found.missing) == (1, 1)
        assert other.said == 2
        assert (await republish(raw, other, "alpha", [TOPIC])).missing == 1


@asynccontextmanager
async def trimmed(company: Company, before: int) -> AsyncIterator[TopicPartition]:
    """A partition whose first records retention has taken."""
    network_id, thing_id = new_id(), new_id()
    await company.change(network_id, thing_id, 1, 2, 3)
    await relayed(company, 3)
    (record, *_) = on_bus(company)
    assert isinstance(company.bus, MemoryBus)
    at = (record.topic, record.partition)
    company.bus.log.trim(at, before)
    yield at


async def test_a_new_subscriber_that_would_miss_history_halts_until_it_is_told(
    company: Company,
) -> None:
    """What is gone is sent again from the outbox and heals the hole."""
    async with trimmed(company, 2):
        consumer = company.consumer()
        async with running(consumer):

            async def halted() -> bool:
                return "halted" in str(consumer.state()["problem"])

            await until(halted)
            assert await company.effects() == []
            assert (await again(company)).missing == 2
            await to_start(company)
            await until(lambda: _has_three(company))
            await until(lambda: _nothing_parked(company))
    assert [e["value"] for e in await company.effects()] == [1, 2, 3]


async def _nothing_parked(company: Company) -> bool:
    return not await company.parked()
