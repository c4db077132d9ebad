"""The same bytes again, and who is told of the others: nobody of what they may not see."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.documents.tests.scenes import CLINIC, Scene
from shared.testing.apps import Desk

pytestmark = pytest.mark.rule("45 CFR 164.308(a)(4)")

ELSEWHERE = UUID(int=99)
Told = tuple[str | None, bool]


def bound(at: Scene, clinic: UUID) -> Desk:
    """Somebody at the front desk of one clinic."""
    return at.who("front_desk", clinics=[str(clinic)])


async def told(desk: Desk, document_id: str, patient: UUID) -> Told:
    """What a caller is told of others like a document, wherever it is shown."""
    one = (await desk.get(f"/v1/documents/{document_id}")).json()
    listed = (await desk.get("/v1/documents", patient_id=str(patient))).json()["items"]
    (same,) = [item for item in listed if item["id"] == document_id]
    assert same == one
    return one["duplicate_of"], one["same_bytes_elsewhere"]


async def kept(at: Scene, document_id: str) -> Told:
    """What is kept of others like a document, whoever may see it."""
    text = "SELECT duplicate_of, elsewhere FROM documents WHERE network_id = $1 AND id = $2"
    row = await at.row(text, UUID(document_id))
    first = row["duplicate_of"]
    return None if first is None else str(first), row["elsewhere"]


async def at_the_clinic(at: Scene) -> tuple[UUID, str]:
    """A patient, and their document of a visit at the clinic."""
    patient = await at.patient()
    visit = await at.visit(patient, timedelta(days=3))
    given: dict[str, Any] = {"patient_id": patient, "appointment_id": visit}
    made = await at.upload(by=bound(at, CLINIC), document_class="referral", **given)
    assert made.status_code == 201, made.text
    return patient, made.json()["id"]


async def test_a_duplicate_is_named_to_whom_may_see_the_first(at: Scene) -> None:
    patient, first = await at_the_clinic(at)
    given: dict[str, Any] = {"document_class": "referral", "patient_id": patient}
    again = await at.upload(by=bound(at, ELSEWHERE), key="once", **given)
    assert (again.status_code, again.json()["duplicate_of"]) == (201, None)
    assert again.json()["same_bytes_elsewhere"] is False
    replayed = await at.upload(by=bound(at, ELSEWHERE), key="once", **given)
    assert replayed.content == again.content
    second = again.json()["id"]
    # It is a duplicate all the same, and who may see the first is told so.
    assert await kept(at, second) == (first, False)
    assert await told(bound(at, ELSEWHERE), second, patient) == (None, False)
    assert await told(bound(at, CLINIC), second, patient) == (first, False)
    assert await told(at.desk, second, patient) == (first, False)
    # What is filed with the patient alone is every clinic's, and is named at each.
    third = (await at.upload(by=bound(at, ELSEWHERE), **given)).json()["id"]
    assert (await kept(at, third))[0] == first
    assert len([path for path in at.folder.rglob("*") if path.is_file()]) == 1


async def test_the_same_bytes_elsewhere_are_told_to_whom_may_see_them(at: Scene) -> None:
    patient, first = await at_the_clinic(at)
    other = await at.patient()
    given: dict[str, Any] = {"document_class": "referral", "patient_id": other}
    made = (await at.upload(by=bound(at, ELSEWHERE), **given)).json()
    assert (made["duplicate_of"], made["same_bytes_elsewhere"]) == (None, False)
    assert await kept(at, made["id"]) == (None, True)
    assert await told(bound(at, ELSEWHERE), made["id"], other) == (None, False)
    assert await told(bound(at, CLINIC), made["id"], other) == (None, True)
    assert await told(at.desk, made["id"], other) == (None, True)
    # Once the first is no clinic's own it is seen, and told of, at both.
    body = {"patient_id": str(patient), "reason": "It is of no visit."}
    path = f"/v1/documents/{first}"
    version = (await at.desk.get(path)).json()["version"]
    moved = await at.desk.post(f"{path}/index", body, version=version)
    assert moved.status_code == 200, moved.text
    assert moved.json()["appointment_id"] is None
    assert await told(bound(at, ELSEWHERE), made["id"], other) == (None, True)


async def test_a_patient_is_told_of_nobody_elses(at: Scene) -> None:
    _, first = await at_the_clinic(at)
    # It came in before anybody said whose it is: a duplicate of another's, and then theirs.
    made = (await at.upload(by=at.who("provider"), document_class="referral")).json()
    assert made["duplicate_of"] == first
    other = await at.patient()
    path = f"/v1/documents/{made['id']}"
    body = {"patient_id": str(other)}
    filed = await at.who("provider").post(f"{path}/index", body, version=made["version"])
    assert filed.status_code == 200, filed.text
    assert filed.json()["duplicate_of"] == first
    mine = at.who("portal", patient=str(other))
    assert await told(mine, made["id"], other) == (None, False)


async def test_whoever_changes_a_document_is_told_no_more_than_who_reads_it(at: Scene) -> None:
    patient, first = await at_the_clinic(at)
    desk = bound(at, ELSEWHERE)
    made = (await at.upload(by=desk, document_class="referral")).json()
    assert (made["duplicate_of"], (await kept(at, made["id"]))[0]) == (None, first)
    queue = (await desk.get("/v1/index-queue")).json()["items"]
    assert [item["duplicate_of"] for item in queue] == [None]
    path = f"/v1/documents/{made['id']}"
    deeds: list[tuple[str, dict[str, Any]]] = [
        ("classify", {"document_class": "identification"}),
        ("index", {"patient_id": str(patient)}),
        ("enter-in-error", {"reason": "Scanned twice"}),
    ]
    version = made["version"]
    for verb, body in deeds:
        answer = await desk.post(f"{path}/{verb}", body, version=version)
        assert (answer.status_code, answer.json()["duplicate_of"]) == (200, None), verb
        version = answer.json()["version"]
