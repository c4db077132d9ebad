"""The waiting room: who is next, what was promised, who waits too long, what the screen shows."""

import asyncio
from dataclasses import replace
from uuid import UUID

import asyncpg
import pytest

from services.appointments.tests.day import Day, day_at, refused, told
from shared.testing.apps import Office
from shared.values.clock import FixedClock
from shared.values.ids import new_id

TOO_LONG = "clinicbus.appointments.queue.entry_waiting_too_long.v1"
SAID = "SELECT count(*) FROM outbox WHERE $1 = ANY(headers)"


@pytest.fixture
async def day(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Day:
    return await day_at(environment, clinic_office, network_id, clock)


async def order(day: Day) -> list[str]:
    return [item["appointment_id"] for item in (await day.clinic("waiting-room"))["items"]]


async def test_they_are_called_by_turn_and_by_priority_with_its_reason(day: Day) -> None:
    first, second, third = [
        await day.booked(await day.patient(), local) for local in ("09:00", "09:40", "10:20")
    ]
    day.at("08:30")
    for visit in (third, second, first):
        await day.does(visit, "arrive")
    assert await order(day) == [first, second, third]
    refused(await day.tries(third, "priority", priority="urgent"), 422, "override.reason_required")
    await day.does(third, "priority", priority="urgent", reason="Short of breath.")
    assert await order(day) == [third, first, second]
    item = (await day.clinic("waiting-room"))["items"][0]
    assert (item["position"], item["priority_reason"]) == (1, "Short of breath.")
    await day.does(third, "check-in")
    await day.does(third, "with-nurse")
    assert await order(day) == [first, second]
    refused(
        await day.tries(third, "priority", priority="soon", reason="x"), 409, "queue.not_waiting"
    )


async def test_lesson_unique_active_queue_entry_per_patient_and_clinic(day: Day) -> None:
    """openmrs-esm-patient-management 1881: two active entries of one patient in one queue."""
    patient = await day.patient()
    morning, noon = await day.booked(patient, "09:00"), await day.booked(patient, "12:00")
    answers = await asyncio.gather(*(day.tries(visit, "arrive") for visit in (morning, noon)))
    assert sorted(a.status_code for a in answers) == [200, 409]
    loser = next(a for a in answers if a.status_code == 409)
    refused(loser, 409, "queue.already_waiting")
    assert await day.counts("SELECT count(*) FROM queue_entries WHERE ended_at IS NULL") == 1
    # Once they are called for the one, they may wait for the other.
    here, next_one = (morning, noon) if answers[0].status_code == 200 else (noon, morning)
    await day.does(here, "check-in")
    await day.does(here, "with-nurse")
    await day.does(next_one, "arrive")


async def test_the_database_takes_no_second_wait_whatever_writes_it(day: Day) -> None:
    patient = await day.patient()
    visit = await day.booked(patient, "09:00")
    await day.does(visit, "arrive")
    copy = (
        "INSERT INTO queue_entries"
        " SELECT (jsonb_populate_record(q, jsonb_build_object('id', $1::text))).*"
        " FROM queue_entries q"
    )
    with pytest.raises(asyncpg.UniqueViolationError) as error:
        await day.counts(copy, str(new_id()))
    assert error.value.constraint_name == "queue_entries_once"


async def test_lesson_show_the_expected_wait_and_store_what_was_promised(day: Day) -> None:
    """ottehr 2748 and 3574: no expected wait, and nobody knew what had been promised."""
    waits = []
    for number in range(6):
        local = f"{8 + number:02d}:00"
        visit = await day.booked(await day.patient(), local)
        day.at(local)
        await day.does(visit, "check-in")
        waits.append(await day.seen(visit, "wait"))
        day.at(f"{8 + number:02d}:{10 * (number % 3 + 1):02d}")
        await day.does(visit, "with-provider")
        await day.does(visit, "check-out")
    # Honest when too few are known; from the sixth on the five before promise something.
    assert [wait["promised_from"] for wait in waits] == ["too_few"] * 5 + ["provider"]
    assert waits[0]["promised_minutes"] is None
    assert (waits[5]["promised_minutes"], waits[5]["promised_minutes_p90"]) == (20, 30)
    kept = await day.seen(visit, "wait")
    assert (kept["promised_minutes"], kept["waited_seconds"]) == (20, 1800)


async def test_who_waits_too_long_is_told_of_once(day: Day) -> None:
    visit = await day.booked(await day.patient(), "09:00")
    day.at("08:30")
    await day.does(visit, "arrive")
    day.at("09:14")
    await day.tick()
    assert await day.counts(SAID, TOO_LONG) == 0
    for local in ("09:15", "09:40", "10:30"):
        day.at(local)
        await day.tick()
        assert await day.counts(SAID, TOO_LONG) == 1
    assert (await day.clinic("waiting-room"))["items"][0]["too_long"]
    # Who sits down again begins a new wait.
    await day.does(visit, "undo-arrival", reason="They went for a coffee.")
    await day.does(visit, "arrive")
    day.at("10:45")
    await day.tick()
    assert await day.counts(SAID, TOO_LONG) == 2


async def test_who_was_called_in_time_is_no_alarm(day: Day) -> None:
    visit = await day.booked(await day.patient(), "09:00")
    await day.does(visit, "check-in")
    day.at("09:14")
    await day.does(visit, "with-nurse")
    day.at("11:00")
    await day.tick()
    assert await day.counts(SAID, TOO_LONG) == 0


async def test_a_clinic_says_how_long_is_too_long(day: Day) -> None:
    policy = {"clinic_id": day.scene.clinic_id, "waiting_alarm_minutes": 40}
    told(await day.boss.put("/v1/visit-policies", policy))
    visit = await day.booked(await day.patient(), "09:00")
    day.at("09:00")
    await day.does(visit, "arrive")
    for local, said in (("09:39", 0), ("09:40", 1)):
        day.at(local)
        await day.tick()
        assert await day.counts(SAID, TOO_LONG) == said


async def test_the_screen_shows_codes_and_nothing_that_says_who(day: Day) -> None:
    first, second = [await day.booked(await day.patient(), local) for local in ("09:00", "09:40")]
    for visit in (first, second):
        await day.does(visit, "check-in")
    await day.does(first, "room", room_id=day.rooms[1])
    screen = day.office.desk(
        "appointments", day.scene.network_id, "ehr_client", sub="screen", scope="system/Encounter.s"
    )
    path = f"/v1/clinics/{day.scene.clinic_id}/display"
    answer = await screen.get(path)
    assert told(answer) == {
        "calls": [
            {"code": "A01", "state": "called", "room": "Room 2"},
            {"code": "A02", "state": "waiting", "room": None},
        ]
    }
    rows = [await day.visit(visit) for visit in (first, second)]
    for hidden in ("id", "patient_id", "provider_id", "starts_at", "clinic_id"):
        assert all(str(row[hidden]) not in answer.text for row in rows)
    # That is all a screen may.
    for other in ("waiting-room", "room-board"):
        refused(await screen.get(f"/v1/clinics/{day.scene.clinic_id}/{other}"), 403,
                "permission.missing")  # fmt: skip
    refused(await screen.get(f"/v1/appointments/{first}"), 403, "permission.missing")


async def test_a_screen_that_asks_again_is_told_only_what_changed(day: Day) -> None:
    visit = await day.booked(await day.patient(), "09:00")
    path = f"/v1/clinics/{day.scene.clinic_id}/display"
    empty = (await day.desk.get(path)).headers["etag"]
    knows = replace(day.desk, headers={"If-None-Match": f'"other", {empty}'})
    again = await knows.get(path)
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", empty)
    await day.does(visit, "arrive")
    changed = await knows.get(path)
    assert changed.status_code == 200
    assert changed.headers["etag"] != empty


async def test_who_comes_back_on_the_same_day_keeps_their_code(day: Day) -> None:
    first, second = [await day.booked(await day.patient(), local) for local in ("09:00", "09:40")]
    await day.does(first, "arrive")
    await day.does(first, "undo-arrival", reason="They left their card in the car.")
    await day.does(second, "arrive")
    await day.does(first, "arrive")
    codes = {
        w["appointment_id"]: w["call_code"] for w in (await day.clinic("waiting-room"))["items"]
    }
    assert codes == {first: "A01", second: "A02"}


async def test_who_calls_off_or_moves_no_longer_waits(day: Day) -> None:
    first, second = [await day.booked(await day.patient(), local) for local in ("09:00", "09:40")]
    for visit in (first, second):
        await day.does(visit, "arrive")
    version = (await day.visit(first))["version"]
    path = f"/v1/appointments/{first}/cancel"
    gone = told(await day.desk.post(path, {"reason": "patient_ill"}, version=version))
    assert (gone["lifecycle"], gone["flow"]) == ("cancelled", "arrived")
    version = (await day.visit(second))["version"]
    wish = {"starts_at": "2026-11-03T09:00:00-07:00", "reason": "patient_request"}
    path = f"/v1/appointments/{second}/reschedule"
    moved = told(await day.desk.post(path, wish, version=version))
    assert (moved["lifecycle"], moved["flow"]) == ("booked", "expected")
    assert (await day.clinic("waiting-room"))["items"] == []
    wait = await day.seen(first, "wait")
    assert (wait["waiting"], wait["waited_seconds"]) == (False, None)


async def test_who_looks_at_the_room_is_audited_with_all_whom_they_saw(day: Day) -> None:
    patients = [await day.patient(), await day.patient()]
    first, second = [
        await day.booked(patient, local)
        for patient, local in zip(patients, ("09:00", "09:40"), strict=True)
    ]
    for visit in (first, second):
        await day.does(visit, "check-in")
    await day.clinic("waiting-room")
    await day.does(first, "room", room_id=day.rooms[0])
    await day.clinic("room-board")
    await day.clinic("display")
    seen = "SELECT patient_ids FROM audit WHERE action = $1"
    assert set(await day.counts(seen, "read_waiting_room")) == set(patients)
    assert await day.counts(seen, "read_room_board") == [patients[0]]
    # Codes are nobody: the screen is looked at all day, and shows no one.
    assert await day.counts(seen, "read_display") == []


async def test_a_patient_sees_their_own_wait_and_not_the_room(day: Day) -> None:
    patient = await day.patient()
    visit = await day.booked(patient, "09:00")
    mine = day.office.desk(
        "appointments", day.scene.network_id, "portal", sub="me", patient=str(patient)
    )
    assert told(await mine.post(f"/v1/appointments/{visit}/arrive"))["lifecycle"] == "arrived"
    assert told(await mine.get(f"/v1/appointments/{visit}/wait"))["call_code"] == "A01"
    refused(
        await mine.get(f"/v1/clinics/{day.scene.clinic_id}/waiting-room"), 403, "permission.missing"
    )
    other = day.office.desk(
        "appointments", day.scene.network_id, "portal", sub="them", patient=str(new_id())
    )
    assert (await other.get(f"/v1/appointments/{visit}/wait")).status_code == 404
