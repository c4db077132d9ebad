"""Both nights of a year in which the clocks change, played from timer to timer in a whole house.

The clinic is open all night; one patient lives in the clinic's zone, the others in others. F31 and
S1 to S9 of the catalogue. And S49 as the other services see it: the rules of a zone change.
"""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
import pytest_asyncio

from ops.tests.zone_rules import compiled, entered, installed
from ops.zones import of_network
from shared.db.database import Database
from shared.values.ids import new_id
from tests.journeys.clinic import DENVER, Body, Clinic, told
from tests.journeys.conftest import Ground
from tests.journeys.house import House

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

GRACE = timedelta(minutes=30)
QUIET_UNTIL, QUIET_FROM = time(9), time(20)
MORNING = time(10)


@dataclass(frozen=True, slots=True)
class Night:
    """A Sunday on which the clocks change. visits: starts on it, as the clinic's clocks show them,
    and the zone where each patient lives; the last is on the day after. lengths: from when until
    when the first two are. refused: times that are
    asked for, until when, and why they cannot be had. never: the first of weekly visits, the
    second of which is no time, and why."""

    day: date
    visits: tuple[tuple[str, str], ...]
    lengths: tuple[tuple[str, str], ...]
    refused: tuple[tuple[str, str | None, str], ...]
    never: tuple[str, str]


SPRING = Night(
    date(2027, 3, 14),
    (
        ("2027-03-14T00:30:00-07:00", "America/Denver"),
        ("2027-03-14T01:30:00-07:00", "America/New_York"),
        ("2027-03-14T03:10:00-06:00", "America/Phoenix"),
        ("2027-03-15T10:00:00-06:00", "Pacific/Honolulu"),
    ),
    (
        ("2027-03-14T07:30:00Z", "2027-03-14T08:10:00Z"),
        ("2027-03-14T08:30:00Z", "2027-03-14T09:10:00Z"),
    ),
    (
        ("2027-03-14T02:30:00-07:00", None, "time.nonexistent"),
        ("2027-03-14T01:45:00-07:00", "2027-03-14T02:15:00-07:00", "time.nonexistent"),
        ("2027-03-14T02:30:00", None, "time.nonexistent"),
    ),
    ("2027-03-07T02:30:00-07:00", "time.nonexistent"),
)
AUTUMN = Night(
    date(2027, 11, 7),
    (
        ("2027-11-07T00:50:00-06:00", "America/Denver"),
        ("2027-11-07T01:30:00-06:00", "America/New_York"),
        ("2027-11-07T01:30:00-07:00", "America/Phoenix"),
        ("2027-11-08T10:00:00-07:00", "Pacific/Honolulu"),
    ),
    (
        ("2027-11-07T06:50:00Z", "2027-11-07T07:30:00Z"),
        ("2027-11-07T07:30:00Z", "2027-11-07T08:10:00Z"),
    ),
    (
        ("2027-11-07T01:30:00", None, "time.ambiguous"),
        ("2027-11-07T00:30:00-07:00", None, "time.offset"),
        ("2027-11-07T01:15:00-07:00", "2027-11-07T01:45:00-06:00", "interval.reversed"),
    ),
    ("2027-10-31T01:30:00-06:00", "time.ambiguous"),
)


async def open_all_night(house: House) -> Clinic:
    """A clinic of which the one provider is in at any hour."""
    clinic = await Clinic(house).open()
    for weekday in range(1, 8):
        hours = {"clinic_id": clinic.clinic_id, "weekday": weekday}
        hours |= {"opens": "00:00:00", "closes": "00:00:00"}
        path = f"/v1/providers/{clinic.provider_id}/schedules"
        await clinic.does("ada", "appointments", path, hours)
    return clinic


async def patient_in(clinic: Clinic, number: int, zone: str) -> str:
    """A patient who agreed to messages and lives somewhere."""
    patient = await clinic.register(f"Night{number}", emails=[f"p{number}@example.org"])
    body = {"kind": "messages", "text_version": "2026-01"}
    await clinic.does("dana", "patients", f"/v1/patients/{patient}/consents", body)
    path = f"/v1/patients/{patient}/message-preference"
    wish = {"channels": ["email"], "time_zone": zone}
    told(await clinic.person("dana", "patients").put(path, wish))
    return patient


async def play_until(clinic: Clinic, end: datetime) -> None:
    """Let time pass from one timer that is due to the next, and all be done that it sets off."""
    house, network = clinic.house, clinic.network_id
    ahead = "SELECT min(due_at) AS at FROM timer WHERE network_id = $1 AND ended_at IS NULL"
    while True:
        await house.settled(network)
        due = [(await house.rows(name, ahead, network))[0]["at"] for name in house.services]
        at = min((each for each in due if each is not None), default=end)
        house.clock.at = max(house.clock.at, min(at, end))
        if at >= end:
            await house.settled(network)
            return


async def said(clinic: Clinic, name: str) -> list[Body]:
    """The bodies of the events of a name."""
    rows = await clinic.rows("appointments", "outbox", f"type = 'clinicbus.appointments.{name}.v1'")
    return [orjson.loads(row["value"]) for row in rows]


async def refused(clinic: Clinic, path: str, body: Body) -> Body:
    answer = await clinic.person("dana", "appointments").post(path, body)
    return told(answer, 422)


@pytest.mark.parametrize(
    "night", [pytest.param(SPRING, id="spring"), pytest.param(AUTUMN, id="autumn")]
)
async def test_f31_the_night_in_which_the_clocks_change(house: House, night: Night) -> None:
    begin = datetime.combine(night.day - timedelta(days=9), MORNING, DENVER)
    house.clock.at = begin.astimezone(UTC)
    clinic = await open_all_night(house)
    patients = [await patient_in(clinic, n, zone) for n, (_, zone) in enumerate(night.visits)]
    await house.settled(clinic.network_id)

    # What no clock shows, or shows twice, cannot be had; what it shows twice is two times.
    for starts_at, ends_at, code in night.refused:
        body = clinic.booking(patients[0], begin) | {"starts_at": starts_at, "ends_at": ends_at}
        body = {name: value for name, value in body.items() if value is not None}
        assert (await refused(clinic, "/v1/appointments", body))["code"] == code, starts_at
    first, code = night.never
    weekly = clinic.booking(patients[0], begin) | {"starts_at": first}
    found = await refused(clinic, "/v1/series", weekly | {"rrule": "FREQ=WEEKLY;COUNT=3"})
    assert (found["code"], found["occurrence"]) == (code, 2)
    visits = []
    for patient, (starts_at, _) in zip(patients, night.visits, strict=True):
        visit = await clinic.book(patient, datetime.fromisoformat(starts_at))
        assert visit["local_start"] == starts_at
        visits.append(visit)
    # 40 minutes are 40 minutes on any night.
    assert [(v["starts_at"], v["ends_at"]) for v in visits[:2]] == list(night.lengths)

    # The second patient comes a minute before they would have been given up; the others do not.
    starts = [datetime.fromisoformat(visit["starts_at"]) for visit in visits]
    await play_until(clinic, starts[1] + GRACE - timedelta(minutes=1))
    await clinic.does("dana", "appointments", f"/v1/appointments/{visits[1]['id']}/arrive")
    await play_until(clinic, starts[3] + timedelta(hours=2))

    missed = {event["appointment_id"]: event for event in await said(clinic, "appointment.no_show")}
    assert missed.keys() == {visits[n]["id"] for n in (0, 2, 3)}
    for visit, start in zip(visits, starts, strict=True):
        if visit["id"] in missed:
            recorded = datetime.fromisoformat(missed[visit["id"]]["recorded_at"])
            assert recorded - start == GRACE
    for n in (0, 2, 3):
        assert await clinic.heard_states(visits[n]["id"]) == dict.fromkeys(
            ("patients", "eligibility", "payments", "documents"), "no_show"
        )
    await reminded_once_by_day(clinic, house, night, visits)


def messages(house: House) -> Counter[str]:
    """How many messages went out, by the reminder that they are of."""
    folder = house.folder / "appointments" / "messages"
    return Counter(file.name.partition(".")[0] for file in folder.iterdir())


async def reminded_once_by_day(
    clinic: Clinic, house: House, night: Night, visits: list[Body]
) -> None:
    """Each patient was sent two messages, each once, and none in the night where they live."""
    zones = {v["id"]: ZoneInfo(zone) for v, (_, zone) in zip(visits, night.visits, strict=True)}
    rows = await clinic.rows("appointments", "reminders")
    assert {row["state"] for row in rows} == {"sent"}
    leads = {(str(row["appointment_id"]), row["lead_minutes"] // 60) for row in rows}
    assert leads == {(visit, lead) for visit in zones for lead in (24, 72)}
    assert len(rows) == 2 * len(visits)
    events = await said(clinic, "reminder.sent")
    assert len(events) == len({event["reminder_id"] for event in events}) == len(rows)
    files = messages(house)
    for row in rows:
        assert files[str(row["id"])] == 1
        where = zones[str(row["appointment_id"])]
        assert QUIET_UNTIL <= row["settled_at"].astimezone(where).time() < QUIET_FROM
        assert row["settled_at"] == row["due_at"]
    # A day before ten o'clock it is ten by the clinic's clocks and the night in Honolulu: at nine.
    last = next(
        r for r in rows if (str(r["appointment_id"]), r["lead_minutes"]) == (visits[3]["id"], 1440)
    )
    nine = datetime.combine(night.day, QUIET_UNTIL, ZoneInfo("Pacific/Honolulu"))
    assert last["settled_at"] == nine


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def database(ground: Ground) -> AsyncIterator[Database]:
    """The database of appointments, as an operator's command opens it."""
    made = Database.connect(
        "appointments", ground.environment["CLINICBUS_APPOINTMENTS_APP_URL"], None
    )
    yield made
    await made.close()


async def test_s49_every_service_hears_where_a_visit_is_by_the_new_rules_of_its_zone(
    house: House, database: Database, tmp_path: Path
) -> None:
    begin = datetime(2027, 1, 4, 10, tzinfo=DENVER)
    house.clock.at = begin.astimezone(UTC)
    clinic = await Clinic(house, new_id()).open()
    patient = await clinic.register("Moved")
    await house.settled(clinic.network_id)
    visit = await clinic.book(patient, datetime(2027, 6, 1, 10, tzinfo=DENVER))
    await house.settled(clinic.network_id)
    arizona = compiled(-360, [(datetime(2026, 11, 1, 8, tzinfo=UTC), -420)])
    ten = datetime(2027, 6, 1, 17, tzinfo=UTC)
    with installed(entered(tmp_path, America__Denver=arizona)):
        report = await of_network(database, clinic.network_id, house.clock, apply=True)
        assert (report.moved, report.to_see) == (1, [])
        await house.settled(clinic.network_id)
        seen: Any = await clinic.visit(visit["id"])
        assert seen["local_start"] == "2027-06-01T10:00:00-07:00"
    for service in ("patients", "eligibility", "payments", "documents"):
        (row,) = await clinic.rows(service, "known_visits", f"appointment_id = '{visit['id']}'")
        assert row["starts_at"] == ten, service
    person = await clinic.sees("dana", "patients", f"/v1/patients/{patient}")
    assert datetime.fromisoformat(person["next_visit"]["starts_at"]) == ten
