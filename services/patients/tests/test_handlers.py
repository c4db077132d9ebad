"""What is heard of visits: in every order that keeps each visit's own, the same state."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.patients.handlers import SUBSCRIPTIONS, locks
from services.patients.tests.builders import Scene, heard, scene
from shared.contracts.appointments import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentNoShow,
    AppointmentRescheduled,
    ClinicOpened,
    VisitCheckedOut,
)
from shared.contracts.envelope import Event
from shared.testing.apps import Office
from shared.values.clock import FixedClock
from shared.values.errors import Conflict
from shared.values.ids import derived_id, new_id

DAY = timedelta(days=1)
MONDAY = datetime(2026, 11, 2, 16, tzinfo=UTC)


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


def booked(patient_id: UUID, starts_at: datetime, **more: Any) -> AppointmentBooked:
    visit = {"appointment_id": new_id(), "clinic_id": new_id(), **more}
    return AppointmentBooked(
        patient_id=patient_id,
        provider_id=new_id(),
        appointment_type_id=new_id(),
        starts_at=starts_at,
        ends_at=starts_at + timedelta(minutes=30),
        new_patient=True,
        walk_in=False,
        booked_at=MONDAY - DAY,
        **visit,
    )


def visit(first: AppointmentBooked) -> dict[str, UUID]:
    return {
        "appointment_id": first.appointment_id,
        "patient_id": first.patient_id,
        "clinic_id": first.clinic_id,
    }


def moved(first: AppointmentBooked, to: datetime) -> AppointmentRescheduled:
    return AppointmentRescheduled(
        **visit(first),
        provider_id=first.provider_id,
        previous_provider_id=first.provider_id,
        starts_at=to,
        ends_at=to + timedelta(minutes=30),
        previous_starts_at=first.starts_at,
        previous_ends_at=first.ends_at,
        moves=1,
        reason="patient_request",
    )


def cancelled(first: AppointmentBooked) -> AppointmentCancelled:
    return AppointmentCancelled(
        **visit(first), reason="weather", notice_minutes=60, late=True, cancelled_at=MONDAY
    )


def checked_out(first: AppointmentBooked) -> VisitCheckedOut:
    return VisitCheckedOut(
        **visit(first),
        appointment_type_id=first.appointment_type_id,
        new_patient=True,
        checked_out_at=first.starts_at + timedelta(minutes=40),
    )


def interleavings(subjects: list[list[Event]]) -> Iterator[list[Event]]:
    """Every order of all events that keeps the order of each subject."""
    if not any(subjects):
        yield []
    for at, events in enumerate(subjects):
        if events:
            rest = [*subjects[:at], events[1:], *subjects[at + 1 :]]
            yield from ([events[0], *more] for more in interleavings(rest))


async def test_the_last_and_the_next_visit_are_shown(at: Scene) -> None:
    made = await at.register()
    patient_id = UUID(made["id"])
    past, ahead, later = (
        booked(patient_id, MONDAY - 30 * DAY),
        booked(patient_id, MONDAY + 10 * DAY),
        booked(patient_id, MONDAY + 20 * DAY),
    )
    missed = booked(patient_id, MONDAY - 5 * DAY)
    for event in (past, ahead, later, missed, checked_out(past)):
        await at.hear(event, MONDAY)
    await at.hear(AppointmentNoShow(**visit(missed), cause="timer", recorded_at=MONDAY), MONDAY)
    path = f"/v1/patients/{made['id']}"
    shown = (await at.desk.get(path)).json()
    assert shown["last_visit"] == {
        "appointment_id": str(past.appointment_id),
        "clinic_id": str(past.clinic_id),
        "starts_at": "2026-10-03T16:00:00Z",
    }
    assert shown["next_visit"]["appointment_id"] == str(ahead.appointment_id)
    assert shown["version"] == 1
    await at.hear(cancelled(ahead), MONDAY)
    await at.hear(moved(later, MONDAY + 15 * DAY), MONDAY)
    shown = (await at.desk.get(path)).json()
    assert shown["next_visit"]["appointment_id"] == str(later.appointment_id)
    assert shown["next_visit"]["starts_at"] == "2026-11-17T16:00:00Z"
    at.clock.move(16 * DAY)
    assert (await at.desk.get(path)).json()["next_visit"] is None


async def test_visits_at_clinics_of_others_are_not_shown(at: Scene) -> None:
    made = await at.register()
    there = booked(UUID(made["id"]), MONDAY + DAY)
    await at.hear(there, MONDAY)
    elsewhere = at.office.desk("patients", at.network_id, "nurse", clinics=[str(new_id())])
    assert (await elsewhere.get(f"/v1/patients/{made['id']}")).json()["next_visit"] is None
    here = at.office.desk("patients", at.network_id, "nurse", clinics=[str(there.clinic_id)])
    shown = (await here.get(f"/v1/patients/{made['id']}")).json()
    assert shown["next_visit"]["appointment_id"] == str(there.appointment_id)


async def test_every_order_across_visits_ends_in_one_state(at: Scene) -> None:
    one, other, clinic_id = new_id(), new_id(), new_id()
    first = booked(one, MONDAY + DAY, clinic_id=clinic_id)
    second = booked(one, MONDAY + 2 * DAY, clinic_id=clinic_id)
    third = booked(other, MONDAY + 3 * DAY, clinic_id=clinic_id)
    subjects: list[list[Event]] = [
        [first, moved(first, MONDAY + 5 * DAY), checked_out(first)],
        [second, cancelled(second)],
        [third],
        [ClinicOpened(clinic_id=clinic_id, time_zone="America/Denver", currency="USD")],
    ]
    orders = list(interleavings(subjects))
    assert len(orders) == 420
    states = set()
    for number, order in enumerate(orders[::7]):
        network_id = derived_id(at.network_id, f"order/{number}")
        for event in order:
            await heard(at.database, network_id, event, MONDAY)
        states.add(await state(at, network_id))
    assert len(states) == 1
    [(visits, clinics)] = states
    assert [(status, starts_at.day) for status, starts_at in visits] == [
        ("checked_out", 7),
        ("cancelled", 4),
        ("booked", 5),
    ]
    assert clinics == ("America/Denver",)


async def state(at: Scene, network_id: UUID) -> tuple[Any, Any]:
    there = Scene(at.desk, at.office, network_id, at.database, at.clock)
    visits = await there.rows("SELECT status, starts_at FROM known_visits ORDER BY appointment_id")
    clinics = await there.rows("SELECT time_zone FROM known_clinics")
    return (
        tuple((row["status"], row["starts_at"]) for row in visits),
        tuple(row["time_zone"] for row in clinics),
    )


async def test_a_visit_whose_booking_was_not_heard_is_parked(at: Scene) -> None:
    with pytest.raises(Conflict) as refused:
        await at.hear(checked_out(booked(new_id(), MONDAY)), MONDAY)
    assert refused.value.code == "visit.unheard"


def test_each_event_that_is_heard_locks_what_it_changes() -> None:
    for event in SUBSCRIPTIONS.handlers:
        assert len(locks(event.example())) == 1, event
