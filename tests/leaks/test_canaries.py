"""Nothing of a person leaves the stores of a system: a whole one is walked with canaries, and
everything that anybody but a caller with a right to it gets to see is looked through.

FULL=1 walks one with Kafka, too.
"""

import asyncio
import json
import os
import re
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from tests.faults.town import until
from tests.leaks import planted, trouble
from tests.leaks.canaries import KINDS, Mint, maker_of, plain, text
from tests.leaks.fields import every_leaf
from tests.leaks.place import Place, place_of
from tests.leaks.search import Search
from tests.leaks.sinks import KEPT, commands, metrics, monitor, sinks
from tests.leaks.walk import DAY, Walk

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
    pytest.mark.rule("45 CFR 164.502(a)"),
]

BUSES = ("postgres", "kafka") if os.environ.get("FULL") == "1" else ("postgres",)
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
    await walk.open()
    await walk.found()
    await walk.register()  # somebody who has died
    people = await asyncio.gather(*(walk.eve(n, kind) for n, kind in enumerate(MEMBERS)))
    patient = people[0][0]
    found.failed = await trouble.statements_fail(walk, patient)
    found.waited = await trouble.somebody_waits(walk, patient)
    await trouble.process_dies(walk, "patients")
    await trouble.sessions_end(place)
    place.clock.set(DAY - timedelta(minutes=10))
    await walk.open_drawer()
    await asyncio.gather(*(walk.day(n, *who) for n, who in enumerate(people)))
    found.read = await trouble.read_all(walk)
    # What is parked stays so: the visit of it is the last one.
    place.clock.set(DAY)
    await trouble.event_parked(walk, patient, len(people))
    found.refused = await trouble.refuse(walk)
    await walk.not_coming(len(people) + 1)
    await walk.evening()
    await trouble.said_all(place)


# ── what was walked ──────────────────────────────────────────────────────────────────────────────


async def test_every_member_that_tells_of_a_person_held_a_canary(walked: Walked) -> None:
    made = set(walked.mint.made.values())
    assert len(walked.mint.made) > 2000
    for leaf in every_leaf():
        if maker_of(leaf) is not None:
            assert str(leaf) in made, leaf
        else:
            assert leaf.kind in KINDS or leaf.kind in ("text", "date", "date-time", "time"), leaf


async def test_it_went_as_it_should_and_as_it_should_not(walked: Walked) -> None:
    statuses = walked.place.statuses
    left = [each for each in trouble.never_done(walked.place) if not NOT_WALKED.fullmatch(each)]
    assert sorted(left) == sorted(NOT_DONE)
    assert walked.failed == [500] * 5
    assert walked.waited == 429
    assert walked.read > 35
    assert walked.refused > 400
    for status in (200, 201, 202, 400, 401, 403, 404, 409, 422):
        assert statuses.get(status), statuses
    found = await sinks(walked.place)
    for name in ("payments.parked_key", "payments.parked_event", "patients.audit", "spans"):
        assert found[name], name
    log = found["file data/log/patients.log"]
    assert b'"event": "request.failed"' in log
    assert b'"level": "debug"' in log
    assert b"FATAL:  terminating connection" in found["file data/postgres/postgres.log"]


NOT_DONE = {
    "patients POST /v1/patients/lookup": "services alone may, and do",
    "patients POST /v1/contact-points/lookup": "for a message, and nobody here agrees to any",
    "payments POST /v1/receipts/{receipt_id}/print": "of a receipt that could not be printed",
}
"""Operations that are only ever refused here, and why."""
NOT_WALKED = re.compile(
    r"appointments \w+ /v1/(holds|sessions|series|equipment|rooms|visitors|walk-ins|visit-policies"
    r"|calls|reminders|appointments/\{appointment_id\}|clinics/\{clinic_id\})(/.*)?"
)
"""What the walk does not get done yet: canaries are in all that it takes, and in its refusals. That
it works is played in tests/journeys; what it leaves behind was not searched."""

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
        if KEPT.get(name) != (why := mint.made.get(hit.value, "a card"))
    ]


# ── no sink is overlooked ────────────────────────────────────────────────────────────────────────


BROKER = "/kafka/data/"
"""A broker's own files, which it cuts off where it has not written; its topics are read."""
NO_TABLES = ("file ", "topic ", "bus.bus_identity")
"""Of another bus everybody would hear nothing any more."""
WITHOUT_TEXT = {"bus_identity", "log_partition", "audit_patient", "audit_seal"}
"""Tables of which nothing is planted: ids, counts, and hashes of a length that is checked."""


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
