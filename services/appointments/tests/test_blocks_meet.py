"""Blocks and bounds where they meet sessions, several providers, kept time and rules."""

from typing import Any

import pytest

from services.appointments.tests.builders import Scene, scene
from services.appointments.tests.counting import rows
from services.appointments.tests.test_blocks import Body, block, booked, colleague, made, time
from services.appointments.tests.test_feeds import events, feed
from shared.testing.apps import Office
from shared.values.clock import FixedClock


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: Any, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


async def told(answer: Any, status: int = 200) -> Body:
    assert answer.status_code == status, answer.text
    found: Body = answer.json()
    return found


async def opened(at: Scene, start: str) -> Body:
    wish = at.booking("", time(start), seats=3)
    del wish["patient_id"]
    return await told(await at.desk.post("/v1/sessions", wish), 201)


async def both_in(at: Scene) -> tuple[str, str]:
    """A kind of visit that two providers see together, and the second of them."""
    kind = {
        "name": "Together", "minutes_new": 40, "minutes_known": 20, "providers": 2,
        "service_code_new": "V-NEW", "service_code_known": "V-EST",
    }  # fmt: skip
    made = await told(await at.admin.post("/v1/appointment-types", kind), 201)
    return str(made["id"]), await colleague(at)


async def test_a_session_is_in_the_way_with_its_seats_and_without(at: Scene) -> None:
    session = await opened(at, "10:00")
    meeting = block(at, "meeting", "09:00", "12:00")
    found = await told(await at.desk.post("/v1/blocks/preview", meeting))
    assert (found["items"], found["session_ids"]) == ([], [session["id"]])
    refused = await told(await at.desk.post("/v1/blocks", meeting), 409)
    assert (refused["code"], refused["sessions"]) == ("block.visits_hit", [session["id"]])
    patient = {"patient_id": str(await at.patient())}
    path = f"/v1/sessions/{session['id']}"
    seat = await told(await at.desk.post(f"{path}/seats", patient), 201)
    refused = await told(await at.desk.post("/v1/blocks", meeting), 409)
    assert refused["visits"] == [seat["id"]]
    kept = await made(at, {**meeting, "on_visits": "propose"})
    (hit,) = kept["visits"]["items"]
    assert (hit["appointment_id"], hit["alternatives"]) == (seat["id"], [])
    moves = {"moves": [{"appointment_id": seat["id"], "starts_at": time("14:00")}]}
    path = f"/v1/blocks/{kept['block']['id']}"
    report = await told(await at.desk.post(f"{path}/rebook", moves))
    (item,) = report["items"]
    assert (item["moved"], item["code"]) == (False, "session.moves_as_a_whole")
    whole = {"starts_at": time("14:00"), "reason": "provider_unavailable"}
    await told(await at.desk.post(f"/v1/sessions/{session['id']}/move", whole, version=1))
    left = await told(await at.desk.get(f"{path}/proposal"))
    assert (left["items"], left["session_ids"]) == ([], [])


async def test_time_that_a_cancelled_visit_keeps_is_no_visit_in_the_way(at: Scene) -> None:
    visit = await booked(at, "10:00")
    why = {"reason": "provider_unavailable", "frees_slot": False}
    path = f"/v1/appointments/{visit['id']}"
    await told(await at.desk.post(f"{path}/cancel", why, version=1))
    kept = await made(at, block(at, "meeting", "09:00", "12:00"))
    assert kept["visits"] == {"items": [], "elsewhere": 0, "session_ids": []}
    await told(await at.desk.post(f"{path}/free-slot"))
    assert await at.said("slot.released") == []
    answer = await at.desk.post("/v1/appointments", at.booking(await at.patient(), time("10:00")))
    assert (await told(answer, 409))["blocked"] is True


async def test_visits_of_several_go_elsewhere_with_whoever_is_free(at: Scene) -> None:
    type_id, other = await both_in(at)
    more: Body = {"appointment_type_id": type_id, "further_provider_ids": [other]}
    visit = await booked(at, "10:00", **more)
    away = {**block(at, "time_off", "08:00", "12:00"), "provider_ids": [other]}
    kept = await made(at, {**away, "on_visits": "propose"})
    (hit,) = kept["visits"]["items"]
    best = hit["alternatives"][0]
    assert best["starts_at"] >= "2026-11-03T19:00:00Z"
    move = {
        "appointment_id": visit["id"],
        "starts_at": best["local_start"],
        "provider_id": best["provider_id"],
        "further_provider_ids": best["further_provider_ids"],
    }
    path = f"/v1/blocks/{kept['block']['id']}/rebook"
    report = await told(await at.desk.post(path, {"moves": [move]}))
    assert report == {
        "items": [{"appointment_id": visit["id"], "moved": True, "code": None}],
        "stay": 0,
    }
    (said,) = await at.said("appointment.rescheduled")
    assert said["reason"] == "provider_unavailable"


async def test_a_colleague_is_no_colleague_outside_of_the_bounds_of_their_hours(
    at: Scene,
) -> None:
    type_id, other = await both_in(at)
    days = {"first_day": "2026-11-03", "last_day": "2026-11-03"}
    await told(await at.admin.post(f"/v1/providers/{other}/exceptions", days), 201)
    asked = {
        "clinic_id": at.clinic_id, "appointment_type_id": type_id,
        "provider_id": at.provider_id, "since": time("00:00"), "until": time("23:00"),
    }  # fmt: skip
    found = await told(await at.desk.get("/v1/availability", **asked))
    reasons = [why["reason"] for why in found["empty"]]
    assert (found["slots"], reasons) == ([], ["colleague_busy"])
    more: Body = {"appointment_type_id": type_id, "further_provider_ids": [other]}
    wish = at.booking(await at.patient(), time("10:00"), **more)
    refused = await told(await at.desk.post("/v1/appointments", wish), 409)
    assert (refused["code"], refused["rule"]) == ("slot.outside_schedule", "colleague_in")


async def test_what_bounds_hours_is_named_and_explained(at: Scene) -> None:
    hours = {
        "hours": [{"weekday": 2, "opens": "12:00:00", "closes": "17:00:00"}],
        "holidays": [],
    }
    await told(await at.admin.put(f"/v1/clinics/{at.clinic_id}/hours", hours, 1))
    policy = {"kind": "license", "region": "US-UT"}
    await told(await at.admin.put(f"/v1/clinics/{at.clinic_id}/credential-policy", policy, 2))
    wish = at.booking(await at.patient(), time("10:00"))
    refused = await told(await at.desk.post("/v1/appointments", wish), 409)
    assert (refused["code"], refused["rule"]) == ("clinic.closed", "clinic_open")
    explained = await told(await at.desk.post("/v1/appointments/explain", wish))
    told_rules = [refusal["rule"] for refusal in explained["refusals"]]
    assert told_rules == ["clinic_open", "provider_entitled"]


async def test_a_feed_has_the_visits_in_which_a_provider_takes_part(at: Scene) -> None:
    type_id, other = await both_in(at)
    more: Body = {"appointment_type_id": type_id, "further_provider_ids": [other]}
    visit = await booked(at, "10:00", **more)
    _, address = await feed(at, provider_id=other)
    assert list(await events(at, address)) == [visit["id"]]


async def test_who_sees_what_is_in_the_way_is_audited_with_all_whom_they_saw(at: Scene) -> None:
    visit = await booked(at, "10:00")
    meeting = block(at, "meeting", "09:00", "12:00")
    await told(await at.desk.post("/v1/blocks/preview", meeting))
    kept = await made(at, {**meeting, "on_visits": "keep"})
    await told(await at.desk.get(f"/v1/blocks/{kept['block']['id']}/proposal"))
    for action in ("preview_block", "create_block", "read_proposal"):
        (row,) = await rows(at, "SELECT patient_ids FROM audit WHERE action = $1", action)
        assert [str(patient) for patient in row["patient_ids"]] == [visit["patient_id"]]
