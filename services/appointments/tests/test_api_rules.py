"""Booking rules through the API: entered, narrowed, ended; they refuse, and say which did."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.appointments.tables import VisitCover
from services.appointments.tests.builders import Scene, scene
from shared.db.actor import Actor
from shared.db.work import Context
from shared.testing.apps import Desk, Office
from shared.values.clock import FixedClock
from shared.values.ids import new_id

TEN = "2026-11-03T10:00:00-07:00"
ELEVEN = "2026-11-03T11:00:00-07:00"
Body = dict[str, Any]


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: Any, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


async def enter(at: Scene, kind: str, value: Body, **more: Any) -> Body:
    body = {"kind": kind, "value": value, **more}
    made = await at.admin.post("/v1/booking-rules", body)
    assert made.status_code == 201, made.text
    found: Body = made.json()
    return found


async def book(at: Scene, starts_at: str = TEN, desk: Desk | None = None, **more: Any) -> Any:
    patient = more.pop("patient", None) or await at.patient()
    body = at.booking(patient, starts_at, **more)
    return await (desk or at.desk).post("/v1/appointments", body)


def refused(answer: httpx.Response, status: int, rule: str, version: int) -> Body:
    assert answer.status_code == status, answer.text
    body: Body = answer.json()
    assert (body["rule"], body["version"]) == (rule, version)
    facts: Body = body["facts"]
    return facts


async def test_a_rule_is_entered_listed_and_ended(at: Scene) -> None:
    first = await enter(at, "daily_cap", {"visits": 3}, clinic_id=at.clinic_id)
    second = await enter(at, "daily_cap", {"visits": 4}, clinic_id=at.clinic_id)
    wide = await enter(at, "daily_cap", {"visits": 5})
    assert [r["rule_version"] for r in (first, second, wide)] == [1, 2, 1]
    assert first["entered_by"].startswith("person/")
    other = {"name": "Elsewhere", "time_zone": "America/Denver"}
    elsewhere = (await at.admin.post("/v1/clinics", other)).json()["id"]
    for clinic_id, there in ((at.clinic_id, [first, second, wide]), (elsewhere, [wide])):
        listed = (await at.desk.get("/v1/booking-rules", clinic_id=clinic_id)).json()["items"]
        assert [r["id"] for r in listed] == [r["id"] for r in there]
    path = f"/v1/booking-rules/{second['id']}/end"
    ended = await at.admin.post(path, {"effective_until": "2026-10-31"}, version=1)
    assert (ended.status_code, ended.json()["version"]) == (200, 2)
    assert ended.headers["etag"] == '"2"'
    assert ended.json()["ended_by"].startswith("person/")
    now = (await at.desk.get("/v1/booking-rules")).json()["items"]
    assert {r["id"] for r in now} == {first["id"], wide["id"]}
    every = (await at.desk.get("/v1/booking-rules", ended="true", kind="daily_cap")).json()["items"]
    assert len(every) == 3


async def test_who_changed_which_rule_is_in_the_audit(at: Scene) -> None:
    made = await enter(at, "horizon", {"days": 30})
    path = f"/v1/booking-rules/{made['id']}/end"
    assert (await at.admin.post(path, {"effective_until": "2026-12-31"}, version=1)).is_success
    async with at.database.work(
        Context(at.network_id, Actor("person", "test"), at.clock.now())
    ) as work:
        rows = await work.raw.fetch(
            "SELECT action, actor FROM audit WHERE action LIKE '%booking_rule' ORDER BY id"
        )
    assert {row["action"] for row in rows} == {"enter_booking_rule", "end_booking_rule"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"kind": "daily_cap", "value": {"visits": -1}}, "rule.value"),
        ({"kind": "daily_cap", "value": {"days": 1}}, "rule.value"),
        ({"kind": "luck", "value": {"visits": 1}}, "request.invalid"),
        ({"kind": "daily_cap", "value": {"visits": "3"}}, "request.invalid"),
        (
            {
                "kind": "daily_cap",
                "value": {"visits": 1},
                "effective_from": "2026-12-02",
                "effective_until": "2026-12-01",
            },
            "rule.effective",
        ),
    ],
    ids=["below-zero", "of-another-kind", "no-kind", "text", "reversed"],
)
async def test_nonsense_is_not_entered(at: Scene, body: Body, code: str) -> None:
    answer = await at.admin.post("/v1/booking-rules", body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_what_a_rule_is_narrowed_to_must_be_there(at: Scene) -> None:
    for name in ("clinic_id", "appointment_type_id", "provider_id"):
        body = {"kind": "horizon", "value": {"days": 9}, name: str(new_id())}
        assert (await at.admin.post("/v1/booking-rules", body)).status_code == 404, name
    other = {"name": "Elsewhere", "time_zone": "America/Denver"}
    elsewhere = (await at.admin.post("/v1/clinics", other)).json()["id"]
    both = {"clinic_id": elsewhere, "provider_id": at.provider_id}
    body = {"kind": "horizon", "value": {"days": 9}, **both}
    assert (await at.admin.post("/v1/booking-rules", body)).status_code == 404


async def test_who_is_bound_to_a_clinic_rules_there_alone(at: Scene, clinic_office: Office) -> None:
    wide = await enter(at, "horizon", {"days": 30})
    bound = clinic_office.desk("appointments", at.network_id, "admin", clinics=[at.clinic_id])
    body: Body = {"kind": "horizon", "value": {"days": 9}}
    no = await bound.post("/v1/booking-rules", body)
    assert (no.status_code, no.json()["code"]) == (403, "rule.for_the_network")
    assert (await bound.post("/v1/booking-rules", {**body, "clinic_id": at.clinic_id})).is_success
    path = f"/v1/booking-rules/{wide['id']}/end"
    ended = await bound.post(path, {"effective_until": "2026-12-31"}, version=1)
    assert ended.status_code == 404
    assert len((await bound.get("/v1/booking-rules")).json()["items"]) == 2


async def test_a_version_of_a_rule_is_given_once(at: Scene) -> None:
    made = await asyncio.gather(*(enter(at, "horizon", {"days": 30 + n}) for n in range(6)))
    assert sorted(rule["rule_version"] for rule in made) == [1, 2, 3, 4, 5, 6]


async def test_a_cap_holds_and_names_its_version(at: Scene) -> None:
    await enter(at, "daily_cap", {"visits": 5}, appointment_type_id=at.type_id)
    await enter(at, "daily_cap", {"visits": 1}, appointment_type_id=at.type_id)
    first = await book(at)
    assert first.status_code == 201, first.text
    assert first.json()["decided_by"] == [{"rule": "daily_cap", "version": 2}]
    facts = refused(await book(at, ELEVEN), 409, "daily_cap", 2)
    assert facts == {"visits": 1, "booked": 1}
    tomorrow = await book(at, "2026-11-04T10:00:00-07:00")
    assert tomorrow.status_code == 201
    path = f"/v1/appointments/{first.json()['id']}/cancel"
    assert (await at.desk.post(path, {"reason": "patient_request"}, version=1)).is_success
    assert (await book(at, ELEVEN)).status_code == 201


async def test_many_at_once_do_not_pass_a_cap(at: Scene) -> None:
    await enter(at, "daily_cap", {"visits": 2}, clinic_id=at.clinic_id)
    starts = [f"2026-11-03T{hour:02d}:00:00-07:00" for hour in range(8, 16)]
    answers = await asyncio.gather(*(book(at, start) for start in starts))
    assert sorted(a.status_code for a in answers) == [201] * 2 + [409] * 6
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"daily_cap.reached"}


async def test_a_patient_has_so_many_visits_a_day(at: Scene) -> None:
    await enter(at, "patient_daily_cap", {"visits": 1})
    patient = await at.patient()
    assert (await book(at, patient=patient)).status_code == 201
    refused(await book(at, ELEVEN, patient=patient), 409, "patient_daily_cap", 1)
    assert (await book(at, ELEVEN)).status_code == 201


async def test_a_move_is_judged_without_the_visit_that_moves(at: Scene) -> None:
    await enter(at, "provider_daily_cap", {"visits": 1}, provider_id=at.provider_id)
    made = (await book(at)).json()
    path = f"/v1/appointments/{made['id']}/reschedule"
    wish = {"starts_at": ELEVEN, "reason": "patient_request"}
    moved = await at.desk.post(path, wish, version=1)
    assert moved.status_code == 200, moved.text
    refused(await book(at), 409, "provider_daily_cap", 1)
    again = await at.desk.post(path, {**wish, "starts_at": "2026-11-03T03:00:00-07:00"}, version=2)
    refused(again, 409, "provider_in", 0)


async def test_what_patients_may_do_by_themselves(at: Scene, clinic_office: Office) -> None:
    patient = await at.patient(birth_year=2012)
    portal = clinic_office.desk("appointments", at.network_id, "portal", patient=str(patient))
    await enter(at, "self_booking", {"mode": "request"}, appointment_type_id=at.type_id)
    asked: Body = {"patient": patient, "desk": portal}
    facts = refused(await book(at, **asked), 403, "self_booking", 1)
    assert facts == {"self_booking": "request", "ask": "/v1/appointment-requests"}
    assert (await book(at, patient=patient)).status_code == 201
    await enter(at, "self_booking", {"mode": "self_book"}, appointment_type_id=at.type_id)
    await enter(at, "age", {"from_years": 18}, binds="patients")
    refused(await book(at, ELEVEN, **asked), 422, "age", 1)
    assert (await book(at, ELEVEN, patient=patient)).status_code == 201


async def test_cover_decides_what_is_booked_by_oneself(at: Scene, clinic_office: Office) -> None:
    await enter(at, "cover", {"verdicts": ["active"]}, binds="patients")
    patient = await at.patient()
    portal = clinic_office.desk("appointments", at.network_id, "portal", patient=str(patient))
    facts = refused(await book(at, patient=patient, desk=portal), 409, "cover", 1)
    assert facts == {"verdict": "unverified", "accepted": ["active"]}
    visit = (await book(at, patient=patient)).json()
    now = at.clock.now()
    async with at.database.work(Context(at.network_id, Actor("person", "test"), now)) as work:
        work.create(
            VisitCover, network_id=at.network_id, appointment_id=visit["id"], verdict="active",
            reason="payer.active", decided_at=now,
        )  # fmt: skip
    assert (await book(at, ELEVEN, patient=patient, desk=portal)).status_code == 201


async def test_overbooking_ends_with_the_hour_s_quota(at: Scene, clinic_office: Office) -> None:
    await enter(at, "overbook_per_hour", {"visits": 1}, provider_id=at.provider_id)
    boss = clinic_office.desk("appointments", at.network_id, "admin", "front_desk")
    answers = [
        await book(at, start, desk=boss, overbook=True)
        for start in (TEN, TEN, "2026-11-03T10:40:00-07:00", "2026-11-03T10:40:00-07:00")
    ]
    assert [a.status_code for a in answers] == [201, 201, 201, 409]
    assert refused(answers[-1], 409, "overbook_per_hour", 1) == {"visits": 1, "booked": 1}


async def test_a_wave_comes_at_the_full_hour(at: Scene) -> None:
    await enter(at, "wave", {"visits": 3}, appointment_type_id=at.type_id)
    answers = await asyncio.gather(*(book(at) for _ in range(5)))
    assert sorted(a.status_code for a in answers) == [201] * 3 + [409] * 2
    assert not any(a.json()["overbooked"] for a in answers if a.status_code == 201)
    refused(await book(at, "2026-11-03T11:15:00-07:00"), 409, "wave", 1)


async def test_a_visit_by_video_takes_no_room(at: Scene) -> None:
    kind = {
        "name": "Talk",
        "minutes_new": 20,
        "minutes_known": 20,
        "needs_room": True,
        "modalities": ["in_person", "video"],
        "service_code_new": "V-NEW",
        "service_code_known": "V-EST",
    }
    type_id = (await at.admin.post("/v1/appointment-types", kind)).json()["id"]
    there = await book(at, appointment_type_id=type_id)
    assert refused(there, 409, "room_free", 0) == {"resource": "room", "blocked": False}
    video = await book(at, appointment_type_id=type_id, modality="video")
    assert (video.status_code, video.json()["modality"]) == (201, "video")
    assert video.json()["room_id"] is None
    phone = await book(at, ELEVEN, appointment_type_id=type_id, modality="phone")
    assert refused(phone, 422, "modality_offered", 0) == {"offered": ["in_person", "video"]}


# ── explaining ───────────────────────────────────────────────────────────────────────────────────


async def explained(at: Scene, starts_at: str, **more: Any) -> Body:
    patient = more.pop("patient", None) or await at.patient()
    body = at.booking(patient, starts_at, **more)
    answer = await at.desk.post("/v1/appointments/explain", body)
    assert answer.status_code == 200, answer.text
    found: Body = answer.json()
    return found


async def test_all_that_is_in_the_way_is_told_with_times_instead(at: Scene) -> None:
    patient = await at.patient()
    assert (await book(at, patient=patient)).status_code == 201
    await enter(at, "provider_daily_cap", {"visits": 1})
    found = await explained(at, TEN, patient=patient)
    assert not found["bookable"]
    assert [r["rule"] for r in found["refusals"]] == [
        "provider_daily_cap",
        "provider_free",
        "patient_free",
    ]
    assert [r["status"] for r in found["refusals"]] == [409, 409, 409]
    assert len(found["alternatives"]) == 3
    assert all("2026-11-03" not in slot["local_start"] for slot in found["alternatives"])
    for slot in found["alternatives"]:
        assert (await explained(at, slot["starts_at"], patient=patient))["bookable"]


async def test_what_can_be_booked_is_told_and_not_made(at: Scene) -> None:
    await enter(at, "daily_cap", {"visits": 9})
    found = await explained(at, TEN)
    assert found == {
        "bookable": True,
        "refusals": [],
        "decided_by": [{"rule": "daily_cap", "version": 1}],
        "alternatives": [],
    }
    listed = await at.desk.get("/v1/appointments", clinic_id=at.clinic_id, day="2026-11-03")
    assert listed.json()["items"] == []


async def test_a_move_is_explained_without_its_own_time(at: Scene) -> None:
    patient = await at.patient()
    made = (await book(at, patient=patient)).json()
    assert not (await explained(at, TEN, patient=patient))["bookable"]
    moving = await explained(at, TEN, patient=patient, appointment_id=made["id"])
    assert moving["bookable"]


@pytest.mark.parametrize(
    ("starts_at", "rule"),
    [
        ("2026-11-03T09:00:00", "time_named"),
        ("2027-03-14T02:30:00-07:00", "time_exists"),
        ("2027-11-07T01:30:00", "time_once"),
        ("2026-11-03T09:00:00-05:00", "time_in_zone"),
        ("2026-11-03T09:00:10-07:00", "time_in_minutes"),
        ("2026-11-02T07:00:00-07:00", "not_past"),
        ("2028-11-03T09:00:00-06:00", "not_too_far"),
        ("2026-11-07T09:00:00-07:00", "provider_in"),
    ],
)
async def test_booking_and_its_explanation_name_the_same_rule(
    at: Scene, starts_at: str, rule: str
) -> None:
    answer = (await book(at, starts_at)).json()
    found = await explained(at, starts_at)
    first = found["refusals"][0]
    assert answer["rule"] == first["rule"] == rule
    assert (answer["code"], answer["facts"]) == (first["code"], first["facts"])


async def test_a_bad_wish_is_explained_as_far_as_it_is_there(at: Scene) -> None:
    body = at.booking(await at.patient(), TEN, clinic_id=str(new_id()))
    assert (await at.desk.post("/v1/appointments/explain", body)).status_code == 404
    at.clock.at += timedelta(days=2)
    found = await explained(at, TEN)
    assert [r["rule"] for r in found["refusals"]] == ["not_past"]
