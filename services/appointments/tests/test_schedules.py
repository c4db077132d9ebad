"""Templates, exceptions, clinic hours and credentials through the API, on a real database."""

from typing import Any

import pytest

from services.appointments.tests.builders import Scene, scene
from shared.testing.apps import Office
from shared.values.clock import FixedClock


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: Any, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


async def day(at: Scene, date: str) -> dict[str, Any]:
    answer = await at.desk.get(
        "/v1/availability",
        appointment_type_id=at.type_id,
        clinic_id=at.clinic_id,
        provider_id=at.provider_id,
        since=f"{date}T00:00:00-07:00",
        until=f"{date}T23:59:00-07:00",
        grid_minutes=60,
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def starts(at: Scene, date: str) -> list[str]:
    return [slot["local_start"][11:16] for slot in (await day(at, date))["slots"]]


async def why(at: Scene, date: str) -> list[str]:
    return [item["reason"] for item in (await day(at, date))["empty"]]


async def refused(at: Scene, starts_at: str) -> str:
    answer = await at.desk.post("/v1/appointments", at.booking(await at.patient(), starts_at))
    assert answer.status_code == 409, answer.text
    return str(answer.json()["code"])


async def template(at: Scene, weekday: int) -> str:
    found = (await at.admin.get(f"/v1/providers/{at.provider_id}/schedules")).json()["items"]
    return str(next(item["id"] for item in found if item["weekday"] == weekday))


async def test_a_template_of_every_second_week_is_offered_every_second_week(at: Scene) -> None:
    body = {"clinic_id": at.clinic_id, "weekday": 6, "opens": "09:00:00", "closes": "11:00:00"}
    path = f"/v1/providers/{at.provider_id}/schedules"
    more = {"rhythm": "biweekly", "anchor": "2026-11-07"}
    made = await at.admin.post(path, {**body, **more})
    assert made.status_code == 201, made.text
    assert await starts(at, "2026-11-07") == ["09:00", "10:00"]
    assert await why(at, "2026-11-14") == ["no_template"]
    assert await starts(at, "2026-11-21") == ["09:00", "10:00"]
    wrong = await at.admin.post(path, {**body, "rhythm": "biweekly"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "schedule.anchor")


async def test_a_template_that_ends_keeps_what_has_been(at: Scene) -> None:
    monday = await template(at, 1)
    path = f"/v1/schedules/{monday}/end"
    past = await at.admin.post(path, {"last_day": "2026-10-31"})
    assert (past.status_code, past.json()["code"]) == (422, "schedule.past")
    done = await at.admin.post(path, {"last_day": "2026-11-09"})
    assert done.status_code == 200, done.text
    assert len(await starts(at, "2026-11-09")) == 9
    assert await why(at, "2026-11-16") == ["no_template"]
    again = await at.admin.post(path, {"last_day": "2026-11-10"})
    assert (again.status_code, again.json()["code"]) == (422, "schedule.ended")


async def test_a_template_is_another_from_a_day_on(at: Scene) -> None:
    monday = await template(at, 1)
    body = {"first_day": "2026-11-16", "closes": "10:00:00"}
    made = await at.admin.post(f"/v1/schedules/{monday}/change", body)
    assert made.status_code == 201, made.text
    assert (made.json()["effective_from"], made.json()["opens"]) == ("2026-11-16", "08:00:00")
    assert len(await starts(at, "2026-11-09")) == 9
    assert await starts(at, "2026-11-16") == ["08:00", "09:00"]
    # What has not begun yet is called off as a whole.
    path = f"/v1/schedules/{made.json()['id']}/end"
    assert (await at.admin.post(path, {"last_day": "2026-11-10"})).status_code == 200
    assert await why(at, "2026-11-16") == ["no_template"]
    assert (await at.admin.post(path, {"last_day": "2026-11-10"})).status_code == 404


async def test_each_change_of_a_template_is_told(at: Scene) -> None:
    monday = await template(at, 1)
    body = {"first_day": "2026-11-16", "closes": "10:00:00"}
    made = await at.admin.post(f"/v1/schedules/{monday}/change", body)
    end = f"/v1/schedules/{made.json()['id']}/end"
    assert (await at.admin.post(end, {"last_day": "2026-11-10"})).status_code == 200
    told = [event["change"] for event in await at.said("schedule.template_changed")]
    assert sorted(told) == ["called_off", "ended", *["entered"] * 6]


async def test_who_is_away_is_not_offered_nor_booked_until_it_is_taken_back(at: Scene) -> None:
    path = f"/v1/providers/{at.provider_id}/exceptions"
    body = {"first_day": "2026-11-04", "last_day": "2026-11-05"}
    made = await at.admin.post(path, body)
    assert made.status_code == 201, made.text
    assert await why(at, "2026-11-04") == ["no_template"]
    assert await refused(at, "2026-11-05T09:00:00-07:00") == "slot.outside_schedule"
    assert len(await starts(at, "2026-11-06")) == 9
    assert len((await at.admin.get(path)).json()["items"]) == 1
    back = await at.admin.post(f"/v1/exceptions/{made.json()['id']}/withdraw")
    assert back.json()["withdrawn"] is True
    assert len(await starts(at, "2026-11-04")) == 9
    assert (await at.admin.get(path)).json()["items"] == []


async def test_other_hours_are_offered_and_booked(at: Scene) -> None:
    path = f"/v1/providers/{at.provider_id}/exceptions"
    saturday = {"first_day": "2026-11-07", "last_day": "2026-11-07", "clinic_id": at.clinic_id}
    made = await at.admin.post(path, {**saturday, "opens": "10:00:00", "closes": "12:00:00"})
    assert made.status_code == 201, made.text
    assert await starts(at, "2026-11-07") == ["10:00", "11:00"]
    body = at.booking(await at.patient(), "2026-11-07T10:00:00-07:00")
    assert (await at.desk.post("/v1/appointments", body)).status_code == 201


async def test_hours_at_another_clinic_are_none_here(at: Scene) -> None:
    other = await at.admin.post("/v1/clinics", {"name": "South", "time_zone": "America/New_York"})
    there = {"first_day": "2026-11-04", "last_day": "2026-11-04", "clinic_id": other.json()["id"]}
    hours = {"opens": "10:00:00", "closes": "12:00:00"}
    path = f"/v1/providers/{at.provider_id}/exceptions"
    stranger = await at.admin.post(path, {**there, **hours})
    assert (stranger.status_code, stranger.json()["code"]) == (404, "provider.not_found")
    places = [at.clinic_id, other.json()["id"]]
    both = await at.admin.post("/v1/providers", {"family_name": "Reyes", "clinic_ids": places})
    at.provider_id = both.json()["id"]
    path = f"/v1/providers/{at.provider_id}"
    weekly = {"clinic_id": at.clinic_id, "weekday": 3, "opens": "08:00:00", "closes": "17:00:00"}
    assert (await at.admin.post(f"{path}/schedules", weekly)).status_code == 201
    assert len(await starts(at, "2026-11-04")) == 9
    path = f"{path}/exceptions"
    assert (await at.admin.post(path, {**there, **hours})).status_code == 201
    assert await why(at, "2026-11-04") == ["no_template"]
    found = await at.desk.get(
        "/v1/availability",
        appointment_type_id=at.type_id,
        clinic_id=other.json()["id"],
        since="2026-11-04T00:00:00-05:00",
        until="2026-11-04T23:00:00-05:00",
        grid_minutes=60,
    )
    local = [slot["local_start"] for slot in found.json()["slots"]]
    assert local == ["2026-11-04T10:00:00-05:00", "2026-11-04T11:00:00-05:00"]


async def test_outside_of_the_clinics_hours_is_a_reason_of_its_own(at: Scene) -> None:
    path = f"/v1/clinics/{at.clinic_id}/hours"
    hours = [{"weekday": n, "opens": "10:00:00", "closes": "12:00:00"} for n in range(1, 4)]
    body = {"hours": hours, "holidays": [{"day": "2026-11-11", "name": "Veterans Day"}]}
    done = await at.admin.put(path, body, version=1)
    assert done.status_code == 200, done.text
    assert (await at.desk.get(path)).json() == done.json()
    assert await starts(at, "2026-11-03") == ["10:00", "11:00"]
    assert await why(at, "2026-11-05") == ["clinic_closed"]
    assert await why(at, "2026-11-11") == ["clinic_closed"]
    assert await why(at, "2026-11-07") == ["no_template"]
    assert await refused(at, "2026-11-05T10:00:00-07:00") == "clinic.closed"
    assert await refused(at, "2026-11-07T10:00:00-07:00") == "slot.outside_schedule"
    stale = await at.admin.put(path, body, version=1)
    assert stale.status_code == 412
    twice = {"hours": [], "holidays": [{"day": "2026-11-11", "name": "A"}] * 2}
    wrong = await at.admin.put(path, twice, version=2)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "holiday.twice")
    assert (await at.admin.put(path, {"hours": [], "holidays": []}, version=2)).status_code == 200
    assert len(await starts(at, "2026-11-11")) == 9


async def test_a_clinic_that_asks_for_a_license_books_nobody_without_one(at: Scene) -> None:
    assert len(await starts(at, "2026-11-03")) == 9
    policy = f"/v1/clinics/{at.clinic_id}/credential-policy"
    asked = {"kind": "license", "region": "US-CO"}
    assert (await at.admin.put(policy, asked)).status_code == 200
    assert await why(at, "2026-11-03") == ["no_credential"]
    assert await refused(at, "2026-11-03T10:00:00-07:00") == "provider.no_credential"
    path = f"/v1/providers/{at.provider_id}/credentials"
    held = {"number": "DR.0012345", "effective_from": "2026-11-03"}
    elsewhere = {"kind": "license", "region": "US-UT", **held}
    assert (await at.admin.post(path, elsewhere)).status_code == 201
    assert await why(at, "2026-11-03") == ["no_credential"]
    made = await at.admin.post(path, {**asked, **held})
    assert made.status_code == 201, made.text
    twice = await at.admin.post(path, {**asked, **held})
    assert (twice.status_code, twice.json()["code"]) == (409, "credential.known")
    assert await why(at, "2026-11-02") == ["no_credential"]
    assert len(await starts(at, "2026-11-03")) == 9
    end = f"/v1/credentials/{made.json()['id']}/end"
    assert (await at.admin.post(end, {"last_day": "2026-11-04"})).status_code == 200
    assert len(await starts(at, "2026-11-04")) == 9
    assert await why(at, "2026-11-05") == ["no_credential"]
    body: dict[str, Any] = {"kind": None, "region": None}
    assert (await at.admin.put(policy, body)).status_code == 200
    assert len(await starts(at, "2026-11-05")) == 9
