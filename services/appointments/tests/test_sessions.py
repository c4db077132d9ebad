"""Group sessions through the API, on a real database."""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.appointments.tests.builders import Scene, scene
from services.appointments.tests.counting import count, overlaps, rows
from shared.testing.apps import Office
from shared.values.clock import FixedClock

TEN, TWO = "2026-11-03T10:00:00-07:00", "2026-11-03T14:00:00-07:00"


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


async def opened(at: Scene, seats: int = 3, **more: Any) -> dict[str, Any]:
    body = {
        "clinic_id": at.clinic_id,
        "provider_id": at.provider_id,
        "appointment_type_id": at.type_id,
        "starts_at": TEN,
        "ends_at": "2026-11-03T11:30:00-07:00",
        "seats": seats,
        **more,
    }
    answer = await at.desk.post("/v1/sessions", body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def seat(at: Scene, session: dict[str, Any], patient: UUID, **more: Any) -> Any:
    path = f"/v1/sessions/{session['id']}/seats"
    return await at.desk.post(path, {"patient_id": str(patient), **more})


async def types_said(at: Scene, aggregate: str) -> list[str]:
    text = "SELECT type FROM outbox WHERE subject LIKE $1 ORDER BY xid, id"
    found = [row["type"] for row in await rows(at, text, f"{aggregate}/%")]
    return [name.removeprefix("clinicbus.appointments.").removesuffix(".v1") for name in found]


async def test_a_session_takes_its_provider_once_and_as_many_patients_as_it_has_seats(
    at: Scene,
) -> None:
    session = await opened(at)
    patients = [await at.patient() for _ in range(9)]
    answers = await asyncio.gather(*(seat(at, session, p) for p in patients))
    assert sorted(a.status_code for a in answers) == [201] * 3 + [409] * 6
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"session.full"}
    assert sorted(a.json()["seat"] for a in answers if a.status_code == 201) == [1, 2, 3]
    seen = (await at.desk.get(f"/v1/sessions/{session['id']}")).json()
    assert (seen["seats_free"], len(seen["taken"])) == (0, 3)
    assert await overlaps(at) == 0
    own = await at.desk.post("/v1/appointments", at.booking(await at.patient(), TEN))
    assert (own.status_code, own.json()["code"]) == (409, "slot.taken")


async def test_each_seat_is_a_visit_of_its_own(at: Scene) -> None:
    session = await opened(at, seats=2)
    first, second, third = [await at.patient() for _ in range(3)]
    mine = (await seat(at, session, first)).json()
    await seat(at, session, second)
    path = f"/v1/appointments/{mine['id']}"
    assert (await at.desk.post(f"{path}/confirm")).json()["confirmation"] == "confirmed"
    assert (await seat(at, session, first)).json()["code"] == "session.patient_there"
    wish = {"starts_at": TWO, "reason": "patient_request"}
    version = 2
    alone = await at.desk.post(f"{path}/reschedule", wish, version=version)
    assert (alone.status_code, alone.json()["code"]) == (409, "session.moves_as_a_whole")
    gone = await at.desk.post(f"{path}/cancel", {"reason": "patient_ill"}, version=version)
    assert (gone.status_code, gone.json()["keeps_time"]) == (200, False)
    assert (await seat(at, session, third)).json()["seat"] == mine["seat"]
    # The provider's time is the session's, and nobody was told that it is free.
    assert "slot.released" not in await types_said(at, "appointment")
    assert await count(at, "SELECT count(*) FROM occupancies WHERE active") == 5


async def test_a_session_that_is_called_off_calls_off_every_seat(at: Scene) -> None:
    session = await opened(at)
    for _ in range(3):
        await seat(at, session, await at.patient())
    path = f"/v1/sessions/{session['id']}"
    why = {"reason": "provider_unavailable"}
    off = await at.desk.post(f"{path}/cancel", why, version=1)
    assert off.status_code == 200, off.text
    assert (off.json()["state"], off.json()["taken"]) == ("cancelled", [])
    reasons = "SELECT DISTINCT cancel_reason, lifecycle FROM appointments"
    assert [tuple(r) for r in await rows(at, reasons)] == [("provider_unavailable", "cancelled")]
    assert await count(at, "SELECT count(*) FROM occupancies WHERE active") == 0
    assert (await types_said(at, "appointment")).count("appointment.cancelled") == 3
    assert await types_said(at, "session") == ["session.opened", "session.cancelled"]
    assert (await at.desk.post(f"{path}/cancel", why, version=2)).status_code == 200
    late = await seat(at, session, await at.patient())
    assert (late.status_code, late.json()["code"]) == (409, "session.cancelled")


async def test_a_session_moves_with_every_seat_or_not_at_all(at: Scene) -> None:
    session = await opened(at)
    patients = [await at.patient() for _ in range(3)]
    for patient in patients:
        await seat(at, session, patient)
    other = await at.admin.post(
        "/v1/providers", {"family_name": "Baker", "clinic_ids": [at.clinic_id]}
    )
    hours = {"clinic_id": at.clinic_id, "weekday": 2, "opens": "08:00:00", "closes": "17:00:00"}
    await at.admin.post(f"/v1/providers/{other.json()['id']}/schedules", hours)
    elsewhere = at.booking(patients[1], TWO, provider_id=other.json()["id"])
    visit = (await at.desk.post("/v1/appointments", elsewhere)).json()
    path = f"/v1/sessions/{session['id']}"
    before = await rows(at, "SELECT * FROM occupancies ORDER BY id")
    wish = {"starts_at": TWO, "reason": "clinic_request"}
    refused = await at.desk.post(f"{path}/move", wish, version=1)
    assert (refused.status_code, refused.json()["code"]) == (409, "patient.overlap")
    assert await rows(at, "SELECT * FROM occupancies ORDER BY id") == before
    cancel = f"/v1/appointments/{visit['id']}/cancel"
    await at.desk.post(cancel, {"reason": "patient_request"}, version=1)
    # Onto a time that overlaps its own: what moves does not stand in its way (S36).
    for number, start in ((1, "2026-11-03T10:30:00-07:00"), (2, TWO)):
        moved = await at.desk.post(f"{path}/move", {**wish, "starts_at": start}, version=number)
        assert moved.status_code == 200, moved.text
        assert (moved.json()["moves"], moved.json()["local_start"]) == (number, start)
    starts = "SELECT DISTINCT starts_at, ends_at, moves FROM appointments WHERE seat IS NOT NULL"
    assert len(await rows(at, starts)) == 1
    assert await overlaps(at) == 0
    assert (await types_said(at, "appointment")).count("appointment.rescheduled") == 6
    assert (await at.desk.post("/v1/appointments", at.booking(patients[0], TEN))).status_code == 201


async def test_lesson_the_constraint_alone_gives_no_seat_twice_and_none_beyond(
    at: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the rule blinded Postgres is left."""
    session = await opened(at, seats=1)
    assert (await seat(at, session, await at.patient())).status_code == 201
    monkeypatch.setattr("services.appointments.domain.occupancy.Calendar._taken", lambda *_: False)
    again = await seat(at, session, await at.patient())
    assert (again.status_code, again.json()["code"]) == (409, "slot.taken")
    beyond = (
        "INSERT INTO occupancies (id, network_id, resource_kind, resource_id, lane, starts_at,"
        " ends_at, active, seat_of, seats) SELECT gen_random_uuid(), network_id, 'session', id, 2,"
        " starts_at, ends_at, true, id, $1 FROM sessions WHERE seats = 1 RETURNING 1"
    )
    with pytest.raises(asyncpg.CheckViolationError):
        await rows(at, beyond, 1)
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await rows(at, beyond, 2)


async def test_a_day_lists_its_sessions_and_a_patient_takes_their_own_seat(
    at: Scene, clinic_office: Office
) -> None:
    session = await opened(at)
    day = {"clinic_id": at.clinic_id, "day": "2026-11-03"}
    listed = (await at.desk.get("/v1/sessions", **day)).json()["items"]
    assert [item["id"] for item in listed] == [session["id"]]
    patient, other = await at.patient(), await at.patient()
    mine = clinic_office.desk("appointments", at.network_id, "portal", patient=str(patient))
    path = f"/v1/sessions/{session['id']}"
    assert (await mine.post(f"{path}/seats", {"patient_id": str(other)})).status_code == 404
    lifted = {"patient_id": str(patient), "overlap_reason": "I want it"}
    assert (await mine.post(f"{path}/seats", lifted)).status_code == 403
    assert (await mine.post(f"{path}/seats", {"patient_id": str(patient)})).status_code == 201
    assert (await mine.get(path)).status_code == 403
