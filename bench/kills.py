"""What kill -9 of the API loses: of the control some events, of ours none.

No failpoints: the process is killed at a moment that a seeded generator picks, under the load of 16
clients.
"""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

import orjson
import uvloop

from bench.bookings import CLIENTS, own_lanes
from bench.control_stage import CONTROL_TOPIC, OUR_TOPIC, Arena, control_lanes
from bench.driver import NextRequest, Result, drive
from bench.race import OVERLAPS
from bench.report import Figure, at_least, at_most
from bench.serving import Serving
from bench.stage import slot_start

KILLS_MOST = 10
OUR_KILLS = 3
EARLIEST, LATEST = 0.5, 1.5
RELAY_SECONDS = 60.0
SEED = 20261102


def kill_control(found: Arena) -> list[Figure]:
    """Kill the control under load until it has lost an event, ten times at most."""
    moments = random.Random(SEED)
    found.clear()
    kills, rows, lost = 0, set[str](), set[str]()
    while not lost and kills < KILLS_MOST:
        with found.control() as control:
            _drive_and_kill(control, control_lanes(len(rows)), moments)
        kills += 1
        rows = {str(row["id"]) for row in found.ask("SELECT id FROM appointment")}
        lost = rows - {orjson.loads(record.value)["id"] for record in found.topic(CONTROL_TOPIC)}
    return [
        at_least(
            "control: events lost by kill -9", len(lost), 1, "events", "ours: 0, below",
            kills=kills, rows=len(rows), seed=SEED,
        )
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Losses:
    """What does not agree after the kills; each is 0 where nothing is lost."""

    overlaps: int
    acknowledged_not_kept: int
    without_outbox_row: int
    not_on_topic: int
    twice_on_topic: int
    unknown_on_topic: int

    def all(self) -> int:
        """All of them."""
        return sum(getattr(self, name) for name in self.__slots__)


def kill_ours(found: Arena) -> list[Figure]:
    """Kill our API under load, then let the relay run, and compare answers, rows and events."""
    made = found.made
    moments = random.Random(SEED)
    acknowledged: set[str] = set()
    since = slot_start(made.free_slot())
    for _ in range(OUR_KILLS):
        first = made.free_slot()
        with made.service("api") as api:
            result = _drive_and_kill(api, own_lanes(made, first), moments)
        keys = (f"run-{first}-{c}-{n}" for (c, n), s in result.answered.items() if s == 201)
        acknowledged.update(keys)
    losses, events = _losses(found, acknowledged, since)
    return [
        at_most(
            "ours: lost by kill -9", losses.all(), 0, "",
            "overlaps, answers of 201, rows, outbox, topic",
            kills=OUR_KILLS, seed=SEED, acknowledged=len(acknowledged), events=events,
            **{name: getattr(losses, name) for name in losses.__slots__},
        )
    ]  # fmt: skip


def _drive_and_kill(serving: Serving, ask: NextRequest, moments: random.Random) -> Result:
    """Load a process and kill it at a random moment; what was answered until then."""
    after = moments.uniform(EARLIEST, LATEST)

    async def both() -> Result:
        load = asyncio.create_task(drive(serving.port, CLIENTS, ask, 30))
        await asyncio.sleep(after)
        serving.process.kill()
        return await load

    result = uvloop.run(both())
    serving.process.wait()
    return result


def _losses(found: Arena, acknowledged: set[str], since: datetime) -> tuple[Losses, int]:
    made = found.made
    keys = made.ask("SELECT key FROM idempotency WHERE network_id = $1", made.network_id)
    missing = acknowledged - {row["key"] for row in keys}
    bare = made.ask(
        "SELECT count(*) AS n FROM appointments a WHERE NOT EXISTS (SELECT 1 FROM outbox o"
        " WHERE o.network_id = a.network_id AND o.subject = 'appointment/' || a.id)"
    )
    said = {str(row["event_id"]) for row in made.ask("SELECT event_id FROM outbox")}
    on_topic = _relayed(found, said)
    pairs = made.ask(OVERLAPS.format(who="provider_id"), since)
    return Losses(
        overlaps=pairs[0]["pairs"],
        acknowledged_not_kept=len(missing),
        without_outbox_row=bare[0]["n"],
        not_on_topic=len(said - on_topic.keys()),
        twice_on_topic=sum(many - 1 for many in on_topic.values()),
        unknown_on_topic=len(on_topic.keys() - said),
    ), len(said)


def _relayed(found: Arena, said: set[str]) -> Counter[str]:
    """The event ids on the topic, with how often each is there, once the relay is through."""
    with found.relay():
        asyncio.run(_until_relayed(found))
    # A broker that was given may hold what others have said.
    ours = str(found.made.network_id)
    kept = (record.headers for record in found.topic(OUR_TOPIC))
    return Counter(headers["ce_id"] for headers in kept if headers["ce_tenant"] == ours)


async def _until_relayed(found: Arena) -> None:
    """Wait until the relay's cursor stands at the newest row of the outbox."""
    async with asyncio.timeout(RELAY_SECONDS):
        while not await asyncio.to_thread(_through, found):
            await asyncio.sleep(0.1)


def _through(found: Arena) -> bool:
    rows = found.made.ask(
        "SELECT NOT EXISTS (SELECT 1 FROM outbox o, relay_lease l"
        " WHERE (o.xid, o.id) > (l.cursor_xid, l.cursor_id))"
        " AND EXISTS (SELECT 1 FROM relay_lease) AS through"
    )
    return bool(rows[0]["through"])
