"""The waitlist on a real database: one time, one offer, one visit."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.appointments.tests.builders import Scene, scene
from services.appointments.tests.counting import count, overlaps, rows
from services.appointments.timers import TIMERS
from shared.db.timers import fire_due
from shared.testing.apps import Office
from shared.values.clock import FixedClock

TEN = "2026-11-04T10:00:00-07:00"
ELEVEN = "2026-11-04T11:00:00-07:00"


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


async def waits(at: Scene, patient: UUID, **more: Any) -> Any:
    body = {
        "patient_id": str(patient),
        "clinic_id": at.clinic_id,
        "appointment_type_id": at.type_id,
        **more,
    }
    answer = await at.desk.post("/v1/waitlist", body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def booked(at: Scene, starts_at: str = TEN, patient: UUID | None = None) -> Any:
    who = patient or await at.patient()
    answer = await at.desk.post("/v1/appointments", at.booking(who, starts_at))
    assert answer.status_code == 201, answer.text
    return answer.json()


async def cancelled(at: Scene, visit: Any) -> None:
    path = f"/v1/appointments/{visit['id']}/cancel"
    answer = await at.desk.post(path, {"reason": "patient_request"}, version=visit["version"])
    assert answer.status_code == 200, answer.text


async def freed(at: Scene, starts_at: str = TEN) -> None:
    await cancelled(at, await booked(at, starts_at))
    await fire_due(at.database, TIMERS, at.clock)


async def offers(at: Scene, patient: UUID) -> list[Any]:
    answer = await at.desk.get("/v1/waitlist-offers", patient_id=str(patient))
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def answered(at: Scene, offer: Any, verb: str) -> Any:
    return await at.desk.post(f"/v1/waitlist-offers/{offer['id']}/{verb}")


async def test_lesson_a_freed_time_is_offered_by_itself_held_and_becomes_a_visit(at: Scene) -> None:
    first, other = await at.patient(), await at.patient()
    await waits(at, first)
    await freed(at)
    (offer,) = await offers(at, first)
    assert (offer["state"], offer["local_start"]) == ("made", TEN)
    refused = await at.desk.post("/v1/appointments", at.booking(other, TEN))
    assert (refused.status_code, refused.json()["code"]) == (409, "slot.taken")
    taken = await answered(at, offer, "accept")
    assert taken.status_code == 200, taken.text
    again = await answered(at, offer, "accept")
    assert again.json()["appointment"]["id"] == taken.json()["appointment"]["id"]
    assert taken.json()["appointment"]["patient_id"] == str(first)
    assert await count(at, "SELECT count(*) FROM appointments WHERE lifecycle = 'booked'") == 1
    said = [r["type"] for r in await rows(at, "SELECT type FROM outbox ORDER BY xid, id")]
    names = [name.split("waitlist.")[1] for name in said if "waitlist." in name]
    assert names == ["entered.v1", "offer_made.v1", "offer_accepted.v1"]


async def test_a_declined_time_goes_to_the_next_and_to_nobody_after_them(at: Scene) -> None:
    first, second = await at.patient(), await at.patient()
    await waits(at, first)
    at.clock.at += timedelta(minutes=1)
    await waits(at, second)
    await freed(at)
    assert await offers(at, second) == []
    (offer,) = await offers(at, first)
    assert (await answered(at, offer, "decline")).json()["state"] == "declined"
    assert (await answered(at, offer, "accept")).json()["code"] == "offer.declined"
    await fire_due(at.database, TIMERS, at.clock)
    (passed_on,) = await offers(at, second)
    assert (await answered(at, passed_on, "decline")).status_code == 200
    await fire_due(at.database, TIMERS, at.clock)
    assert len(await offers(at, first) + await offers(at, second)) == 2
    assert (await booked(at))["lifecycle"] == "booked"


async def test_an_offer_that_ran_out_is_refused_and_passed_on(at: Scene) -> None:
    first, second = await at.patient(), await at.patient()
    await waits(at, first)
    at.clock.at += timedelta(minutes=1)
    await waits(at, second)
    await freed(at)
    (offer,) = await offers(at, first)
    at.clock.at += timedelta(minutes=30)
    late = await answered(at, offer, "accept")
    assert (late.status_code, late.json()["code"]) == (409, "offer.expired")
    await fire_due(at.database, TIMERS, at.clock)
    await fire_due(at.database, TIMERS, at.clock)
    assert [each["state"] for each in await offers(at, first)] == ["expired"]
    assert [each["state"] for each in await offers(at, second)] == ["made"]


async def test_a_visit_to_replace_moves_and_its_time_is_offered_on(at: Scene) -> None:
    first, second = await at.patient(), await at.patient()
    late = await booked(at, ELEVEN, first)
    await waits(at, first, replaces_appointment_id=late["id"])
    await freed(at)
    at.clock.at += timedelta(minutes=1)
    await waits(at, second)
    (offer,) = await offers(at, first)
    taken = (await answered(at, offer, "accept")).json()["appointment"]
    assert (taken["id"], taken["moves"], taken["local_start"]) == (late["id"], 1, TEN)
    await fire_due(at.database, TIMERS, at.clock)
    (chained,) = await offers(at, second)
    assert chained["local_start"] == ELEVEN


async def test_who_withdraws_leaves_the_time_to_the_next(at: Scene) -> None:
    first, second = await at.patient(), await at.patient()
    entry = await waits(at, first)
    at.clock.at += timedelta(minutes=1)
    await waits(at, second)
    await freed(at)
    gone = await at.desk.post(f"/v1/waitlist/{entry['id']}/withdraw")
    assert gone.json()["state"] == "withdrawn"
    await fire_due(at.database, TIMERS, at.clock)
    assert [each["state"] for each in await offers(at, first)] == ["superseded"]
    assert [each["state"] for each in await offers(at, second)] == ["made"]
    waiting = await at.desk.get("/v1/waitlist", clinic_id=str(at.clinic_id))
    assert [item["patient_id"] for item in waiting.json()["items"]] == [str(second)]


async def test_a_patient_sees_their_own_entries_alone(at: Scene, clinic_office: Office) -> None:
    first, second = await at.patient(), await at.patient()
    for patient in (first, second):
        await waits(at, patient)
    own = clinic_office.desk("appointments", at.network_id, "portal", patient=str(first))
    seen = (await own.get("/v1/waitlist/of-patient", patient_id=str(first))).json()["items"]
    assert [item["patient_id"] for item in seen] == [str(first)]
    others = await own.get("/v1/waitlist/of-patient", patient_id=str(second))
    assert others.status_code == 404


async def test_times_freed_at_once_give_nobody_two_offers_and_no_time_two(at: Scene) -> None:
    starts = [f"2026-11-04T{hour:02}:00:00-07:00" for hour in range(8, 14)]
    visits = [await booked(at, start) for start in starts]
    patients = [await at.patient() for _ in range(4)]
    for patient in patients:
        await waits(at, patient)
        await waits(at, patient)
    await asyncio.gather(*(cancelled(at, visit) for visit in visits))
    await asyncio.gather(*(fire_due(at.database, TIMERS, at.clock) for _ in range(4)))
    made = await rows(at, "SELECT patient_id, starts_at FROM waitlist_offers WHERE state = 'made'")
    assert len(made) == 4
    assert len({row["patient_id"] for row in made}) == 4
    assert len({row["starts_at"] for row in made}) == 4
    seen = [offer for patient in patients for offer in await offers(at, patient)]
    answers = await asyncio.gather(
        *(answered(at, offer, verb) for offer in seen for verb in ("accept", "accept", "decline"))
    )
    assert all(answer.status_code in {200, 409} for answer in answers)
    assert await overlaps(at) == 0


async def test_a_time_that_somebody_held_and_left_is_offered(at: Scene) -> None:
    first, second = await at.patient(), await at.patient()
    for start in (TEN, ELEVEN):
        answer = await at.desk.post("/v1/holds", at.booking(await at.patient(), start))
        assert answer.status_code == 201, answer.text
    await waits(at, first)
    at.clock.at += timedelta(minutes=1)
    await waits(at, second)
    # One is given back; the other runs out.
    held = await rows(at, "SELECT id FROM holds ORDER BY starts_at")
    assert (await at.desk.post(f"/v1/holds/{held[0]['id']}/release")).status_code == 200
    await fire_due(at.database, TIMERS, at.clock)
    assert [each["local_start"] for each in await offers(at, first)] == [TEN]
    assert await offers(at, second) == []
    at.clock.at += timedelta(minutes=5)
    await fire_due(at.database, TIMERS, at.clock)
    await fire_due(at.database, TIMERS, at.clock)
    assert [each["local_start"] for each in await offers(at, second)] == [ELEVEN]


async def test_who_let_an_offer_expire_comes_after_the_others_for_that_day(at: Scene) -> None:
    first, second = await at.patient(), await at.patient()
    await waits(at, first, priority="high", priority_reason="post-operative")
    await freed(at)
    at.clock.at += timedelta(minutes=30)
    for _ in range(2):
        await fire_due(at.database, TIMERS, at.clock)
    again, late = await offers(at, first)
    assert (again["state"], late["state"]) == ("made", "expired")
    assert (await answered(at, again, "decline")).status_code == 200
    await fire_due(at.database, TIMERS, at.clock)
    await waits(at, second)
    await freed(at, ELEVEN)
    assert [each["local_start"] for each in await offers(at, second)] == [ELEVEN]


async def test_an_entry_is_changed_and_what_fits_changes_with_it(at: Scene) -> None:
    patient = await at.patient()
    entry = await waits(at, patient, weekdays=[1], notice_minutes=60)
    await freed(at)
    assert await offers(at, patient) == []
    path = f"/v1/waitlist/{entry['id']}"
    wishes = {"weekdays": [3], "opens": "10:00:00", "closes": "12:00:00"}
    changed = await at.desk.patch(path, wishes, version=entry["version"])
    assert changed.status_code == 200, changed.text
    body = changed.json()
    assert (body["weekdays"], body["notice_minutes"], body["priority"]) == ([3], 60, "normal")
    assert body["entered_at"] == entry["entered_at"]
    stale = await at.desk.patch(path, wishes, version=entry["version"])
    assert stale.status_code == 412, stale.text
    reversed_hours = await at.desk.patch(
        path, {"opens": "12:00:00", "closes": "10:00:00"}, version=body["version"]
    )
    assert reversed_hours.json()["code"] == "waitlist.hours_reversed"
    await freed(at)
    assert [each["local_start"] for each in await offers(at, patient)] == [TEN]


async def test_who_waits_no_longer_changes_nothing(at: Scene) -> None:
    entry = await waits(at, await at.patient())
    gone = await at.desk.post(f"/v1/waitlist/{entry['id']}/withdraw")
    path = f"/v1/waitlist/{entry['id']}"
    refused = await at.desk.patch(path, {"weekdays": None}, version=gone.json()["version"])
    assert (refused.status_code, refused.json()["code"]) == (409, "waitlist.over")


async def test_a_patient_answers_their_own_offer_alone(at: Scene, clinic_office: Office) -> None:
    first, second = await at.patient(), await at.patient()
    await waits(at, first)
    await freed(at)
    (offer,) = await offers(at, first)
    other = clinic_office.desk("appointments", at.network_id, "portal", patient=str(second))
    for verb in ("accept", "decline"):
        assert (await other.post(f"/v1/waitlist-offers/{offer['id']}/{verb}")).status_code == 404
    own = clinic_office.desk("appointments", at.network_id, "portal", patient=str(first))
    taken = await own.post(f"/v1/waitlist-offers/{offer['id']}/accept")
    assert taken.status_code == 200, taken.text
    assert taken.json()["appointment"]["patient_id"] == str(first)


async def test_a_high_priority_is_for_the_desk_to_give(at: Scene, clinic_office: Office) -> None:
    patient = await at.patient()
    own = clinic_office.desk("appointments", at.network_id, "portal", patient=str(patient))
    body = {
        "patient_id": str(patient),
        "clinic_id": at.clinic_id,
        "appointment_type_id": at.type_id,
    }
    high = {"priority": "high", "priority_reason": "I would like it soon"}
    refused = await own.post("/v1/waitlist", body | high)
    assert (refused.status_code, refused.json()["code"]) == (403, "waitlist.for_the_desk")
    entry = await own.post("/v1/waitlist", body)
    assert entry.status_code == 201, entry.text
    path = f"/v1/waitlist/{entry.json()['id']}"
    refused = await own.patch(path, high, version=entry.json()["version"])
    assert (refused.status_code, refused.json()["code"]) == (403, "waitlist.for_the_desk")


async def test_a_freed_time_that_the_desk_books_as_it_is_offered_has_one_owner(at: Scene) -> None:
    starts = [f"2026-11-04T{hour:02}:00:00-07:00" for hour in range(8, 14)]
    visits = [await booked(at, start) for start in starts]
    waiting = [await at.patient() for _ in starts]
    for patient in waiting:
        await waits(at, patient)
    walk_ins = [at.booking(await at.patient(), start) for start in starts for _ in range(2)]
    for visit in visits:
        await cancelled(at, visit)
    booking = asyncio.gather(*(at.desk.post("/v1/appointments", body) for body in walk_ins))
    await asyncio.gather(*(fire_due(at.database, TIMERS, at.clock) for _ in range(2)))
    answers = await booking
    assert {answer.status_code for answer in answers} <= {201, 409}
    await fire_due(at.database, TIMERS, at.clock)
    assert await overlaps(at) == 0
    made = await rows(at, "SELECT starts_at FROM waitlist_offers WHERE state = 'made'")
    taken = await rows(at, "SELECT starts_at FROM appointments WHERE lifecycle = 'booked'")
    assert len({row["starts_at"] for row in [*made, *taken]}) == len(made) + len(taken)
    assert len(made) + len(taken) == len(starts)
