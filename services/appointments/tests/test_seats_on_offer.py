"""Seats of group sessions that become free, on a real database: each offered to one who waits."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.appointments.tests.builders import Scene, scene
from services.appointments.tests.counting import count, overlaps, rows
from services.appointments.tests.test_sessions import TEN, opened, seat
from services.appointments.tests.test_waitlist import answered, cancelled, offers, waits
from services.appointments.timers import TIMERS
from shared.db.timers import fire_due
from shared.testing.apps import Office
from shared.values.clock import FixedClock

TWO = "2026-11-03T14:00:00-07:00"


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


async def full(at: Scene, seats: int = 2) -> tuple[dict[str, Any], list[Any]]:
    """A session of which every seat is taken, and the visits in them."""
    session = await opened(at, seats=seats)
    taken = [await seat(at, session, await at.patient()) for _ in range(seats)]
    assert [answer.status_code for answer in taken] == [201] * seats
    return session, [answer.json() for answer in taken]


async def waiting(at: Scene, number: int, **more: Any) -> list[UUID]:
    """So many who wait, the first the longest."""
    found = []
    for _ in range(number):
        found.append(await at.patient())
        await waits(at, found[-1], **more)
        at.clock.at += timedelta(minutes=1)
    return found


async def fire(at: Scene) -> None:
    await fire_due(at.database, TIMERS, at.clock)


async def changed(at: Scene, session: dict[str, Any], verb: str, body: dict[str, Any]) -> Any:
    seen = (await at.desk.get(f"/v1/sessions/{session['id']}")).json()
    path = f"/v1/sessions/{session['id']}/{verb}"
    answer = await at.desk.post(path, body, version=seen["version"])
    assert answer.status_code == 200, answer.text
    await fire(at)
    return answer.json()


async def test_a_seat_that_becomes_free_is_held_for_who_waits_and_becomes_theirs(
    at: Scene,
) -> None:
    session, (left, _) = await full(at)
    first, second = await waiting(at, 2)
    await cancelled(at, left)
    await fire(at)
    (offer,) = await offers(at, first)
    assert (offer["session_id"], offer["local_start"]) == (session["id"], TEN)
    assert await offers(at, second) == []
    seen = (await at.desk.get(f"/v1/sessions/{session['id']}")).json()
    assert seen["seats_free"] == 0
    refused = await seat(at, session, await at.patient())
    assert (refused.status_code, refused.json()["code"]) == (409, "session.full")
    taken = await answered(at, offer, "accept")
    assert taken.status_code == 200, taken.text
    again = await answered(at, offer, "accept")
    visit = taken.json()["appointment"]
    assert again.json()["appointment"]["id"] == visit["id"]
    assert (visit["session_id"], visit["patient_id"]) == (session["id"], str(first))
    assert visit["seat"] == left["seat"]
    assert await overlaps(at) == 0


async def test_who_declines_or_is_silent_leaves_the_seat_to_the_next(at: Scene) -> None:
    _, (left, _) = await full(at)
    people = await waiting(at, 3)
    await cancelled(at, left)
    await fire(at)
    (offer,) = await offers(at, people[0])
    assert (await answered(at, offer, "decline")).json()["state"] == "declined"
    await fire(at)
    (silent,) = await offers(at, people[1])
    at.clock.at += timedelta(minutes=31)
    await fire(at)
    await fire(at)
    (last,) = await offers(at, people[2])
    assert (silent["state"], last["state"]) == ("made", "made")
    assert [each["state"] for each in await offers(at, people[1])] == ["expired"]
    assert (await answered(at, last, "accept")).status_code == 200


async def test_seats_freed_at_once_go_to_as_many_people(at: Scene) -> None:
    _, visits = await full(at, seats=3)
    people = await waiting(at, 3)
    await asyncio.gather(*(cancelled(at, visit) for visit in visits[:2]))
    await asyncio.gather(*(fire(at) for _ in range(3)))
    found = [await offers(at, person) for person in people]
    assert [len(of_one) for of_one in found] == [1, 1, 0]
    answers = await asyncio.gather(*(answered(at, of[0], "accept") for of in found[:2]))
    assert [answer.status_code for answer in answers] == [200, 200]
    assert len({answer.json()["appointment"]["seat"] for answer in answers}) == 2
    assert await overlaps(at) == 0


async def test_a_session_that_moves_offers_its_seat_anew_at_its_new_time(at: Scene) -> None:
    session, (left, _) = await full(at)
    (person,) = await waiting(at, 1)
    await cancelled(at, left)
    await fire(at)
    await changed(at, session, "move", {"starts_at": TWO, "reason": "provider_unavailable"})
    found = {offer["state"]: offer for offer in await offers(at, person)}
    assert set(found) == {"superseded", "made"}
    oldest, newest = found["superseded"], found["made"]
    assert (oldest["local_start"], newest["local_start"]) == (TEN, TWO)
    late = await answered(at, oldest, "accept")
    assert (late.status_code, late.json()["code"]) == (409, "offer.superseded")
    taken = (await answered(at, newest, "accept")).json()["appointment"]
    assert (taken["local_start"], taken["session_id"]) == (TWO, session["id"])
    assert await overlaps(at) == 0


async def test_a_session_that_is_called_off_offers_nothing(at: Scene) -> None:
    session, (left, _) = await full(at)
    (person,) = await waiting(at, 1)
    await cancelled(at, left)
    await fire(at)
    await changed(at, session, "cancel", {"reason": "provider_unavailable"})
    assert [offer["state"] for offer in await offers(at, person)] == ["superseded"]
    held = "SELECT count(*) FROM occupancies WHERE active"
    assert await count(at, held) == 0


async def test_a_seat_suits_nobody_who_waits_for_another_kind_or_has_a_visit_to_replace(
    at: Scene,
) -> None:
    _, (left, _) = await full(at)
    kind = {"name": "Another", "minutes_new": 20, "minutes_known": 20}
    codes = {"service_code_new": "A", "service_code_known": "A"}
    other = await at.admin.post("/v1/appointment-types", {**kind, **codes})
    assert other.status_code == 201, other.text
    (elsewhere,) = await waiting(at, 1, appointment_type_id=other.json()["id"])
    mover = await at.patient()
    late = await at.desk.post("/v1/appointments", at.booking(mover, TWO))
    await waits(at, mover, replaces_appointment_id=late.json()["id"])
    await cancelled(at, left)
    await fire(at)
    assert await offers(at, elsewhere) + await offers(at, mover) == []


async def test_the_desk_books_the_held_seat_for_who_was_asked(at: Scene) -> None:
    session, (left, _) = await full(at)
    (person,) = await waiting(at, 1)
    await cancelled(at, left)
    await fire(at)
    (offer,) = await offers(at, person)
    ((hold_id,),) = await rows(at, "SELECT hold_id FROM waitlist_offers WHERE state = 'made'")
    body = {**at.booking(person, TEN), "hold_id": str(hold_id)}
    booked = await at.desk.post("/v1/appointments", body)
    assert booked.status_code == 201, booked.text
    assert booked.json()["session_id"] == session["id"]
    await changed(at, session, "move", {"starts_at": TWO, "reason": "provider_unavailable"})
    at.clock.at += timedelta(minutes=31)
    await fire(at)
    assert [each["state"] for each in await offers(at, person)] == ["accepted"]
    assert offer["state"] == "made"
