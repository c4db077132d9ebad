"""Visitors who are no patients: who was in the building, when, and with which badge."""

import asyncio
from uuid import UUID

import pytest

from services.appointments.tests.day import Day, day_at, refused, told
from shared.testing.apps import Office
from shared.values.clock import FixedClock

GUEST = {"name": "Ines Duarte", "purpose": "Inspection", "visits": "Facilities", "badge": "V-1"}


@pytest.fixture
async def day(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Day:
    return await day_at(environment, clinic_office, network_id, clock)


@pytest.mark.rule("45 CFR 164.310(a)(2)(iii)")
async def test_a_visitor_is_let_in_and_out_and_stays_in_the_log(day: Day) -> None:
    path = f"/v1/clinics/{day.scene.clinic_id}/visitors"
    made = told(await day.desk.post(path, GUEST), 201)
    assert (made["came_at"], made["left_at"]) == ("2026-11-02T15:00:00Z", None)
    day.at("09:30")
    leave = f"/v1/visitors/{made['id']}/leave"
    gone = told(await day.desk.post(leave))
    day.at("10:00")
    assert told(await day.desk.post(leave)) == gone
    assert gone["left_at"] == "2026-11-02T16:30:00Z"
    auditor = day.office.desk("appointments", day.scene.network_id, "auditor")
    log = told(await auditor.get(path, day="2026-11-02"))["items"]
    assert [(v["name"], v["badge"]) for v in log] == [("Ines Duarte", "V-1")]
    assert {log[0]["let_in_by"], log[0]["let_out_by"]} == {made["let_in_by"]}
    assert told(await auditor.get(path, day="2026-11-03"))["items"] == []
    refused(await auditor.post(path, GUEST), 403, "permission.missing")


async def test_a_badge_is_worn_by_one(day: Day) -> None:
    path = f"/v1/clinics/{day.scene.clinic_id}/visitors"
    answers = await asyncio.gather(*(day.desk.post(path, GUEST) for _ in range(4)))
    assert sorted(a.status_code for a in answers) == [201, 409, 409, 409]
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"visitor.badge_taken"}
    first = next(a for a in answers if a.status_code == 201).json()
    told(await day.desk.post(f"/v1/visitors/{first['id']}/leave"))
    told(await day.desk.post(path, GUEST), 201)


async def test_the_log_is_read_page_by_page(day: Day) -> None:
    path = f"/v1/clinics/{day.scene.clinic_id}/visitors"
    for number in range(5):
        told(await day.desk.post(path, {**GUEST, "badge": f"V-{number}"}), 201)
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = told(await day.desk.get(path, limit="2", **cursor))
        seen += [item["badge"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert sorted(seen) == [f"V-{number}" for number in range(5)]
