"""What Postgres holds of the day, whatever writes the row."""

from itertools import product
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.appointments.domain.status import TABLES, Confirmation, Flow, Lifecycle, reachable
from services.appointments.tests.day import Day, day_at
from shared.db.actor import Actor
from shared.db.work import Context
from shared.testing.apps import Office
from shared.values.clock import FixedClock
from shared.values.ids import new_id


@pytest.fixture
async def day(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Day:
    return await day_at(environment, clinic_office, network_id, clock)


async def refusal(day: Day, statement: str, *arguments: Any) -> str | None:
    """The constraint that refuses a statement; None where it is taken. Nothing stays."""
    at = day.scene
    context = Context(at.network_id, Actor("person", "test"), at.clock.now())
    async with at.database.work(context) as work:
        await work.raw.execute("SAVEPOINT attempt")
        found: str | None = None
        try:
            await work.raw.execute(statement, *arguments)
        except asyncpg.IntegrityConstraintViolationError as error:
            found = error.constraint_name
        await work.raw.execute("ROLLBACK TO SAVEPOINT attempt")
    return found


async def test_the_database_takes_the_pairs_that_the_tables_lead_to_and_no_other(day: Day) -> None:
    visit = await day.booked(await day.patient(), "09:00")
    change = (
        "UPDATE appointments SET lifecycle = $2, flow = $3, checked_in_at = now(),"
        " checked_out_at = CASE WHEN $2 = 'fulfilled' THEN now() END,"
        " cancelled_at = CASE WHEN $2 = 'cancelled' THEN now() END WHERE id = $1"
    )
    taken = set()
    for lifecycle, flow in product(Lifecycle, Flow):
        found = await refusal(day, change, UUID(visit), lifecycle.value, flow.value)
        assert found in (None, "appointments_pairs")
        if found is None:
            taken.add((lifecycle, flow))
    assert taken == reachable()
    assert (Lifecycle.CANCELLED, Flow.WITH_PROVIDER) not in taken


async def test_the_database_knows_each_status_and_no_other(day: Day) -> None:
    visit = UUID(await day.booked(await day.patient(), "09:00"))
    change = "UPDATE appointments SET confirmation = $2 WHERE id = $1"
    for status in Confirmation:
        assert await refusal(day, change, visit, status.value) is None
    assert await refusal(day, change, visit, "unconfirmed") == "appointments_confirmation_check"
    assert {dimension.__name__ for dimension in TABLES} >= {"Lifecycle", "Confirmation", "Flow"}


async def test_who_is_seen_was_checked_in_and_who_is_out_has_a_time(day: Day) -> None:
    visit = UUID(await day.booked(await day.patient(), "09:00"))
    change = "UPDATE appointments SET lifecycle = 'in_progress', flow = 'with_nurse' WHERE id = $1"
    assert await refusal(day, change, visit) == "appointments_in_once"
    change = (
        "UPDATE appointments SET lifecycle = 'fulfilled', flow = 'checked_out',"
        " checked_in_at = now() WHERE id = $1"
    )
    assert await refusal(day, change, visit) == "appointments_out_once"


async def test_a_step_that_takes_something_back_has_a_reason(day: Day) -> None:
    visit = await day.booked(await day.patient(), "09:00")
    await day.does(visit, "arrive")
    change = "UPDATE visit_steps SET move = $1"
    assert await refusal(day, change, "undo_arrive") == "visit_steps_check"
    assert await refusal(day, change, "came_along") == "visit_steps_move_check"


async def test_a_room_takes_one_visit_a_place_and_none_while_it_is_dirty(day: Day) -> None:
    first, second = [await day.booked(await day.patient(), local) for local in ("09:00", "09:40")]
    await day.does(first, "check-in")
    await day.does(first, "room", room_id=day.rooms[0])
    enter = (
        "INSERT INTO room_stays (id, network_id, room_id, clinic_id, appointment_id, place,"
        " entered_at, entered_by) VALUES ($1, $2, $3, $4, $5, $6, now(), 'person/test')"
    )

    async def tries(visit: str, room: str, place: int) -> str | None:
        at = day.scene
        ids = (new_id(), at.network_id, UUID(room), UUID(at.clinic_id), UUID(visit))
        return await refusal(day, enter, *ids, place)

    assert await tries(second, day.rooms[0], 1) == "room_stays_one_each"
    assert await tries(second, day.rooms[0], 2) == "room_stays_capacity"
    assert await tries(first, day.rooms[1], 1) == "room_stays_one_room"
    assert await tries(second, day.rooms[1], 1) is None
    await day.does(first, "check-out")
    assert await tries(second, day.rooms[0], 1) == "room_stays_clean"


async def test_a_call_code_is_one_visits_on_its_day(day: Day) -> None:
    first, second = [await day.booked(await day.patient(), local) for local in ("09:00", "09:40")]
    await day.does(first, "arrive")
    change = (
        "UPDATE appointments SET (call_day, call_number) ="
        " (SELECT call_day, call_number FROM appointments WHERE id = $1) WHERE id = $2"
    )
    found = await refusal(day, change, UUID(first), UUID(second))
    assert found == "appointments_call_codes"
