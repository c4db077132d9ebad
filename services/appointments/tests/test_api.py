"""Booking through the API, on a real database."""

import asyncio
from uuid import UUID

import pytest

from services.appointments.tests.builders import Scene, scene
from shared.testing.apps import Office
from shared.values.clock import FixedClock
from shared.values.ids import new_id
from shared.web import adapter


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


async def test_a_visit_is_booked_and_read_back(at: Scene) -> None:
    patient = await at.patient()
    answer = await at.desk.post(
        "/v1/appointments", at.booking(patient, "2026-11-03T09:00:00-07:00")
    )
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["local_start"] == "2026-11-03T09:00:00-07:00"
    assert made["ends_at"] == "2026-11-03T16:40:00Z"
    read = await at.desk.get(answer.headers["location"])
    assert read.json() == made
    assert read.headers["etag"] == '"1"'


async def test_two_at_once_for_one_slot_leave_one_booking(at: Scene) -> None:
    patients = [await at.patient() for _ in range(8)]
    answers = await asyncio.gather(
        *(
            at.desk.post("/v1/appointments", at.booking(p, "2026-11-03T10:00:00-07:00"))
            for p in patients
        )
    )
    assert sorted(a.status_code for a in answers) == [201] + [409] * 7
    refused = next(a for a in answers if a.status_code == 409).json()
    assert refused["code"] == "slot.taken"


async def test_a_conflict_offers_times_nearby(at: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    # On a busy machine twenty milliseconds pass before anything is read.
    monkeypatch.setattr(adapter, "ENRICH_SECONDS", 5.0)
    first, second = await at.patient(), await at.patient()
    body = at.booking(first, "2026-11-03T10:00:00-07:00")
    assert (await at.desk.post("/v1/appointments", body)).status_code == 201
    refused = await at.desk.post(
        "/v1/appointments", at.booking(second, "2026-11-03T10:00:00-07:00")
    )
    assert refused.status_code == 409
    assert 1 <= len(refused.json()["alternatives"]) <= 3


async def test_the_same_key_gives_the_same_reply(at: Scene) -> None:
    patient = await at.patient()
    body = at.booking(patient, "2026-11-03T11:00:00-07:00")
    first = await at.desk.post("/v1/appointments", body, key="once")
    again = await at.desk.post("/v1/appointments", dict(reversed(body.items())), key="once")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert again.headers["idempotency-replayed"] == "true"
    other = await at.desk.post("/v1/appointments", {**body, "walk_in": True}, key="once")
    assert other.status_code == 422
    assert other.json()["code"] == "idempotency.other_request"


async def test_a_move_keeps_the_visit_and_frees_its_time(at: Scene) -> None:
    patient = await at.patient()
    made = (
        await at.desk.post("/v1/appointments", at.booking(patient, "2026-11-03T13:00:00-07:00"))
    ).json()
    path = f"/v1/appointments/{made['id']}"
    wish = {"starts_at": "2026-11-03T13:20:00-07:00", "reason": "patient_request"}
    moved = await at.desk.post(f"{path}/reschedule", wish, version=1)
    assert moved.status_code == 200, moved.text
    assert (moved.json()["version"], moved.json()["moves"]) == (2, 1)
    stale = await at.desk.post(f"{path}/reschedule", wish, version=1)
    assert stale.status_code == 412
    missing = await at.desk.post(f"{path}/reschedule", wish)
    assert missing.status_code == 428
    lineage = (await at.desk.get(f"{path}/moves")).json()["items"]
    assert [m["from_starts_at"] for m in lineage] == ["2026-11-03T20:00:00Z"]


async def test_a_cancelled_visit_gives_its_time_back(at: Scene) -> None:
    first, second = await at.patient(), await at.patient()
    body = at.booking(first, "2026-11-03T14:00:00-07:00")
    made = (await at.desk.post("/v1/appointments", body)).json()
    path = f"/v1/appointments/{made['id']}/cancel"
    done = await at.desk.post(path, {"reason": "patient_request"}, version=1)
    assert (done.status_code, done.json()["lifecycle"]) == (200, "cancelled")
    again = await at.desk.post("/v1/appointments", at.booking(second, "2026-11-03T14:00:00-07:00"))
    assert again.status_code == 201


@pytest.mark.parametrize(
    ("starts_at", "code"),
    [
        ("2026-11-03T09:00:00", "time.naive"),
        ("2027-03-14T02:30:00-07:00", "time.nonexistent"),
        ("2027-11-07T01:30:00", "time.ambiguous"),
        ("2026-11-03T09:00:00-05:00", "time.offset"),
    ],
)
async def test_a_time_that_the_clinic_has_not_is_refused(
    at: Scene, starts_at: str, code: str
) -> None:
    patient = await at.patient()
    refused = await at.desk.post("/v1/appointments", at.booking(patient, starts_at))
    assert (refused.status_code, refused.json()["code"]) == (422, code)


async def test_another_network_sees_nothing(at: Scene, clinic_office: Office) -> None:
    patient = await at.patient()
    body = at.booking(patient, "2026-11-03T09:00:00-07:00")
    made = (await at.desk.post("/v1/appointments", body)).json()
    stranger = clinic_office.desk("appointments", new_id(), "front_desk")
    assert (await stranger.get(f"/v1/appointments/{made['id']}")).status_code == 404


async def test_slots_are_found(at: Scene) -> None:
    found = await at.desk.get(
        "/v1/availability",
        appointment_type_id=at.type_id,
        clinic_id=at.clinic_id,
        since="2026-11-03T07:00:00-07:00",
        until="2026-11-03T18:00:00-07:00",
    )
    assert found.status_code == 200, found.text
    assert found.json()["slots"][0]["local_start"] == "2026-11-03T08:00:00-07:00"
