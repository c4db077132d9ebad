"""Chart packets: made by the clock, made again when something changes, never for nothing."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import joserfc.jws
import orjson
import pypdfium2 as pdfium
import pytest

from services.documents.tests.scenes import CLINIC, PROVIDER, Scene
from shared.contracts.appointments import AppointmentCancelled, AppointmentRescheduled
from shared.contracts.eligibility import EligibilityVerified, EstimateCreated
from shared.contracts.patients import ConsentGranted
from shared.db import failpoints
from shared.db.errands import claim, run_one
from shared.db.failpoints import FailpointHit
from shared.values.ids import new_id

NAME = "Ana-Sofía Łukasiewicz"


async def packet(at: Scene, visit: UUID) -> dict[str, Any]:
    """The packet of a visit, as the API shows it."""
    answer = await at.desk.get(f"/v1/visits/{visit}/chart-packet")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def printed(at: Scene, visit: UUID) -> str:
    """The text of a visit's packet."""
    document = (await packet(at, visit))["document_id"]
    got = await at.desk.get(f"/v1/documents/{document}/content")
    assert got.status_code == 200, got.text
    pages = pdfium.PdfDocument(got.content)
    try:
        return "\n".join(page.get_textpage().get_text_bounded() for page in pages)
    finally:
        pages.close()


def verified(at: Scene, visit: UUID, patient: UUID) -> EligibilityVerified:
    """A verdict on a visit's cover."""
    return EligibilityVerified(
        appointment_id=visit,
        patient_id=patient,
        verdict="active",
        reason="payer.active",
        decided_at=at.clock.now(),
    )


def estimated(at: Scene, visit: UUID, patient: UUID) -> EstimateCreated:
    """An estimate of a visit."""
    return EstimateCreated(
        estimate_id=new_id(),
        appointment_id=visit,
        patient_id=patient,
        fee_cents=18000,
        patient_cents=5400,
        copay_cents=3000,
        currency="USD",
        certain=True,
        created_at=at.clock.now(),
    )


async def test_a_packet_is_made_a_day_before_the_visit_and_not_sooner(at: Scene) -> None:
    patient = await at.patient()
    visit = await at.visit(patient, timedelta(days=3))
    at.clock.move(timedelta(hours=47, minutes=59))
    await at.work_off()
    assert (await packet(at, visit))["state"] == "planned"
    at.clock.move(timedelta(minutes=1))
    await at.work_off()
    made = await packet(at, visit)
    assert (made["state"], made["revision"]) == ("ready", 1)
    assert "cover.not_checked" in made["missing"]
    assert await at.said() == ["document.received.v1", "document.indexed.v1", "packet.ready.v1"]
    document = (await at.desk.get(f"/v1/documents/{made['document_id']}")).json()
    assert (document["source"], document["document_class"], document["appointment_id"]) == (
        "generated",
        "chart_packet",
        str(visit),
    )
    text = await printed(at, visit)
    for shown in (NAME, "000000424", "Cedar Street", "Kaya Brandt", "Office visit"):
        assert shown in text


async def test_a_packet_of_a_near_visit_is_made_at_once(at: Scene) -> None:
    visit = await at.visit(await at.patient(), timedelta(hours=2))
    await at.work_off()
    assert (await packet(at, visit))["state"] == "ready"


async def test_a_walk_in_gets_a_packet_though_the_visit_has_begun(at: Scene) -> None:
    patient, visit = await at.patient(), new_id()
    await at.hear(at.booked(visit, patient, timedelta(seconds=-5)))
    await at.work_off()
    assert (await packet(at, visit))["state"] == "ready"
    await at.hear(verified(at, visit, patient))
    await at.work_off()
    assert (await packet(at, visit))["revision"] == 1


async def test_many_changes_make_one_more_packet_and_the_old_one_is_replaced(at: Scene) -> None:
    patient = await at.patient()
    visit = await at.visit(patient, timedelta(hours=2))
    await at.work_off()
    first = await packet(at, visit)
    at.clock.move(timedelta(seconds=1))
    await at.hear(verified(at, visit, patient), estimated(at, visit, patient))
    await at.upload(document_class="insurance_card", patient_id=patient, appointment_id=visit)
    await at.work_off()
    second = await packet(at, visit)
    assert (second["state"], second["revision"]) == ("ready", 2)
    assert "cover.not_checked" not in second["missing"]
    assert "document.insurance_card" not in second["missing"]
    old = (await at.desk.get(f"/v1/documents/{first['document_id']}")).json()
    assert old["superseded_by"] == second["document_id"]
    text = await printed(at, visit)
    assert "$54.00" in text
    assert "Insurance card" in text


async def test_a_change_that_changes_nothing_makes_no_packet(at: Scene) -> None:
    patient = await at.patient()
    visit = await at.visit(patient, timedelta(hours=2))
    verdict = verified(at, visit, patient)
    await at.hear(verdict)
    await at.work_off()
    await at.hear(verdict)
    timer = await at.row("SELECT ended_at FROM timer WHERE network_id = $1")
    assert timer["ended_at"] is None
    await at.work_off()
    assert (await packet(at, visit))["revision"] == 1
    assert len(await at.rows("SELECT id FROM intent WHERE network_id = $1")) == 1


@pytest.mark.parametrize("what", ["consent", "referral"])
async def test_what_changes_with_the_patient_changes_the_packets_to_come(
    at: Scene, what: str
) -> None:
    patient = await at.patient()
    visit = await at.visit(patient, timedelta(hours=2))
    await at.work_off()
    at.clock.move(timedelta(minutes=1))
    if what == "consent":
        granted = {"kind": "treatment", "text_version": "1", "granted_at": at.clock.now()}
        await at.hear(ConsentGranted(patient_id=patient, consent_id=new_id(), **granted))
    else:
        await at.upload(document_class="referral", patient_id=patient)
    await at.work_off()
    made = await packet(at, visit)
    assert made["revision"] == 2
    assert ("consent.treatment" in made["missing"]) is (what != "consent")


async def test_what_changes_while_a_packet_is_made_makes_another(at: Scene) -> None:
    patient = await at.patient()
    visit = await at.visit(patient, timedelta(hours=2))
    await at.fire()
    assert (await packet(at, visit))["state"] == "assembling"
    (intent,) = [i for i in await claim(at.database) if i.network_id == at.network_id]

    async def heard_meanwhile(_request: Any) -> None:
        if not await at.rows("SELECT 1 FROM visit_covers WHERE network_id = $1"):
            await at.hear(verified(at, visit, patient))
            await at.fire()

    at.office.http.event_hooks["request"].append(heard_meanwhile)
    await run_one(at.database, at.errands, at.clock, intent)
    made = await packet(at, visit)
    assert (made["revision"], "cover.not_checked" in made["missing"]) == (1, True)
    await at.work_off()
    made = await packet(at, visit)
    assert (made["state"], made["revision"]) == ("ready", 2)
    assert "cover.not_checked" not in made["missing"]


def moved(at: Scene, visit: UUID, patient: UUID, by: timedelta) -> AppointmentRescheduled:
    """A visit in two hours goes elsewhere."""
    was = at.clock.now() + timedelta(hours=2)
    return AppointmentRescheduled(
        appointment_id=visit,
        patient_id=patient,
        clinic_id=CLINIC,
        provider_id=PROVIDER,
        previous_provider_id=PROVIDER,
        starts_at=was + by,
        ends_at=was + by + timedelta(minutes=30),
        previous_starts_at=was,
        previous_ends_at=was + timedelta(minutes=30),
        moves=1,
        reason="patient_request",
    )


async def test_a_packet_of_a_time_that_no_longer_counts_is_dropped(at: Scene) -> None:
    patient = await at.patient()
    visit = await at.visit(patient, timedelta(hours=2))
    await at.fire()
    await at.hear(moved(at, visit, patient, timedelta(days=5)))
    await at.work_off()
    assert (await packet(at, visit))["state"] == "planned"
    assert await at.said() == []
    at.clock.move(timedelta(days=4, hours=2))
    await at.work_off()
    made = await packet(at, visit)
    assert (made["state"], made["revision"]) == ("ready", 1)


async def test_of_a_visit_that_moved_while_its_packet_was_made_only_the_new_one_counts(
    at: Scene,
) -> None:
    patient = await at.patient()
    visit = await at.visit(patient, timedelta(hours=2))
    await at.fire()
    (old,) = [i for i in await claim(at.database) if i.network_id == at.network_id]
    await at.hear(moved(at, visit, patient, timedelta(hours=1)))
    await at.fire()
    await run_one(at.database, at.errands, at.clock, old)
    assert (await packet(at, visit))["state"] == "assembling"
    await at.work_off()
    made = await packet(at, visit)
    assert (made["state"], made["revision"]) == ("ready", 1)
    assert "11:00 AM" in await printed(at, visit)


async def test_a_visit_that_is_called_off_gets_no_packet(at: Scene) -> None:
    patient = await at.patient()
    visit = await at.visit(patient, timedelta(days=3))
    called_off = AppointmentCancelled(
        appointment_id=visit,
        patient_id=patient,
        clinic_id=CLINIC,
        reason="patient_request",
        notice_minutes=4320,
        late=False,
        cancelled_at=at.clock.now(),
    )
    await at.hear(called_off)
    at.clock.move(timedelta(days=2, hours=12))
    await at.work_off()
    assert (await packet(at, visit))["state"] == "withdrawn"
    assert await at.rows("SELECT id FROM intent WHERE network_id = $1") == []


async def test_when_names_cannot_be_had_it_is_tried_again_and_then_in_a_while(at: Scene) -> None:
    visit = await at.visit(await at.patient(), timedelta(hours=2))
    at.owners.down = True
    await at.fire()
    for _ in range(6):
        await at.retry_now()
        await at.run_errands()
    failed = await packet(at, visit)
    assert (failed["state"], failed["problem"]) == ("failed", "appointments.busy")
    at.owners.down = False
    await at.work_off()
    assert (await packet(at, visit))["state"] == "failed"
    at.clock.move(timedelta(minutes=5))
    await at.work_off()
    made = await packet(at, visit)
    assert (made["state"], made["revision"], made["problem"]) == ("ready", 1, None)


async def test_an_errand_that_dies_after_printing_is_made_again_and_files_one_packet(
    at: Scene,
) -> None:
    visit = await at.visit(await at.patient(), timedelta(hours=2))
    await at.fire()
    failpoints.arm("errand.assemble_packet.after_call:raise:1")
    try:
        with pytest.raises(FailpointHit):
            await at.run_errands()
    finally:
        failpoints.arm("")
    await at.retry_now()
    await at.work_off()
    assert (await packet(at, visit))["revision"] == 1
    assert (await at.said()).count("packet.ready.v1") == 1


async def test_names_are_asked_for_on_the_bookers_account_and_kept_nowhere(at: Scene) -> None:
    patient = await at.patient()
    visit = await at.visit(patient, timedelta(hours=2))
    await at.work_off()
    assert (await packet(at, visit))["state"] == "ready"
    for request in at.owners.asked:
        token = request.headers["authorization"].removeprefix("Bearer ")
        claims = orjson.loads(joserfc.jws.extract_compact(token.encode()).payload)
        assert (claims["roles"], claims["purpose"]) == (["service"], "chart_packet")
        assert claims["act"] == {"sub": "person/booker"}
        assert claims["network"] == str(at.network_id)
    kept = [
        await at.rows(f"SELECT t::text AS row FROM {table} AS t WHERE network_id = $1")
        for table in ("documents", "chart_packets", "intent", "outbox", "audit", "known_visits")
    ]
    assert all(kept)
    for canary in ("Ana-Sof", "ukasiewicz", "000000424", "1984-02-29"):
        assert canary not in repr(kept)
    (audited,) = await at.rows(
        "SELECT actor, patient_ids FROM audit WHERE network_id = $1 AND action = 'assemble_packet'"
    )
    assert audited["patient_ids"] == [patient]


async def test_a_visit_that_nobody_booked_has_no_packet(at: Scene) -> None:
    answer = await at.desk.get(f"/v1/visits/{new_id()}/chart-packet")
    assert (answer.status_code, answer.json()["code"]) == (404, "appointment.not_found")
