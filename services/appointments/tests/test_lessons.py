"""What schedulers elsewhere got wrong: each lesson that booking and availability take, as a test.

Those of holds, series, seats, waitlist and reminders stand where these are.
"""

import asyncio
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

import asyncpg
import pytest

from services.appointments.domain.occupancy import Calendar
from services.appointments.domain.resources import AppointmentType, Provider
from services.appointments.domain.schedule import WeeklySchedule, openings
from services.appointments.domain.slots import Offer, Question, availability
from services.appointments.tables import Occupancy
from services.appointments.tests.builders import Scene, scene
from shared.db.actor import Actor
from shared.db.work import Context
from shared.testing.apps import Office
from shared.values.clock import FixedClock
from shared.values.interval import Interval

Body = dict[str, Any]
TEN = "2026-11-03T10:00:00-07:00"
DAY = {"since": "2026-11-03T00:00:00-07:00", "until": "2026-11-04T00:00:00-07:00"}


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: Any, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


async def book(at: Scene, starts_at: str = TEN, **more: Any) -> Any:
    patient = more.pop("patient", None) or await at.patient(visits=1)
    return await at.desk.post("/v1/appointments", at.booking(patient, starts_at, **more))


async def slots(at: Scene, **query: Any) -> list[str]:
    asked: Body = {"appointment_type_id": at.type_id, "clinic_id": at.clinic_id, "limit": 200}
    answer = await at.desk.get("/v1/availability", **{**asked, **DAY, **query})
    assert answer.status_code == 200, answer.text
    return [slot["local_start"][11:16] for slot in answer.json()["slots"]]


async def test_the_invariant_is_in_the_database_and_not_in_a_check_before_the_insert(
    at: Scene,
) -> None:
    """Ten parallel requests all booked; a random sleep was the fix."""
    answers = await asyncio.gather(*(book(at) for _ in range(10)))
    assert sorted(a.status_code for a in answers) == [201] + [409] * 9
    context = Context(at.network_id, Actor("person", "test"), at.clock.now())
    starts = datetime(2026, 11, 3, 17, 10, tzinfo=UTC)
    with pytest.raises(asyncpg.ExclusionViolationError, match="occupancies_never_twice"):
        async with at.database.work(context) as work:
            work.create(
                Occupancy, id=work.new_id("o"), network_id=at.network_id, lane=1,
                resource_kind="provider", resource_id=UUID(at.provider_id), starts_at=starts,
                ends_at=starts + timedelta(minutes=5),
            )  # fmt: skip


async def test_length_and_capacity_drive_availability_and_are_checked_on_every_write(
    at: Scene,
) -> None:
    """A calendar's own page checked for conflicts; its API saved without any check."""
    new = await slots(at, known_patient="false")
    known = await slots(at, known_patient="true")
    assert (new[-1], known[-1]) == ("16:15", "16:30")
    assert (await book(at)).status_code == 201
    left = await slots(at, known_patient="true")
    assert set(known) - set(left) == {"09:45", "10:00", "10:15"}
    for taken in ("09:45", "10:00", "10:15"):
        assert (await book(at, f"2026-11-03T{taken}:00-07:00")).status_code == 409
    assert (await book(at, "2026-11-03T10:20:00-07:00")).status_code == 201


async def test_buffers_differ_before_and_after_and_belong_to_the_kind_of_visit(at: Scene) -> None:
    kind = {
        "name": "Procedure", "minutes_new": 30, "minutes_known": 30, "buffer_before_minutes": 30,
        "buffer_after_minutes": 15, "service_code_new": "V-NEW", "service_code_known": "V-EST",
    }  # fmt: skip
    made = await at.admin.post("/v1/appointment-types", kind)
    assert (await book(at)).status_code == 201  # 10:00 to 10:20
    found = await slots(at, appointment_type_id=made.json()["id"])
    assert "09:15" in found
    assert "11:00" in found
    assert {"09:30", "09:45", "10:00", "10:15", "10:30", "10:45"}.isdisjoint(found)


async def test_a_template_has_a_period_and_a_place(at: Scene) -> None:
    other = {"name": "South", "time_zone": "America/Denver"}
    south = (await at.admin.post("/v1/clinics", other)).json()["id"]
    body = {"family_name": "Moreau", "clinic_ids": [at.clinic_id, south]}
    provider = (await at.admin.post("/v1/providers", body)).json()["id"]
    hours = {"clinic_id": south, "weekday": 2, "opens": "09:00:00", "closes": "10:00:00"}
    period = {"effective_from": "2026-11-10", "effective_until": "2026-11-10"}
    made = await at.admin.post(f"/v1/providers/{provider}/schedules", {**hours, **period})
    assert made.status_code == 201, made.text
    query = {"provider_id": provider, "since": "2026-11-03T00:00:00-07:00"}
    query["until"] = "2026-11-30T00:00:00-07:00"
    there = await slots(at, clinic_id=south, known_patient="true", **query)
    assert there == ["09:00", "09:15", "09:30"]
    assert await slots(at, clinic_id=at.clinic_id, **query) == []


async def test_a_patient_may_come_twice_a_day_unless_the_network_says_otherwise(at: Scene) -> None:
    patient = await at.patient()
    assert (await book(at, patient=patient)).status_code == 201
    assert (await book(at, "2026-11-03T13:00:00-07:00", patient=patient)).status_code == 201
    rule = {"kind": "patient_daily_cap", "value": {"visits": 2}}
    assert (await at.admin.post("/v1/booking-rules", rule)).status_code == 201
    third = await book(at, "2026-11-03T15:00:00-07:00", patient=patient)
    assert (third.status_code, third.json()["rule"]) == (409, "patient_daily_cap")


async def test_overbooking_is_a_permission_and_a_count_and_never_a_second_look(
    at: Scene, clinic_office: Office
) -> None:
    assert (await book(at)).status_code == 201
    asked = await book(at, overbook=True)
    assert (asked.status_code, asked.json()["rule"]) == (403, "overbook_permission")
    boss = clinic_office.desk("appointments", at.network_id, "admin", "front_desk")
    answers = [
        await boss.post("/v1/appointments", at.booking(await at.patient(), TEN, overbook=True))
        for _ in range(2)
    ]
    assert [a.status_code for a in answers] == [201, 409]
    assert answers[1].json()["rule"] == "overbook_quota"
    assert "10:00" not in await slots(at)


async def test_a_moved_visit_keeps_its_lineage_and_has_one_outcome(at: Scene) -> None:
    """Late moves and rows both fulfilled and missed spoil what is counted."""
    made = (await book(at)).json()
    path = f"/v1/appointments/{made['id']}"
    wish = {"starts_at": "2026-11-03T13:00:00-07:00", "reason": "patient_request"}
    assert (await at.desk.post(f"{path}/reschedule", wish, version=1)).status_code == 200
    (moved,) = (await at.desk.get(f"{path}/moves")).json()["items"]
    assert moved["from_starts_at"] == made["starts_at"]
    at.clock.at = datetime(2026, 11, 3, 21, tzinfo=UTC)
    assert (await at.desk.post(f"{path}/no-show")).status_code == 200
    both = await at.desk.post(f"{path}/check-in", {})
    assert (both.status_code, both.json()["code"]) == (409, "lifecycle.illegal_transition")


# ── templates are wall time ──────────────────────────────────────────────────────────────────────

NOON, YEARS = time(12), range(2024, 2037)
ANN, NORTH = UUID(int=1), UUID(int=2)
KIND = AppointmentType(UUID(int=3), timedelta(minutes=20), timedelta(minutes=20))


def changes() -> list[tuple[ZoneInfo, date]]:
    """Every (zone, local day with a change) from 2024 to 2036; zones of one history count once."""
    seen: dict[tuple[date, ...], list[tuple[ZoneInfo, date]]] = {}
    for name in sorted(available_timezones()):
        here, found, day = ZoneInfo(name), list[date](), date(YEARS[0], 1, 1)
        shifts = []
        before = _offset(here, day)
        while day.year < YEARS[-1] + 1:
            after = _offset(here, day + timedelta(days=8))
            if after != before:
                one = next(
                    day + timedelta(days=n)
                    for n in range(1, 9)
                    if _offset(here, day + timedelta(days=n)) != before
                )
                found.append(one)
                shifts.append(_offset(here, one))
            day, before = day + timedelta(days=8), after
        seen.setdefault((*found, *shifts), [(here, each) for each in found])  # type: ignore[arg-type]
    return [change for found_ in seen.values() for change in found_]


def _offset(here: ZoneInfo, day: date) -> timedelta | None:
    return datetime.combine(day, NOON, here).utcoffset()


def test_slots_are_the_wall_times_of_the_template_on_every_day_of_a_change() -> None:
    """Eight of one project's faults in five years were of these days."""
    found = changes()
    assert len(found) > 700
    wrong = []
    for here, day in found:
        first = day - timedelta(days=1)
        weekly = [
            WeeklySchedule(ANN, NORTH, here, weekday, time(0), time(6)) for weekday in range(1, 8)
        ]
        times = tuple(opening.interval for opening in openings(weekly, first, day))
        window = Interval(times[0].start, times[-1].end)
        question = Question(window, KIND, known_patient=True, grid=timedelta(minutes=30), limit=99)
        offer = Offer(Provider(ANN, frozenset({NORTH})), NORTH, here, times)
        made = availability(question, [offer], [], Calendar([]), window.start)
        shown = [slot.interval.start for slot in made.slots]
        if shown != _by_hand(here, first, day):
            wrong.append((here.key, day))
    assert wrong == []


def _by_hand(here: ZoneInfo, first: date, last: date) -> list[datetime]:
    """Every minute of the two days at which the clocks show a mark from 00:00 to 05:30."""
    at = datetime.combine(first, time(0), UTC) - timedelta(hours=15)
    end, found = datetime.combine(last, time(0), UTC) + timedelta(hours=39), []
    while at < end:
        wall = at.astimezone(here)
        marks = wall.minute in (0, 30) and not wall.second
        if marks and wall.date() in (first, last) and wall.time() <= time(5, 30):
            found.append(at)
        at += timedelta(minutes=15)
    return found
