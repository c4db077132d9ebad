"""Who may see, open and file which documents, and what is kept of it."""

from datetime import timedelta
from uuid import UUID

import httpx

from services.documents.tables import Document
from services.documents.tests.scenes import CLINIC, Scene, walked
from shared.db.actor import Actor
from shared.db.work import Context
from shared.testing.apps import Desk
from shared.values.ids import new_id


async def test_the_desk_files_and_sees_no_clinical_paper(at: Scene) -> None:
    patient = await at.patient()
    refused = await at.upload(document_class="lab_result", patient_id=patient)
    assert (refused.status_code, refused.json()["code"]) == (403, "document.class_forbidden")
    made = await at.upload(by=at.who("provider"), document_class="lab_result", patient_id=patient)
    assert made.status_code == 201
    path = made.headers["location"]
    for desk_path in (path, f"{path}/content"):
        hidden = await at.desk.get(desk_path)
        assert (hidden.status_code, hidden.json()["code"]) == (403, "document.class_forbidden")
        assert (await at.who("nurse").get(desk_path)).status_code == 200
    denied = await at.rows(
        "SELECT action, patient_ids, detail->>'code' AS code FROM audit"
        " WHERE network_id = $1 AND outcome = 'denied' ORDER BY recorded_at"
    )
    assert {row["code"] for row in denied} == {"document.class_forbidden"}
    assert [(row["action"], row["patient_ids"]) for row in denied] == [
        ("receive_document", []),
        ("read_document", [patient]),
        ("read_content", [patient]),
    ]
    assert await walked(at.desk, "/v1/documents", patient_id=str(patient)) == []
    assert len(await walked(at.who("nurse"), "/v1/documents", patient_id=str(patient))) == 1
    body = {"document_class": "referral", "reason": "x"}
    assert (await at.desk.post(f"{path}/classify", body, version=1)).status_code == 403


async def test_unclassified_paper_is_opened_by_who_took_it_in_and_by_clinicians(at: Scene) -> None:
    made = await at.upload(by=at.who("front_desk", sub="ana"))
    path = f"{made.headers['location']}/content"
    assert (await at.who("front_desk", sub="ana").get(path)).status_code == 200
    assert (await at.who("front_desk", sub="ben").get(path)).status_code == 403
    assert (await at.who("provider", sub="kaya").get(path)).status_code == 200


async def test_nobody_files_a_chart_packet_by_hand(at: Scene) -> None:
    refused = await at.upload(by=at.who("provider"), document_class="chart_packet")
    assert (refused.status_code, refused.json()["code"]) == (403, "document.class_forbidden")


async def test_a_token_of_another_clinic_sees_no_document_of_the_visit(at: Scene) -> None:
    patient = await at.patient()
    visit = await at.visit(patient, timedelta(days=3))
    made = await at.upload(document_class="referral", patient_id=patient, appointment_id=visit)
    path = made.headers["location"]
    elsewhere = at.who("front_desk", clinics=[str(UUID(int=99))])
    here = at.who("front_desk", clinics=[str(CLINIC)])
    for address in (path, f"{path}/content", f"/v1/visits/{visit}/chart-packet"):
        assert (await elsewhere.get(address)).status_code == 404
        assert (await here.get(address)).status_code == 200
    assert await walked(elsewhere, "/v1/documents", patient_id=str(patient)) == []
    assert len(await walked(here, "/v1/documents", patient_id=str(patient))) == 1
    # Of which clinic a visit is that is not known, nobody can say: so it is of none of theirs.
    async with at.database.work(
        Context(at.network_id, Actor("person", "test"), at.clock.now())
    ) as work:
        row = await work.load(Document, UUID(made.json()["id"]))
        assert row is not None
        row.appointment_id = new_id()
        work.save(row)
    for bound in (elsewhere, here):
        for address in (path, f"{path}/content"):
            assert (await bound.get(address)).status_code == 404
        assert await walked(bound, "/v1/documents", patient_id=str(patient)) == []
    assert (await at.desk.get(path)).status_code == 200


READS = ("/v1/documents/{d}", "/v1/documents/{d}/content", "/v1/visits/{v}/chart-packet")
CHANGES = (
    ("/v1/documents/{d}/classify", {"document_class": "legal"}),
    ("/v1/documents/{d}/index", {"patient_id": str(UUID(int=1))}),
    ("/v1/documents/{d}/enter-in-error", {"reason": "x"}),
)


async def every_route(at: Scene, desk: Desk) -> dict[str, httpx.Response]:
    """What a caller is answered on each route that names a document or visit of the scene."""
    patient = await at.patient()
    visit = await at.visit(patient, timedelta(days=3))
    document = (await at.upload(document_class="referral", patient_id=patient)).json()["id"]
    found = {}
    for path in READS:
        found[path] = await desk.get(path.format(d=document, v=visit))
    for path, body in CHANGES:
        found[path] = await desk.post(path.format(d=document), body, version=1)
    return found


async def test_another_networks_documents_are_not_there(at: Scene) -> None:
    stranger = at.office.desk("documents", new_id(), "front_desk", "provider")
    answers = await every_route(at, stranger)
    assert {path: a.status_code for path, a in answers.items()} == dict.fromkeys(answers, 404)


async def test_a_role_without_the_permission_is_refused_and_audited(at: Scene) -> None:
    answers = await every_route(at, at.who("admin"))
    assert {path: a.status_code for path, a in answers.items()} == dict.fromkeys(answers, 403)
    denied = await at.rows("SELECT action FROM audit WHERE network_id = $1 AND outcome = 'denied'")
    assert len(denied) == len(answers)
    assert (await at.upload(by=at.who("biller"))).status_code == 403


async def test_without_a_token_there_is_nothing(at: Scene) -> None:
    desk = at.desk
    desk.token = "none"
    answers = await every_route(at, desk)
    assert {path: a.status_code for path, a in answers.items()} == dict.fromkeys(answers, 401)


async def test_every_access_is_audited_with_the_patient(at: Scene) -> None:
    patient = await at.patient()
    made = await at.upload(document_class="referral", patient_id=patient)
    path = made.headers["location"]
    await at.desk.get(path)
    await at.desk.get(f"{path}/content")
    await at.desk.get("/v1/documents", patient_id=str(patient))
    rows = await at.rows(
        "SELECT action, patient_ids FROM audit WHERE network_id = $1 ORDER BY recorded_at"
    )
    assert [(row["action"], row["patient_ids"]) for row in rows] == [
        (name, [patient])
        for name in ("receive_document", "read_document", "read_content", "list_documents")
    ]
