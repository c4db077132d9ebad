"""The day of visits through the API: arrive, wait, into a room, seen, out; and what is refused."""

import asyncio
from uuid import UUID

import pytest

from services.appointments.api import ROUTES
from services.appointments.domain.status import REPLIES, TABLES, Flow, Lifecycle, Move
from services.appointments.tests.day import Day, day_at, refused, told
from shared.testing.apps import Office
from shared.values.clock import FixedClock


@pytest.fixture
async def day(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Day:
    return await day_at(environment, clinic_office, network_id, clock)


async def test_a_visit_goes_through_its_day(day: Day) -> None:
    visit = await day.booked(await day.patient(), "09:00")
    day.at("08:50")
    assert (await day.does(visit, "arrive"))["lifecycle"] == "arrived"
    assert (await day.does(visit, "check-in"))["flow"] == "checked_in"
    day.at("09:05")
    assert (await day.does(visit, "room", room_id=day.rooms[0]))["lifecycle"] == "checked_in"
    assert (await day.does(visit, "with-nurse"))["lifecycle"] == "in_progress"
    assert (await day.does(visit, "with-provider"))["flow"] == "with_provider"
    day.at("09:30")
    assert (await day.does(visit, "ready"))["flow"] == "ready_for_checkout"
    assert (await day.does(visit, "check-out"))["lifecycle"] == "fulfilled"
    steps = (await day.seen(visit, "steps"))["items"]
    assert [step["move"] for step in steps] == [
        "arrive", "check_in", "room", "see_nurse", "see_provider", "finish", "check_out",
    ]  # fmt: skip
    assert {step["done_by"].split("/")[0] for step in steps} == {"person"}
    stages = "SELECT count(*) FROM outbox WHERE $1 = ANY(headers)"
    assert await day.counts(stages, "clinicbus.appointments.visit.stage_reached.v1") == 4
    wait = await day.seen(visit, "wait")
    assert (wait["waited_seconds"], wait["waiting"]) == (300, False)


async def test_two_patients_and_one_room_that_is_dirty(day: Day) -> None:
    first = await day.booked(await day.patient(), "09:00")
    second = await day.booked(await day.patient(), "09:40")
    for visit in (first, second):
        await day.does(visit, "arrive")
        await day.does(visit, "check-in")
    await day.does(first, "room", room_id=day.rooms[0])
    refused(await day.tries(second, "room", room_id=day.rooms[0]), 409, "room.occupied")
    clean = f"/v1/rooms/{day.rooms[0]}/clean"
    refused(await day.desk.post(clean), 409, "room.occupied")
    await day.does(first, "check-out")
    board = (await day.clinic("room-board"))["items"]
    assert [room["state"] for room in board] == ["to_be_cleaned", "free"]
    refused(await day.tries(second, "room", room_id=day.rooms[0]), 409, "room.to_be_cleaned")
    assert told(await day.desk.post(clean))["state"] == "free"
    assert told(await day.desk.post(clean))["state"] == "free"
    await day.does(second, "room", room_id=day.rooms[0])
    await day.does(second, "change-room", room_id=day.rooms[1])
    board = (await day.clinic("room-board"))["items"]
    assert [room["state"] for room in board] == ["to_be_cleaned", "occupied"]
    assert [v["appointment_id"] for v in board[1]["visits"]] == [second]
    assert (await day.visit(second))["flow"] == "roomed"


async def test_the_wrong_order_is_refused_and_changes_nothing(day: Day) -> None:
    visit = await day.booked(await day.patient(), "09:00")
    room = {"room_id": day.rooms[0]}
    for verb, body in (("room", room), ("with-nurse", {}), ("ready", {}), ("check-out", {}),
                       ("came-late", {}), ("change-room", room)):  # fmt: skip
        refused(await day.tries(visit, verb, **body), 409, "lifecycle.illegal_transition")
    await day.does(visit, "arrive")
    problem = refused(await day.tries(visit, "room", **room), 409, "lifecycle.illegal_transition")
    assert "check_in" in problem["allowed"]
    refused(await day.tries(visit, "no-show"), 409, "lifecycle.illegal_transition")
    await day.does(visit, "check-in")
    await day.does(visit, "with-provider")
    refused(await day.tries(visit, "with-nurse"), 409, "lifecycle.illegal_transition")
    refused(
        await day.tries(visit, "undo-check-in", reason="No."), 409, "lifecycle.illegal_transition"
    )
    before = await day.visit(visit)
    refused(await day.tries(visit, "room", **room), 409, "lifecycle.illegal_transition")
    assert await day.visit(visit) == before
    assert [room["state"] for room in (await day.clinic("room-board"))["items"]] == ["free"] * 2


async def test_doing_something_twice_is_doing_it_once(day: Day) -> None:
    visit = await day.booked(await day.patient(), "09:00")
    for verb, body in (("arrive", {}), ("check-in", {}), ("room", {"room_id": day.rooms[0]}),
                       ("with-nurse", {}), ("with-provider", {}), ("ready", {}),
                       ("check-out", {})):  # fmt: skip
        first = await day.does(visit, verb, **body)
        assert await day.does(visit, verb, **body) == first
    assert len((await day.seen(visit, "steps"))["items"]) == 7


async def test_undoing_needs_a_reason_that_is_kept(day: Day) -> None:
    visit = await day.booked(await day.patient(), "09:00")
    await day.does(visit, "arrive")
    await day.does(visit, "check-in")
    assert (await day.tries(visit, "undo-check-in")).status_code == 422
    assert (await day.tries(visit, "undo-check-in", reason=" ")).status_code == 422
    back = await day.does(visit, "undo-check-in", reason="The wrong patient.")
    assert (back["lifecycle"], back["checked_in_at"]) == ("arrived", None)
    assert [w["appointment_id"] for w in (await day.clinic("waiting-room"))["items"]] == [visit]
    back = await day.does(visit, "undo-arrival", reason="It was their sister.")
    assert (back["lifecycle"], back["flow"]) == ("booked", "expected")
    assert (await day.clinic("waiting-room"))["items"] == []
    steps = (await day.seen(visit, "steps"))["items"]
    assert [step["reason"] for step in steps if step["move"].startswith("undo")] == [
        "The wrong patient.", "It was their sister.",
    ]  # fmt: skip
    # The clock minds the visit again.
    day.at("09:30")
    await day.tick()
    assert (await day.visit(visit))["lifecycle"] == "no_show"


async def test_two_at_once_for_one_room_leave_one_in_it(day: Day) -> None:
    visits = [await day.booked(await day.patient(), local) for local in ("09:00", "09:40", "10:20")]
    for visit in visits:
        await day.does(visit, "check-in")
    answers = await asyncio.gather(
        *(day.tries(visit, "room", room_id=day.rooms[0]) for visit in visits)
    )
    assert sorted(a.status_code for a in answers) == [200, 409, 409]
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"room.occupied"}
    held = "SELECT count(*) FROM room_stays WHERE left_at IS NULL"
    assert await day.counts(held) == 1


async def test_two_at_once_check_the_same_patient_in_once(day: Day) -> None:
    visit = await day.booked(await day.patient(), "09:00")
    answers = await asyncio.gather(*(day.tries(visit, "check-in") for _ in range(6)))
    assert {a.status_code for a in answers} == {200}
    assert len({a.content for a in answers}) == 1
    said = "SELECT count(*) FROM outbox WHERE $1 = ANY(headers)"
    assert await day.counts(said, "clinicbus.appointments.patient.checked_in.v1") == 1
    assert await day.counts("SELECT count(*) FROM queue_entries") == 1


async def test_somebody_arrives_on_the_day_of_their_visit_only(day: Day) -> None:
    visit = await day.booked(await day.patient(), "09:00")
    day.scene.clock.at = day.scene.clock.at.replace(day=1)
    problem = refused(await day.tries(visit, "arrive"), 409, "arrival.not_today")
    assert problem["day"] == "2026-11-02"


async def test_who_was_given_up_can_come_late_on_the_same_day_only(day: Day) -> None:
    visit = await day.booked(await day.patient(), "09:00")
    day.at("09:30")
    await day.tick()
    assert (await day.visit(visit))["lifecycle"] == "no_show"
    day.at("15:00")
    refused(await day.tries(visit, "arrive"), 409, "lifecycle.illegal_transition")
    late = await day.does(visit, "came-late")
    assert (late["lifecycle"], late["flow"]) == ("arrived", "arrived")
    await day.does(visit, "check-in")
    other = await day.booked(await day.patient(), "15:20")
    day.at("16:00")
    await day.tick()
    assert (await day.visit(visit))["lifecycle"] == "checked_in"
    day.scene.clock.at = day.scene.clock.at.replace(day=3)
    refused(await day.tries(other, "came-late"), 409, "arrival.not_today")


async def test_a_walk_in_is_booked_and_waits_in_one_call(day: Day) -> None:
    patient = await day.patient()
    day.at("10:07")
    at = day.scene
    body = {
        "patient_id": str(patient),
        "clinic_id": at.clinic_id,
        "provider_id": at.provider_id,
        "appointment_type_id": at.type_id,
    }
    made = told(await day.desk.post("/v1/walk-ins", body), 201)
    assert made["local_start"] == "2026-11-02T10:07:00-07:00"
    assert (made["walk_in"], made["lifecycle"]) == (True, "arrived")
    assert [w["appointment_id"] for w in (await day.clinic("waiting-room"))["items"]] == [
        made["id"]
    ]
    other = {**body, "patient_id": str(await day.patient())}
    refused(await day.desk.post("/v1/walk-ins", other), 409, "slot.taken")
    tomorrow = {**other, "starts_at": "2026-11-03T10:00:00-07:00"}
    refused(await day.desk.post("/v1/walk-ins", tomorrow), 409, "arrival.not_today")
    later = {**other, "starts_at": "2026-11-02T11:00:00-07:00"}
    assert told(await day.desk.post("/v1/walk-ins", later), 201)["lifecycle"] == "arrived"
    # Nobody who is here is given up.
    day.at("12:00")
    await day.tick()
    assert (await day.visit(made["id"]))["lifecycle"] == "arrived"


async def test_a_visit_that_never_was_gives_back_all_it_holds(day: Day) -> None:
    visit = await day.booked(await day.patient(), "09:00")
    await day.does(visit, "check-in")
    await day.does(visit, "room", room_id=day.rooms[0])
    path = f"/v1/appointments/{visit}/enter-in-error"
    reason = {"reason": "Booked for a namesake."}
    refused(await day.desk.post(path, reason), 403, "permission.missing")
    assert told(await day.boss.post(path, reason))["lifecycle"] == "entered_in_error"
    again = told(await day.boss.post(path, reason))
    assert again["lifecycle"] == "entered_in_error"
    assert (await day.clinic("room-board"))["items"][0]["state"] == "to_be_cleaned"
    assert await day.counts("SELECT count(*) FROM occupancies WHERE active") == 0
    refused(await day.tries(visit, "check-in"), 409, "lifecycle.illegal_transition")


async def test_a_visit_that_never_was_makes_nobody_a_known_patient(day: Day) -> None:
    patient = await day.patient()
    visit = await day.booked(patient, "09:00")
    await day.does(visit, "check-in")
    await day.does(visit, "check-out")
    known = "SELECT visits FROM known_patients WHERE patient_id = $1"
    assert await day.counts(known, patient) == 1
    body = {"reason": "It was the day before."}
    told(await day.boss.post(f"/v1/appointments/{visit}/enter-in-error", body))
    assert await day.counts(known, patient) == 0
    assert (await day.visit(visit))["checked_out_at"] is None


TRANSITIONS = {
    Move.RESCHEDULE: "reschedule",
    Move.CANCEL: "cancel",
    Move.CONFIRM: "confirm",
    Move.ARRIVE: "arrive",
    Move.CHECK_IN: "check-in",
    Move.ROOM: "room",
    Move.CHANGE_ROOM: "change-room",
    Move.SEE_NURSE: "with-nurse",
    Move.SEE_PROVIDER: "with-provider",
    Move.FINISH: "ready",
    Move.CHECK_OUT: "check-out",
    Move.UNDO_ARRIVE: "undo-arrival",
    Move.UNDO_CHECK_IN: "undo-check-in",
    Move.MARK_NO_SHOW: "no-show",
    Move.COME_LATE: "came-late",
    Move.ENTER_IN_ERROR: "enter-in-error",
}


async def test_lesson_first_class_transition_endpoints() -> None:
    """athenahealth apiserver-athenaFlex 21, 108, 312, 362: status could not be written back.

    Each move of the day has a route of its own, and no route writes a status as a member.
    """
    posts = {r.path.rpartition("/")[2] for r in ROUTES.declared if r.method == "POST"}
    assert set(TRANSITIONS.values()) <= posts
    stages = {move for _, move in TABLES[Flow]} | {move for _, move in TABLES[Lifecycle]}
    assert stages - set(REPLIES) - {Move.FIND_READY, Move.FIND_NOT_READY} <= TRANSITIONS.keys()
    for route in ROUTES.declared:
        if route.given is not None and route.method != "GET":
            written = {"lifecycle", "confirmation", "flow", "readiness", "status"}
            assert not written & set(route.given.model_fields), route.path
        assert route.method != "PATCH" or "appointments" not in route.path


async def test_s38_a_cancelled_visit_is_not_checked_in(day: Day) -> None:
    visit = await day.booked(await day.patient(), "09:00")
    path = f"/v1/appointments/{visit}/cancel"
    told(await day.desk.post(path, {"reason": "patient_ill"}, version=1))
    refused(await day.tries(visit, "check-in"), 409, "lifecycle.illegal_transition")


async def test_s39_checking_in_twice_is_answered_the_same(day: Day) -> None:
    visit = await day.booked(await day.patient(), "09:00")
    first = await day.tries(visit, "check-in")
    again = await day.tries(visit, "check-in")
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.content == again.content


async def test_s40_a_visit_is_not_cancelled_once_the_patient_is_checked_in(day: Day) -> None:
    visit = await day.booked(await day.patient(), "09:00")
    made = await day.does(visit, "check-in")
    path = f"/v1/appointments/{visit}/cancel"
    answer = await day.desk.post(path, {"reason": "patient_ill"}, version=made["version"])
    refused(answer, 409, "lifecycle.illegal_transition")


async def test_s41_nobody_has_missed_a_visit_that_has_not_begun(day: Day) -> None:
    visit = await day.booked(await day.patient(), "09:00")
    refused(await day.tries(visit, "no-show"), 422, "no_show.before_start")
    day.at("09:00")
    assert (await day.does(visit, "no-show"))["lifecycle"] == "no_show"
