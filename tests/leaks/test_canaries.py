"""Nothing of a person leaves the stores of a system: a whole one is walked with canaries, and
everything that anybody but a caller with a right to it gets to see is looked through.

FULL=1 walks one with Kafka, too.
"""

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from tests.faults.town import until
from tests.leaks import (
    planted,
    trouble,
    walk_clinic,
    walk_days,
    walk_money,
    walk_people,
    walk_words,
)
from tests.leaks.canaries import KINDS, Mint, maker_of, plain, text
from tests.leaks.fields import every_leaf
from tests.leaks.place import Place, place_of
from tests.leaks.search import Search
from tests.leaks.sinks import KEPT, commands, letters, metrics, monitor, sinks, tables
from tests.leaks.walk import DAY, Walk

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
    pytest.mark.rule("45 CFR 164.502(a)"),
]

BUSES = ("postgres", "kafka") if os.environ.get("FULL") == "1" else ("postgres",)
WORDS_AND_TIMES = ("text", "date", "date-time", "time", "time-local")
MEMBERS = ("ACT", "ACT", "INA", "OTH", "LIE", "HTM")
"""People, by what their payer does: answers, says no, answers of another, with a wrong count, with
a page of the web."""


@dataclass(slots=True)
class Walked:
    """A system that was walked, and what was seen on the way."""

    walk: Walk
    bus: str
    failed: list[int] = field(default_factory=list)
    waited: int = 0
    read: int = 0
    left: set[str] = field(default_factory=set)
    refused: int = 0

    @property
    def place(self) -> Place:
        """The system."""
        return self.walk.place

    @property
    def mint(self) -> Mint:
        """All canaries."""
        return self.walk.mint


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=BUSES)
async def walked(request: pytest.FixtureRequest) -> AsyncIterator[Walked]:
    """The walk: two days of a clinic on which much goes wrong."""
    with tempfile.TemporaryDirectory(prefix="cb-canaries-") as folder:
        async with place_of(Path(folder), request.param) as place:
            found = Walked(Walk(place), request.param)
            await _walk(found)
            yield found


async def _walk(found: Walked) -> None:
    walk, place = found.walk, found.place
    await walk_clinic.open_clinic(walk)
    await walk_people.looked_for(walk)
    await walk_people.register(walk)  # somebody who has died
    people = await asyncio.gather(
        *(walk_days.eve(walk, number, kind) for number, kind in enumerate(MEMBERS))
    )
    await walk_days.the_book(walk, people)
    first, another = people[:2]
    found.failed = await trouble.statements_fail(walk, first)
    found.waited = await trouble.somebody_waits(walk, first)
    await trouble.process_dies(walk, "patients")
    await trouble.sessions_end(place)
    place.clock.set(DAY - timedelta(minutes=10))
    await walk_money.open_drawer(walk)
    await asyncio.gather(*(walk_days.day(walk, *who) for who in enumerate(people)))
    # What is parked stays so: the visit of it is the last one.
    place.clock.set(DAY)
    await trouble.event_parked(walk, first, len(people))
    await walk_days.at_the_desk(walk, another, len(people) + 2)
    await walk_days.not_coming(walk, len(people) + 1)
    await walk_words.answer(walk, another)
    await walk_money.close(walk)
    walk.ids |= another.ids | first.ids  # all is of the first, whom nothing was charged
    found.read = await trouble.read_all(walk)
    found.left = trouble.never_done(place)
    found.refused = await trouble.refuse(walk)
    await trouble.said_all(place)


# ── what was walked ──────────────────────────────────────────────────────────────────────────────


async def test_every_member_that_tells_of_a_person_held_a_canary(walked: Walked) -> None:
    made = set(walked.mint.made.values())
    assert len(walked.mint.made) > 2000
    for leaf in every_leaf():
        if maker_of(leaf) is not None:
            assert str(leaf) in made, leaf
        else:
            assert leaf.kind in KINDS or leaf.kind in WORDS_AND_TIMES, leaf


async def test_it_went_as_it_should_and_as_it_should_not(walked: Walked) -> None:
    statuses = walked.place.statuses
    assert sorted(walked.left) == sorted(NOT_DONE)
    assert walked.failed == [500] * 5
    assert walked.waited == 429
    assert walked.read > 70
    assert walked.refused > 400
    for status in (200, 201, 202, 400, 401, 403, 404, 409, 422):
        assert statuses.get(status), statuses
    found = await sinks(walked.place)
    for name in ("payments.parked_key", "payments.parked_event", "patients.audit", "spans"):
        assert found[name], name
    assert found["messages"]
    log = found["file data/log/patients.log"]
    assert b'"event": "request.failed"' in log
    assert b'"level": "debug"' in log
    assert b"FATAL:  terminating connection" in found["file data/postgres/postgres.log"]


NOT_DONE = {
    "patients POST /v1/patients/lookup": "services alone may, and do",
    "patients POST /v1/contact-points/lookup": "services alone may, and do, for a message",
    "payments POST /v1/receipts/{receipt_id}/print": "of a receipt that could not be printed",
}
"""Operations that are only ever refused here, and why."""

# ── and where none of it is ──────────────────────────────────────────────────────────────────────


async def test_no_canary_is_in_any_sink(walked: Walked) -> None:
    found = await sinks(walked.place)
    found.update(await commands(walked.place, walked.walk.ids["appointment_id"]))
    found["monitor"] = await monitor(walked.place, 1.0)
    assert sum(map(len, found.values())) > 1_000_000
    assert leaks(walked.mint, found) == []


def leaks(mint: Mint, found: dict[str, bytes]) -> list[str]:
    """Where which canaries are that may not be there. The values are told: they are nobody's."""
    search = Search({*mint.made, trouble.CARD})
    return [
        f"{name}: {hit.form} of {why} in {data[max(0, hit.at - 60) : hit.at + 60]!r}"
        for name, data in found.items()
        for hit in search.hits(data)
        if (why := mint.made.get(hit.value, "a card")) not in KEPT.get(name, ())
    ]


UNKEPT = (
    "appointments POST /v1/reminders/replies body text",
    "a reminder's code",
    "a feed's secret",
)
"""What not even the service keeps that was told it, by what it was made for."""


async def test_what_is_only_told_is_kept_nowhere(walked: Walked) -> None:
    told = {value for value, why in walked.mint.made.items() if why in UNKEPT}
    assert {walked.mint.made[value] for value in told} == set(UNKEPT)
    kept = await tables(walked.place, "appointments")
    assert kept["appointments.reminders"]
    assert kept["appointments.calendar_feeds"]
    search = Search(told)
    assert [name for name, data in kept.items() if search.hits(data)] == []


# ── no sink is overlooked ────────────────────────────────────────────────────────────────────────


BROKER = "/kafka/data/"
"""A broker's own files, which it cuts off where it has not written; its topics are read."""
NO_TABLES = ("file ", "topic ", "bus.bus_identity")
"""Of another bus everybody would hear nothing any more."""
WITHOUT_TEXT = {"bus_identity", "log_partition", "audit_patient", "audit_seal", "audit_sealer"}
"""Tables of which nothing is planted: ids, counts, and hashes."""


def kind_of(name: str) -> str:
    """What kind of sink a name is of."""
    for kind in ("file", "topic"):
        if name.startswith(f"{kind} "):
            return kind
    if name.split(" ", maxsplit=1)[0] in ("metrics", "readyz", "livez"):
        return "probe"
    return "table" if "." in name else name


async def test_a_canary_in_each_sink_would_be_found(walked: Walked) -> None:
    """The last test of a system: what it plants is in the way of everything else."""
    place, mint = walked.place, Mint()
    where: dict[str, str] = {}

    def fresh(name: str) -> str:
        where[name] = mint.other(plain, name)
        return where[name]

    before = await sinks(place)
    for name in before:
        if name.startswith("file ") and name.endswith(".log") and BROKER not in name:
            with (place.folder / name.removeprefix("file ")).open("a") as log:
                log.write(json.dumps({"event": fresh(name)}) + "\n")
    (place.layout.root / "left").write_text(fresh("file data/left"))
    (letters(place) / "left.txt").write_text(fresh("messages"))
    await planted.in_spans(place, fresh("spans"))
    await planted.in_an_answer(place, 422, header=fresh("refusals"))
    await planted.in_an_answer(place, 200, header=fresh("headers of replies"))
    passing = place.temporary / "upload"
    passing.write_text(fresh("temporary files, gone by now"))

    async def seen() -> bool:
        return where["temporary files, gone by now"].encode() in place.passing

    await until(seen, bool, "a temporary file that is seen")
    passing.unlink()
    tables = [name for name in before if "." in name and not name.startswith(NO_TABLES)]
    for name in tables:
        database, _, table = name.partition(".")
        if not await planted.in_table(place, database, table, fresh(name)):
            del where[name]
    async with planted.in_a_session(place, fresh("sessions")):
        after = await sinks(place)
    unseen = [name for name, canary in where.items() if not Search({canary}).hits(after[name])]
    assert unseen == []
    assert len(where) > 60
    # What was not planted here: the text of a topic is that of the bus's own table, or a broker's.
    rest = {name for name in before if name not in where}
    assert {kind_of(name) for name in rest} <= {"file", "topic", "table", "probe"}
    bare = {name.partition(".")[2] for name in rest if kind_of(name) == "table"}
    assert bare <= WITHOUT_TEXT
    if walked.bus == "postgres":
        told = [d for n, d in after.items() if n.startswith("topic ")]
        assert any(Search({where["bus.log_record"]}).hits(data) for data in told)


async def test_a_canary_in_a_metric_or_a_probe_would_be_found() -> None:
    canary = text(7)
    async with planted.teller(200, {}, json.dumps({"name": canary})) as url:
        found = await metrics({"patients": url})
    assert len(found) == 3
    assert all(Search({canary}).hits(data) for data in found.values())
