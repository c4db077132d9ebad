"""A visit moves, and is called off: its time is free, its way is kept, every service follows."""

from datetime import datetime

import pytest

from tests.journeys.clinic import Clinic, denver, told
from tests.journeys.house import House
from tests.journeys.trail import trail

pytestmark = pytest.mark.asyncio(loop_scope="module")

LISTENERS = ("patients", "eligibility", "payments", "documents")


async def starts_heard(clinic: Clinic, visit_id: str) -> set[datetime]:
    """When the services that listen believe the visit to start."""
    found = set()
    for service in LISTENERS:
        (row,) = await clinic.rows(service, "known_visits", f"appointment_id = '{visit_id}'")
        found.add(row["starts_at"])
    return found


async def test_a_visit_moves_twice_and_is_called_off(house: House) -> None:
    clinic = await Clinic(house).open()
    first, second, third = denver(5, 10), denver(6, 14), denver(6, 9)
    house.clock.at = denver(2, 9)
    patient = await clinic.register("Tanaka")
    await house.settled(clinic.network_id)
    await clinic.cover(patient, "ACT100200")
    visit = await clinic.book(patient, first)
    path = f"/v1/appointments/{visit['id']}"

    for moves, (before, after) in enumerate(((first, second), (second, third)), start=1):
        await house.later(clinic.network_id)
        assert before not in await clinic.free(before.day)
        body = {"starts_at": after.isoformat(), "reason": "patient_request"}
        visit = await clinic.does(
            "dana", "appointments", f"{path}/reschedule", body, version=visit["version"]
        )
        assert (visit["moves"], datetime.fromisoformat(visit["starts_at"])) == (moves, after)
        assert before in await clinic.free(before.day)
        assert after not in await clinic.free(after.day)
        await house.settled(clinic.network_id)
        assert await starts_heard(clinic, visit["id"]) == {after}
        assert await clinic.verdict(visit["id"]) == ("active", "payer.active")

    lineage = (await clinic.sees("dana", "appointments", f"{path}/moves"))["items"]
    ways = [
        tuple(datetime.fromisoformat(move[name]) for name in ("from_starts_at", "to_starts_at"))
        for move in lineage
    ]
    assert ways == [(first, second), (second, third)]
    assert [move["moved_by"] for move in lineage] == ["person/dana"] * 2
    # Each day was asked about by itself: the payer's word on Thursday is none on Friday.
    asked = await clinic.rows("eligibility", "checks")
    assert sorted(str(check["service_date"]) for check in asked) == ["2026-11-05", "2026-11-06"]

    await house.later(clinic.network_id)
    gone = await clinic.does(
        *("dana", "appointments", f"{path}/cancel", {"reason": "patient_request"}),
        version=visit["version"],
    )
    assert (gone["lifecycle"], gone["late_cancel"]) == ("cancelled", False)
    assert third in await clinic.free(6)
    await house.settled(clinic.network_id)
    assert await clinic.heard_states(visit["id"]) == dict.fromkeys(LISTENERS, "cancelled")
    packet = await clinic.sees("noor", "documents", f"/v1/visits/{visit['id']}/chart-packet")
    assert packet["state"] == "withdrawn"
    steps = [step for step in await trail(clinic, visit["id"]) if step[1] == "appointments"]
    assert [step[2] for step in steps] == [
        "appointment.booked",
        *("slot.released", "appointment.rescheduled") * 2,
        *("appointment.cancelled", "slot.released"),
    ]

    # Nothing is made for it when its day comes, and nobody is asked to pay for it.
    house.clock.at = denver(6, 9, 45)
    await house.settled(clinic.network_id)
    assert not [step for step in await trail(clinic, visit["id"]) if step[1] == "documents"]
    late = await clinic.person("dana", "appointments").post(f"{path}/check-in", {})
    assert told(late, 409)["code"] == "lifecycle.illegal_transition"


async def test_a_move_to_a_taken_time_changes_nothing(house: House) -> None:
    clinic = await Clinic(house).open()
    house.clock.at = denver(2, 9)
    patient, other = await clinic.register("Ueda"), await clinic.register("Vargas", "Olga")
    await house.settled(clinic.network_id)
    visit = await clinic.book(patient, denver(5, 10))
    await clinic.book(other, denver(5, 11))
    await house.settled(clinic.network_id)
    said = await trail(clinic, visit["id"])
    body = {"starts_at": denver(5, 11).isoformat(), "reason": "patient_request"}
    path = f"/v1/appointments/{visit['id']}/reschedule"
    refused = await clinic.person("dana", "appointments").post(path, body, version=1)
    assert told(refused, 409)["code"] == "slot.taken"
    stale = await clinic.person("dana", "appointments").post(path, body, version=7)
    assert stale.status_code == 412
    await house.settled(clinic.network_id)
    now = await clinic.visit(visit["id"])
    assert (now["moves"], now["version"]) == (0, 1)
    assert denver(5, 10) not in await clinic.free(5)
    assert await starts_heard(clinic, visit["id"]) == {denver(5, 10)}
    assert await trail(clinic, visit["id"]) == said
