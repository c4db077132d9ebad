"""Whatever takes a place obeys the rules: a hold, a seat, a session, an occurrence of a series.

And availability offers what colleagues, equipment and holds leave, as a booking would find it.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.appointments.tests.builders import Scene, scene
from services.appointments.tests.counting import count
from services.appointments.tests.test_api_rules import enter, refused
from services.appointments.tests.test_several import with_lab
from shared.testing.apps import Desk, Office
from shared.values.clock import FixedClock

TEN, ELEVEN, TWO = (f"2026-11-03T{hour}:00:00-07:00" for hour in (10, 11, 14))
Body = dict[str, Any]


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


def portal(at: Scene, office: Office, patient: UUID) -> Desk:
    return office.desk("appointments", at.network_id, "portal", patient=str(patient))


async def opened(at: Scene, seats: int = 3) -> Body:
    wish = at.booking("", TEN, seats=seats)
    del wish["patient_id"]
    answer = await at.desk.post("/v1/sessions", wish)
    assert answer.status_code == 201, answer.text
    found: Body = answer.json()
    return found


async def seat(at: Scene, session: Body, patient: UUID, desk: Desk | None = None) -> Any:
    path = f"/v1/sessions/{session['id']}/seats"
    return await (desk or at.desk).post(path, {"patient_id": str(patient)})


async def slots(at: Scene, **more: Any) -> Body:
    asked = {"clinic_id": at.clinic_id, "appointment_type_id": at.type_id, **more}
    answer = await at.desk.get("/v1/availability", **asked)
    assert answer.status_code == 200, answer.text
    found: Body = answer.json()
    return found


async def test_what_is_held_obeys_the_rules(at: Scene) -> None:
    await enter(at, "provider_daily_cap", {"visits": 1})
    patient = await at.patient()
    assert (await at.desk.post("/v1/appointments", at.booking(patient, TEN))).status_code == 201
    answer = await at.desk.post("/v1/holds", at.booking(await at.patient(), TWO))
    assert refused(answer, 409, "provider_daily_cap", 1) == {"visits": 1, "booked": 1}
    assert await count(at, "SELECT count(*) FROM holds") == 0


async def test_who_has_arrived_is_counted_still(at: Scene) -> None:
    await enter(at, "provider_daily_cap", {"visits": 1})
    booked = await at.desk.post(
        "/v1/appointments", at.booking(await at.patient(), "2026-11-02T10:00:00-07:00")
    )
    path = f"/v1/appointments/{booked.json()['id']}"
    assert (await at.desk.post(f"{path}/arrive")).status_code == 200
    later = at.booking(await at.patient(), "2026-11-02T14:00:00-07:00")
    answer = await at.desk.post("/v1/appointments", later)
    assert refused(answer, 409, "provider_daily_cap", 1) == {"visits": 1, "booked": 1}


async def test_what_was_in_time_when_it_was_held_is_in_time_when_it_is_taken(
    at: Scene, clinic_office: Office
) -> None:
    await enter(at, "lead_time", {"minutes": 120}, binds="everyone")
    patient = await at.patient()
    mine = portal(at, clinic_office, patient)
    soon = at.booking(patient, "2026-11-02T10:00:00-07:00")
    hold = await mine.post("/v1/holds", soon)
    assert hold.status_code == 201, hold.text
    at.clock.at += timedelta(minutes=3)
    refused(await mine.post("/v1/appointments", soon), 422, "lead_time", 1)
    explained = await mine.post("/v1/appointments/explain", {**soon, "hold_id": hold.json()["id"]})
    assert explained.json()["bookable"] is True
    taken = await mine.post("/v1/appointments", {**soon, "hold_id": hold.json()["id"]})
    assert taken.status_code == 201, taken.text


async def test_a_hold_is_taken_in_the_way_it_was_held(at: Scene) -> None:
    kind = {
        "name": "Talk", "minutes_new": 20, "minutes_known": 20, "modalities": ["phone", "video"],
        "service_code_new": "V-NEW", "service_code_known": "V-EST",
    }  # fmt: skip
    type_id = (await at.admin.post("/v1/appointment-types", kind)).json()["id"]
    patient = await at.patient()
    body = at.booking(patient, TEN, appointment_type_id=type_id)
    refused(await at.desk.post("/v1/holds", body), 422, "modality_offered", 0)
    hold = await at.desk.post("/v1/holds", {**body, "modality": "video"})
    assert (hold.status_code, hold.json()["modality"]) == (201, "video")
    body["hold_id"] = hold.json()["id"]
    other = await at.desk.post("/v1/appointments", {**body, "modality": "phone"})
    assert (other.status_code, other.json()["code"]) == (422, "hold.other_place")
    same = await at.desk.post("/v1/appointments", {**body, "modality": "video"})
    assert (same.status_code, same.json()["modality"]) == (201, "video")


async def test_a_seat_obeys_the_rules_and_keeps_which_decided(
    at: Scene, clinic_office: Office
) -> None:
    cap = await enter(at, "daily_cap", {"visits": 2}, appointment_type_id=at.type_id)
    await enter(at, "self_booking", {"mode": "request"})
    session = await opened(at)
    mine = await at.patient()
    by_themselves = await seat(at, session, mine, portal(at, clinic_office, mine))
    refused(by_themselves, 403, "self_booking", 1)
    first = await seat(at, session, mine)
    assert first.status_code == 201, first.text
    decided = {"rule": "daily_cap", "version": cap["rule_version"]}
    assert decided in first.json()["decided_by"]
    assert (await seat(at, session, await at.patient())).status_code == 201
    refused(await seat(at, session, await at.patient()), 409, "daily_cap", 1)


async def test_a_session_moves_with_its_seats_where_all_of_them_fit(at: Scene) -> None:
    session = await opened(at)
    for _ in range(2):
        assert (await seat(at, session, await at.patient())).status_code == 201
    await enter(at, "provider_daily_cap", {"visits": 2})
    path, why = f"/v1/sessions/{session['id']}/move", {"reason": "clinic_request"}
    # On the same day its own seats do not stand in its way.
    later = await at.desk.post(path, {"starts_at": TWO, **why}, version=1)
    assert later.status_code == 200, later.text
    wednesday = at.booking(await at.patient(), "2026-11-04T09:00:00-07:00")
    assert (await at.desk.post("/v1/appointments", wednesday)).status_code == 201
    there = {"starts_at": "2026-11-04T14:00:00-07:00", **why}
    refused(await at.desk.post(path, there, version=2), 409, "provider_daily_cap", 1)


async def test_an_occurrence_obeys_the_rules_of_its_own_day(at: Scene) -> None:
    await enter(
        at, "daily_cap", {"visits": 0}, effective_from="2026-11-10", effective_until="2026-11-10"
    )
    weekly = at.booking(await at.patient(), TEN, rrule="FREQ=WEEKLY;COUNT=3")
    answer = await at.desk.post("/v1/series", weekly)
    refused(answer, 409, "daily_cap", 1)
    assert answer.json()["occurrence"] == 2
    left = await at.desk.post("/v1/series", {**weekly, "on_conflict": "skip"})
    assert left.status_code == 201, left.text
    assert await count(at, "SELECT count(*) FROM appointments") == 2


async def test_an_occurrence_that_goes_near_counts_the_visits_of_the_day_it_comes_to(
    at: Scene,
) -> None:
    """A clinic that is open around midnight: the next day's cap is full, so nothing is near."""
    for weekday, opens, closes in ((2, "22:00:00", "23:59:00"), (3, "00:00:00", "03:00:00")):
        hours = {"clinic_id": at.clinic_id, "weekday": weekday, "opens": opens, "closes": closes}
        path = f"/v1/providers/{at.provider_id}/schedules"
        assert (await at.admin.post(path, hours)).status_code == 201
    night = "2026-11-03T23:00:00-07:00"
    for taken in (night, "2026-11-03T22:15:00-07:00", "2026-11-04T02:00:00-07:00"):
        wish = at.booking(await at.patient(), taken)
        assert (await at.desk.post("/v1/appointments", wish)).status_code == 201
    await enter(at, "provider_daily_cap", {"visits": 1}, effective_from="2026-11-04")
    wish = at.booking(
        await at.patient(), night, rrule="FREQ=WEEKLY;COUNT=1", on_conflict="nearest",
        tolerance_minutes=120,
    )  # fmt: skip
    answer = await at.desk.post("/v1/series", wish)
    assert (answer.status_code, answer.json()["code"]) == (409, "series.nothing_free")


async def test_what_is_offered_with_a_colleague_and_equipment_can_be_booked(at: Scene) -> None:
    lab = await with_lab(at)
    window = {"since": "2026-11-03T00:00:00-07:00", "until": "2026-11-04T00:00:00-07:00"}
    asked = {"appointment_type_id": lab.type_id, "provider_id": at.provider_id, **window}
    found = (await slots(at, **asked))["slots"]
    # The provider is named, and who may join is whoever is there: in until noon.
    assert {slot["provider_id"] for slot in found} == {at.provider_id}
    assert {tuple(slot["further_provider_ids"]) for slot in found} == {(lab.colleague_id,)}
    assert found[-1]["local_start"][11:16] == "11:15"
    slot = found[0]
    booked = await lab.book(slot["starts_at"], provider_id=at.provider_id)
    assert (booked.status_code, booked.json()["room_id"]) == (201, slot["room_id"])
    again = (await slots(at, **asked))["slots"]
    assert slot["starts_at"] not in {each["starts_at"] for each in again}


async def test_a_lack_of_equipment_is_the_reason(at: Scene) -> None:
    lab = await with_lab(at)
    path = f"/v1/equipment/{lab.scanner_id}/out-of-service"
    answer = await at.admin.post(path, {"since": "2026-11-01"})
    assert answer.status_code == 200, answer.text
    found = await slots(at, appointment_type_id=lab.type_id)
    assert found["slots"] == []
    assert {each["reason"] for each in found["empty"]} == {"equipment_taken"}
    told = await at.desk.post("/v1/appointments/explain", lab.body(await at.patient(visits=1), TEN))
    assert [refusal["rule"] for refusal in told.json()["refusals"]] == ["equipment_free"]


async def test_time_of_a_hold_that_ran_out_is_offered_before_its_timer_says_so(at: Scene) -> None:
    hold = await at.desk.post("/v1/holds", at.booking(await at.patient(), TEN))
    assert hold.status_code == 201
    window = {"since": TEN, "until": "2026-11-03T10:05:00-07:00"}
    assert (await slots(at, **window))["slots"] == []
    at.clock.at += timedelta(minutes=6)
    assert [s["local_start"] for s in (await slots(at, **window))["slots"]] == [TEN]


async def test_equipment_and_rooms_are_for_who_comes(at: Scene) -> None:
    kind = {
        "name": "Second opinion", "minutes_new": 20, "minutes_known": 20, "needs_room": True,
        "room_kind": "lab", "equipment": {"scanner": 1}, "modalities": ["in_person", "video"],
        "service_code_new": "V-NEW", "service_code_known": "V-EST",
    }  # fmt: skip
    type_id = (await at.admin.post("/v1/appointment-types", kind)).json()["id"]
    wish = at.booking(await at.patient(), TEN, appointment_type_id=type_id)
    refused(await at.desk.post("/v1/appointments", wish), 409, "room_free", 0)
    video = await at.desk.post("/v1/appointments", {**wish, "modality": "video"})
    assert video.status_code == 201, video.text
    assert (video.json()["room_id"], video.json()["equipment_ids"]) == (None, None)
