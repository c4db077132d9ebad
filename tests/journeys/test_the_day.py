"""A day at the clinic, told over all services: two patients, two rooms, one that comes late."""

import pytest

from tests.journeys.clinic import Clinic, denver, told
from tests.journeys.house import House
from tests.journeys.trail import trail

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVERYBODY = ("patients", "eligibility", "payments", "documents")


async def expected(clinic: Clinic, family: str, hour: int, minute: int = 0) -> tuple[str, str]:
    """A patient of whom nothing is open, and their visit on Thursday."""
    clinic.house.clock.at = denver(2, 9)
    patient = await clinic.register(family)
    await clinic.house.settled(clinic.network_id)
    await clinic.cover(patient, "ACT100200")
    visit = (await clinic.book(patient, denver(5, hour, minute)))["id"]
    await clinic.verify(patient)
    await clinic.consent(patient)
    await clinic.house.settled(clinic.network_id)
    return patient, visit


async def does(clinic: Clinic, who: str, visit: str, verb: str, **body: str) -> dict[str, object]:
    """Somebody does something with a visit."""
    path = f"/v1/appointments/{visit}/{verb}"
    return await clinic.does(who, "appointments", path, body or None)


async def test_two_patients_go_through_their_day(house: House) -> None:
    clinic = await Clinic(house).open()
    rooms = []
    for name in ("Room 1", "Room 2"):
        body = {"clinic_id": clinic.clinic_id, "name": name}
        rooms.append((await clinic.does("ada", "appointments", "/v1/rooms", body))["id"])
    first_patient, first = await expected(clinic, "Nakamura", 10)
    _, second = await expected(clinic, "Olsson", 10, 40)
    house.clock.at = denver(4, 10, 40)
    await house.settled(clinic.network_id)

    # A day before, nothing is open but a word of the patient's.
    readiness = await clinic.sees("noor", "appointments", f"/v1/appointments/{first}/readiness")
    still_open = [item["code"] for item in readiness["items"] if item["state"] == "open"]
    assert (still_open, readiness["score"]) == (["confirmation"], 85)
    await does(clinic, "dana", first, "confirm")
    readiness = await clinic.sees("noor", "appointments", f"/v1/appointments/{first}/readiness")
    assert readiness["score"] == 100

    house.clock.at = denver(5, 9, 50)
    await does(clinic, "dana", first, "arrive")
    await clinic.does("dana", "appointments", f"/v1/appointments/{first}/check-in", {})
    house.clock.at = denver(5, 9, 55)
    await does(clinic, "dana", second, "arrive")
    waiting = f"/v1/clinics/{clinic.clinic_id}/waiting-room"
    queue = (await clinic.sees("noor", "appointments", waiting))["items"]
    assert [(item["appointment_id"], item["call_code"]) for item in queue] == [
        (first, "A01"),
        (second, "A02"),
    ]
    # Who is not checked in is not taken to a room.
    nurse = clinic.person("noor", "appointments")
    path, room = f"/v1/appointments/{second}/room", {"room_id": rooms[0]}
    assert told(await nurse.post(path, room), 409)["code"] == "lifecycle.illegal_transition"

    house.clock.at = denver(5, 10, 2)
    await does(clinic, "noor", first, "room", room_id=rooms[0])
    await does(clinic, "noor", first, "with-nurse")
    display = await clinic.sees("dana", "appointments", f"/v1/clinics/{clinic.clinic_id}/display")
    assert display["calls"] == [
        {"code": "A01", "state": "called", "room": "Room 1"},
        {"code": "A02", "state": "waiting", "room": None},
    ]
    house.clock.at = denver(5, 10, 10)
    await does(clinic, "noor", first, "with-provider")
    house.clock.at = denver(5, 10, 35)
    await does(clinic, "noor", first, "ready")
    await does(clinic, "dana", first, "check-out")

    # The room that was left is dirty; the second waits too long, and goes to the other.
    await clinic.does("dana", "appointments", f"/v1/appointments/{second}/check-in", {})
    assert told(await nurse.post(path, room), 409)["code"] == "room.to_be_cleaned"
    house.clock.at = denver(5, 10, 55)
    await house.settled(clinic.network_id)
    await does(clinic, "noor", second, "room", room_id=rooms[1])
    await clinic.does("noor", "appointments", f"/v1/rooms/{rooms[0]}/clean")
    await does(clinic, "noor", second, "change-room", room_id=rooms[0])
    await does(clinic, "dana", second, "check-out")
    await house.settled(clinic.network_id)

    ours = [step for step in await trail(clinic, first) if step[1] == "appointments"]
    assert ours == [
        ("Mon 09:00", "appointments", "appointment.booked", "person/dana"),
        ("Wed 10:40", "appointments", "appointment.confirmed", "person/dana"),
        ("Thu 09:50", "appointments", "patient.arrived", "person/dana"),
        ("Thu 09:50", "appointments", "patient.checked_in", "person/dana"),
        ("Thu 10:02", "appointments", "visit.stage_reached", "person/noor"),
        ("Thu 10:02", "appointments", "visit.stage_reached", "person/noor"),
        ("Thu 10:10", "appointments", "visit.stage_reached", "person/noor"),
        ("Thu 10:35", "appointments", "visit.stage_reached", "person/noor"),
        ("Thu 10:35", "appointments", "visit.checked_out", "person/dana"),
    ]
    alarms = [step for step in await trail(clinic, second) if "too_long" in step[2]]
    assert alarms == [
        ("Thu 10:55", "appointments", "queue.entry_waiting_too_long", "timer/waiting_too_long")
    ]
    assert (await clinic.heard_states(first))["payments"] == "checked_out"
    seen = await clinic.sees("dana", "patients", f"/v1/patients/{first_patient}")
    assert seen["last_visit"] is not None


async def test_who_comes_late_is_expected_by_everybody_again(house: House) -> None:
    clinic = await Clinic(house).open()
    _, visit = await expected(clinic, "Petrov", 10)
    house.clock.at = denver(4, 10)
    await house.settled(clinic.network_id)
    packet = f"/v1/visits/{visit}/chart-packet"
    assert (await clinic.sees("noor", "documents", packet))["state"] == "ready"
    house.clock.at = denver(5, 10, 30)
    await house.settled(clinic.network_id)
    assert set((await clinic.heard_states(visit)).values()) == {"no_show"}
    assert (await clinic.sees("noor", "documents", packet))["state"] == "withdrawn"

    house.clock.at = denver(5, 11, 10)
    await does(clinic, "dana", visit, "came-late")
    await house.settled(clinic.network_id)
    assert await clinic.heard_states(visit) == dict.fromkeys(EVERYBODY, "booked")
    assert (await clinic.sees("noor", "documents", packet))["state"] == "ready"
    await clinic.does("dana", "appointments", f"/v1/appointments/{visit}/check-in", {})
    await does(clinic, "dana", visit, "check-out")
    await house.settled(clinic.network_id)
    lines = {"appointment_id": visit, "lines": [{"code": "V-NEW"}]}
    await clinic.does("bo", "payments", "/v1/charges", lines)


async def test_a_check_in_that_was_none_is_none_for_payments_either(house: House) -> None:
    clinic = await Clinic(house).open()
    _, visit = await expected(clinic, "Quintero", 10)
    house.clock.at = denver(5, 9, 50)
    await clinic.does("dana", "appointments", f"/v1/appointments/{visit}/check-in", {})
    await house.settled(clinic.network_id)
    assert (await clinic.heard_states(visit))["payments"] == "checked_in"
    await does(clinic, "dana", visit, "undo-check-in", reason="The wrong patient.")
    await house.settled(clinic.network_id)
    assert (await clinic.heard_states(visit))["payments"] == "booked"
    # The day closes without a charge for a visit that never was.
    await clinic.does("dana", "appointments", f"/v1/appointments/{visit}/check-in", {})
    await does(clinic, "dana", visit, "check-out")
    await does(clinic, "ada", visit, "enter-in-error", reason="It was the week before.")
    await house.settled(clinic.network_id)
    assert await clinic.heard_states(visit) == dict.fromkeys(EVERYBODY, "cancelled")
    report = told(await clinic.close_day(5))
    assert report["visit_count"] == 0
