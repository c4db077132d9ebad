"""Break-glass: a nurse of one clinic reads a patient of another for an hour, and is asked why."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest
import pytest_asyncio

from shared.testing.apps import Desk
from tests.journeys.clinic import Body, Clinic, told
from tests.journeys.house import House
from tests.journeys.played import played

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.rule("45 CFR 164.312(a)(2)(ii)"),
]

WHY = {"reason": "emergency_treatment", "note": "Unconscious on arrival, by ambulance."}
FOUND = {"finding": "justified", "note": "The ambulance's sheet is on file."}


@dataclass(slots=True)
class Ward:
    """A visit at one clinic, and the people of a second clinic of the network."""

    clinic: Clinic
    ids: dict[str, str]
    other_clinic: str

    def nurse(self, service: str, name: str = "iris", *roles: str) -> Desk:
        """A nurse of the second clinic."""
        office, network = self.clinic.house.office, self.clinic.network_id
        return office.desk(service, network, "nurse", *roles, sub=name, clinics=[self.other_clinic])

    async def breaks(self, patient: str, name: str = "iris") -> httpx.Response:
        """Break the glass for a patient, and let everybody hear of it."""
        path = f"/v1/patients/{patient}/emergency-access"
        answer = await self.nurse("patients", name).post(path, WHY)
        await self.clinic.house.settled(self.clinic.network_id)
        return answer

    async def reads(self, name: str = "iris", *roles: str) -> dict[str, int]:
        """What is answered to the nurse about the visit elsewhere."""
        visit = self.ids["appointment_id"]
        asked = {
            "appointment": ("appointments", f"/v1/appointments/{visit}"),
            "check-in": ("appointments", f"/v1/appointments/{visit}/requirements"),
            "packet": ("documents", f"/v1/visits/{visit}/chart-packet"),
            "money": ("payments", f"/v1/payments/{self.ids['payment_id']}"),
            "estimate": ("eligibility", f"/v1/visits/{visit}/estimate"),
        }
        return {
            what: (await self.nurse(service, name, *roles).get(path)).status_code
            for what, (service, path) in asked.items()
        }

    async def listed(self, name: str = "iris") -> list[str]:
        """The visits of the patient that the nurse is shown."""
        desk = self.nurse("appointments", name)
        answer = told(await desk.get("/v1/appointments", patient_id=self.ids["patient_id"]))
        return [item["id"] for item in answer["items"]]

    async def later(self, by: timedelta) -> None:
        """Some time later."""
        await self.clinic.house.later(self.clinic.network_id, by)


@pytest_asyncio.fixture(loop_scope="module")
async def ward(house: House) -> AsyncIterator[Ward]:
    """A network with two clinics."""
    clinic = await Clinic(house).open()
    ids = await played(clinic)
    second = {"name": "Birch Road Clinic", "time_zone": "America/Denver"}
    made = await clinic.does("ada", "appointments", "/v1/clinics", second)
    await house.settled(clinic.network_id)
    yield Ward(clinic, ids, made["id"])


SHUT = {"appointment": 404, "check-in": 404, "packet": 404, "money": 403, "estimate": 404}
OPEN = {"appointment": 200, "check-in": 200, "packet": 200, "money": 403, "estimate": 404}


async def test_it_opens_one_patient_for_an_hour_to_who_broke_it(ward: Ward) -> None:
    patient, visit = ward.ids["patient_id"], ward.ids["appointment_id"]
    assert await ward.reads() == SHUT
    assert await ward.listed() == []
    opened = told(await ward.breaks(patient), 201)
    assert (opened["open"], opened["review_overdue"]) == (True, False)
    assert await ward.reads() == OPEN
    assert visit in await ward.listed()
    # Nobody else, though of the same clinic and role; and nobody's role of money counts.
    assert await ward.reads("jo") == SHUT
    assert (await ward.reads("iris", "biller"))["money"] == 404
    # It is for reading.
    path = f"/v1/appointments/{visit}/cancel"
    cancelled = await ward.nurse("appointments").post(
        path, {"reason": "patient_request"}, version=1
    )
    assert cancelled.status_code == 404
    # To the second: the hour runs from when it was opened, on the services' own clock.
    clock, at = ward.clinic.house.clock, ward.clinic.house.clock.at
    clock.at = at + timedelta(minutes=60) - timedelta(seconds=1)
    assert (await ward.reads())["appointment"] == 200
    clock.at = at + timedelta(minutes=60)
    assert await ward.reads() == SHUT
    assert await ward.listed() == []


async def test_each_time_there_is_an_audit_row_an_event_and_an_open_review(ward: Ward) -> None:
    patient = ward.ids["patient_id"]
    for _ in range(2):
        await ward.breaks(patient)
    await ward.reads()
    mine = "actor = 'person/iris'"
    rows = await ward.clinic.rows("patients", "audit", f"{mine} AND action LIKE 'open_emergency%'")
    assert [row["outcome"] for row in rows] == ["ok", "ok"]
    assert {str(row["patient_ids"][0]) for row in rows} == {patient}
    said = await ward.clinic.rows(
        "patients", "outbox", "type LIKE '%emergency_access.opened.v1' ORDER BY subject_seq"
    )
    assert len(said) == 3  # one was opened by a nurse of the visit's own clinic
    assert all(b"ambulance" not in bytes(row["value"]) for row in said)
    reads = await ward.clinic.rows("appointments", "audit", f"{mine} AND outcome = 'ok'")
    assert reads
    assert all('"emergency": true' in row["detail"] for row in reads)
    auditor = ward.clinic.person("ute", "patients")
    listed = told(await auditor.get("/v1/emergency-accesses", review="open"))["items"]
    assert [item["person"] for item in listed] == ["person/iris", "person/iris"]
    assert {item["review_overdue"] for item in listed} == {False}
    await ward.later(timedelta(hours=72, seconds=1))
    listed = told(await auditor.get("/v1/emergency-accesses", review="open"))["items"]
    assert {item["review_overdue"] for item in listed} == {True}


@pytest.mark.rule("45 CFR 164.308(a)(1)(ii)(D)")
async def test_somebody_else_reviews_it_once(ward: Ward) -> None:
    opened: Body = told(await ward.breaks(ward.ids["patient_id"]), 201)
    path = f"/v1/emergency-accesses/{opened['id']}/review"
    office, network = ward.clinic.house.office, ward.clinic.network_id
    own = office.desk("patients", network, "nurse", "auditor", sub="iris")
    refused = await own.post(path, FOUND)
    assert (refused.status_code, refused.json()["code"]) == (403, "emergency_access.own_review")
    auditor = ward.clinic.person("ute", "patients")
    done = told(await auditor.post(path, FOUND))
    assert (done["finding"], done["reviewed_by"]) == ("justified", "person/ute")
    again = await auditor.post(path, {**FOUND, "finding": "not_justified"})
    assert again.json()["code"] == "emergency_access.already_reviewed"
    listed = told(await auditor.get("/v1/emergency-accesses", review="done"))["items"]
    assert [item["id"] for item in listed] == [ward.ids["access_id"], opened["id"]]
    told_of = f"encode(value, 'escape') LIKE '%{opened['id']}%'"
    said = await ward.clinic.rows(
        "patients", "outbox", f"type LIKE '%emergency_access.reviewed.v1' AND {told_of}"
    )
    assert len(said) == 1


async def test_never_another_network(ward: Ward) -> None:
    theirs = await Clinic(ward.clinic.house).open()
    stranger = await theirs.register("Okonkwo", "Ife")
    answer = await ward.breaks(stranger)
    assert (answer.status_code, answer.json()["code"]) == (404, "patient.not_found")
    assert await theirs.rows("patients", "emergency_access") == []
    mine = await ward.clinic.rows("patients", "emergency_access", "person = 'person/iris'")
    assert mine == []


@pytest.mark.parametrize(
    "body",
    [
        {"reason": "emergency_treatment"},
        {"note": WHY["note"]},
        {"reason": "curious", "note": WHY["note"]},
        {"reason": "other", "note": "why not"},
        {"reason": "other", "note": " " * 40},
        {**WHY, "minutes": 600},
    ],
    ids=["no-note", "no-reason", "unknown-reason", "short-note", "blank-note", "longer"],
)
async def test_without_a_reason_the_glass_stays_whole(ward: Ward, body: Body) -> None:
    """A50."""
    path = f"/v1/patients/{ward.ids['patient_id']}/emergency-access"
    assert (await ward.nurse("patients").post(path, body)).status_code == 422
    assert await ward.reads() == SHUT


async def test_whoever_breaks_it_has_just_proven_who_they_are(ward: Ward) -> None:
    path = f"/v1/patients/{ward.ids['patient_id']}/emergency-access"
    desk = ward.clinic.house.office.desk(
        "patients", ward.clinic.network_id, "nurse", sub="iris", acr=None
    )
    answer = await desk.post(path, WHY)
    assert (answer.status_code, answer.json()["code"]) == (401, "proof.wanted")
