"""Check-in as a list gone through at leisure: what is asked, who settled what, how ready."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from services.appointments import handlers
from services.appointments.tests.day import Day, day_at, refused, told
from shared.contracts.eligibility import (
    AuthorizationApproved,
    AuthorizationDenied,
    AuthorizationExpired,
    EstimateCreated,
)
from shared.contracts.envelope import Envelope, Event
from shared.contracts.patients import DemographicsVerified, PacketSubmitted
from shared.contracts.payments import PaymentPosted, PaymentRefunded
from shared.db.actor import Actor
from shared.db.work import Context
from shared.testing.apps import Office
from shared.values.clock import FixedClock
from shared.values.ids import new_id


@pytest.fixture
async def day(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Day:
    return await day_at(environment, clinic_office, network_id, clock)


async def heard(day: Day, *events: Event) -> None:
    """The service hears events, each by the handler that is subscribed to it."""
    at = day.scene
    for event in events:
        envelope = Envelope(
            id=new_id(), type=event.wire_type(), source=f"/clinicbus/{event.producer}",
            subject=event.subject, time=at.clock.now(), subject_seq=1, network_id=at.network_id,
            actor="service/test", correlation_id=new_id(), causation_id=None, clinic_id=None,
            traceparent=None,
        )  # fmt: skip
        context = Context(at.network_id, Actor("service", "test"), at.clock.now())
        keys: Sequence[Any] = handlers.locks(event)
        async with at.database.work(context, keys) as work:
            work.caused_by(envelope)
            await handlers.SUBSCRIPTIONS.handlers[type(event)](work, envelope, event)


async def asks(day: Day, **members: Any) -> None:
    """The network asks for nothing but these."""
    nothing: dict[str, Any] = {
        "identity_valid_days": None, "cover_asked": False, "consents": [],
        "balance_limit_cents": None,
    }  # fmt: skip
    told(await day.boss.put("/v1/visit-policies", {**nothing, **members}))


async def stands(day: Day, visit: str) -> dict[str, tuple[str, str]]:
    """Each requirement of a visit: how it stands and why."""
    items = (await day.seen(visit, "requirements"))["items"]
    return {item["code"]: (item["state"], item["why"]) for item in items}


async def test_a_form_that_the_policy_asks_for_is_open_until_its_packet_is_heard(day: Day) -> None:
    patient = await day.patient()
    visit = await day.booked(patient, "09:00")
    assert not [code for code in await stands(day, visit) if code.startswith("form.")]
    await asks(day, forms=["history", "allergies"])
    refused(await day.tries(visit, "check-in"), 409, "checkin.requirements_open")
    sample = PacketSubmitted.example()
    of_us = {"patient_id": patient, "appointment_id": UUID(visit)}
    of_another = {"patient_id": patient, "appointment_id": new_id(), "packet_id": new_id()}
    await heard(day, sample.model_copy(update={**of_another, "forms": ["allergies"]}))
    await heard(day, sample.model_copy(update=of_us))
    assert await stands(day, visit) == {
        "form.history": ("met", "submitted"),
        "form.allergies": ("open", "not_submitted"),
    }
    for_any = {"patient_id": patient, "appointment_id": None, "packet_id": new_id()}
    await heard(day, sample.model_copy(update={**for_any, "forms": ["allergies"]}))
    assert (await day.does(visit, "check-in"))["lifecycle"] == "checked_in"


async def test_an_authorization_is_what_the_payer_said_last(day: Day) -> None:
    patient = await day.patient()
    visit = await day.booked(patient, "09:00")
    await asks(day, authorization_asked=True)
    assert await stands(day, visit) == {"authorization": ("open", "never_heard")}
    of_us = {"patient_id": patient, "appointment_id": UUID(visit)}
    for event, expected in (
        (AuthorizationDenied.example(), ("open", "denied")),
        (AuthorizationApproved.example(), ("met", "approved")),
        (AuthorizationExpired.example(), ("open", "expired")),
    ):
        await heard(day, event.model_copy(update=of_us))
        assert await stands(day, visit) == {"authorization": expected}


async def test_a_copay_is_what_was_paid_for_the_visit_less_what_went_back(day: Day) -> None:
    patient = await day.patient()
    visit = await day.booked(patient, "09:00")
    await asks(day, copay_asked=True)
    of_us = {"patient_id": patient, "appointment_id": UUID(visit)}
    assert await stands(day, visit) == {"copay": ("open", "no_estimate")}
    paid = PaymentPosted.example().model_copy(update={**of_us, "amount_cents": 3000})
    elsewhere = paid.model_copy(update={"appointment_id": None})
    await heard(day, elsewhere)
    estimate = EstimateCreated.example().model_copy(update={**of_us, "copay_cents": 2500})
    await heard(day, estimate)
    assert await stands(day, visit) == {"copay": ("open", "due")}
    await heard(day, paid)
    assert await stands(day, visit) == {"copay": ("met", "paid")}
    back = PaymentRefunded.example().model_copy(update={**of_us, "amount_cents": 600})
    await heard(day, back)
    assert await stands(day, visit) == {"copay": ("open", "due")}
    await heard(day, estimate.model_copy(update={"copay_cents": 2400}))
    assert await stands(day, visit) == {"copay": ("met", "paid")}


async def test_a_field_is_verified_for_as_long_as_the_policy_says(day: Day) -> None:
    patient = await day.patient()
    visit = await day.booked(patient, "09:00")
    fields = [{"field": "address", "valid_days": 90}, {"field": "phone", "valid_days": 0}]
    await asks(day, demographics=fields)
    seen = DemographicsVerified.example().model_copy(
        update={
            "patient_id": patient,
            "fields": ["address", "phone"],
            "complete": False,
            "verified_at": day.scene.clock.now(),
        }
    )
    await heard(day, seen)
    met = ("met", "verified")
    assert await stands(day, visit) == {"demographics.address": met, "demographics.phone": met}
    day.at("08:30")
    stale = ("open", "stale")
    assert await stands(day, visit) == {"demographics.address": met, "demographics.phone": stale}


async def test_check_in_is_resumed_where_it_was_left_and_says_who_did_what(day: Day) -> None:
    visit = await day.booked(await day.patient(), "09:00")
    await asks(day, identity_document_asked=True, copay_asked=True)
    path = "requirement-checks"
    await day.does(visit, path, code="identity_document")
    assert (await stands(day, visit))["identity_document"] == ("met", "seen")
    day.at("08:40")
    refused(await day.tries(visit, "check-in"), 409, "checkin.requirements_open")
    waive = f"/v1/appointments/{visit}/waivers"
    word = {"code": "copay", "reason": "The terminal is down."}
    refused(await day.desk.post(waive, word), 403, "permission.missing")
    told(await day.boss.post(waive, word))
    assert (await day.does(visit, "check-in"))["lifecycle"] == "checked_in"
    checks = (await day.seen(visit, path))["items"]
    assert [(c["code"], c["outcome"], c["reason"]) for c in checks] == [
        ("identity_document", "verified", None), ("copay", "waived", "The terminal is down."),
    ]  # fmt: skip
    assert checks[0]["checked_by"] != checks[1]["checked_by"] == "person/boss"
    refused(await day.tries(visit, path, code="identity_document"), 409, "requirement.settled")


async def test_the_words_of_check_in_are_kept_with_who_said_them(day: Day) -> None:
    patient = await day.patient()
    visit = await day.booked(patient, "09:00")
    await day.counts("UPDATE known_patients SET balance_cents = 500 WHERE patient_id = $1", patient)
    refused(await day.tries(visit, "check-in"), 409, "checkin.requirements_open")
    await day.does(visit, "check-in", balance_acknowledged=True)
    (check,) = (await day.seen(visit, "requirement-checks"))["items"]
    assert (check["code"], check["outcome"], check["reason"]) == (
        "balance", "waived", "acknowledged",
    )  # fmt: skip
    # Who was checked in by mistake is asked again only for what nobody settled.
    await day.does(visit, "undo-check-in", reason="The wrong patient.")
    assert (await stands(day, visit))["balance"] == ("waived", "waived")


async def test_a_word_that_is_taken_back_counts_no_longer(day: Day) -> None:
    visit = await day.booked(await day.patient(), "09:00")
    await asks(day, identity_document_asked=True)
    path = "requirement-checks"
    await day.does(visit, path, code="identity_document")
    await day.does(visit, f"{path}/withdraw", code="identity_document", reason="Not theirs.")
    assert (await stands(day, visit))["identity_document"] == ("open", "not_seen")
    assert len((await day.seen(visit, path))["items"]) == 2
    again = await day.tries(visit, f"{path}/withdraw", code="identity_document", reason="Again.")
    refused(again, 409, "requirement.nothing_said")


async def test_what_was_said_of_another_time_says_nothing_of_this_one(day: Day) -> None:
    visit = await day.booked(await day.patient(), "09:00")
    await asks(day, identity_document_asked=True)
    await day.does(visit, "requirement-checks", code="identity_document")
    wish = {"starts_at": "2026-11-03T09:00:00-07:00", "reason": "patient_request"}
    path = f"/v1/appointments/{visit}/reschedule"
    told(await day.desk.post(path, wish, version=1))
    assert (await stands(day, visit))["identity_document"] == ("open", "not_seen")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("consent.treatment", "requirement.not_waivable"),
        ("cover", "requirement.not_open"),
        ("form.history", "requirement.not_asked"),
    ],
)
async def test_what_may_not_be_waived_is_refused_with_its_reason(
    day: Day, code: str, expected: str
) -> None:
    patient = await day.patient()
    visit = await day.booked(patient, "09:00")
    await day.counts("UPDATE known_consents SET revoked_at = granted_at WHERE kind = 'treatment'")
    path = f"/v1/appointments/{visit}/waivers"
    answer = await day.boss.post(path, {"code": code, "reason": "In a hurry."})
    refused(answer, 409, expected)


async def test_readiness_is_a_score_and_what_is_open_with_who_closes_it_where(day: Day) -> None:
    patient = await day.patient()
    visit = await day.booked(patient, "09:00")
    found = await day.seen(visit, "readiness")
    # Five things are asked of check-in and are there; the two that are prepared are not.
    assert found["score"] == 100 * 5 // 7
    still = {item["code"]: item for item in found["items"] if item["state"] == "open"}
    assert set(still) == {"confirmation", "chart_packet"}
    assert still["confirmation"]["closers"] == ["patient", "front_desk"]
    assert still["confirmation"]["path"] == f"/v1/appointments/{visit}/confirm"
    await day.does(visit, "confirm")
    await day.counts("UPDATE known_patients SET identity_verified_at = NULL")
    found = await day.seen(visit, "readiness")
    (item,) = [i for i in found["items"] if i["code"] == "identity"]
    assert (item["why"], item["service"]) == ("never_verified", "patients")
    assert item["path"] == f"/v1/patients/{patient}/verifications"
    assert found["score"] == 100 * 5 // 7


async def test_a_policy_of_a_clinic_is_entered_once_and_replaced(day: Day) -> None:
    own = {"clinic_id": day.scene.clinic_id}
    first = told(await day.boss.put("/v1/visit-policies", {**own, "rooms_cleaned": False}))
    again = told(await day.boss.put("/v1/visit-policies", own))
    assert (first["id"], first["rooms_cleaned"]) == (again["id"], False)
    listed = told(await day.desk.get("/v1/visit-policies"))["items"]
    assert [(p["id"], p["rooms_cleaned"], p["waiting_alarm_minutes"]) for p in listed] == [
        (first["id"], True, 15)
    ]
    # Who is bound to another clinic sees the network's alone, and sets none but their own.
    told(await day.boss.put("/v1/visit-policies", {}))
    elsewhere = day.office.desk(
        "appointments", day.scene.network_id, "admin", clinics=[str(new_id())]
    )
    seen = told(await elsewhere.get("/v1/visit-policies"))["items"]
    assert [policy["clinic_id"] for policy in seen] == [None]
    for scope in (own, {}):
        refused(await elsewhere.put("/v1/visit-policies", scope), 404, "clinic.not_found")
    refused(await day.boss.put("/v1/visit-policies", {"clinic_id": str(new_id())}), 404,
            "clinic.not_found")  # fmt: skip


async def test_a_clinic_that_cleans_nothing_between_two_visits_has_its_room_at_once(
    day: Day,
) -> None:
    told(await day.boss.put("/v1/visit-policies", {"rooms_cleaned": False}))
    visit = await day.booked(await day.patient(), "09:00")
    await day.does(visit, "check-in")
    await day.does(visit, "room", room_id=day.rooms[0])
    await day.does(visit, "check-out")
    assert (await day.clinic("room-board"))["items"][0]["state"] == "free"
