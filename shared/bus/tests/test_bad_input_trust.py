"""Bad input by number, B31 to B40: whom a record is from, what its headers and its time say."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from shared.bus.port import NotAllowed, Producer
from shared.bus.tests.bad_input import Road, apart, beside, passed_by, passes_by, without
from shared.bus.tests.company import NOON, TOPIC, said
from shared.bus.tests.test_consumer import heard, running
from shared.contracts.catalogue import EVENTS
from shared.contracts.envelope import Envelope, headers_of
from shared.db.actor import Actor
from shared.db.mechanism_writes import event_row
from shared.db.work import Context, Work
from shared.values.ids import new_id

THING = UUID("0190a1b2-0000-7000-8000-000000000007")
NOT_OURS = "key, source and subject do not belong to this topic"


@pytest.mark.parametrize("source", ["/clinicbus/payments", "/clinicbus/", "alpha", ""])
async def test_b31_wrong_producer(road: Road, source: str) -> None:
    """A topic has one sender; a record of another is nobody's, and its number stays free."""
    bad = road.said(THING, 1, 666, ce_source=source)
    await passes_by(road, THING, bad, road.said(THING, 1, 1), effects=[1], unreadable=[NOT_OURS])


async def test_b31_postgres_refuses_the_append_itself(postgres_road: Road) -> None:
    """Beta may neither say anything on alpha's topic nor call itself alpha."""
    at, beta = postgres_road, postgres_road.hears
    before = await at.company.bus.log_ends([TOPIC])
    for name in ("beta", "alpha"):
        with pytest.raises(NotAllowed):
            await beta.append(Producer(name, 99), [at.said(THING, 1, 666)])
    assert await at.company.bus.log_ends([TOPIC]) == before
    await passes_by(at, THING, at.said(THING, 1, 1), effects=[1])


async def test_b32_a_network_that_nobody_knows(postgres_road: Road) -> None:
    """There are no subscriptions by network: an event of one without any row here takes effect in
    that network and is seen in no other."""
    at, stranger = postgres_road, new_id()
    event = said(stranger, THING, 1, 1)
    await passes_by(at, THING, event, effects=[1])
    for network_id, seen in ((stranger, [1]), (at.network_id, [10, 11, 20, 21]), (new_id(), [])):
        context = Context(network_id, Actor("person", "p1"), NOON)
        async with at.company.beta.work(context) as work:
            rows = await work.raw.fetch("SELECT value FROM effect")
            assert sorted(row["value"] for row in rows) == seen
            subjects = await work.raw.fetch("SELECT subject FROM applied")
            assert len(subjects) == len(seen) - len(seen) // 2


async def test_b32_the_same_subject_in_two_networks(postgres_road: Road) -> None:
    """The numbers of one do not stand for those of the other."""
    at, stranger = postgres_road, new_id()
    event = at.said(THING, 1, 1)
    await passes_by(at, THING, event, said(stranger, THING, 1, 2), effects=[1, 2])
    networks = {row["value"]: row["network_id"] for row in await at.company.effects()}
    assert (networks[1], networks[2]) == (at.network_id, stranger)


NAMES = {
    "ce_specversion", "ce_id", "ce_type", "ce_source", "ce_subject", "ce_time", "ce_dataschema",
    "ce_partitionkey", "ce_subjectseq", "ce_tenant", "ce_actor", "ce_correlationid",
    "ce_dataclassification", "content-type", "ce_clinic", "ce_causationid", "ce_traceparent",
}  # fmt: skip
ID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
TOLD = re.compile(
    rf"{ID}|[a-z_]+/{ID}|person/p1|1\.0|/clinicbus/[a-z]+|\d{{1,19}}|restricted|application/json"
    r"|(urn:)?clinicbus[.:][a-z]+[.:][a-z_]+[.:][a-z_]+[.:]v\d+"
    r"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z|00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]"
)


@pytest.mark.parametrize("wire", sorted(EVENTS))
def test_b34_no_phi_in_key_or_header(wire: str) -> None:
    """They hold ids, codes and times, and of the data the subject's and the clinic's id alone."""
    event = EVENTS[wire].example()
    envelope = Envelope(
        id=new_id(),
        type=wire,
        source=f"/clinicbus/{event.producer}",
        subject=event.subject,
        time=datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC),
        subject_seq=1,
        network_id=new_id(),
        actor="person/p1",
        correlation_id=new_id(),
        causation_id=new_id(),
        clinic_id=getattr(event, "clinic_id", None),
        traceparent=f"00-{'a' * 32}-{'b' * 16}-01",
    )
    key, written = event_row(envelope, event).arguments[10:12]
    assert key == str(event.subject_id)
    pairs = headers_of(envelope, event)
    assert {name for name, _ in pairs} <= NAMES
    assert [pair for pair in pairs if not TOLD.fullmatch(pair[1])] == []
    told = {event.subject_field, "clinic_id"}
    data = event.model_dump(mode="json", exclude=told)
    secret = {str(v) for v in data.values() if isinstance(v, str) and len(v) > 8}
    assert [text for text in secret - {str(event.subject_id)} if text in str(written)] == []


def test_b34_the_pattern_would_find_some() -> None:
    """Names, dates of birth, addresses and numbers of cards are none of these."""
    wrong = ["Jane Roe", "1980-01-01", "jane@example.org", "+1 303 555 0100", "person/jane.roe"]
    assert [text for text in wrong if TOLD.fullmatch(text)] == []


async def at_times(road: Road, *times: str) -> list[datetime]:
    """Say one event of a thing for each time; when beta's handler thought that it was, in order."""
    seen: list[datetime] = []

    async def look(work: Work, _value: int) -> None:
        seen.append(work.now)

    road.company.failing = look
    events = [road.said(THING, n, n, ce_time=time) for n, time in enumerate(times, 1)]
    await road.company.append(*events)
    async with running(road.consumer()):
        await heard(road.company)
    assert (await road.everything())[THING] == list(range(1, len(times) + 1))
    assert await road.company.parked() == {}
    road.company.failing = None
    return seen


async def test_b36_year_2099_b37_1970(postgres_road: Road) -> None:
    """A sender's clock is no reason to refuse: the number decides, and a replay years later must
    come out as today. The handler's time is the event's."""
    seen = await at_times(
        postgres_road, "2099-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "2026-11-02T19:00:00Z"
    )
    assert [moment.year for moment in seen] == [2099, 1970, 2026]


async def test_b38_ten_minutes_ahead_and_behind(postgres_road: Road) -> None:
    """The order is the number's and not the clock's."""
    minutes = (10, -10, 0)
    times = [(NOON + timedelta(minutes=n)).isoformat() for n in minutes]
    seen = await at_times(postgres_road, *times)
    assert [moment - NOON for moment in seen] == [timedelta(minutes=n) for n in minutes]


async def test_b38_a_later_number_with_an_earlier_time_still_waits(postgres_road: Road) -> None:
    """Were it by the clock, the third would come before the second."""
    at = postgres_road
    earlier = (NOON - timedelta(minutes=10)).isoformat()
    third = at.said(THING, 3, 3, ce_time=earlier)
    parked = {f"thing/{THING}": ("hole", "waits for 2", [3])}
    await passes_by(at, THING, at.said(THING, 1, 1), effects=[1])
    async with running(at.consumer()):
        await at.company.append(third)
        await heard(at.company)
    assert await at.company.parked() == parked
    async with running(at.consumer()):
        await at.company.append(at.said(THING, 2, 2))
        await heard(at.company)
        await at.settled()
    assert (await at.everything())[THING] == [1, 2, 3]


async def test_b39_a_time_that_is_not_utc(postgres_road: Road) -> None:
    """With an offset it is a moment like any other."""
    seen = await at_times(postgres_road, "2026-11-02T12:00:00-07:00", "2026-11-03T00:30:00+05:30")
    assert seen == [NOON, NOON]
    assert [moment.tzinfo for moment in seen] == [UTC, UTC]


@pytest.mark.parametrize(
    ("time", "reason"),
    [
        pytest.param("2026-11-02T12:00:00", "sequence or time", id="B39 without an offset"),
        pytest.param(
            "0001-01-01T00:00:00+14:00", "a header has the wrong shape", id="B39 before all time"
        ),
        pytest.param(
            "9999-12-31T23:59:59-14:00", "a header has the wrong shape", id="B39 after all time"
        ),
        pytest.param("1793646000", "a header has the wrong shape", id="B39 epoch seconds"),
        pytest.param("", "a header has the wrong shape", id="B40 empty"),
        pytest.param(None, "no ce_time", id="B40 none"),
    ],
)
async def test_a_time_that_is_no_moment(postgres_road: Road, time: str | None, reason: str) -> None:
    """The record is nobody's and the partition goes on."""
    at = postgres_road
    good = at.said(THING, 1, 1)
    bad = without(good, "ce_time")
    if time is not None:
        bad = bad._replace(headers=(*bad.headers, ("ce_time", time)))
    await passes_by(at, THING, bad, good, effects=[1], unreadable=[reason])


async def test_b31_on_kafka_nothing_of_another_sender_is_heard(kafka_road: Road) -> None:
    """Kafka itself takes a record from anybody who may connect."""
    at = kafka_road
    near, far = beside(THING), apart(THING)
    bad = at.said(THING, 1, 666, ce_source="/clinicbus/beta")
    await at.append_raw(str(THING).encode(), tuple(bad.headers), bad.value, bad.partition)
    await at.company.append(at.said(near, 1, 10), at.said(far, 1, 20))
    await passed_by(at, THING, near, far, unreadable=[NOT_OURS])
    assert await at.unreadable() == [(NOT_OURS, bad.value)]
