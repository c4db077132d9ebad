"""Documents as rows, through the API: taken in, classified, filed, moved, taken back, listed."""

import asyncio
import hashlib
from datetime import timedelta
from typing import Any

import pytest

from services.documents.tests.scenes import PDF, PNG, Scene, walked
from shared.contracts.patients import PatientRegistered
from shared.values.ids import new_id


async def test_a_file_comes_in_and_goes_out_unchanged(at: Scene) -> None:
    made = await at.upload(name="Ärztin's card.pdf")
    assert made.status_code == 201, made.text
    view = made.json()
    assert (view["state"], view["byte_count"]) == ("received", len(PDF))
    assert view["sha256"] == hashlib.sha256(PDF).hexdigest()
    assert await at.said() == ["document.received.v1"]
    read = await at.desk.get(made.headers["location"])
    assert read.json() == view
    got = await at.desk.get(f"{made.headers['location']}/content")
    assert (got.status_code, got.content) == (200, PDF)
    assert got.headers["content-type"] == "application/pdf"
    assert got.headers["content-disposition"] == (
        "attachment; filename=\"_rztin_s card.pdf\"; filename*=UTF-8''%C3%84rztin%27s%20card.pdf"
    )
    assert got.headers["x-content-type-options"] == "nosniff"


async def test_with_a_kind_and_a_patient_it_is_filed_at_once(at: Scene) -> None:
    patient = await at.patient()
    visit = await at.visit(patient, timedelta(days=3))
    made = await at.upload(
        document_class="insurance_card", patient_id=patient, appointment_id=visit
    )
    assert made.status_code == 201, made.text
    view = made.json()
    assert (view["state"], view["appointment_id"]) == ("indexed", str(visit))
    assert await at.said() == ["document.received.v1", "document.indexed.v1"]
    moves = await at.rows("SELECT move FROM document_changes WHERE network_id = $1 ORDER BY change")
    assert [row["move"] for row in moves] == ["classify", "index"]


async def test_the_same_bytes_again_say_which_they_repeat(at: Scene) -> None:
    first = (await at.upload()).json()
    again = await at.upload(name="again.pdf")
    assert again.status_code == 201
    assert again.json()["duplicate_of"] == first["id"]
    third = await at.upload(name="third.pdf")
    assert third.json()["duplicate_of"] == first["id"]
    assert (await at.upload(PNG, name="a.png", declared="image/png")).json()["duplicate_of"] is None


async def test_of_the_same_bytes_at_once_one_is_the_first(at: Scene) -> None:
    made = await asyncio.gather(*(at.upload(name=f"{n}.pdf") for n in range(6)))
    assert [answer.status_code for answer in made] == [201] * 6
    views = [answer.json() for answer in made]
    first = [view["id"] for view in views if view["duplicate_of"] is None]
    assert len(first) == 1
    assert {view["duplicate_of"] for view in views} == {None, first[0]}


async def test_the_same_bytes_with_another_patient_are_marked_and_not_named(at: Scene) -> None:
    one, other = await at.patient(), await at.patient()
    await at.upload(document_class="identification", patient_id=one)
    second = (await at.upload(document_class="identification", patient_id=other)).json()
    assert second["same_bytes_elsewhere"] is True
    assert second["duplicate_of"] is None


async def test_a_mistake_is_nothing_to_be_a_duplicate_of(at: Scene) -> None:
    first = (await at.upload()).json()
    await at.desk.post(
        f"/v1/documents/{first['id']}/enter-in-error", {"reason": "Blank page"}, version=1
    )
    assert (await at.upload()).json()["duplicate_of"] is None


async def test_the_same_key_gives_the_same_reply_and_one_document(at: Scene) -> None:
    first = await at.upload(key="once")
    again = await at.upload(key="once")
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    other = await at.upload(PDF + b"more\n", key="once")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency.other_request")
    assert len(await at.rows("SELECT id FROM documents WHERE network_id = $1")) == 1


async def test_a_document_is_classified_then_filed(at: Scene) -> None:
    patient = await at.patient()
    made = (await at.upload()).json()
    path = f"/v1/documents/{made['id']}"
    early = await at.desk.post(f"{path}/index", {"patient_id": str(patient)}, version=1)
    assert (early.status_code, early.json()["code"]) == (409, "document.illegal_transition")
    kind = await at.desk.post(f"{path}/classify", {"document_class": "referral"}, version=1)
    assert (kind.status_code, kind.json()["state"], kind.json()["version"]) == (
        200,
        "classified",
        2,
    )
    filed = await at.desk.post(f"{path}/index", {"patient_id": str(patient)}, version=2)
    assert (filed.status_code, filed.json()["state"]) == (200, "indexed")
    assert filed.headers["etag"] == f'"{filed.json()["version"]}"'
    assert (await at.desk.get(path)).json() == filed.json()
    assert await at.said() == ["document.received.v1", "document.indexed.v1"]


async def test_a_correction_needs_a_reason_and_keeps_both_trails(at: Scene) -> None:
    wrong, right = await at.patient(), await at.patient()
    made = (await at.upload(document_class="referral", patient_id=wrong)).json()
    path = f"/v1/documents/{made['id']}"
    bare = await at.desk.post(f"{path}/index", {"patient_id": str(right)}, version=1)
    assert (bare.status_code, bare.json()["code"]) == (422, "document.reason")
    body = {"patient_id": str(right), "reason": "Namesake"}
    moved = await at.desk.post(f"{path}/index", body, version=1)
    assert (moved.status_code, moved.json()["patient_id"]) == (200, str(right))
    body = {"document_class": "legal", "reason": "A court order"}
    kind = await at.desk.post(f"{path}/classify", body, version=moved.json()["version"])
    assert (kind.status_code, kind.json()["state"]) == (200, "indexed")
    last = await at.row(
        "SELECT from_patient_id, to_patient_id, reason FROM document_changes"
        " WHERE network_id = $1 AND move = 'move'"
    )
    assert last == {"from_patient_id": wrong, "to_patient_id": right, "reason": "Namesake"}
    assert await at.said() == ["document.received.v1", *["document.indexed.v1"] * 3]


async def test_a_mistake_stays_and_is_neither_listed_nor_opened(at: Scene) -> None:
    patient = await at.patient()
    made = (await at.upload(document_class="referral", patient_id=patient)).json()
    path = f"/v1/documents/{made['id']}"
    done = await at.desk.post(f"{path}/enter-in-error", {"reason": "Not ours"}, version=1)
    assert (done.status_code, done.json()["state"]) == (200, "entered_in_error")
    opened = await at.desk.get(f"{path}/content")
    assert (opened.status_code, opened.json()["code"]) == (409, "document.entered_in_error")
    listed = await at.desk.get("/v1/documents", patient_id=str(patient))
    assert listed.json()["items"] == []
    again = await at.desk.post(f"{path}/classify", {"document_class": "legal"}, version=2)
    assert (again.status_code, again.json()["code"]) == (409, "document.illegal_transition")
    assert (await at.said())[-1] == "document.entered_in_error.v1"


async def test_of_two_who_file_the_same_document_one_is_told_that_it_changed(at: Scene) -> None:
    patients = [await at.patient() for _ in range(6)]
    made = (await at.upload(document_class="referral")).json()
    path = f"/v1/documents/{made['id']}/index"
    answers = await asyncio.gather(
        *(at.desk.post(path, {"patient_id": str(p)}, version=made["version"]) for p in patients)
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 5
    assert (await at.said()).count("document.indexed.v1") == 1
    missing = await at.desk.post(path, {"patient_id": str(patients[0])})
    assert missing.status_code == 428


async def test_a_visit_must_be_the_patients_own(at: Scene) -> None:
    one, other = await at.patient(), await at.patient()
    visit = await at.visit(other, timedelta(days=3))
    refused = await at.upload(patient_id=one, appointment_id=visit)
    assert (refused.status_code, refused.json()["code"]) == (422, "document.visit_of_another")
    alone = await at.upload(appointment_id=visit)
    assert (alone.status_code, alone.json()["code"]) == (422, "document.patient_missing")


async def test_a_patient_who_is_being_registered_is_waited_for(at: Scene) -> None:
    patient = new_id()
    upload = asyncio.create_task(at.upload(patient_id=patient))
    await at.hear(PatientRegistered(patient_id=patient, registered_at=at.clock.now()))
    assert (await upload).status_code == 201


async def test_nobody_is_filed_with_a_patient_who_is_not(at: Scene) -> None:
    refused = await at.upload(patient_id=new_id())
    assert (refused.status_code, refused.json()["code"]) == (404, "patient.not_found")
    assert await at.rows("SELECT id FROM documents WHERE network_id = $1") == []


async def test_the_queue_holds_what_is_unfiled_the_oldest_first_by_pages(at: Scene) -> None:
    patient = await at.patient()
    names: list[str] = []
    for number in range(5):
        at.clock.move(timedelta(minutes=1))
        kind = "referral" if number == 3 else None
        made = await at.upload(PDF + bytes([48 + number]), document_class=kind)
        names.append(made.json()["id"])
    filed = await at.upload(PNG, name="x.png", declared="image/png", patient_id=patient)
    path = f"/v1/documents/{filed.json()['id']}"
    await at.desk.post(f"{path}/classify", {"document_class": "identification"}, version=1)
    await at.desk.post(f"{path}/index", {"patient_id": str(patient)}, version=2)
    assert await walked(at.desk, "/v1/index-queue") == names


async def test_a_patients_documents_come_the_newest_first_by_pages(at: Scene) -> None:
    patient = await at.patient()
    visit = await at.visit(patient, timedelta(days=3))
    names: list[str] = []
    for number in range(5):
        at.clock.move(timedelta(minutes=1))
        made = await at.upload(
            PDF + bytes([48 + number]),
            document_class="referral",
            patient_id=patient,
            appointment_id=visit if number % 2 else None,
        )
        names.insert(0, made.json()["id"])
    assert await walked(at.desk, "/v1/documents", patient_id=str(patient)) == names
    of_visit = await walked(at.desk, "/v1/documents", appointment_id=str(visit))
    assert of_visit == [names[1], names[3]]
    wide = await at.desk.get("/v1/documents")
    assert (wide.status_code, wide.json()["code"]) == (422, "query.too_wide")
    bad = await at.desk.get("/v1/documents", patient_id=str(patient), cursor="x.y")
    assert (bad.status_code, bad.json()["code"]) == (400, "cursor.invalid")


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"source": "generated"}, "/source"),
        ({"document_class": "novel"}, "/document_class"),
        ({"patient_id": "7"}, "/patient_id"),
        ({"sha256": "abc"}, "/sha256"),
        ({"colour": "red"}, ""),
    ],
)
async def test_fields_that_are_not_acceptable_are_named(
    at: Scene, fields: dict[str, Any], pointer: str
) -> None:
    refused = await at.upload(**fields)
    assert (refused.status_code, refused.json()["code"]) == (422, "request.invalid")
    assert [error["pointer"] for error in refused.json()["errors"]] == [pointer]
