"""Bad input by number, B10 to B29: records that are not, or not quite, an event of ours.

What names a subject, a network and a number but cannot be read parks its key with its bytes: an
event was said there, and the next of that subject must not overtake it. What does not name them
belongs to nobody, is kept as unreadable, and the partition goes on.
"""

import json
from dataclasses import replace
from uuid import UUID

import pytest

from shared.bus.delivery import Unread, delivery_of
from shared.bus.metrics import CONSUMER_EVENTS
from shared.bus.port import RECORD_BYTES_MAX, Message
from shared.bus.subscriptions import Subscriptions
from shared.bus.tests.bad_input import (
    Road,
    apart,
    beside,
    count_is,
    passed_by,
    passes_by,
    with_value,
    without,
)
from shared.bus.tests.company import TOPIC, Thing, ThingChanged, ThingMoved, record, said
from shared.bus.tests.test_consumer import heard, running
from shared.contracts.catalogue import EVENTS
from shared.contracts.envelope import VALUE_BYTES_MAX, Event
from shared.db.actor import Actor
from shared.db.locks import lock_key
from shared.db.work import Context
from shared.values.errors import TooLarge
from shared.values.ids import new_id

THING = UUID("0190a1b2-0000-7000-8000-000000000007")
WHOLE = b'{"thing_id":"%b","value":1}' % str(THING).encode()
DATA = [
    pytest.param(b"thing changed to 1", id="B10 not JSON"),
    pytest.param(WHOLE + b"{}", id="B10 something behind the JSON"),
    pytest.param(WHOLE[:-1], id="B11 truncated"),
    pytest.param(WHOLE[:-1] + b',"x":"\xff"}', id="B12 bad UTF-8"),
    pytest.param(WHOLE[:-1] + b',"x":"\\ud800"}', id="B12 half a surrogate pair"),
    pytest.param(b"\xef\xbb\xbf" + WHOLE, id="B12 byte order mark"),
    pytest.param(b"", id="B13 empty"),
    pytest.param(WHOLE[:-1] + b',"value":2}', id="B15 a member twice"),
    pytest.param(WHOLE[:-1] + b',"\\u0076alue":2}', id="B15 a member twice, once escaped"),
    pytest.param(WHOLE[:-1] + b',"x":[{"a":1,"a":1}]}', id="B15 a member twice within"),
    pytest.param(WHOLE[:-1] + b',"x":NaN}', id="B16 NaN"),
    pytest.param(WHOLE[:-1] + b',"x":[-Infinity]}', id="B16 Infinity"),
    pytest.param(WHOLE.replace(b":1}", b":NaN}"), id="B16 NaN for a number"),
    pytest.param(WHOLE[:-1] + b',"x":' + b"[" * 10_000 + b"]" * 10_000 + b"}", id="B17 depth"),
    pytest.param(WHOLE[:-1] + b',"x":' + b'{"a":' * 10_000 + b"}" * 10_001, id="B17 depth of {"),
    pytest.param(WHOLE.replace(b":1}", b":" + b"9" * 5000 + b"}"), id="B18 5,000 digits"),
    pytest.param(WHOLE[:-1] + b',"x":' + b"9" * 5000 + b"}", id="B18 5,000 digits not heard"),
    pytest.param(WHOLE[:-1] + b',"x":"' + b"x" * VALUE_BYTES_MAX + b'"}', id="B29 over the limit"),
]


@pytest.mark.parametrize("value", DATA)
async def test_data_that_cannot_be_read(postgres_road: Road, value: bytes) -> None:
    """Nothing of it takes effect; its key waits with its bytes and its followers."""
    bad = with_value(postgres_road.said(THING, 1, 1), value)
    parked = {f"thing/{THING}": ("poison", "unreadable_data", [1, 2])}
    follower = postgres_road.said(THING, 2, 2)
    await passes_by(postgres_road, THING, bad, follower, parked=parked)
    assert await postgres_road.held() == [value, follower.value]


async def test_b13_empty_b14_tombstone_on_kafka(kafka_road: Road) -> None:
    """A value of no bytes and no value at all, with headers and without any."""
    bare = new_id(), new_id()
    whole = kafka_road.said(THING, 1, 1)
    again = kafka_road.said(THING, 2, 2)
    key = str(THING).encode()
    await kafka_road.append_raw(key, tuple(whole.headers), None, whole.partition)
    await kafka_road.append_raw(key, tuple(again.headers), b"", again.partition)
    for thing_id in bare:
        await kafka_road.append_raw(str(thing_id).encode(), (), None, whole.partition)
    near, far = beside(THING), apart(THING)
    await kafka_road.company.append(kafka_road.said(near, 1, 10), kafka_road.said(far, 1, 20))
    await passed_by(
        kafka_road,
        THING,
        near,
        far,
        unreadable=["no ce_specversion"] * 2,
        parked={f"thing/{THING}": ("poison", "unreadable_data", [1, 2])},
    )
    assert await kafka_road.held() == [b"", b""]


async def test_b23_null_key_on_kafka(kafka_road: Road) -> None:
    """It is nobody's, whatever its headers say; its headers and bytes are kept."""
    bad = kafka_road.said(THING, 1, 1)
    await kafka_road.append_raw(None, tuple(bad.headers), bad.value, bad.partition)
    near, far = beside(THING), apart(THING)
    await kafka_road.company.append(kafka_road.said(near, 1, 10), kafka_road.said(far, 1, 20))
    reason = "key, source and subject do not belong to this topic"
    await passed_by(kafka_road, THING, near, far, unreadable=[reason])
    row = await kafka_road.company.beta_super.fetchrow("SELECT key, headers, value FROM unreadable")
    flat = [text for pair in bad.headers for text in pair]
    assert (row["key"], row["headers"], row["value"]) == (None, flat, bad.value)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        pytest.param("ce_id", None, "no ce_id", id="B19 missing id"),
        pytest.param("ce_subject", None, "no ce_subject", id="B19 missing subject"),
        pytest.param("ce_subjectseq", None, "no ce_subjectseq", id="B19 missing number"),
        pytest.param("ce_type", None, "no ce_type", id="B19 missing type"),
        pytest.param("ce_id", "17", "a header has the wrong shape", id="B20 non-UUID id"),
        pytest.param("ce_id", "", "a header has the wrong shape", id="B20 empty id"),
        pytest.param("ce_subject", "thing/7", "a header has the wrong shape", id="B20 subject"),
        pytest.param("ce_tenant", "acme", "a header has the wrong shape", id="B20 network"),
        pytest.param("ce_clinic", "north", "a header has the wrong shape", id="B20 clinic"),
        pytest.param("ce_tenant", None, "no ce_tenant", id="B21 missing network"),
        pytest.param("ce_tenant", "", "a header has the wrong shape", id="B21 empty network"),
        pytest.param("ce_partitionkey", str(UUID(int=8)), "subject", id="B24 partition key"),
        pytest.param("ce_subjectseq", "9" * 5000, "a header has the wrong shape", id="B18 number"),
        pytest.param("ce_subjectseq", str(2**63), "sequence or time", id="B18 number over 64 bits"),
    ],
)
async def test_headers_that_lack_or_lie(
    postgres_road: Road, name: str, text: str | None, reason: str
) -> None:
    """The record is nobody's; it is kept, and the next event of its subject is not held up."""
    good = postgres_road.said(THING, 1, 1)
    bad = without(good, name)
    if text is not None:
        bad = bad._replace(headers=(*bad.headers, (name, text)))
    await passes_by(postgres_road, THING, bad, good, effects=[1], unreadable=[reason])
    assert await postgres_road.unreadable() == [(reason, bad.value)]


async def test_b15_a_header_twice(postgres_road: Road) -> None:
    """Which of two networks it would be must not depend on the reader."""
    good = postgres_road.said(THING, 1, 1)
    bad = good._replace(headers=(*good.headers, ("ce_tenant", str(new_id()))))
    await passes_by(postgres_road, THING, bad, good, effects=[1], unreadable=["a header twice"])


def test_b22_header_and_data_cannot_name_two_networks() -> None:
    """No event has a member for the network: the header alone names it."""
    members = {name for event in EVENTS.values() for name in event.model_fields}
    assert len(members) > 50
    assert [name for name in members if "network" in name or "tenant" in name] == []


async def test_b22_a_network_in_the_data_is_not_listened_to(postgres_road: Road) -> None:
    """It is a member that nobody knows; the effect is in the header's network."""
    other = new_id()
    good = postgres_road.said(THING, 1, 1)
    more = {"tenant": str(other), "network_id": str(other)}
    value = json.dumps(json.loads(good.value) | more).encode()
    await passes_by(postgres_road, THING, with_value(good, value), effects=[1])
    networks = {row["network_id"] for row in await postgres_road.company.effects()}
    assert networks == {postgres_road.network_id}


@pytest.mark.parametrize(
    "name", [pytest.param("key", id="B24 key"), pytest.param("subject", id="B24 data")]
)
async def test_a_key_that_is_not_the_aggregates(postgres_road: Road, name: str) -> None:
    """Under another key it is nobody's; with data about another thing it parks the key it names."""
    good, other = postgres_road.said(THING, 1, 1), beside(THING)
    reason = "key, source and subject do not belong to this topic"
    if name == "key":
        bad = good._replace(key=str(other))
        await passes_by(postgres_road, THING, bad, good, effects=[1], unreadable=[reason])
    else:
        bad = with_value(good, postgres_road.said(other, 1, 1).value)
        parked = {f"thing/{THING}": ("poison", "unreadable_data", [1])}
        await passes_by(postgres_road, THING, bad, parked=parked)


async def test_b25_unknown_type_is_acknowledged_and_counted(postgres_road: Road) -> None:
    """It takes its number in its subject's order, has no effect and is counted."""
    at, unheard = postgres_road, CONSUMER_EVENTS.labels("beta", "unheard")
    before = unheard._value.get()
    painted = "clinicbus.alpha.thing.painted.v1"
    moved = said(at.network_id, THING, 2, 0, event=ThingMoved(thing_id=THING))
    await at.company.append(
        at.said(THING, 1, 1), moved, at.said(THING, 3, 0, ce_type=painted), at.said(THING, 4, 4)
    )
    async with running(at.consumer()):
        await heard(at.company)
    assert await at.everything() == {THING: [1, 4]}
    assert await at.heard_of() == {f"thing/{THING}": 4}
    assert unheard._value.get() - before == 2


async def test_b26_unknown_major_version_is_parked(postgres_road: Road) -> None:
    """It may mean something else: it waits, with its followers, for a reader that knows it."""
    bad = postgres_road.said(THING, 1, 1, ce_type="clinicbus.alpha.thing.changed.v2")
    parked = {f"thing/{THING}": ("poison", "unknown_version", [1, 2])}
    await passes_by(postgres_road, THING, bad, postgres_road.said(THING, 2, 2), parked=parked)


class ThingWeighed(ThingChanged):
    """A thing has a new value and perhaps a weight."""

    name = "thing.weighed"

    grams: int | None = None


async def test_b27_extra_field_b28_missing_optional_are_taken(postgres_road: Road) -> None:
    """What a later producer adds is passed over; what an earlier one does not have is left out."""
    at = postgres_road
    later = json.dumps({"thing_id": str(THING), "value": 1, "colour": {"name": ["red"]}})
    earlier = json.dumps({"thing_id": str(THING), "value": 2})
    weighed = said(at.network_id, THING, 2, 0, event=ThingWeighed(thing_id=THING, value=2))
    on_changed = at.company.subscriptions.handlers[ThingChanged]
    hears = Subscriptions(
        {ThingChanged: on_changed, ThingWeighed: on_changed}, at.company.subscriptions.locks
    )
    await at.company.append(
        with_value(at.said(THING, 1, 1), later.encode()), with_value(weighed, earlier.encode())
    )
    async with running(at.consumer(hears)):
        await count_is(at, 2)
    assert await at.everything() == {THING: [1, 2]}
    assert await at.company.parked() == {}


class ThingDescribed(Event):
    """A thing, in as many letters as one likes."""

    producer = "alpha"
    aggregate = "thing"
    subject_field = "thing_id"
    name = "thing.described"

    thing_id: UUID
    letters: str


async def test_b29_over_max_size_is_refused_in_the_command(postgres_road: Road) -> None:
    """Nothing of the command stays; what the outbox takes at most, the bus takes with headers."""
    at, company = postgres_road, postgres_road.company
    room = VALUE_BYTES_MAX - len(ThingDescribed(thing_id=THING, letters="").model_dump_json())

    async def describe(letters: str) -> None:
        context = Context(at.network_id, Actor("person", "p1"), company.clock.now())
        async with company.alpha.work(context, [lock_key("thing", THING)]) as work:
            thing = Thing(network_id=at.network_id, id=THING)
            work.add(thing)
            work.say(ThingDescribed(thing_id=THING, letters=letters), of=thing)

    with pytest.raises(TooLarge, match=r"event\.too_large"):
        await describe("x" * (room + 1))
    assert await company.alpha_super.fetchval("SELECT count(*) FROM outbox") == 0
    assert await company.alpha_super.fetchval("SELECT count(*) FROM thing") == 0
    await describe("x" * room)
    await company.change(at.network_id, THING, 5)
    relay = company.relay()
    async with running(relay), running(at.consumer()):  # type: ignore[arg-type]
        await count_is(at, 1)
    assert await at.everything() == {THING: [5]}
    assert await at.heard_of() == {f"thing/{THING}": 2}


def test_b29_what_the_outbox_takes_fits_the_bus() -> None:
    """With the longest headers that the chassis writes there is as much room again."""
    message = said(new_id(), THING, 1, 1, ce_actor=f"person/{'x' * 4096}")
    letters = sum(len(name) + len(text) for name, text in message.headers) + len(message.key)
    assert letters + VALUE_BYTES_MAX < RECORD_BYTES_MAX


@pytest.mark.parametrize("partition", [0, 11])
def test_b23_a_record_without_a_key_is_nobodys(partition: int) -> None:
    """Wherever it lies."""
    good = record(said(new_id(), THING, 1, 1))
    found = delivery_of(
        replace(good, key=None, partition=partition), {ThingChanged.wire_type(): ThingChanged},
        lambda _event: (),
    )  # fmt: skip
    assert isinstance(found, Unread)
    assert found.record.topic == TOPIC


def test_b23_our_bus_has_no_way_to_append_one() -> None:
    """A message names its key."""
    assert Message.__annotations__["key"] is str
