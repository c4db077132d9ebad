"""What is looked at after each fault of the bus is seen to fail on a violation planted for it."""

import asyncpg
import pytest

from shared.bus.port import OffsetOutOfRange
from shared.values.ids import new_id
from tests.faults.bus.lengths import within
from tests.faults.bus.pair import Pair

pytestmark = within(180)

AT_ONCE_S = 0.2
"""Nothing is on its way, so nothing is waited for."""

_LAST_SAID = "WHERE id = (SELECT max(id) FROM outbox)"
_LAST_DONE = "WHERE id = (SELECT max(id) FROM effect)"
_AGAIN = """
INSERT INTO effect (network_id, event_id, thing_id, seq, value)
SELECT network_id, event_id, thing_id, seq, value FROM effect
"""
IN_A_DATABASE = {
    "an event is gone": ("alpha", f"DELETE FROM outbox {_LAST_SAID}"),
    "an event is another": (
        "alpha",
        f"UPDATE outbox SET event_id = gen_random_uuid() {_LAST_SAID}",
    ),
    "an event has another number": ("alpha", f"UPDATE outbox SET subject_seq = 99 {_LAST_SAID}"),
    "an event was sent elsewhere": (
        "alpha",
        f"UPDATE outbox SET partition = 11 - partition {_LAST_SAID}",
    ),
    "an effect is missing": ("beta", f"DELETE FROM effect {_LAST_DONE}"),
    "an effect is there twice": ("beta", f"{_AGAIN} {_LAST_DONE}"),
    "an effect is in the place of another": (
        "beta",
        f"UPDATE effect SET event_id = (SELECT min(event_id::text)::uuid FROM effect) {_LAST_DONE}",
    ),
    "effects are in the wrong order": (
        "beta",
        "UPDATE effect SET seq = (SELECT count(*) FROM effect e"
        " WHERE e.thing_id = effect.thing_id) + 1 - seq",
    ),
    "what was applied is not known": ("beta", "UPDATE applied SET seq = seq - 1"),
    "a subscriber stands elsewhere": ("beta", "UPDATE bus_offset SET next_offset = 0"),
}
ON_THE_TOPIC = {
    "a record is gone": "DELETE FROM log_record WHERE ctid = (SELECT max(ctid) FROM log_record)",
    "a record is another's": "UPDATE log_record SET key = 'another'",
    "a record has another value": "UPDATE log_record SET value = '{}'",
}


@pytest.mark.parametrize("kind", ["postgres"])
async def test_each_violation_is_seen(pair: Pair) -> None:
    """In one run: a violation is taken back before the next one."""
    await pair.begin("alpha", "beta")
    await pair.write(60)
    await pair.whole()
    await pair.stop("alpha")
    await pair.stop("beta")
    for what, (service, change) in IN_A_DATABASE.items():
        connection = pair.supers[service]
        # An outbox refuses changes, but not in a replica's role.
        await connection.execute("BEGIN; SET LOCAL session_replication_role = replica")
        done = await connection.execute(change)
        assert not done.endswith(" 0"), what
        await refused(pair, what)
        await connection.execute("ROLLBACK")
    await pair.whole(AT_ONCE_S)


@pytest.mark.parametrize("kind", ["postgres"])
@pytest.mark.parametrize("what", list(ON_THE_TOPIC))
async def test_what_is_wrong_on_a_topic_is_seen(pair: Pair, what: str) -> None:
    """The topic is read through the bus, which sees what is committed."""
    await pair.begin("alpha", "beta")
    await pair.write(60)
    await pair.whole()
    assert pair.bus_owner_url is not None
    owner = await asyncpg.connect(pair.bus_owner_url)
    try:
        done = await owner.execute(ON_THE_TOPIC[what])
    finally:
        await owner.close()
    assert not done.endswith(" 0")
    await refused(pair, what)


@pytest.mark.parametrize("kind", ["postgres"])
async def test_an_answer_that_nothing_bears_out_is_seen(pair: Pair) -> None:
    """A client was told that it was done."""
    await pair.begin("alpha", "beta")
    await pair.write(12)
    await pair.whole()
    pair.acked.append((new_id(), 1))
    await refused(pair, "a write that was acknowledged")


async def refused(pair: Pair, what: str) -> None:
    """What holds after every fault does not hold now."""
    seen = False
    try:
        await pair.whole(AT_ONCE_S)
    except (AssertionError, OffsetOutOfRange):
        seen = True
    assert seen, what
