"""Holds through the API, on a real database: one time, one holder, one visit."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.appointments.tests.builders import Scene, scene
from services.appointments.tests.counting import count, overlaps, rows
from services.appointments.timers import TIMERS
from shared.db.timers import fire_due
from shared.testing.apps import Desk, Office
from shared.values.clock import FixedClock
from shared.values.ids import new_id

TEN = "2026-11-03T10:00:00-07:00"


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


def place(at: Scene, patient: UUID | None, starts_at: str = TEN, **more: Any) -> dict[str, Any]:
    body = at.booking(patient or "", starts_at, **more)
    if patient is None:
        del body["patient_id"]
    return body


async def held(at: Scene, patient: UUID | None, starts_at: str = TEN, **more: Any) -> Any:
    answer = await at.desk.post("/v1/holds", place(at, patient, starts_at, **more))
    assert answer.status_code == 201, answer.text
    return answer.json()


async def said(at: Scene) -> list[str]:
    found = await rows(at, "SELECT type FROM outbox ORDER BY xid, id")
    names = [row["type"].removeprefix("clinicbus.appointments.") for row in found]
    return [name.removesuffix(".v1") for name in names if "hold" in name or "held" in name]


def portal(at: Scene, office: Office, patient: UUID) -> Desk:
    return office.desk("appointments", at.network_id, "portal", patient=str(patient))


async def test_a_hold_keeps_a_time_and_becomes_a_visit(at: Scene) -> None:
    patient, other = await at.patient(), await at.patient()
    hold = await held(at, patient)
    assert (hold["state"], hold["expires_at"]) == ("held", "2026-11-02T15:05:00Z")
    refused = await at.desk.post("/v1/appointments", at.booking(other, TEN))
    assert (refused.status_code, refused.json()["code"]) == (409, "slot.taken")
    body = at.booking(patient, TEN, hold_id=hold["id"])
    booked = await at.desk.post("/v1/appointments", body)
    assert booked.status_code == 201, booked.text
    assert booked.json()["ends_at"] == hold["ends_at"]
    seen = (await at.desk.get(f"/v1/holds/{hold['id']}")).json()
    assert (seen["state"], seen["appointment_id"]) == ("taken", booked.json()["id"])
    assert await said(at) == ["appointment.held", "hold.released"]
    assert await count(at, "SELECT count(*) FROM occupancies WHERE active") == 2


async def test_a_double_click_on_a_hold_gives_the_same_visit(at: Scene) -> None:
    patient = await at.patient()
    hold = await held(at, patient)
    body = at.booking(patient, TEN, hold_id=hold["id"])
    answers = await asyncio.gather(*(at.desk.post("/v1/appointments", body) for _ in range(8)))
    assert {a.status_code for a in answers} == {201}, [a.text for a in answers]
    assert len({a.json()["id"] for a in answers}) == 1
    assert await count(at, "SELECT count(*) FROM appointments") == 1


async def test_lesson_held_time_is_taken_and_one_of_many_has_it(at: Scene) -> None:
    patients = [await at.patient() for _ in range(6)]
    bodies = [("/v1/holds", place(at, p)) for p in patients]
    bodies += [("/v1/appointments", at.booking(p, TEN)) for p in patients]
    answers = await asyncio.gather(*(at.desk.post(path, body) for path, body in bodies))
    assert sorted(a.status_code for a in answers) == [201] + [409] * 11
    assert await overlaps(at) == 0


async def test_what_nobody_is_named_for_is_booked_for_anybody_by_its_holder(
    at: Scene, clinic_office: Office
) -> None:
    patient = await at.patient()
    hold = await held(at, None)
    body = at.booking(patient, TEN, hold_id=hold["id"])
    other = clinic_office.desk("appointments", at.network_id, "front_desk", sub="another")
    refused = await other.post("/v1/appointments", body)
    assert (refused.status_code, refused.json()["code"]) == (409, "hold.anothers")
    assert (await at.desk.post("/v1/appointments", body)).status_code == 201


async def test_a_hold_for_one_patient_is_no_visit_of_another(at: Scene) -> None:
    patient, other = await at.patient(), await at.patient()
    hold = await held(at, patient)
    refused = await at.desk.post("/v1/appointments", at.booking(other, TEN, hold_id=hold["id"]))
    assert (refused.status_code, refused.json()["code"]) == (409, "hold.anothers")


async def test_a_hold_is_of_its_own_place(at: Scene) -> None:
    patient = await at.patient()
    hold = await held(at, patient)
    later = "2026-11-03T11:00:00-07:00"
    refused = await at.desk.post("/v1/appointments", at.booking(patient, later, hold_id=hold["id"]))
    assert (refused.status_code, refused.json()["code"]) == (422, "hold.other_place")


async def test_what_is_given_back_is_free_and_cannot_be_booked(at: Scene) -> None:
    patient, other = await at.patient(), await at.patient()
    hold = await held(at, patient)
    path = f"/v1/holds/{hold['id']}"
    assert (await at.desk.post(f"{path}/release")).json()["state"] == "released"
    assert (await at.desk.post(f"{path}/release")).json()["state"] == "released"
    refused = await at.desk.post("/v1/appointments", at.booking(patient, TEN, hold_id=hold["id"]))
    assert (refused.status_code, refused.json()["code"]) == (409, "hold.released")
    assert (await at.desk.post("/v1/appointments", at.booking(other, TEN))).status_code == 201
    assert await said(at) == ["appointment.held", "hold.released"]


async def test_what_ran_out_is_taken_before_any_timer_fires(at: Scene) -> None:
    patient, other = await at.patient(), await at.patient()
    hold = await held(at, patient)
    at.clock.at += timedelta(minutes=5)
    assert (await at.desk.get(f"/v1/holds/{hold['id']}")).json()["state"] == "expired"
    assert TEN.replace("-07:00", "") in str(await slots(at))
    booked = await at.desk.post("/v1/appointments", at.booking(other, TEN))
    assert booked.status_code == 201, booked.text
    refused = await at.desk.post("/v1/appointments", at.booking(patient, TEN, hold_id=hold["id"]))
    assert (refused.status_code, refused.json()["code"]) == (409, "hold.expired")
    await fire_due(at.database, TIMERS, at.clock)
    assert await said(at) == ["appointment.held", "hold.expired"]
    await fire_due(at.database, TIMERS, at.clock)
    assert await said(at) == ["appointment.held", "hold.expired"]
    active = "SELECT count(*) FROM occupancies WHERE active"
    assert await count(at, active) == 2


async def slots(at: Scene) -> list[str]:
    found = await at.desk.get(
        "/v1/availability",
        appointment_type_id=at.type_id,
        clinic_id=at.clinic_id,
        since="2026-11-03T08:00:00-07:00",
        until="2026-11-03T12:00:00-07:00",
    )
    return [slot["local_start"] for slot in found.json()["slots"]]


async def test_a_time_that_is_held_is_not_offered_until_the_timer_frees_it(at: Scene) -> None:
    patient = await at.patient()
    await held(at, patient)
    assert TEN not in await slots(at)
    at.clock.at += timedelta(minutes=4, seconds=59)
    await fire_due(at.database, TIMERS, at.clock)
    assert await said(at) == ["appointment.held"]
    at.clock.at += timedelta(seconds=1)
    await fire_due(at.database, TIMERS, at.clock)
    assert await said(at) == ["appointment.held", "hold.expired"]
    assert TEN in await slots(at)
    assert await count(at, "SELECT count(*) FROM occupancies WHERE active") == 0


async def test_a_hold_is_extended_once(at: Scene) -> None:
    hold = await held(at, await at.patient())
    path = f"/v1/holds/{hold['id']}/extend"
    longer = await at.desk.post(path, {"ttl_minutes": 20})
    assert longer.status_code == 200, longer.text
    assert longer.json()["expires_at"] == "2026-11-02T15:20:00Z"
    again = await at.desk.post(path, {"ttl_minutes": 20})
    assert (again.status_code, again.json()["code"]) == (409, "hold.extended_already")
    at.clock.at += timedelta(minutes=10)
    await fire_due(at.database, TIMERS, at.clock)
    refused = await at.desk.post("/v1/appointments", at.booking(await at.patient(), TEN))
    assert refused.status_code == 409
    at.clock.at += timedelta(minutes=10)
    await fire_due(at.database, TIMERS, at.clock)
    assert await said(at) == ["appointment.held", "appointment.held", "hold.expired"]


async def test_a_bot_that_grabs_a_hundred_slots_holds_one(at: Scene, clinic_office: Office) -> None:
    patient = await at.patient(visits=1)
    bot = portal(at, clinic_office, patient)
    starts = [f"2026-11-{3 + n // 25:02d}T{8 + n % 25 // 3:02d}:{n % 3 * 20:02d}:00-07:00"
              for n in range(100) if n % 25 < 24]  # fmt: skip
    answers = [await bot.post("/v1/holds", place(at, patient, start)) for start in starts]
    assert [a.status_code for a in answers] == [201] + [409] * (len(starts) - 1)
    assert {a.json()["code"] for a in answers[1:]} == {"hold.too_many"}
    assert answers[1].json()["limit"] == 1


async def test_a_patient_holds_for_themselves_alone(at: Scene, clinic_office: Office) -> None:
    patient, other = await at.patient(), await at.patient()
    mine = portal(at, clinic_office, patient)
    assert (await mine.post("/v1/holds", place(at, other))).status_code == 404
    assert (await mine.post("/v1/holds", place(at, None))).status_code in (403, 404)
    theirs = await held(at, other)
    for answer in (
        await mine.get(f"/v1/holds/{theirs['id']}"),
        await mine.post(f"/v1/holds/{theirs['id']}/release"),
        await mine.post(f"/v1/holds/{theirs['id']}/extend", {}),
        await mine.post("/v1/appointments", at.booking(patient, TEN, hold_id=theirs["id"])),
    ):
        assert answer.status_code == 404, answer.text


async def test_a_person_at_the_desk_holds_twenty_at_once(at: Scene, clinic_office: Office) -> None:
    starts = [f"2026-11-{3 + n // 8:02d}T{8 + n % 8:02d}:00:00-07:00" for n in range(24)]
    answers = await asyncio.gather(
        *(at.desk.post("/v1/holds", place(at, None, start)) for start in starts)
    )
    refused = [a.json()["code"] for a in answers if a.status_code != 201]
    assert refused == ["hold.too_many"] * 4
    other = clinic_office.desk("appointments", at.network_id, "front_desk", sub="another")
    more = await other.post("/v1/holds", place(at, None, "2026-11-06T16:00:00-07:00"))
    assert more.status_code == 201


async def test_a_hold_lasts_thirty_minutes_at_most(at: Scene) -> None:
    patient = await at.patient()
    for minutes in (0, 31, -1):
        refused = await at.desk.post("/v1/holds", place(at, patient, ttl_minutes=minutes))
        assert refused.status_code == 422
    assert (await held(at, patient, ttl_minutes=30))["expires_at"] == "2026-11-02T15:30:00Z"


async def test_an_unknown_hold_books_nothing(at: Scene) -> None:
    body = at.booking(await at.patient(), TEN, hold_id=str(new_id()))
    refused = await at.desk.post("/v1/appointments", body)
    assert (refused.status_code, refused.json()["code"]) == (404, "hold.not_found")
