"""Verifications, consents and contacts through the API, on a real database."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.patients.tests.builders import Scene, scene
from shared.testing.apps import Office
from shared.values.clock import FixedClock
from shared.values.ids import new_id

ASKED = ("name", "birth_date", "address", "phone", "email")
DAY = timedelta(days=1)


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


def answers(*fields: str, outcome: str = "confirmed") -> dict[str, Any]:
    return {"fields": [{"field": field, "outcome": outcome} for field in fields]}


async def verify(at: Scene, patient_id: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await at.desk.post(f"/v1/patients/{patient_id}/verifications", body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def last_event(at: Scene) -> dict[str, Any]:
    rows = await at.rows(
        "SELECT convert_from(value, 'UTF8') AS value FROM outbox ORDER BY subject_seq DESC LIMIT 1"
    )
    found: dict[str, Any] = json.loads(rows[0]["value"])
    return found


async def test_identity_is_verified_once_no_field_is_due(at: Scene) -> None:
    made = await at.register()
    part = await verify(at, made["id"], answers("name", "birth_date"))
    assert (part["complete"], part["due"]) == (False, ["address", "phone", "email"])
    assert (await last_event(at))["complete"] is False
    whole = await verify(at, made["id"], answers("address", "phone", "email"))
    assert (whole["complete"], whole["due"]) == (True, [])
    event = await last_event(at)
    assert (event["complete"], event["fields"]) == (True, ["address", "phone", "email"])
    assert await at.said(made["id"]) == [
        "patient.registered",
        "patient.demographics_verified",
        "patient.demographics_verified",
    ]


async def test_a_field_grows_stale_in_its_own_time(at: Scene) -> None:
    made = await at.register()
    await verify(at, made["id"], answers(*ASKED))
    path = f"/v1/patients/{made['id']}/verifications"
    at.clock.move(180 * DAY)
    assert (await at.desk.get(path)).json()["complete"] is True
    at.clock.move(timedelta(seconds=1))
    found = (await at.desk.get(path)).json()
    assert found["due"] == ["address", "phone"]
    by_name = {field["field"]: field for field in found["fields"]}
    assert (by_name["phone"]["standing"], by_name["email"]["standing"]) == ("stale", "current")
    assert by_name["phone"]["verified_by"] == "person/test-person"
    assert (by_name["gender"]["asked"], by_name["gender"]["standing"]) == (False, None)


async def test_a_value_amended_after_it_was_verified_is_due_again(at: Scene) -> None:
    made = await at.register()
    await verify(at, made["id"], answers(*ASKED))
    at.clock.move(DAY)
    patch = {"phones": [{"number": "303-555-0177"}], "gender": "other"}
    done = await at.desk.patch(f"/v1/patients/{made['id']}", patch, 2)
    assert done.status_code == 200, done.text
    found = (await at.desk.get(f"/v1/patients/{made['id']}/verifications")).json()
    assert found["due"] == ["phone"]
    at.clock.move(timedelta(minutes=1))
    again = await verify(at, made["id"], answers("phone", outcome="changed"))
    assert again["complete"] is True


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"fields": []}, "/fields", "verification.empty"),
        (answers("name", "name"), "/fields", "verification.field_twice"),
        (answers("shoe_size"), "/fields/0/field", "enum"),
        (answers("name", outcome="maybe"), "/fields/0/outcome", "enum"),
        (answers("name", outcome=True), "/fields/0/outcome", "enum"),  # type: ignore[arg-type]
        ({}, "/fields", "missing"),
    ],
)
async def test_a_bad_verification_is_refused(
    at: Scene, body: dict[str, Any], pointer: str, code: str
) -> None:
    made = await at.register()
    refused = await at.desk.post(f"/v1/patients/{made['id']}/verifications", body)
    assert (refused.status_code, refused.json()["errors"]) == (
        422,
        [{"pointer": pointer, "code": code}],
    )
    assert await at.said(made["id"]) == ["patient.registered"]


async def test_a_consent_is_given_read_and_taken_back(at: Scene) -> None:
    clinic_id = new_id()
    await at.clinic(clinic_id, "America/Denver")
    made = await at.register()
    path = f"/v1/patients/{made['id']}/consents"
    body = {"kind": "treatment", "text_version": "2026-01", "expires_on": "2026-12-31"}
    answer = await at.desk.post(path, {**body, "clinic_id": str(clinic_id)})
    assert answer.status_code == 201, answer.text
    given = answer.json()
    assert (given["state"], given["time_zone"]) == ("granted", "America/Denver")
    assert given["granted_at"] == "2026-11-02T15:00:00Z"
    assert (await at.desk.get(answer.headers["location"])).json() == given
    event = await last_event(at)
    assert (event["consent_id"], event["kind"], event["text_version"], event["expires_on"]) == (
        given["id"],
        "treatment",
        "2026-01",
        "2026-12-31",
    )
    revoke = f"{path}/{given['id']}/revoke"
    at.clock.move(DAY)
    revoked = (await at.desk.post(revoke)).json()
    assert (revoked["state"], revoked["revoked_at"]) == ("revoked", "2026-11-03T15:00:00Z")
    again = await at.desk.post(revoke)
    assert (again.status_code, again.json()["code"]) == (409, "consent.already_revoked")
    found = (await at.desk.get(path)).json()
    assert found["items"] == [revoked]
    assert (found["standing"]["treatment"], found["standing"]["messages"]) == (
        "revoked",
        "never_granted",
    )
    assert await at.said(made["id"]) == ["patient.registered", "consent.granted", "consent.revoked"]


async def test_a_consent_holds_until_its_last_day_is_over_where_it_was_given(at: Scene) -> None:
    clinic_id = new_id()
    await at.clinic(clinic_id, "America/Denver")
    made = await at.register()
    path = f"/v1/patients/{made['id']}/consents"
    body = {"kind": "treatment", "text_version": "2026-01", "expires_on": "2026-11-02"}
    answer = await at.desk.post(path, {**body, "clinic_id": str(clinic_id)})
    assert answer.status_code == 201, answer.text
    at.clock.move(timedelta(hours=15, minutes=59))
    assert (await at.desk.get(path)).json()["standing"]["treatment"] == "granted"
    at.clock.move(timedelta(minutes=1))
    assert (await at.desk.get(path)).json()["standing"]["treatment"] == "expired"


@pytest.mark.parametrize(
    ("more", "pointer", "code"),
    [
        ({"granted_at": "2026-11-02T15:00:01Z"}, "/granted_at", "consent.granted_in_future"),
        ({"granted_at": "2026-11-02T15:00:00"}, "/granted_at", "timezone_aware"),
        ({"granted_at": "0001-01-01T00:00:00+14:00"}, "/granted_at", "time.range"),
        ({"granted_at": 1_700_000_000}, "/granted_at", "datetime_type"),
        ({"expires_on": "2026-11-01"}, "/expires_on", "consent.expires_before_grant"),
        ({"expires_on": "2026-02-30"}, "/expires_on", "date_parsing"),
        ({"kind": "everything"}, "/kind", "enum"),
        ({"text_version": "the one on the wall"}, "/text_version", "string_pattern_mismatch"),
    ],
)
async def test_a_consent_that_cannot_be_is_refused(
    at: Scene, more: dict[str, Any], pointer: str, code: str
) -> None:
    made = await at.register()
    body = {"kind": "treatment", "text_version": "2026-01", **more}
    refused = await at.desk.post(f"/v1/patients/{made['id']}/consents", body)
    assert (refused.status_code, refused.json()["errors"]) == (
        422,
        [{"pointer": pointer, "code": code}],
    )


async def test_a_consent_is_taken_back_once_however_many_ask(at: Scene) -> None:
    made = await at.register()
    path = f"/v1/patients/{made['id']}/consents"
    given = (await at.desk.post(path, {"kind": "messages", "text_version": "2026-01"})).json()
    asked = await asyncio.gather(*(at.desk.post(f"{path}/{given['id']}/revoke") for _ in range(5)))
    assert sorted(answer.status_code for answer in asked) == [200] + [409] * 4
    assert (await at.said(made["id"])).count("consent.revoked") == 1


async def test_a_clinic_of_others_judges_no_consent(at: Scene) -> None:
    made = await at.register()
    mine, theirs = new_id(), new_id()
    await at.clinic(mine, "America/Denver")
    await at.clinic(theirs, "America/New_York")
    bound = at.office.desk("patients", at.network_id, "front_desk", clinics=[str(mine)])
    path = f"/v1/patients/{made['id']}/consents"
    body = {"kind": "treatment", "text_version": "2026-01"}
    refused = await bound.post(path, {**body, "clinic_id": str(theirs)})
    assert refused.status_code == 404
    given = await bound.post(path, body)
    assert (given.status_code, given.json()["time_zone"]) == (201, "America/Denver")


async def test_a_contact_is_added_read_and_ended(at: Scene) -> None:
    made = await at.register()
    path = f"/v1/patients/{made['id']}/contacts"
    body = {
        "kind": "emergency",
        "relationship": "spouse",
        "name": {"family": "López", "given": "Rafael"},
        "phone": "303-555-0177",
        "address": {"lines": ["2 Elm St"], "city": "Leeds", "country": "GB"},
    }
    answer = await at.desk.post(path, body)
    assert answer.status_code == 201, answer.text
    added = answer.json()
    assert (added["phone"], added["address"]["country"]) == ("+13035550177", "GB")
    assert (await at.desk.get(path)).json()["items"] == [added]
    assert (await last_event(at))["changed"] == ["contacts"]
    ended = await at.desk.post(f"{path}/{added['id']}/end")
    assert (ended.status_code, ended.json()["ended_at"]) == (200, "2026-11-02T15:00:00Z")
    assert (await at.desk.get(path)).json()["items"] == []
    assert (await at.desk.get(answer.headers["location"])).json() == ended.json()
    again = await at.desk.post(f"{path}/{added['id']}/end")
    assert (again.status_code, again.json()["code"]) == (409, "contact.already_ended")


async def test_a_guarantor_may_be_another_patient(at: Scene) -> None:
    child = await at.enter("García López", "Ana", birth_date="2020-05-17")
    mother = await at.register()
    path = f"/v1/patients/{child['id']}/contacts"
    body = {"kind": "guarantor", "relationship": "parent", "contact_patient_id": mother["id"]}
    added = await at.desk.post(path, body)
    assert (added.status_code, added.json()["name"]) == (201, None)
    [kept] = await at.audited("add_contact")
    assert kept["patient_ids"] == [UUID(child["id"]), UUID(mother["id"])]


@pytest.mark.parametrize(
    ("more", "pointer", "code"),
    [
        ({"name": None}, "/name", "name.missing"),
        ({"name": {}}, "/name", "name.missing"),
        ({"name": {"family": "\u202e"}}, "/name/family", "text.encoding"),
        ({"phone": "1"}, "/phone", "phone.invalid"),
        ({"email": "x"}, "/email", "email.invalid"),
        ({"relationship": "boss"}, "/relationship", "enum"),
        ({"kind": "friend"}, "/kind", "enum"),
        (
            {"address": {"lines": ["2 Elm St"], "city": "Denver", "postal_code": "80202"}},
            "/address/state",
            "address.state",
        ),
    ],
)
async def test_a_contact_nobody_can_reach_or_name_is_refused(
    at: Scene, more: dict[str, Any], pointer: str, code: str
) -> None:
    made = await at.register()
    body = {"kind": "emergency", "relationship": "friend", "name": {"family": "Ito"}, **more}
    refused = await at.desk.post(f"/v1/patients/{made['id']}/contacts", body)
    assert (refused.status_code, refused.json()["errors"]) == (
        422,
        [{"pointer": pointer, "code": code}],
    )


async def test_nobody_is_their_own_guarantor_p39(at: Scene) -> None:
    made = await at.register()
    body = {"kind": "guarantor", "relationship": "other", "contact_patient_id": made["id"]}
    refused = await at.desk.post(f"/v1/patients/{made['id']}/contacts", body)
    assert (refused.status_code, refused.json()["code"]) == (422, "contact.self")


async def test_a_contact_who_is_no_patient_of_the_network_is_not_found(at: Scene) -> None:
    made = await at.register()
    body = {"kind": "guarantor", "relationship": "other", "contact_patient_id": str(new_id())}
    refused = await at.desk.post(f"/v1/patients/{made['id']}/contacts", body)
    assert (refused.status_code, refused.json()["code"]) == (404, "patient.not_found")
