"""Payers, coverages, checks, verdicts and estimates through the API, on a real database."""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.eligibility.tests.builders import (
    CHILD,
    PAYER,
    SUBSCRIBER,
    VISIT_AT,
    Scene,
    open_scene,
    simulated_payer,
)
from shared.testing.apps import Office
from shared.values.clock import FixedClock
from shared.values.ids import new_id


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Scene:
    return await open_scene(environment, clinic_office, network_id, clock)


# ── payers ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_payer_is_entered_and_read_back(at: Scene) -> None:
    answer = await at.biller.post(
        "/v1/payers", {**PAYER, "name": "Alpine Mutual", "payer_id": "ALP1"}
    )
    assert answer.status_code == 201, answer.text
    read = await at.desk.get(answer.headers["location"])
    assert read.json() == answer.json()
    assert read.json()["service_types"] == ["30"]
    names = [payer["name"] for payer in (await at.desk.get("/v1/payers")).json()["items"]]
    assert names == ["Alpine Mutual", "Evergreen Health Plan"]


async def test_a_payer_is_entered_once(at: Scene) -> None:
    answers = await asyncio.gather(
        *(at.biller.post("/v1/payers", {**PAYER, "payer_id": "TWICE"}) for _ in range(5))
    )
    assert sorted(a.status_code for a in answers) == [201] + [409] * 4
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"payer.known"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"provider_npi": "1000000005"}, "request.npi"),
        ({"name": "Gesundheit~Kasse"}, "x12.delimiter_in_data"),
        ({"provider_name": "診療所"}, "x12.charset"),
        ({"name": "A" * 61}, "request.too_long"),
        ({"receiver_id": "lower case"}, "request.invalid"),
        ({"service_types": []}, "request.invalid"),
        ({"url": "http://elsewhere"}, "request.invalid"),
    ],
)
async def test_a_payer_who_could_not_be_asked_is_refused(
    at: Scene, change: dict[str, Any], code: str
) -> None:
    refused = await at.biller.post("/v1/payers", {**PAYER, "payer_id": "NEW", **change})
    assert (refused.status_code, refused.json()["code"]) == (422, code)
    for value in change.values():
        assert str(value) not in refused.text


# ── coverages ────────────────────────────────────────────────────────────────────────────────────


async def test_a_coverage_is_kept_as_on_the_card(at: Scene) -> None:
    patient = await at.patient()
    body = at.card(patient, group_number="G-77", relationship="child", dependent=CHILD)
    answer = await at.desk.post("/v1/coverages", body)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["subscriber"] == SUBSCRIBER
    assert made["dependent"] == {"family_name": None, **CHILD}
    assert (made["order"], made["state"], made["version"]) == ("primary", "active", 1)
    read = await at.desk.get(answer.headers["location"])
    assert (read.json(), read.headers["etag"]) == (made, '"1"')
    (said,) = await at.said("coverage/")
    assert said == {
        "name": "coverage.added.v1",
        "seq": 1,
        "coverage_id": made["id"],
        "patient_id": str(patient),
        "payer_id": at.payer_id,
        "order": "primary",
        "effective_from": "2026-01-01",
        "effective_to": None,
    }


async def test_coverages_are_listed_in_the_order_in_which_they_pay(at: Scene) -> None:
    patient = await at.patient()
    for order in ("tertiary", "primary", "secondary"):
        await at.coverage(patient, order=order)
    found = (await at.desk.get("/v1/coverages", patient_id=str(patient))).json()
    assert [item["order"] for item in found["items"]] == ["primary", "secondary", "tertiary"]
    assert found["self_pay"] is False


async def test_an_order_is_held_by_one_coverage_on_any_day(at: Scene) -> None:
    patient = await at.patient()
    first = await at.coverage(patient, effective_to="2026-12-31")
    refused = await at.desk.post("/v1/coverages", at.card(patient, effective_from="2026-12-31"))
    assert (refused.status_code, refused.json()["code"]) == (409, "coverage.order_taken")
    assert refused.json()["coverage_id"] == first["id"]
    await at.coverage(patient, effective_from="2027-01-01")


async def test_two_at_once_for_one_order_leave_one(at: Scene) -> None:
    patient = await at.patient()
    answers = await asyncio.gather(
        *(at.desk.post("/v1/coverages", at.card(patient)) for _ in range(8))
    )
    assert sorted(a.status_code for a in answers) == [201] + [409] * 7
    assert len(await at.rows("SELECT 1 FROM coverages")) == 1


async def test_the_constraint_is_the_proof_that_an_order_is_held_once(at: Scene) -> None:
    patient = await at.patient()
    made = await at.coverage(patient)
    again = (
        "INSERT INTO coverages SELECT (jsonb_populate_record(c, jsonb_build_object('id', $2::text)"
        ")).* FROM coverages c WHERE id = $1 RETURNING 1"
    )
    with pytest.raises(asyncpg.ExclusionViolationError):
        await at.rows(again, UUID(made["id"]), str(new_id()))


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"effective_to": "2025-12-31"}, "coverage.dates_reversed", "/effective_to"),
        ({"relationship": "child"}, "dependent.missing", "/dependent"),
        ({"dependent": CHILD}, "dependent.is_subscriber", "/dependent"),
        (
            {"subscriber": {"family_name": "Sampleson"}},
            "birth_date.missing",
            "/subscriber/birth_date",
        ),
        (
            {"subscriber": {**SUBSCRIBER, "birth_date": "2026-11-09"}},
            "birth_date.out_of_range",
            "/subscriber/birth_date",
        ),
        (
            {"subscriber": {**SUBSCRIBER, "birth_date": "1879-12-31"}},
            "birth_date.out_of_range",
            "/subscriber/birth_date",
        ),
        ({"subscriber": {**SUBSCRIBER, "family_name": "山田"}}, "x12.charset", None),
        ({"member_id": "A*B"}, "x12.delimiter_in_data", None),
        ({"member_id": "A" * 81}, "request.invalid", None),
        ({"order": "fourth"}, "request.invalid", None),
        ({"effective_from": 20260101}, "request.invalid", None),
        ({"effective_from": "2027-02-29"}, "request.invalid", None),
        ({"member_id": "\u202eABC"}, "request.invalid", None),
        ({"surprise": 1}, "request.invalid", None),
    ],
)
async def test_a_card_that_no_payer_could_be_asked_about_is_refused(
    at: Scene, change: dict[str, Any], code: str, pointer: str | None
) -> None:
    patient = await at.patient()
    refused = await at.desk.post("/v1/coverages", at.card(patient, **change))
    assert (refused.status_code, refused.json()["code"]) == (422, code)
    if pointer is not None:
        assert refused.json()["errors"] == [{"pointer": pointer, "code": code}]
    for value in ("Sampleson", "ACT100200", "山田", "A*B", "1879"):
        assert value not in refused.text
    assert await at.rows("SELECT 1 FROM coverages") == []
    assert await at.said() == []


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b'{"member_id": "a\\u0000"}', 400, "text.nul"),
        (b'{"member_id": "\\ud800"}', 400, "text.surrogate"),
        (b'{"order": "primary", "order": "secondary"}', 400, "body.duplicate_key"),
        (b'{"order": 1e400}', 400, "number.not_finite"),
        (b"{", 400, "body.not_json"),
        (b" " * 2_000_000, 413, "body.too_large"),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(
    at: Scene, content: bytes, status: int, code: str
) -> None:
    headers = {"Content-Type": "application/json"}
    refused = await at.desk.post("/v1/coverages", content=content, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (status, code)


async def test_a_name_with_accents_goes_out_in_plain_capitals(at: Scene) -> None:
    patient = await at.patient()
    who = {**SUBSCRIBER, "family_name": "Muñoz-O\u2019Neill"}
    made = await at.coverage(patient, subscriber=who)
    assert made["subscriber"]["family_name"] == "Muñoz-O\u2019Neill"
    await at.visit(patient)
    (check,) = await at.rows("SELECT request FROM checks")
    assert b"NM1*IL*1*MUNOZ-O'NEILL*SAMIRA" in check["request"]


async def test_a_coverage_is_changed_by_a_merge_patch(at: Scene) -> None:
    patient = await at.patient()
    made = await at.coverage(patient, group_number="G-1", plan_name="Old")
    path = f"/v1/coverages/{made['id']}"
    wish = {"group_number": None, "plan_name": "New", "subscriber": {"given_name": "Sami"}}
    changed = await at.desk.patch(path, wish, version=1)
    assert changed.status_code == 200, changed.text
    assert changed.json() == {
        **made,
        "group_number": None,
        "plan_name": "New",
        "subscriber": {**SUBSCRIBER, "given_name": "Sami"},
        "version": 2,
    }
    assert changed.headers["etag"] == '"2"'
    assert (await at.desk.patch(path, wish, version=1)).status_code == 412
    assert (await at.desk.patch(path, wish)).status_code == 428
    same = await at.desk.patch(path, wish, version=2)
    assert same.json()["version"] == 2
    null = await at.desk.patch(path, {"member_id": None}, version=2)
    assert null.json()["errors"] == [{"pointer": "/member_id", "code": "member.required"}]
    assert [(e["name"], e["seq"]) for e in await at.said("coverage/")] == [
        ("coverage.added.v1", 1),
        ("coverage.changed.v1", 2),
    ]


async def test_a_dependent_comes_and_goes_by_a_merge_patch(at: Scene) -> None:
    patient = await at.patient()
    made = await at.coverage(patient)
    path = f"/v1/coverages/{made['id']}"
    alone = await at.desk.patch(path, {"relationship": "child"}, version=1)
    assert alone.json()["code"] == "dependent.missing"
    wish = {"relationship": "child", "dependent": CHILD}
    with_child = await at.desk.patch(path, wish, version=1)
    assert with_child.json()["dependent"] == {"family_name": None, **CHILD}
    back = await at.desk.patch(path, {"relationship": "self", "dependent": None}, version=2)
    assert (back.json()["dependent"], back.json()["version"]) == (None, 3)


async def test_of_many_changes_at_once_one_is_made(at: Scene) -> None:
    made = await at.coverage(await at.patient())
    path = f"/v1/coverages/{made['id']}"
    answers = await asyncio.gather(
        *(at.desk.patch(path, {"plan_name": f"Plan {n}"}, version=1) for n in range(6))
    )
    assert sorted(a.status_code for a in answers) == [200] + [412] * 5


async def test_a_corrected_card_is_checked_anew(at: Scene) -> None:
    patient = await at.patient()
    made = await at.coverage(patient, "A72000")
    visit = await at.visit(patient)
    await at.ask(simulated_payer())
    assert await at.verdict(visit) == ("unverified", "card.member_id")
    path = f"/v1/coverages/{made['id']}"
    await at.desk.patch(path, {"member_id": "ACT000"}, version=1)
    await at.ask(simulated_payer())
    assert await at.verdict(visit) == ("active", "payer.active")
    assert (await at.estimate(visit))["patient_cents"] == 2500


async def test_a_coverage_is_ended_with_its_last_day(at: Scene) -> None:
    patient = await at.patient()
    made = await at.coverage(patient)
    visit = await at.visit(patient)
    await at.ask(simulated_payer())
    path = f"/v1/coverages/{made['id']}/terminate"
    early = await at.desk.post(path, {"effective_to": "2025-12-31"})
    assert (early.status_code, early.json()["code"]) == (422, "coverage.dates_reversed")
    ended = await at.desk.post(path, {"effective_to": "2026-11-03"})
    assert (ended.json()["state"], ended.json()["effective_to"]) == ("terminated", "2026-11-03")
    assert await at.verdict(visit) == ("self_pay", "coverage.not_in_force")
    assert (await at.estimate(visit))["patient_cents"] == 15_000
    again = await at.desk.post(path, {"effective_to": "2026-11-03"})
    assert again.json() == ended.json()
    other = await at.desk.post(path, {"effective_to": "2026-11-10"})
    assert (other.status_code, other.json()["code"]) == (409, "coverage.terminated")
    late = await at.desk.patch(f"/v1/coverages/{made['id']}", {"plan_name": "X"}, version=2)
    assert (late.status_code, late.json()["code"]) == (409, "coverage.terminated")


async def test_a_second_coverage_takes_over_on_its_day(at: Scene) -> None:
    patient = await at.patient()
    await at.coverage(patient, "INA1", effective_to="2026-11-03")
    await at.coverage(patient, "ACT1", effective_from="2026-11-04")
    visit = await at.visit(patient)
    assert await at.ask(simulated_payer()) == 1
    assert await at.verdict(visit) == ("active", "payer.active")


# ── the patient pays ─────────────────────────────────────────────────────────────────────────────


async def test_without_cover_a_visit_is_self_pay_at_once(at: Scene) -> None:
    patient = await at.patient()
    visit = await at.visit(patient)
    assert await at.verdict(visit) == ("self_pay", "coverage.none")
    (said,) = await at.said("visit_cover")
    assert (said["name"], said["coverage_id"]) == ("eligibility.verified.v1", None)
    estimate = await at.estimate(visit)
    assert [(x["code"], x["cents"]) for x in estimate["lines"]] == [("self_pay", 15_000)]


async def test_cover_that_is_entered_later_takes_self_pay_back(at: Scene) -> None:
    patient = await at.patient()
    visit = await at.visit(patient)
    await at.coverage(patient)
    assert await at.verdict(visit) == ("unverified", "check.pending")
    await at.ask(simulated_payer())
    assert await at.verdict(visit) == ("active", "payer.active")
    assert [e["seq"] for e in await at.said("visit_cover")] == [1, 2, 3]


async def test_a_patient_may_leave_their_cover_out(at: Scene) -> None:
    patient = await at.patient()
    await at.coverage(patient)
    visit = await at.visit(patient)
    other = await at.visit(patient, VISIT_AT.replace(month=12))
    await at.ask(simulated_payer())
    path = f"/v1/patients/{patient}/self-pay"
    marked = await at.desk.post(path, {"appointment_id": str(visit.appointment_id)})
    assert (marked.status_code, marked.json()["self_pay"]) == (200, True)
    assert await at.verdict(visit) == ("self_pay", "patient.pays")
    assert await at.verdict(other) == ("active", "payer.active")
    await at.desk.post(path, {})
    assert await at.verdict(other) == ("self_pay", "patient.pays")
    listed = (await at.desk.get("/v1/coverages", patient_id=str(patient))).json()
    assert listed["self_pay"] is True
    # A word on the visit goes before the word on all.
    await at.desk.post(path, {"appointment_id": str(visit.appointment_id), "self_pay": False})
    assert await at.verdict(visit) == ("active", "payer.active")
    assert await at.verdict(other) == ("self_pay", "patient.pays")


async def test_somebody_else_s_visit_cannot_be_marked(at: Scene) -> None:
    visit = await at.visit(await at.patient())
    path = f"/v1/patients/{await at.patient()}/self-pay"
    refused = await at.desk.post(path, {"appointment_id": str(visit.appointment_id)})
    assert (refused.status_code, refused.json()["code"]) == (404, "visit.not_found")


# ── checks ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_check_by_hand_is_accepted_and_resolved(at: Scene) -> None:
    made = await at.coverage(await at.patient())
    answer = await at.desk.post("/v1/checks", {"coverage_id": made["id"]})
    assert answer.status_code == 202, answer.text
    # It is Monday eight in the morning in Denver, the only clinic.
    assert (answer.json()["state"], answer.json()["service_date"]) == ("queued", "2026-11-02")
    assert answer.json()["sentence"] == "The payer has not been asked yet."
    await at.ask(simulated_payer())
    read = await at.desk.get(answer.headers["location"])
    assert (read.json()["state"], read.json()["reason"]) == ("verified", "payer.active")


async def test_a_check_may_name_its_day(at: Scene) -> None:
    made = await at.coverage(await at.patient())
    body = {"coverage_id": made["id"], "service_date": "2026-12-24"}
    answer = await at.desk.post("/v1/checks", body)
    assert answer.json()["service_date"] == "2026-12-24"
    (check,) = await at.rows("SELECT request, number FROM checks")
    assert b"DTP*291*D8*20261224~" in check["request"]


async def test_a_check_for_a_visit_is_about_its_day(at: Scene) -> None:
    patient = await at.patient()
    made = await at.coverage(patient)
    visit = await at.visit(patient)
    body = {"coverage_id": made["id"], "appointment_id": str(visit.appointment_id)}
    assert (await at.desk.post("/v1/checks", body)).json()["service_date"] == "2026-11-04"
    other = await at.desk.post("/v1/checks", {**body, "service_date": "2026-11-05"})
    assert (other.status_code, other.json()["code"]) == (422, "check.date")
    await at.hear(at.cancelled(visit))
    off = await at.desk.post("/v1/checks", body)
    assert (off.status_code, off.json()["code"]) == (409, "visit.not_open")
    strange = await at.visit(await at.patient())
    body["appointment_id"] = str(strange.appointment_id)
    assert (await at.desk.post("/v1/checks", body)).status_code == 404


async def test_the_same_key_asks_the_payer_once(at: Scene) -> None:
    made = await at.coverage(await at.patient())
    body = {"coverage_id": made["id"]}
    answers = await asyncio.gather(
        *(at.desk.post("/v1/checks", body, key="double-click") for _ in range(6))
    )
    assert {a.status_code for a in answers} == {202}
    assert len({a.content for a in answers}) == 1
    assert len(await at.rows("SELECT 1 FROM checks")) == 1
    assert len(await at.claimed()) == 1
    other = await at.desk.post(
        "/v1/checks", {**body, "service_date": "2026-12-24"}, key="double-click"
    )
    assert (other.status_code, other.json()["code"]) == (422, "idempotency.other_request")


async def test_checks_at_once_are_numbered_without_a_clash(at: Scene) -> None:
    made = await at.coverage(await at.patient())
    body = {"coverage_id": made["id"]}
    answers = await asyncio.gather(*(at.desk.post("/v1/checks", body) for _ in range(6)))
    assert {a.status_code for a in answers} == {202}
    numbers = await at.rows("SELECT number FROM checks ORDER BY number")
    assert [row["number"] for row in numbers] == [1, 2, 3, 4, 5, 6]


# ── estimates ────────────────────────────────────────────────────────────────────────────────────


async def test_an_estimate_worked_out_again_stays_the_same_revision(at: Scene) -> None:
    visit = await at.visit(await at.patient())
    path = f"/v1/visits/{visit.appointment_id}/estimate"
    first = await at.desk.post(path)
    assert first.status_code == 200, first.text
    again = await at.desk.post(path)
    assert again.json() == first.json()
    assert (first.json()["revision"], len(await at.said("estimate/"))) == (1, 1)


async def test_while_the_payer_is_asked_there_is_no_estimate(at: Scene) -> None:
    patient = await at.patient()
    await at.coverage(patient)
    visit = await at.visit(patient)
    refused = await at.desk.post(f"/v1/visits/{visit.appointment_id}/estimate")
    assert (refused.status_code, refused.json()["code"]) == (409, "estimate.not_ready")
    assert refused.json()["missing"] == ["cover"]


# ── who may ──────────────────────────────────────────────────────────────────────────────────────


async def _addresses(at: Scene) -> dict[str, str]:
    patient = await at.patient()
    made = await at.coverage(patient)
    visit = await at.visit(patient)
    (check,) = await at.rows("SELECT id FROM checks")
    await at.ask(simulated_payer())
    return {
        "payer": f"/v1/payers/{at.payer_id}",
        "coverage": f"/v1/coverages/{made['id']}",
        "check": f"/v1/checks/{check['id']}",
        "cover": f"/v1/visits/{visit.appointment_id}/cover",
        "estimate": f"/v1/visits/{visit.appointment_id}/estimate",
    }


async def test_another_network_sees_nothing(at: Scene, clinic_office: Office) -> None:
    found = await _addresses(at)
    stranger = clinic_office.desk("eligibility", new_id(), "biller")
    for path in found.values():
        assert (await at.desk.get(path)).status_code == 200, path
    answers = await asyncio.gather(
        *(stranger.get(path) for path in found.values()),
        stranger.patch(found["coverage"], {"plan_name": "X"}, version=1),
        stranger.post(found["coverage"] + "/terminate", {"effective_to": "2026-12-31"}),
        stranger.post("/v1/checks", {"coverage_id": found["coverage"].rpartition("/")[2]}),
        stranger.post(found["estimate"]),
    )
    assert [answer.status_code for answer in answers] == [404] * len(answers)
    assert (await stranger.get("/v1/payers")).json()["items"] == []


async def test_a_token_of_another_clinic_sees_no_visit_of_this_one(
    at: Scene, clinic_office: Office
) -> None:
    found = await _addresses(at)
    elsewhere = clinic_office.desk(
        "eligibility", at.network_id, "front_desk", clinics=[str(new_id())]
    )
    here = clinic_office.desk(
        "eligibility", at.network_id, "front_desk", clinics=[str(at.clinic_id)]
    )
    for name in ("cover", "estimate", "check"):
        assert (await elsewhere.get(found[name])).status_code == 404
        assert (await here.get(found[name])).status_code == 200
    assert (await elsewhere.post(found["estimate"])).status_code == 404


async def test_no_token_and_a_wrong_role(at: Scene, clinic_office: Office) -> None:
    nobody = await clinic_office.http.get("http://eligibility.test/v1/payers")
    assert (nobody.status_code, nobody.json()["code"]) == (401, "token.refused")
    nurse = clinic_office.desk("eligibility", at.network_id, "nurse")
    for path, body in (
        ("/v1/payers", PAYER),
        ("/v1/coverages", at.card(await at.patient())),
        ("/v1/checks", {"coverage_id": str(new_id())}),
        (f"/v1/patients/{new_id()}/self-pay", {}),
        (f"/v1/coverages/{new_id()}/terminate", {"effective_to": "2026-12-31"}),
        (f"/v1/visits/{new_id()}/estimate", None),
    ):
        refused = await nurse.post(path, body)
        assert (refused.status_code, refused.json()["code"]) == (403, "permission.missing"), path


async def test_who_read_a_patient_s_cover_is_kept(at: Scene) -> None:
    patient = await at.patient()
    made = await at.coverage(patient)
    await at.desk.get(f"/v1/coverages/{made['id']}")
    kept = await at.rows(
        "SELECT action, patient_ids FROM audit WHERE $1 = ANY(patient_ids)", patient
    )
    assert {row["action"] for row in kept} == {"add_coverage", "read_coverage"}


async def test_a_patient_who_is_heard_of_a_moment_later_is_waited_for(at: Scene) -> None:
    patient_id = new_id()
    entering = asyncio.create_task(at.desk.post("/v1/coverages", at.card(patient_id)))
    await at.hear(at.registered(patient_id))
    assert (await entering).status_code == 201


async def test_a_patient_whom_nobody_knows_has_no_coverage(at: Scene) -> None:
    refused = await at.desk.post("/v1/coverages", at.card(new_id()))
    assert (refused.status_code, refused.json()["code"]) == (404, "patient.not_found")
