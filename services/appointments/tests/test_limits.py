"""Limits by payer and by gender, judged by what other services said."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from services.appointments.tests.reminding import Reminding, reminding
from services.appointments.tests.test_api_rules import book, enter, refused
from shared.contracts.eligibility import CoverageAdded, CoverageChanged
from shared.contracts.patients import PatientRegistered, PatientUpdated
from shared.testing.apps import Office
from shared.values.clock import FixedClock
from shared.values.ids import new_id

ACME, ZENITH = UUID(int=41), UUID(int=42)
TEN, NEXT_WEEK = "2026-11-03T10:00:00-07:00", "2026-11-10T10:00:00-07:00"


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Reminding:
    return await reminding(environment, clinic_office, network_id, clock)


def cover(patient: UUID, payer: UUID, order: str = "primary", **more: Any) -> dict[str, Any]:
    return {
        "coverage_id": new_id(),
        "patient_id": patient,
        "payer_id": payer,
        "order": order,
        "effective_from": date(2026, 1, 1),
        **more,
    }


async def test_a_visit_is_booked_with_the_payers_that_a_rule_names(at: Reminding) -> None:
    await enter(at.at, "payer", {"only_payers": [str(ACME)]}, appointment_type_id=at.at.type_id)
    patient = await at.patient()
    none = refused(await book(at.at, TEN, patient=patient), 409, "payer", 1)
    assert none == {"payer_id": None}
    second = cover(patient, ACME, "secondary")
    await at.hear(CoverageAdded(**second))
    assert (await book(at.at, TEN, patient=patient)).status_code == 201
    # Now another pays first.
    await at.hear(CoverageAdded(**cover(patient, ZENITH)))
    found = refused(await book(at.at, NEXT_WEEK, patient=patient), 409, "payer", 1)
    assert found == {"payer_id": str(ZENITH)}


async def test_cover_that_ends_before_the_visit_does_not_count(at: Reminding) -> None:
    await enter(at.at, "payer", {"only_payers": [str(ACME)]})
    patient = await at.patient()
    card = cover(patient, ACME)
    await at.hear(CoverageAdded(**card))
    await at.hear(CoverageChanged(**{**card, "effective_to": date(2026, 11, 3)}))
    refused(await book(at.at, NEXT_WEEK, patient=patient), 409, "payer", 1)
    assert (await book(at.at, TEN, patient=patient)).status_code == 201


async def test_a_change_that_is_heard_before_the_card_itself_counts(at: Reminding) -> None:
    await enter(at.at, "payer", {"not_payers": [str(ACME)]}, binds="everyone")
    patient = await at.patient()
    await at.hear(CoverageChanged(**cover(patient, ACME)))
    refused(await book(at.at, TEN, patient=patient), 409, "payer", 1)
    assert (await book(at.at, TEN, patient=await at.patient())).status_code == 201


async def test_all_limits_that_stand_in_the_way_are_explained(at: Reminding) -> None:
    await enter(at.at, "payer", {"only_payers": [str(ACME)]})
    await enter(at.at, "gender", {"genders": ["male"]})
    patient = await at.patient(gender="female")
    told = await at.at.desk.post("/v1/appointments/explain", at.at.booking(patient, TEN))
    assert [refusal["rule"] for refusal in told.json()["refusals"]] == ["gender", "payer"]


async def test_a_limit_by_gender_goes_by_what_patients_says(
    at: Reminding, clinic_office: Office
) -> None:
    await enter(at.at, "gender", {"genders": ["female"]})
    patient, now = new_id(), at.clock.now()
    await at.hear(PatientRegistered(patient_id=patient, registered_at=now, gender="unknown"))
    mine = clinic_office.desk("appointments", at.at.network_id, "portal", patient=str(patient))
    refused(await book(at.at, TEN, patient=patient, desk=mine), 422, "gender", 1)
    changed = {"patient_id": patient, "updated_at": now}
    await at.hear(PatientUpdated(changed=["gender"], gender="female", **changed))
    await at.hear(PatientUpdated(changed=["phones"], **changed))
    assert (await book(at.at, TEN, patient=patient, desk=mine)).status_code == 201
    await at.hear(PatientUpdated(changed=["gender"], gender="male", **changed))
    assert refused(await book(at.at, NEXT_WEEK, patient=patient), 422, "gender", 1) == {
        "accepted": ["female"]
    }
