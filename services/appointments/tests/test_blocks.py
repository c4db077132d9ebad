"""Blocks through the API, on a real database."""

import asyncio
from datetime import datetime
from typing import Any

import asyncpg
import pytest

from services.appointments.tests.builders import ZONE, Scene, scene
from shared.testing.apps import Office
from shared.values.clock import FixedClock
from shared.values.ids import new_id

Body = dict[str, Any]


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: Any, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


def time(hour: str, day: int = 3) -> str:
    return f"2026-11-{day:02d}T{hour}:00-07:00"


def block(at: Scene, kind: str, start: str, end: str, **more: Any) -> Body:
    return {
        "clinic_id": at.clinic_id,
        "kind": kind,
        "starts_at": time(start),
        "ends_at": time(end),
        "provider_ids": [at.provider_id],
        **more,
    }


async def made(at: Scene, body: Body) -> Body:
    answer = await at.desk.post("/v1/blocks", body)
    assert answer.status_code == 201, answer.text
    found: Body = answer.json()
    return found


async def booked(at: Scene, start: str, day: int = 3, **more: Any) -> Body:
    body = at.booking(await at.patient(), time(start, day), **more)
    answer = await at.desk.post("/v1/appointments", body)
    assert answer.status_code == 201, answer.text
    found: Body = answer.json()
    return found


async def refused(at: Scene, start: str, **more: Any) -> Body:
    body = {**at.booking(await at.patient(), time(start)), **more}
    answer = await at.desk.post("/v1/appointments", body)
    assert answer.status_code == 409, answer.text
    found: Body = answer.json()
    return found


async def starts(at: Scene, type_id: str | None = None, day: int = 3) -> list[str]:
    answer = await at.desk.get(
        "/v1/availability",
        appointment_type_id=type_id or at.type_id,
        clinic_id=at.clinic_id,
        provider_id=at.provider_id,
        since=time("00:00", day),
        until=time("23:59", day),
        grid_minutes=60,
        known_patient=True,
    )
    return [slot["local_start"][11:16] for slot in answer.json()["slots"]]


async def colleague(at: Scene) -> str:
    body = {"family_name": "Reyes", "clinic_ids": [at.clinic_id]}
    provider_id = (await at.admin.post("/v1/providers", body)).json()["id"]
    for weekday in range(1, 6):
        hours = {"clinic_id": at.clinic_id, "opens": "08:00:00", "closes": "17:00:00"}
        path = f"/v1/providers/{provider_id}/schedules"
        assert (await at.admin.post(path, {**hours, "weekday": weekday})).status_code == 201
    return str(provider_id)


async def rows(at: Scene, where: str) -> int:
    async with at.database.raw("app") as raw, raw.transaction():
        await raw.execute("SELECT set_config('app.network', $1, true)", str(at.network_id))
        return int(await raw.fetchval(f"SELECT count(*) FROM occupancies WHERE {where}"))


@pytest.mark.parametrize("kind", ["meeting", "time_off", "administration", "travel", "freeze"])
async def test_a_block_keeps_bookings_out_until_it_is_lifted(at: Scene, kind: str) -> None:
    found = await made(at, block(at, kind, "09:00", "16:00"))
    assert await starts(at) == ["08:00", "16:00"]
    taken = await refused(at, "10:00")
    assert (taken["code"], taken["blocked"]) == ("slot.taken", True)
    path = f"/v1/blocks/{found['block']['id']}"
    assert (await at.desk.get(path)).json() == found["block"]
    lifted = await at.desk.post(f"{path}/lift")
    assert lifted.json()["lifted_at"] == "2026-11-02T15:00:00Z"
    assert (await at.desk.post(f"{path}/lift")).json() == lifted.json()
    assert len(await starts(at)) == 9
    await booked(at, "10:00")
    (told,) = await at.said("provider.block_created")
    assert (told["kind"], told["provider_ids"]) == (kind, [at.provider_id])
    (told,) = await at.said("block.lifted")
    assert told["starts_at"] == "2026-11-03T16:00:00Z"


async def test_nobody_may_overbook_a_block(at: Scene, clinic_office: Office) -> None:
    await made(at, block(at, "meeting", "09:00", "10:00"))
    both = clinic_office.desk("appointments", at.network_id, "front_desk", "admin")
    body = at.booking(await at.patient(), time("09:00"), overbook=True)
    answer = await both.post("/v1/appointments", body)
    assert (answer.status_code, answer.json()["code"]) == (409, "slot.taken")


async def test_a_hold_is_open_for_its_type_alone(at: Scene) -> None:
    kind = {"minutes_new": 40, "minutes_known": 20, "service_code_new": "V-NEW"}
    more = {"name": "New patient", "service_code_known": "V-EST"}
    other = (await at.admin.post("/v1/appointment-types", {**kind, **more})).json()["id"]
    await booked(at, "09:00")
    await made(at, block(at, "hold", "09:00", "12:00", appointment_type_id=other))
    assert "10:00" not in await starts(at)
    assert "10:00" in await starts(at, other)
    assert (await refused(at, "10:00"))["code"] == "slot.taken"
    body = {**at.booking(await at.patient(), time("10:00")), "appointment_type_id": other}
    assert (await at.desk.post("/v1/appointments", body)).status_code == 201


async def test_a_preview_names_the_visits_and_writes_nothing(at: Scene) -> None:
    visits = [await booked(at, "09:00"), await booked(at, "11:00")]
    body = block(at, "meeting", "10:00", "11:30")
    answer = await at.desk.post("/v1/blocks/preview", body)
    assert answer.status_code == 200, answer.text
    assert [item["appointment_id"] for item in answer.json()["items"]] == [visits[1]["id"]]
    assert await rows(at, "block_id IS NOT NULL") == 0
    refusal = await at.desk.post("/v1/blocks", body)
    assert (refusal.status_code, refusal.json()["code"]) == (409, "block.visits_hit")
    assert refusal.json()["visits"] == [visits[1]["id"]]
    assert await rows(at, "block_id IS NOT NULL") == 0


async def test_visits_that_are_kept_stay_and_all_else_is_blocked(at: Scene) -> None:
    visit = await booked(at, "10:00")
    await made(at, block(at, "administration", "09:00", "12:00", on_visits="keep"))
    assert await starts(at) == ["08:00", "12:00", "13:00", "14:00", "15:00", "16:00"]
    assert (await at.desk.get(f"/v1/appointments/{visit['id']}")).json()["lifecycle"] == "booked"
    # The rest is taken in the database itself, and what a visit leaves is nobody's either.
    assert await rows(at, "block_id IS NOT NULL AND lane = 0 AND active") == 2
    path = f"/v1/appointments/{visit['id']}/cancel"
    gone = await at.desk.post(path, {"reason": "patient_request"}, version=1)
    assert gone.status_code == 200
    assert (await refused(at, "10:00"))["code"] == "slot.taken"


async def test_the_database_itself_refuses_a_visit_in_a_block(at: Scene) -> None:
    await made(at, block(at, "meeting", "09:00", "10:00"))
    async with at.database.raw("app") as raw, raw.transaction():
        await raw.execute("SELECT set_config('app.network', $1, true)", str(at.network_id))
        with pytest.raises(asyncpg.ExclusionViolationError):
            await raw.execute(
                "INSERT INTO occupancies (id, network_id, resource_kind, resource_id, lane,"
                " starts_at, ends_at, active) VALUES ($1, $2, 'provider', $3, 7, $4, $5, true)",
                new_id(), at.network_id, at.provider_id,
                datetime.fromisoformat(time("09:30")), datetime.fromisoformat(time("09:40")),
            )  # fmt: skip


async def test_a_provider_who_is_ill_with_fourteen_visits_is_two_calls(at: Scene) -> None:
    other = await colleague(at)
    hours = [f"{8 + n // 2:02d}:{30 * (n % 2):02d}" for n in range(14)]
    visits = [await booked(at, hour, ends_at=None) for hour in hours[::2]]
    visits += [await booked(at, f"{n:02d}:40", ends_at=time(f"{n:02d}:59")) for n in range(8, 15)]
    assert len(visits) == 14
    sick = block(at, "time_off", "08:00", "17:00", on_visits="propose")
    found = await made(at, sick)
    items = found["visits"]["items"]
    assert {item["appointment_id"] for item in items} == {visit["id"] for visit in visits}
    assert all(item["alternatives"] for item in items)
    assert await starts(at) == []
    moves = [
        {
            "appointment_id": item["appointment_id"],
            "starts_at": item["alternatives"][0]["starts_at"],
            "provider_id": item["alternatives"][0]["provider_id"],
        }
        for item in items
    ]
    path = f"/v1/blocks/{found['block']['id']}"
    answer = await at.desk.post(f"{path}/rebook", {"moves": moves})
    assert answer.status_code == 200, answer.text
    assert answer.json()["stay"] == 0, answer.text
    assert (await at.desk.get(f"{path}/proposal")).json()["items"] == []
    moved = [(await at.desk.get(f"/v1/appointments/{v['id']}")).json() for v in visits]
    assert {v["moves"] for v in moved} == {1}
    assert other in {v["provider_id"] for v in moved}
    # What they left is the block's, and nobody is told that it were free.
    at_work = "block_id IS NOT NULL AND lane = 0 AND active"
    assert await rows(at, f"{at_work} AND resource_id = '{at.provider_id}'") >= 1
    assert await at.said("slot.released") == []
    assert len(await at.said("appointment.rescheduled")) == 14


async def test_what_cannot_be_moved_stays_and_is_named(at: Scene) -> None:
    other = await colleague(at)
    first, second = await booked(at, "09:00"), await booked(at, "10:00")
    elsewhere = await booked(at, "16:00")
    found = await made(at, block(at, "time_off", "08:00", "12:00", on_visits="propose"))
    path = f"/v1/blocks/{found['block']['id']}"
    to = {"starts_at": time("13:00"), "provider_id": other}
    moves = [{"appointment_id": v["id"], **to} for v in (first, second, elsewhere)]
    stranger = str(new_id())
    moves.append({"appointment_id": stranger, **to})
    answer = await at.desk.post(f"{path}/rebook", {"moves": moves})
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "items": [
            {"appointment_id": first["id"], "moved": True, "code": None},
            {"appointment_id": second["id"], "moved": False, "code": "slot.taken"},
            {"appointment_id": elsewhere["id"], "moved": False, "code": "block.not_hit"},
            {"appointment_id": stranger, "moved": False, "code": "appointment.not_found"},
        ],
        "stay": 3,
    }
    still = (await at.desk.get(f"{path}/proposal")).json()["items"]
    assert [item["appointment_id"] for item in still] == [second["id"]]
    kept = (await at.desk.get(f"/v1/appointments/{second['id']}")).json()
    assert (kept["starts_at"], kept["moves"], kept["version"]) == (second["starts_at"], 0, 1)
    again = await at.desk.post(f"{path}/rebook", {"moves": moves[:1] * 2})
    assert (again.status_code, again.json()["code"]) == (422, "block.moves")


async def test_a_meeting_is_of_all_its_attendees_or_of_none(at: Scene) -> None:
    other = await colleague(at)
    room = {"clinic_id": at.clinic_id, "name": "Team room"}
    room_id = (await at.admin.post("/v1/rooms", room)).json()["id"]
    people = {"provider_ids": [at.provider_id, other], "room_ids": [room_id]}
    await booked(at, "09:00", provider_id=other)
    hit = await at.desk.post("/v1/blocks", block(at, "meeting", "09:00", "10:00", **people))
    assert hit.json()["code"] == "block.visits_hit"
    assert await rows(at, "block_id IS NOT NULL") == 0
    found = await made(at, block(at, "meeting", "12:00", "13:00", **people))
    assert await rows(at, "block_id IS NOT NULL AND lane = 0 AND active") == 3
    for attendee in (at.provider_id, other):
        taken = await refused(at, "12:00", provider_id=attendee)
        assert taken["code"] == "slot.taken"
    taken = await refused(at, "12:00", room_id=room_id)
    assert taken["code"] == "slot.taken"
    alone = block(at, "meeting", "12:30", "13:30")
    twice = await at.desk.post("/v1/blocks", alone)
    assert (twice.status_code, twice.json()["code"]) == (409, "block.overlaps")
    assert twice.json()["blocks"] == [found["block"]["id"]]
    await at.desk.post(f"/v1/blocks/{found['block']['id']}/lift")
    assert await rows(at, "block_id IS NOT NULL AND active") == 0
    await made(at, alone)


async def test_who_falls_ill_on_a_day_with_a_meeting_is_away_even_if_it_is_called_off(
    at: Scene,
) -> None:
    meeting = await made(at, block(at, "meeting", "12:00", "13:00"))
    await made(at, block(at, "time_off", "08:00", "17:00"))
    assert await starts(at) == []
    await at.desk.post(f"/v1/blocks/{meeting['block']['id']}/lift")
    assert await starts(at) == []
    assert (await refused(at, "12:00"))["code"] == "slot.taken"


async def test_leave_of_weeks_is_felt_on_each_of_its_days(at: Scene) -> None:
    leave = {"starts_at": time("00:00", 4), "ends_at": time("00:00", 25)}
    await made(at, {**block(at, "time_off", "08:00", "09:00"), **leave})
    assert len(await starts(at, day=3)) == 9
    for day in (4, 12, 18, 24):
        assert await starts(at, day=day) == []
    assert len(await starts(at, day=25)) == 9
    body = at.booking(await at.patient(), time("09:00", 18))
    assert (await at.desk.post("/v1/appointments", body)).json()["code"] == "slot.taken"


async def test_a_block_and_a_booking_at_once_are_never_both(at: Scene) -> None:
    for hour in range(8, 14):
        body = at.booking(await at.patient(), time(f"{hour:02d}:00"))
        meeting = block(at, "meeting", f"{hour:02d}:00", f"{hour:02d}:30")
        answers = await asyncio.gather(
            at.desk.post("/v1/appointments", body), at.desk.post("/v1/blocks", meeting)
        )
        assert sorted(answer.status_code for answer in answers) == [201, 409]


async def test_blocks_are_listed_by_what_they_touch(at: Scene) -> None:
    early = await made(at, block(at, "meeting", "08:00", "09:00"))
    late = await made(at, block(at, "travel", "11:00", "12:00"))
    lifted = await made(at, block(at, "travel", "10:00", "10:30"))
    await at.desk.post(f"/v1/blocks/{lifted['block']['id']}/lift")

    async def listed(since: str, until: str) -> list[str]:
        answer = await at.desk.get(
            "/v1/blocks", clinic_id=at.clinic_id, since=time(since), until=time(until)
        )
        return [item["id"] for item in answer.json()["items"]]

    assert await listed("08:30", "11:30") == [early["block"]["id"], late["block"]["id"]]
    assert await listed("09:00", "11:00") == []


async def test_a_block_that_has_passed_is_not_lifted(at: Scene) -> None:
    found = await made(at, block(at, "meeting", "08:00", "09:00"))
    at.clock.at = datetime.fromisoformat(time("09:00"))
    answer = await at.desk.post(f"/v1/blocks/{found['block']['id']}/lift")
    assert (answer.status_code, answer.json()["code"]) == (409, "block.over")


async def test_visits_at_a_clinic_of_others_are_counted_and_not_shown(
    at: Scene, clinic_office: Office
) -> None:
    other = (await at.admin.post("/v1/clinics", {"name": "South", "time_zone": ZONE})).json()["id"]
    both = {"family_name": "Reyes", "clinic_ids": [at.clinic_id, other]}
    provider_id = (await at.admin.post("/v1/providers", both)).json()["id"]
    for clinic_id, opens, closes in (
        (at.clinic_id, "08:00:00", "12:00:00"),
        (other, "13:00:00", "17:00:00"),
    ):
        hours = {"clinic_id": clinic_id, "weekday": 2, "opens": opens, "closes": closes}
        path = f"/v1/providers/{provider_id}/schedules"
        assert (await at.admin.post(path, hours)).status_code == 201
    here = await booked(at, "09:00", provider_id=provider_id)
    await booked(at, "14:00", provider_id=provider_id, clinic_id=other)
    bound = clinic_office.desk("appointments", at.network_id, "front_desk", clinics=[at.clinic_id])
    body = block(at, "time_off", "08:00", "17:00", provider_ids=[provider_id])
    seen = (await bound.post("/v1/blocks/preview", body)).json()
    assert [item["appointment_id"] for item in seen["items"]] == [here["id"]]
    assert seen["elsewhere"] == 1
    refusal = await bound.post("/v1/blocks", body)
    assert refusal.json()["visits"] == [here["id"]]
    afternoon = block(at, "time_off", "13:00", "17:00", provider_ids=[provider_id])
    refusal = await bound.post("/v1/blocks", afternoon)
    assert (refusal.status_code, refusal.json()["code"]) == (409, "block.visits_hit")
    assert "visits" not in refusal.json()


async def test_a_report_of_nothing_moved_changes_nothing(at: Scene) -> None:
    found = await made(at, block(at, "meeting", "08:00", "09:00"))
    before = await rows(at, "active")
    moves = [{"appointment_id": str(new_id()), "starts_at": time("13:00")}]
    path = f"/v1/blocks/{found['block']['id']}/rebook"
    answer = await at.desk.post(path, {"moves": moves})
    assert (answer.status_code, answer.json()["stay"]) == (200, 1)
    assert await rows(at, "active") == before


async def test_what_a_visit_leaves_in_a_block_is_not_said_to_be_free(at: Scene) -> None:
    inside, outside = await booked(at, "10:00"), await booked(at, "14:00")
    moved = await booked(at, "11:00")
    await made(at, block(at, "freeze", "09:00", "12:00"))
    for visit in (inside, outside):
        path = f"/v1/appointments/{visit['id']}/cancel"
        assert (await at.desk.post(path, {"reason": "patient_request"}, version=1)).is_success
    to = {"starts_at": time("15:00"), "reason": "patient_request"}
    path = f"/v1/appointments/{moved['id']}/reschedule"
    assert (await at.desk.post(path, to, version=1)).is_success
    told = await at.said("slot.released")
    assert [event["appointment_id"] for event in told] == [outside["id"]]
