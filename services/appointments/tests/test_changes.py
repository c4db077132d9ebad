"""Confirm, decline, call off, move: through the API, on a real database."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.appointments.tests.builders import Scene, scene
from services.appointments.tests.counting import count, overlaps, rows
from shared.db import failpoints
from shared.testing.apps import Office
from shared.values.clock import FixedClock

TEN, ELEVEN = "2026-11-03T10:00:00-07:00", "2026-11-03T11:00:00-07:00"
WHERE = "SELECT resource_kind, starts_at FROM occupancies WHERE active ORDER BY 1, 2"


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


async def booked(at: Scene, starts_at: str = TEN, patient: UUID | None = None) -> dict[str, Any]:
    body = at.booking(patient or await at.patient(), starts_at)
    answer = await at.desk.post("/v1/appointments", body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def said_of(at: Scene, visit: dict[str, Any]) -> list[str]:
    text = "SELECT type FROM outbox WHERE key = $1 ORDER BY xid, id"
    found = [row["type"] for row in await rows(at, text, visit["id"])]
    return [t.removeprefix("clinicbus.appointments.").removesuffix(".v1") for t in found]


async def test_a_reply_changes_the_confirmation_and_nothing_else(at: Scene) -> None:
    visit = await booked(at)
    path = f"/v1/appointments/{visit['id']}"
    replies = [("decline", "declined"), ("decline", "declined"), ("confirm", "confirmed")]
    for verb, confirmation in [*replies, ("decline", "declined")]:
        answer = await at.desk.post(f"{path}/{verb}")
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert told["confirmation"] == confirmation
        same = {name for name in told if told[name] != visit[name]}
        assert same == {"confirmation", "version"}
    assert await count(at, "SELECT count(*) FROM occupancies WHERE active") == 2
    words = ["booked", "declined", "confirmed", "declined"]
    assert await said_of(at, visit) == [f"appointment.{word}" for word in words]


async def test_a_cancelled_visit_is_not_declined(at: Scene) -> None:
    visit = await booked(at)
    path = f"/v1/appointments/{visit['id']}"
    await at.desk.post(f"{path}/cancel", {"reason": "patient_request"}, version=1)
    refused = await at.desk.post(f"{path}/decline")
    assert (refused.status_code, refused.json()["code"]) == (409, "lifecycle.illegal_transition")


@pytest.mark.parametrize(
    ("reason", "by", "late", "kept"),
    [
        ("patient_request", "patient", True, False),
        ("patient_ill", "patient", False, False),
        ("provider_unavailable", "provider", False, True),
        ("clinic_closed", "practice", False, True),
        ("booked_in_error", "practice", False, False),
    ],
)
async def test_who_calls_off_and_how_early_is_kept(
    at: Scene, reason: str, by: str, late: bool, kept: bool
) -> None:
    visit = await booked(at)
    path = f"/v1/appointments/{visit['id']}/cancel"
    at.clock.at += timedelta(hours=4)
    done = (await at.desk.post(path, {"reason": reason}, version=1)).json()
    told = (done["cancelled_by"], done["late_cancel"], done["keeps_time"])
    assert told == (by, late, kept)
    # From Monday 12:00 to Tuesday 10:00: within the 24 hours that the clinic asks for.
    assert done["cancel_notice_minutes"] == 22 * 60


async def test_time_that_nobody_can_have_stays_closed_until_it_is_opened(at: Scene) -> None:
    patient = await at.patient()
    visit = await booked(at, patient=patient)
    path = f"/v1/appointments/{visit['id']}"
    why = {"reason": "patient_request", "frees_slot": False}
    done = await at.desk.post(f"{path}/cancel", why, version=1)
    assert done.json()["keeps_time"] is True
    body = at.booking(await at.patient(), TEN)
    refused = await at.desk.post("/v1/appointments", body)
    assert (refused.status_code, refused.json()["code"]) == (409, "slot.taken")
    assert "slot.released" not in await said_of(at, visit)
    # The patient is free: it is the provider's time alone that is kept.
    assert [row["resource_kind"] for row in await rows(at, WHERE)] == ["provider"]
    for _ in range(2):
        opened = await at.desk.post(f"{path}/free-slot")
        assert (opened.status_code, opened.json()["keeps_time"]) == (200, False)
    assert (await said_of(at, visit)).count("slot.released") == 1
    assert (await at.desk.post("/v1/appointments", body)).status_code == 201


async def test_time_that_is_freed_against_the_reason_is_booked_again_s37(at: Scene) -> None:
    visit = await booked(at)
    why = {"reason": "provider_unavailable", "frees_slot": True}
    done = await at.desk.post(f"/v1/appointments/{visit['id']}/cancel", why, version=1)
    assert done.json()["keeps_time"] is False
    assert (await said_of(at, visit))[-1] == "slot.released"
    assert (await booked(at))["starts_at"] == visit["starts_at"]


@pytest.mark.parametrize(
    "why",
    [
        {"reason": "clinic_closed"},
        {"reason": "booked_in_error"},
        {"reason": "patient_deceased"},
        {"reason": "patient_request", "frees_slot": False},
    ],
    ids=lambda why: "-".join(map(str, why.values())),
)
async def test_a_patient_gives_no_reason_that_waives_their_notice(
    at: Scene, clinic_office: Office, why: dict[str, Any]
) -> None:
    patient = await at.patient()
    visit = await booked(at, patient=patient)
    mine = clinic_office.desk("appointments", at.network_id, "portal", patient=str(patient))
    path = f"/v1/appointments/{visit['id']}/cancel"
    refused = await mine.post(path, why, version=1)
    assert (refused.status_code, refused.json()["code"]) == (403, "cancel.for_the_desk")
    assert (await mine.post(path, {"reason": "transport"}, version=1)).status_code == 200


@pytest.mark.parametrize("where", ["route.before_command", "route.after_command"])
async def test_a_move_that_fails_leaves_the_visit_where_it_was(at: Scene, where: str) -> None:
    visit = await booked(at)
    path = f"/v1/appointments/{visit['id']}"
    wish = {"starts_at": ELEVEN, "reason": "patient_request"}
    before = await rows(at, WHERE)
    failpoints.arm(f"{where}:raise")
    try:
        broken = await at.desk.post(f"{path}/reschedule", wish, version=1)
    finally:
        failpoints.arm("")
    assert broken.status_code == 500
    assert (await at.desk.get(path)).json() == visit
    assert await rows(at, WHERE) == before
    assert (await at.desk.get(f"{path}/moves")).json()["items"] == []
    assert await said_of(at, visit) == ["appointment.booked"]
    refused = await at.desk.post("/v1/appointments", at.booking(await at.patient(), TEN))
    assert refused.status_code == 409
    moved = await at.desk.post(f"{path}/reschedule", wish, version=1)
    assert (moved.status_code, moved.json()["moves"]) == (200, 1)


async def test_a_move_that_only_the_constraint_refuses_leaves_the_visit_where_it_was(
    at: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rule is blinded: what is left is Postgres, after the old time was freed."""
    visit, other = await booked(at), await booked(at, ELEVEN)
    path = f"/v1/appointments/{visit['id']}"
    before = await rows(at, WHERE)
    monkeypatch.setattr("services.appointments.domain.occupancy.Calendar._taken", lambda *_: False)
    wish = {"starts_at": ELEVEN, "reason": "patient_request"}
    refused = await at.desk.post(f"{path}/reschedule", wish, version=1)
    assert (refused.status_code, refused.json()["code"]) == (409, "slot.taken")
    assert (await at.desk.get(path)).json() == visit
    assert await rows(at, WHERE) == before
    assert other["starts_at"] != visit["starts_at"]
    assert await overlaps(at) == 0
