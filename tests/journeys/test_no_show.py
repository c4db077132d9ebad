"""Nobody comes: the clock says so, the time is free again, and no service expects the visit."""

from datetime import timedelta

import pytest

from shared.values.errors import IllegalTransition
from tests.journeys.clinic import Clinic, denver, told
from tests.journeys.house import House
from tests.journeys.trail import trail

pytestmark = pytest.mark.asyncio(loop_scope="module")

GRACE = timedelta(minutes=30)


async def booked(clinic: Clinic) -> tuple[str, str]:
    """A patient of this clinic and a visit on Thursday at ten."""
    clinic.house.clock.at = denver(2, 9)
    patient = await clinic.register("Sørensen")
    await clinic.house.settled(clinic.network_id)
    await clinic.cover(patient, "ACT100200")
    visit = await clinic.book(patient, denver(5, 10))
    await clinic.house.settled(clinic.network_id)
    return patient, visit["id"]


async def test_the_clock_records_that_nobody_came_and_every_service_agrees(house: House) -> None:
    clinic = await Clinic(house).open()
    patient, visit_id = await booked(clinic)
    house.clock.at = denver(4, 10)
    await house.settled(clinic.network_id)

    # A minute before the grace period is over the patient may still come.
    house.clock.at = denver(5, 10) + GRACE - timedelta(minutes=1)
    await house.settled(clinic.network_id)
    assert (await clinic.visit(visit_id))["lifecycle"] == "booked"
    rest = denver(5, 10, 20)
    assert rest not in await clinic.free(5)

    house.clock.at = denver(5, 10) + GRACE
    await house.settled(clinic.network_id)
    assert (await clinic.visit(visit_id))["lifecycle"] == "no_show"
    assert [step for step in await trail(clinic, visit_id) if step[0] == "Thu 10:30"] == [
        ("Thu 10:30", "appointments", "appointment.no_show", "timer/no_show"),
        ("Thu 10:30", "appointments", "slot.released", "timer/no_show"),
    ]
    assert await clinic.heard_states(visit_id) == dict.fromkeys(
        ("patients", "eligibility", "payments", "documents"), "no_show"
    )
    packet = await clinic.sees("noor", "documents", f"/v1/visits/{visit_id}/chart-packet")
    assert packet["state"] == "withdrawn"
    seen = await clinic.sees("dana", "patients", f"/v1/patients/{patient}")
    assert (seen["last_visit"], seen["next_visit"]) == (None, None)

    # There is nothing to charge, and the day closes without it.
    lines = {"appointment_id": visit_id, "lines": [{"code": "V-NEW"}]}
    charge = await clinic.person("bo", "payments").post("/v1/charges", lines)
    assert told(charge, 409)["code"] == "charge.visit_not_held"
    report = told(await clinic.close_day(5))
    assert (report["visit_count"], report["charge_cents"]) == (0, 0)


async def test_the_time_that_is_left_can_be_booked_by_somebody_else(house: House) -> None:
    clinic = await Clinic(house).open()
    _, visit_id = await booked(clinic)
    other = await clinic.register("Quispe")
    house.clock.at = denver(5, 10, 5)
    await house.settled(clinic.network_id)
    body = clinic.booking(other, denver(5, 10, 10), walk_in=True)
    taken = await clinic.person("dana", "appointments").post("/v1/appointments", body)
    assert told(taken, 409)["code"] == "slot.taken"
    # A person need not wait for the clock.
    path = f"/v1/appointments/{visit_id}/no-show"
    await clinic.does("dana", "appointments", path)
    await clinic.does("dana", "appointments", "/v1/appointments", body)
    await house.settled(clinic.network_id)
    steps = [step for step in await trail(clinic, visit_id) if step[1] == "appointments"]
    assert steps[1:] == [
        ("Thu 10:05", "appointments", "appointment.no_show", "person/dana"),
        ("Thu 10:05", "appointments", "slot.released", "person/dana"),
    ]


async def test_who_has_come_is_no_no_show_however_late_the_clock_looks(house: House) -> None:
    clinic = await Clinic(house).open()
    patient, visit_id = await booked(clinic)
    await clinic.verify(patient)
    await clinic.consent(patient)
    await house.settled(clinic.network_id)
    house.clock.at = denver(5, 10, 29)
    path = f"/v1/appointments/{visit_id}"
    await clinic.does("dana", "appointments", f"{path}/check-in", {})
    house.clock.at = denver(5, 12)
    await house.settled(clinic.network_id)
    assert (await clinic.visit(visit_id))["lifecycle"] == "checked_in"
    late = await clinic.person("dana", "appointments").post(f"{path}/no-show")
    expected = IllegalTransition("lifecycle", "", "", ()).code
    assert told(late, 409)["code"] == expected
    said = [step[2] for step in await trail(clinic, visit_id)]
    assert "appointment.no_show" not in said
