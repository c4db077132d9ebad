"""Registering, reading and amending through the API, on a real database."""

import asyncio
import json
from uuid import UUID

import pytest

from services.patients.domain.mrn import checked_mrn
from services.patients.tests.builders import Scene, named, person, scene
from shared.testing.apps import Office
from shared.values.clock import FixedClock
from shared.values.ids import new_id


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


async def test_a_person_is_registered_and_read_back(at: Scene) -> None:
    answer = await at.desk.post("/v1/patients", person())
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["mrn"] == checked_mrn(made["mrn"])
    assert made["name"]["display"] == "Guadalupe García López"
    assert made["phones"] == [{"number": "+13035550142", "use": "mobile"}]
    assert made["emails"] == ["Lupe@example.org"]
    assert made["addresses"][0]["country"] == "US"
    read = await at.desk.get(answer.headers["location"])
    assert read.json() == made
    assert read.headers["etag"] == answer.headers["etag"] == '"1"'
    assert await at.said(made["id"]) == ["patient.registered"]
    assert [row["patient_ids"] for row in await at.audited("read_patient")] == [[UUID(made["id"])]]


async def test_the_bus_hears_no_name_no_date_and_no_number(at: Scene) -> None:
    made = await at.register()
    patch = {"name": {"family": "Okafor"}, "phones": [{"number": "303-555-0177"}]}
    done = await at.desk.patch(f"/v1/patients/{made['id']}", patch, 1)
    assert done.status_code == 200, done.text
    rows = await at.rows("SELECT convert_from(value, 'UTF8') AS value, headers FROM outbox")
    assert len(rows) == 2
    for row in rows:
        told = row["value"] + " ".join(row["headers"])
        # The year alone is said, for limits of age.
        for word in ("Garc", "Okafor", "Lupe", "02-29", "0229", "5550", "Main", made["mrn"]):
            assert word not in told


async def test_mrns_of_a_network_count_up_and_each_network_counts_its_own(
    at: Scene, clinic_office: Office
) -> None:
    first = await at.enter("Abara", "Ada", birth_date="1950-01-01")
    second = await at.enter("Bello", "Ben", birth_date="1960-02-02")
    assert [m["mrn"][:8] for m in (first, second)] == ["00000001", "00000002"]
    elsewhere = clinic_office.desk("patients", new_id(), "front_desk")
    other = await elsewhere.post("/v1/patients", named("Abara", "Ada", "1950-01-01"))
    assert (other.status_code, other.json()["mrn"]) == (201, first["mrn"])


async def test_somebody_like_one_on_record_is_refused_with_candidates(at: Scene) -> None:
    made = await at.register()
    again = person(name={"family": "Garcia Lopez", "given": "Lupe"})
    refused = await at.desk.post("/v1/patients", again)
    assert (refused.status_code, refused.json()["code"]) == (409, "patient.maybe_known")
    assert refused.headers["content-type"] == "application/problem+json"
    [candidate] = refused.json()["candidates"]
    assert (candidate["id"], candidate["mrn"], candidate["grade"]) == (
        made["id"],
        made["mrn"],
        "certain",
    )
    assert {"birth_date.same", "family.same", "given.same", "phone.same"} <= set(
        candidate["reasons"]
    )
    assert "Garc" not in refused.text
    assert "1984" not in refused.text
    kept = await at.audited("register_patient")
    assert [row["patient_ids"] for row in kept] == [[UUID(made["id"])]] * 2
    assert json.loads(kept[1]["detail"]) == {"refused": "patient.maybe_known"}
    assert len(await at.rows("SELECT 1 FROM patients")) == 1


async def test_a_reason_overrides_and_is_kept(at: Scene) -> None:
    made = await at.register()
    reason = "Her cousin, born on the same day"
    answer = await at.desk.post("/v1/patients", person(override_reason=reason))
    assert answer.status_code == 201, answer.text
    [kept] = await at.rows("SELECT patient_id, alike_id, grade, reason FROM passed_over")
    assert kept == {
        "patient_id": UUID(answer.json()["id"]),
        "alike_id": UUID(made["id"]),
        "grade": "certain",
        "reason": reason,
    }
    blank = await at.desk.post("/v1/patients", person(override_reason=" "))
    assert (blank.status_code, blank.json()["errors"]) == (
        422,
        [{"pointer": "/override_reason", "code": "text.blank"}],
    )


async def test_a_twin_is_registered_without_a_question(at: Scene) -> None:
    await at.register()
    twin = person(name={"family": "García López", "given": "Rafael"}, gender="male")
    assert (await at.desk.post("/v1/patients", twin)).status_code == 201


async def test_desks_that_register_one_person_at_once_leave_one(at: Scene) -> None:
    # Each desk writes the person in its own way; what they share is only some of it.
    bodies = [
        person(),
        person(phones=[], emails=[]),
        person(name={"family": "Garcia-Lopez", "given": "Guadalupe"}, addresses=[]),
        person(name={"family": "García López", "given": "Lupe"}, emails=["other@example.org"]),
        person(phones=[{"number": "720-555-0199"}]),
        person(gender="unknown", phones=[]),
    ]
    answers = await asyncio.gather(*(at.desk.post("/v1/patients", body) for body in bodies))
    assert sorted(a.status_code for a in answers) == [201] + [409] * 5, [a.text for a in answers]
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"patient.maybe_known"}
    assert len(await at.rows("SELECT 1 FROM patients")) == 1
    [series] = await at.rows("SELECT last_number FROM mrn_series")
    assert series["last_number"] == 1


async def test_desks_that_override_at_once_get_a_number_each(at: Scene) -> None:
    body = person(override_reason="Entered for the drill")
    answers = await asyncio.gather(*(at.desk.post("/v1/patients", body) for _ in range(6)))
    assert [a.status_code for a in answers] == [201] * 6, [a.text for a in answers]
    assert sorted(a.json()["mrn"][:8] for a in answers) == [f"0000000{n}" for n in range(1, 7)]


async def test_the_same_key_gives_the_same_reply(at: Scene) -> None:
    body = person()
    first = await at.desk.post("/v1/patients", body, key="once")
    again = await at.desk.post("/v1/patients", dict(reversed(body.items())), key="once")
    assert (first.status_code, again.status_code) == (201, 201), again.text
    assert first.content == again.content
    assert again.headers["idempotency-replayed"] == "true"
    other = await at.desk.post("/v1/patients", person(gender="unknown"), key="once")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency.other_request")
    assert len(await at.rows("SELECT 1 FROM patients")) == 1


async def test_a_refusal_leaves_the_key_free(at: Scene) -> None:
    await at.register()
    refused = await at.desk.post("/v1/patients", person(), key="twice")
    assert refused.status_code == 409
    done = await at.desk.post("/v1/patients", person(override_reason="A namesake"), key="twice")
    assert done.status_code == 201, done.text


async def test_a_key_is_needed(at: Scene) -> None:
    headers = {"Authorization": f"Bearer {at.desk.token}"}
    answer = await at.desk.http.post(f"{at.desk.url}/v1/patients", json=person(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency.missing")


async def test_an_amendment_changes_what_it_names(at: Scene) -> None:
    made = await at.register()
    path = f"/v1/patients/{made['id']}"
    patch = {
        "name": {"family": "Okafor", "preferred": None},
        "phones": [{"number": "303-555-0177", "use": "home"}, {"number": "303-555-0142"}],
        "emails": None,
    }
    answer = await at.desk.patch(path, patch, 1)
    assert answer.status_code == 200, answer.text
    after = answer.json()
    assert answer.headers["etag"] == '"2"'
    assert after["name"]["display"] == "Guadalupe Okafor"
    assert after["name"]["preferred"] is None
    assert after["phones"] == [
        {"number": "+13035550177", "use": "home"},
        {"number": "+13035550142", "use": "mobile"},
    ]
    assert after["emails"] == []
    assert (after["addresses"], after["gender"]) == (made["addresses"], "female")
    assert (await at.desk.get(path)).json() == after
    assert await at.said(made["id"]) == ["patient.registered", "patient.updated"]
    [event] = await at.rows(
        "SELECT convert_from(value, 'UTF8') AS value FROM outbox WHERE subject_seq = 2"
    )
    assert json.loads(event["value"])["changed"] == ["name", "phones", "emails"]


async def test_what_was_replaced_stays_on_record(at: Scene) -> None:
    made = await at.register()
    path = f"/v1/patients/{made['id']}"
    await at.desk.patch(path, {"phones": [{"number": "303-555-0177"}]}, 1)
    back = await at.desk.patch(path, {"phones": [{"number": "303-555-0142"}]}, 2)
    assert back.json()["phones"] == made["phones"]
    rows = await at.rows("SELECT number, ended_at IS NULL AS now FROM patient_phones ORDER BY id")
    assert [(row["number"][-4:], row["now"]) for row in rows] == [
        ("0142", False),
        ("0177", False),
        ("0142", True),
    ]


async def test_an_amended_person_is_found_and_matched_by_the_new_name_alone(at: Scene) -> None:
    made = await at.enter("Garcia", "Ana", birth_date="1990-05-17")
    await at.desk.patch(f"/v1/patients/{made['id']}", {"name": {"family": "Okafor"}}, 1)

    async def ids(body: dict[str, str]) -> list[str]:
        found = (await at.desk.post("/v1/patients/search", body)).json()
        return [item["id"] for item in found["items"]]

    assert await ids({"family": "okaf"}) == [made["id"]]
    assert await ids({"family": "garcia"}) == []
    keys = await at.rows("SELECT key FROM match_keys WHERE active ORDER BY key")
    assert [row["key"] for row in keys] == ["b:1990-05-17", "n:a500|o216"]


async def test_an_amendment_that_changes_nothing_says_nothing(at: Scene) -> None:
    made = await at.register()
    answer = await at.desk.patch(f"/v1/patients/{made['id']}", {"gender": "female"}, 1)
    assert (answer.status_code, answer.headers["etag"]) == (200, '"1"')
    assert await at.said(made["id"]) == ["patient.registered"]


@pytest.mark.parametrize(
    ("patch", "pointer", "code"),
    [
        ({"name": None}, "/name", "member.required"),
        ({"birth_date": None}, "/birth_date", "member.required"),
        ({"name": {"family": None, "given": None}}, "/name", "name.missing"),
        ({"death_date": "1984-02-28"}, "/death_date", "death_date.before_birth"),
        ({"birth_date": "2026-11-03"}, "/birth_date", "birth_date.future"),
        ({"phones": [{"number": "911"}]}, "/phones/0/number", "phone.invalid"),
        ({"mrn": "000000424"}, "", "extra_forbidden"),
    ],
)
async def test_a_bad_amendment_changes_nothing(
    at: Scene, patch: dict[str, object], pointer: str, code: str
) -> None:
    made = await at.register()
    refused = await at.desk.patch(f"/v1/patients/{made['id']}", patch, 1)
    assert (refused.status_code, refused.json()["errors"]) == (
        422,
        [{"pointer": pointer, "code": code}],
    )
    assert (await at.desk.get(f"/v1/patients/{made['id']}")).json() == made


async def test_an_amendment_needs_the_version_that_was_read(at: Scene) -> None:
    made = await at.register()
    path = f"/v1/patients/{made['id']}"
    missing = await at.desk.patch(path, {"gender": "other"})
    assert (missing.status_code, missing.json()["code"]) == (428, "version.missing")
    done = await at.desk.patch(path, {"gender": "other"}, 1)
    assert done.status_code == 200
    stale = await at.desk.patch(path, {"gender": "male"}, 1)
    assert (stale.status_code, stale.json()["code"]) == (412, "version.stale")


async def test_of_two_amendments_at_once_one_is_told_to_read_again(at: Scene) -> None:
    made = await at.register()
    path = f"/v1/patients/{made['id']}"
    answers = await asyncio.gather(
        *(at.desk.patch(path, {"emails": [f"n{n}@example.org"]}, 1) for n in range(5))
    )
    assert sorted(a.status_code for a in answers) == [200] + [412] * 4
    assert await at.said(made["id"]) == ["patient.registered", "patient.updated"]
