"""Several resources in one booking: all of them or none, through the API on a real database."""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from services.appointments.tests.builders import Scene, scene
from services.appointments.tests.counting import count, overlaps, rows
from shared.testing.apps import Desk, Office
from shared.values.clock import FixedClock

TEN, ELEVEN, NOON = (f"2026-11-03T{hour}:00:00-07:00" for hour in (10, 11, 12))


async def entered(desk: Desk, path: str, body: dict[str, Any]) -> str:
    answer = await desk.post(path, body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


@dataclass(slots=True)
class Lab:
    """A scene with a colleague, a laboratory, two scanners and a type that needs all of it."""

    at: Scene
    colleague_id: str
    room_id: str
    scanner_id: str
    type_id: str

    def body(self, patient: UUID, starts_at: str, **more: Any) -> dict[str, Any]:
        wish = self.at.booking(patient, starts_at, appointment_type_id=self.type_id)
        return {**wish, "further_provider_ids": [self.colleague_id], **more}

    async def book(self, starts_at: str, **more: Any) -> Any:
        body = self.body(await self.at.patient(visits=1), starts_at, **more)
        return await self.at.desk.post("/v1/appointments", body)


async def with_lab(at: Scene) -> Lab:
    colleague = await entered(
        at.admin, "/v1/providers", {"family_name": "Baker", "clinic_ids": [at.clinic_id]}
    )
    for weekday in range(1, 6):
        hours = {"clinic_id": at.clinic_id, "weekday": weekday}
        path = f"/v1/providers/{colleague}/schedules"
        await entered(at.admin, path, {**hours, "opens": "08:00:00", "closes": "12:00:00"})
    place = {"clinic_id": at.clinic_id}
    await entered(at.admin, "/v1/rooms", {**place, "name": "Exam", "kind": "exam"})
    room = await entered(at.admin, "/v1/rooms", {**place, "name": "Lab", "kind": "lab"})
    scanner = {**place, "kind": "scanner", "name": "Scanner", "capacity": 2}
    scanner_id = await entered(at.admin, "/v1/equipment", scanner)
    kind = {
        "name": "Guided biopsy",
        "minutes_new": 40,
        "minutes_known": 20,
        "needs_room": True,
        "room_kind": "lab",
        "equipment": {"scanner": 2},
        "providers": 2,
        "service_code_new": "V-NEW",
        "service_code_known": "V-EST",
    }
    type_id = await entered(at.admin, "/v1/appointment-types", kind)
    return Lab(at, colleague, room, scanner_id, type_id)


@pytest.fixture
async def lab(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Lab:
    return await with_lab(await scene(environment, clinic_office, network_id, clock))


async def test_one_booking_takes_all_and_a_cancellation_frees_all(lab: Lab) -> None:
    answer = await lab.book(TEN)
    assert answer.status_code == 201, answer.text
    visit = answer.json()
    assert visit["room_id"] == lab.room_id
    assert visit["equipment_ids"] == [lab.scanner_id]
    assert visit["further_provider_ids"] == [lab.colleague_id]
    kinds = "SELECT resource_kind, lane FROM occupancies WHERE active ORDER BY 1, 2"
    assert [tuple(row) for row in await rows(lab.at, kinds)] == [
        ("equipment", 1), ("equipment", 2), ("patient", 1),
        ("provider", 1), ("provider", 1), ("room", 1),
    ]  # fmt: skip
    path = f"/v1/appointments/{visit['id']}/cancel"
    await lab.at.desk.post(path, {"reason": "patient_request"}, version=1)
    assert await count(lab.at, "SELECT count(*) FROM occupancies WHERE active") == 0


async def test_a_colleague_elsewhere_refuses_all_of_it(lab: Lab) -> None:
    own = lab.at.booking(await lab.at.patient(), TEN, provider_id=lab.colleague_id)
    assert (await lab.at.desk.post("/v1/appointments", own)).status_code == 201
    refused = await lab.book(TEN)
    assert (refused.status_code, refused.json()["code"]) == (409, "slot.taken")
    assert refused.json()["provider_id"] == lab.colleague_id
    assert await count(lab.at, "SELECT count(*) FROM occupancies WHERE active") == 2
    late = await lab.book("2026-11-03T14:00:00-07:00")
    assert (late.status_code, late.json()["code"]) == (409, "slot.outside_schedule")


async def test_equipment_that_is_taken_is_named_s32(lab: Lab) -> None:
    kind = {
        "name": "Scan",
        "minutes_new": 20,
        "minutes_known": 20,
        "equipment": {"scanner": 1},
        "service_code_new": "V-NEW",
        "service_code_known": "V-EST",
    }
    scan = await entered(lab.at.admin, "/v1/appointment-types", kind)
    third = await entered(
        lab.at.admin,
        "/v1/providers",
        {"family_name": "Cho", "clinic_ids": [lab.at.clinic_id], "capacity": 3},
    )
    hours = {"clinic_id": lab.at.clinic_id, "weekday": 2, "opens": "08:00:00", "closes": "12:00:00"}
    await entered(lab.at.admin, f"/v1/providers/{third}/schedules", hours)
    more = {"appointment_type_id": scan, "provider_id": third, "further_provider_ids": []}
    assert (await lab.book(TEN, **more)).status_code == 201
    refused = await lab.book(TEN)
    assert (refused.status_code, refused.json()["code"]) == (409, "slot.taken")
    told = refused.json()
    assert (told["resource"], told["of_kind"]) == ("equipment", "scanner")
    # The other unit is free: capacity is lanes.
    assert (await lab.book(TEN, **more)).status_code == 201
    assert (await lab.book(TEN, **more)).json()["resource"] == "equipment"


async def test_what_is_out_of_service_is_not_booked_and_names_the_visits_hit(lab: Lab) -> None:
    visit = (await lab.book(TEN)).json()["id"]
    path = f"/v1/equipment/{lab.scanner_id}/out-of-service"
    out = await lab.at.admin.post(path, {"since": "2026-11-03", "until": "2026-11-03"})
    assert out.status_code == 200, out.text
    assert out.json()["visits_hit"] == [visit]
    assert (await lab.book(ELEVEN)).json()["of_kind"] == "scanner"
    assert (await lab.book("2026-11-04T11:00:00-07:00")).status_code == 201
    back = await lab.at.admin.post(path, {"since": None})
    assert back.json()["visits_hit"] == []
    assert (await lab.book(ELEVEN)).status_code == 201
    wrong = await lab.at.admin.post(path, {"since": "2026-11-03", "until": "2026-11-02"})
    assert wrong.json()["code"] == "equipment.out_of_service"
    listed = await lab.at.desk.get("/v1/equipment", clinic_id=lab.at.clinic_id)
    assert [item["id"] for item in listed.json()["items"]] == [lab.scanner_id]


async def test_a_move_keeps_the_colleague_and_takes_all_anew_s36(lab: Lab) -> None:
    visit = (await lab.book(TEN)).json()
    path = f"/v1/appointments/{visit['id']}/reschedule"
    wish = {"starts_at": "2026-11-03T10:10:00-07:00", "reason": "clinic_request"}
    moved = await lab.at.desk.post(path, wish, version=1)
    assert moved.status_code == 200, moved.text
    assert moved.json()["further_provider_ids"] == [lab.colleague_id]
    assert await count(lab.at, "SELECT count(*) FROM occupancies WHERE active") == 6


async def test_a_hold_of_several_becomes_a_visit_of_several(lab: Lab) -> None:
    patient = await lab.at.patient()
    hold = await lab.at.desk.post("/v1/holds", lab.body(patient, TEN))
    assert hold.status_code == 201, hold.text
    body = lab.body(patient, TEN, hold_id=hold.json()["id"])
    del body["further_provider_ids"]
    booked = await lab.at.desk.post("/v1/appointments", body)
    assert booked.status_code == 201, booked.text
    assert booked.json()["further_provider_ids"] == [lab.colleague_id]


async def test_availability_offers_who_can_join(lab: Lab) -> None:
    await lab.book(TEN)
    found = await lab.at.desk.get(
        "/v1/availability",
        appointment_type_id=lab.type_id,
        clinic_id=lab.at.clinic_id,
        provider_id=[lab.at.provider_id, lab.colleague_id],
        since="2026-11-03T09:40:00-07:00",
        until="2026-11-03T15:00:00-07:00",
        known_patient="true",
        grid_minutes="20",
    )
    slots = found.json()["slots"]
    mine = [s for s in slots if s["provider_id"] == lab.at.provider_id]
    assert {tuple(s["further_provider_ids"]) for s in mine} == {(lab.colleague_id,)}
    times = [s["local_start"][11:16] for s in mine]
    assert times == ["09:40", "10:20", "10:40", "11:00", "11:20", "11:40"]


async def test_many_race_for_what_they_share_in_any_order(lab: Lab) -> None:
    """Each provider is the first of some bookings and the second of others: nobody deadlocks."""
    pair = (lab.at.provider_id, lab.colleague_id)
    bodies = []
    for number in range(24):
        first, second = pair if number % 2 else pair[::-1]
        start = f"2026-11-03T{9 + number % 3:02d}:{number % 2 * 10:02d}:00-07:00"
        patient = await lab.at.patient(visits=1)
        more = {"provider_id": first, "further_provider_ids": [second]}
        bodies.append(lab.body(patient, start, **more))
    answers = await asyncio.gather(*(lab.at.desk.post("/v1/appointments", body) for body in bodies))
    statuses = [a.status_code for a in answers]
    assert set(statuses) <= {201, 409}, [a.text for a in answers]
    assert statuses.count(201) == 3
    assert await overlaps(lab.at) == 0
    assert await count(lab.at, "SELECT count(*) FROM occupancies WHERE active") == 18
