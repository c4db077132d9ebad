"""The payer is silent, or answers with something that is no answer: unverified, never inactive."""

import json

import pytest

from tests.journeys.clinic import Clinic, denver, told
from tests.journeys.house import House
from tests.journeys.trail import trail

pytestmark = pytest.mark.asyncio(loop_scope="module")

CASES = [
    ("SIL100", "no_answer", "payer.no_answer"),
    ("TRU100", "bad_response", "payer.bad_response"),
    ("LIE100", "bad_response", "payer.bad_response"),
    ("OTH100", "bad_response", "payer.bad_response"),
    ("TRC100", "bad_response", "payer.bad_response"),
    ("HTM100", "bad_response", "payer.bad_response"),
    ("ERR100", "no_answer", None),
]
"""What the member id lets the payer do, what becomes of the check, and the verdict's reason."""


async def visit_with(clinic: Clinic, member_id: str) -> str:
    """A visit on Thursday of a patient with this card, once the payer was asked."""
    clinic.house.clock.at = denver(2, 9)
    patient = await clinic.register("Sampleson", f"Sam {member_id}")
    await clinic.house.settled(clinic.network_id)
    await clinic.cover(patient, member_id)
    visit = await clinic.book(patient, denver(5, 10))
    await clinic.house.settled(clinic.network_id)
    return str(visit["id"])


@pytest.mark.parametrize(("member_id", "state", "reason"), CASES)
async def test_no_answer_is_never_read_as_inactive(
    house: House, member_id: str, state: str, reason: str | None
) -> None:
    clinic = await Clinic(house).open()
    visit_id = await visit_with(clinic, member_id)
    verdict, why = await clinic.verdict(visit_id)
    assert verdict == "unverified"
    assert why.startswith("payer.")
    assert reason in (None, why)
    (check,) = await clinic.rows("eligibility", "checks")
    assert check["state"] == state
    assert check["benefits"] is None
    # Appointments heard the same word, and it stands in the way of check-in.
    (heard,) = await clinic.rows("appointments", "visit_covers")
    assert (heard["verdict"], heard["reason"]) == ("unverified", why)
    assert "cover" in await clinic.open_requirements(visit_id)
    said = [step[2] for step in await trail(clinic, visit_id) if step[1] == "eligibility"]
    assert said[0] == "eligibility.failed"
    assert "eligibility.verified" not in said


async def test_an_answer_about_somebody_else_is_held_back_and_shows_nothing(house: House) -> None:
    clinic = await Clinic(house).open()
    await visit_with(clinic, "OTH200")
    (row,) = await clinic.rows("eligibility", "checks")
    assert (row["state"], row["fault"]) == ("bad_response", "other_person")
    shown = await clinic.sees("dana", "eligibility", f"/v1/checks/{row['id']}")
    assert (shown["benefits"], shown["refusal"]) == (None, None)
    segments = [segment.split("*") for segment in row["response"].decode().split("~")]
    (other,) = [each for each in segments if each[:2] == ["NM1", "IL"]]
    names = [part for part in other[3:5] if part]
    assert names
    assert not [name for name in names if name.lower() in shown["sentence"].lower()]
    held = await clinic.rows("eligibility", "audit", "action = 'hold_answer'")
    assert [entry["outcome"] for entry in held] == ["held"]


async def ready_but_for_cover(clinic: Clinic, visit_id: str) -> None:
    """Settle all else, and see that the cover alone is in the way."""
    row = await clinic.visit(visit_id)
    await clinic.verify(row["patient_id"])
    await clinic.consent(row["patient_id"])
    await clinic.house.later(clinic.network_id)
    desk = clinic.person("dana", "appointments")
    path = f"/v1/appointments/{visit_id}/check-in"
    blocked = told(await desk.post(path, {"balance_acknowledged": True}), 409)
    assert blocked["open"] == ["cover"]
    assert (await desk.post(path, {"cover_override_reason": "   "})).status_code == 422


async def test_a_payer_that_wakes_up_is_asked_again_and_believed(house: House) -> None:
    clinic = await Clinic(house).open()
    visit_id = await visit_with(clinic, "SIL300")
    await ready_but_for_cover(clinic, visit_id)
    await house.payer_answers("SIL300", {"kind": "active"})
    (row,) = await clinic.rows("eligibility", "checks")
    body = {"coverage_id": str(row["coverage_id"]), "appointment_id": visit_id}
    asked = await clinic.person("bo", "eligibility").post("/v1/checks", body)
    assert told(asked, 202)["state"] == "queued"
    await house.settled(clinic.network_id)
    found = await clinic.sees("bo", "eligibility", asked.headers["location"])
    assert (found["state"], found["benefits"]["status"]) == ("verified", "active")
    assert await clinic.verdict(visit_id) == ("active", "payer.active")
    assert await clinic.open_requirements(visit_id) == set()


async def test_where_it_never_wakes_up_a_word_of_the_desk_is_enough_and_is_kept(
    house: House,
) -> None:
    clinic = await Clinic(house).open()
    visit_id = await visit_with(clinic, "SIL400")
    await ready_but_for_cover(clinic, visit_id)
    body = {"cover_override_reason": "The payer does not answer today"}
    await clinic.does("dana", "appointments", f"/v1/appointments/{visit_id}/check-in", body)
    (row,) = await clinic.rows("appointments", "appointments")
    assert "does not answer" in row["waivers"]
    said = await clinic.rows("appointments", "outbox", "type LIKE '%checked_in%'")
    assert [json.loads(event["value"])["waived"] for event in said] == [["cover"]]
