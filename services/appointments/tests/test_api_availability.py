"""Availability through the API: clinics, providers and rooms, page by page, with reasons."""

from typing import Any

import pytest

from services.appointments.tests.builders import Scene, scene
from shared.testing.apps import Office
from shared.values.clock import FixedClock
from shared.values.ids import new_id

Body = dict[str, Any]
DAY: Body = {"since": "2026-11-03T00:00:00-07:00", "until": "2026-11-04T00:00:00-07:00"}


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: Any, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


async def find(at: Scene, status: int = 200, **query: Any) -> Body:
    asked = {"appointment_type_id": at.type_id, "clinic_id": at.clinic_id, **query}
    answer = await at.desk.get("/v1/availability", **asked)
    assert answer.status_code == status, answer.text
    found: Body = answer.json()
    return found


async def open_another(at: Scene, time_zone: str = "America/New_York") -> tuple[str, str]:
    """A second clinic, further east, with a provider of its own who is in on Tuesdays."""
    clinic = {"name": "East", "time_zone": time_zone}
    clinic_id = (await at.admin.post("/v1/clinics", clinic)).json()["id"]
    provider = {"family_name": "Moreau", "clinic_ids": [clinic_id]}
    provider_id = (await at.admin.post("/v1/providers", provider)).json()["id"]
    hours = {"clinic_id": clinic_id, "weekday": 2, "opens": "08:00:00", "closes": "10:00:00"}
    made = await at.admin.post(f"/v1/providers/{provider_id}/schedules", hours)
    assert made.status_code == 201, made.text
    return clinic_id, provider_id


async def make_type(at: Scene, **more: Any) -> str:
    kind = {
        "name": "Other",
        "minutes_new": 30,
        "minutes_known": 30,
        "service_code_new": "V-NEW",
        "service_code_known": "V-EST",
        **more,
    }
    made = await at.admin.post("/v1/appointment-types", kind)
    assert made.status_code == 201, made.text
    key: str = made.json()["id"]
    return key


async def test_several_clinics_come_in_the_order_of_time_each_by_its_own_clock(at: Scene) -> None:
    east, moreau = await open_another(at)
    found = await find(at, clinic_id=[at.clinic_id, east], limit=200, **DAY)
    starts = [slot["starts_at"] for slot in found["slots"]]
    assert starts == sorted(starts)
    assert {(s["clinic_id"], s["time_zone"], s["provider_id"]) for s in found["slots"]} == {
        (at.clinic_id, "America/Denver", at.provider_id),
        (east, "America/New_York", moreau),
    }
    first = next(s for s in found["slots"] if s["clinic_id"] == east)
    assert first["local_start"] == "2026-11-03T08:00:00-05:00"
    assert (found["more"], found["next"], found["empty"]) == (False, None, [])


@pytest.mark.parametrize("limit", [1, 7, 50])
async def test_pages_make_up_the_whole(at: Scene, limit: int) -> None:
    east, _ = await open_another(at)
    query: Body = {"clinic_id": [at.clinic_id, east], "grid_minutes": "60"}
    window: Body = {"since": "2026-11-03T00:00:00-07:00", "until": "2026-11-07T00:00:00-07:00"}
    whole = await find(at, **query, **window, limit=200)
    assert not whole["more"]
    pages = [await find(at, **query, **window, limit=limit)]
    while pages[-1]["next"] is not None:
        pages.append(await find(at, **query, limit=limit, cursor=pages[-1]["next"]))
    assert [slot for page in pages for slot in page["slots"]] == whole["slots"]
    assert all(len(page["slots"]) == limit for page in pages[:-1])
    # What is left out of a page was not looked at either.
    for page in pages[:-1]:
        assert page["searched_until"] == page["slots"][-1]["starts_at"]


async def test_a_provider_without_a_slot_has_a_reason_per_clinic(at: Scene) -> None:
    east, moreau = await open_another(at)
    wednesday: Body = {"since": "2026-11-04T00:00:00-07:00", "until": "2026-11-05T00:00:00-07:00"}
    found = await find(at, clinic_id=[at.clinic_id, east], limit=200, **wednesday)
    assert found["empty"] == [{"provider_id": moreau, "clinic_id": east, "reason": "no_template"}]


async def rule(at: Scene, kind: str, value: Body, **more: Any) -> None:
    made = await at.admin.post("/v1/booking-rules", {"kind": kind, "value": value, **more})
    assert made.status_code == 201, made.text


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        ("lead_time", {"minutes": 3000}, "lead_time"),
        ("horizon", {"days": 1}, None),
        ("daily_cap", {"visits": 0}, "daily_cap"),
        ("provider_daily_cap", {"visits": 0}, "provider_daily_cap"),
        ("age", {"from_years": 18}, "age_limit"),
        ("gender", {"genders": ["male"]}, "gender_limit"),
        ("payer", {"only_payers": ["0190a1b2-0000-7000-8000-000000000021"]}, "payer_limit"),
        ("cover", {"verdicts": ["active"]}, "cover_limit"),
        ("referral", {"required": True}, "referral_required"),
        ("authorization", {"required": True}, "authorization_required"),
    ],
)
async def test_a_rule_is_the_reason(at: Scene, kind: str, value: Body, reason: str | None) -> None:
    patient = await at.patient(birth_year=2015, gender="female")
    assert (await find(at, patient_id=str(patient), **DAY))["empty"] == []
    await rule(at, kind, value)
    found = await find(at, patient_id=str(patient), **DAY)
    if reason is None:
        assert found["slots"][-1]["local_start"] <= "2026-11-03T08:00:00-07:00"
    else:
        assert (found["slots"], [e["reason"] for e in found["empty"]]) == ([], [reason])


async def test_a_cap_of_a_day_leaves_the_next_day(at: Scene) -> None:
    await rule(at, "patient_daily_cap", {"visits": 1})
    patient = await at.patient()
    body = at.booking(patient, "2026-11-03T10:00:00-07:00")
    assert (await at.desk.post("/v1/appointments", body)).status_code == 201
    found = await find(at, patient_id=str(patient), **DAY)
    assert [e["reason"] for e in found["empty"]] == ["patient_daily_cap"]
    until = "2026-11-05T00:00:00-07:00"
    both = await find(at, patient_id=str(patient), since=DAY["since"], until=until)
    assert {slot["local_start"][:10] for slot in both["slots"]} == {"2026-11-04"}


async def test_full_days_are_passed_over_until_one_is_not(at: Scene) -> None:
    await rule(
        at, "daily_cap", {"visits": 0}, effective_from="2026-11-02", effective_until="2026-12-10"
    )
    window: Body = {"since": "2026-11-02T08:00:00-07:00", "until": "2027-01-15T00:00:00-07:00"}
    found = await find(at, limit=3, **window)
    assert [s["local_start"][:10] for s in found["slots"]] == ["2026-12-11"] * 3
    assert found["empty"] == []


async def test_a_room_that_is_named_is_the_room_of_each_slot(at: Scene) -> None:
    rooms = []
    for name in ("One", "Two"):
        room = {"clinic_id": at.clinic_id, "name": name}
        rooms.append((await at.admin.post("/v1/rooms", room)).json()["id"])
    found = await find(at, room_id=rooms[1], **DAY)
    assert {slot["room_id"] for slot in found["slots"]} == {rooms[1]}
    slot = found["slots"][0]
    body = at.booking(await at.patient(), slot["starts_at"], room_id=rooms[1])
    assert (await at.desk.post("/v1/appointments", body)).status_code == 201
    again = await find(at, room_id=rooms[1], **DAY)
    assert again["slots"][0]["starts_at"] > slot["starts_at"]
    assert (await find(at, 404, room_id=str(new_id()), **DAY))["code"] == "room.not_found"


async def test_a_visit_by_video_is_offered_without_a_room(at: Scene) -> None:
    kind = await make_type(at, needs_room=True, modalities=["in_person", "video"])
    there = await find(at, appointment_type_id=kind, **DAY)
    assert [e["reason"] for e in there["empty"]] == ["room_taken"]
    video = await find(at, appointment_type_id=kind, modality="video", **DAY)
    assert video["slots"][0]["room_id"] is None
    phone = await find(at, 422, appointment_type_id=kind, modality="phone", **DAY)
    assert phone["code"] == "modality.not_offered"


async def test_what_a_patient_may_do_by_themselves_is_said_beside(at: Scene) -> None:
    assert (await find(at, **DAY))["self_booking"] == "self_book"
    await rule(at, "self_booking", {"mode": "view_only"}, clinic_id=at.clinic_id)
    found = await find(at, **DAY)
    assert found["self_booking"] == "view_only"
    assert found["slots"]


async def test_lead_time_binds_the_portal_and_not_the_desk(
    at: Scene, clinic_office: Office
) -> None:
    kind = await make_type(at, lead_time_minutes=60 * 30)
    patient = str(await at.patient())
    portal = clinic_office.desk("appointments", at.network_id, "portal", patient=patient)
    asked: Body = {"appointment_type_id": kind, "clinic_id": at.clinic_id, "patient_id": patient}
    theirs = (await portal.get("/v1/availability", **asked, **DAY)).json()
    assert theirs["slots"][0]["local_start"] == "2026-11-03T14:00:00-07:00"
    ours = await find(at, **asked, **DAY)
    assert ours["slots"][0]["local_start"] == "2026-11-03T08:00:00-07:00"


async def test_a_clinic_that_is_not_there_hides_the_others(at: Scene) -> None:
    found = await find(at, 404, clinic_id=[at.clinic_id, str(new_id())])
    assert found["code"] == "clinic.not_found"
    other, _ = await open_another(at)
    bound = await find(at, 404, clinic_id=other, provider_id=at.provider_id)
    assert bound["code"] == "provider.not_found"


async def test_a_cursor_that_was_altered_is_refused(at: Scene) -> None:
    page = await find(at, limit=1, **DAY)
    assert (await find(at, 400, cursor=page["next"][:-2] + "xx"))["code"] == "cursor.invalid"
