"""What payments hears: the same in every order across subjects, and the same when heard again."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.payments.handlers import SUBSCRIPTIONS
from services.payments.tests.scene import Scene, scene
from shared.contracts.appointments import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentNoShow,
    AppointmentRescheduled,
    ClinicOpened,
)
from shared.contracts.envelope import Event
from shared.contracts.patients import PatientRegistered
from shared.db.actor import Actor
from shared.db.database import become_app
from shared.db.work import Context
from shared.testing.apps import Office
from shared.values.clock import FixedClock
from shared.values.errors import Conflict
from shared.values.ids import new_id

HEARD = ("known_clinics", "known_patients", "known_visits", "estimates")


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: Any, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


def moved(booked: AppointmentBooked, clinic_id: UUID) -> AppointmentRescheduled:
    """The visit goes to another clinic, a day later."""
    day = timedelta(days=1)
    return AppointmentRescheduled(
        appointment_id=booked.appointment_id,
        patient_id=booked.patient_id,
        clinic_id=clinic_id,
        provider_id=booked.provider_id,
        previous_provider_id=booked.provider_id,
        starts_at=booked.starts_at + day,
        ends_at=booked.ends_at + day,
        previous_starts_at=booked.starts_at,
        previous_ends_at=booked.ends_at,
        moves=1,
        reason="patient_request",
    )


def interleavings(subjects: Sequence[Sequence[Event]]) -> Iterator[list[Event]]:
    """Every order of all events that keeps the order of each subject."""
    left = [events for events in subjects if events]
    if not left:
        yield []
    for n, events in enumerate(left):
        rest = [*left[:n], events[1:], *left[n + 1 :]]
        for tail in interleavings(rest):
            yield [events[0], *tail]


async def state_after(at: Scene, events: Sequence[Event]) -> dict[str, list[tuple[Any, ...]]]:
    """What a network of its own has kept once it has heard the events, as one batch."""
    network_id = new_id()
    context = Context(network_id, Actor("service", "bus"), at.clock.now())
    locks = [lock for event in events for lock in SUBSCRIPTIONS.locks(event)]
    found = {}
    async with at.database.work(context, locks, role="worker") as work:
        await become_app(work)
        for event in events:
            envelope = at.envelope(event)
            work.caused_by(envelope)
            await SUBSCRIPTIONS.handlers[type(event)](work, envelope, event)
            await work.flush()
        for table in HEARD:
            rows = await work.raw.fetch(f"SELECT * FROM {table} ORDER BY 2")
            found[table] = [tuple(row.values())[1:] for row in rows]
    return found


async def test_every_order_across_subjects_ends_in_the_same_state(at: Scene) -> None:
    patient_id, clinic_id = new_id(), new_id()
    booked = at.booked(patient_id)
    subjects: list[list[Event]] = [
        [ClinicOpened(clinic_id=clinic_id, time_zone="America/New_York", currency="USD")],
        [PatientRegistered(patient_id=patient_id, registered_at=at.clock.now())],
        [booked, moved(booked, clinic_id), at.checked_out(booked)],
        [at.estimate(booked, 2000), at.estimate(booked, 3000)],
    ]
    expected = await state_after(at, [event for events in subjects for event in events])
    assert [len(expected[table]) for table in HEARD] == [1, 1, 1, 1]
    tried = 0
    for order in interleavings(subjects):
        assert await state_after(at, order) == expected
        tried += 1
    assert tried == 420


async def test_what_an_event_says_of_a_visit_is_what_is_known_of_it(at: Scene) -> None:
    patient = await at.patient()
    seen = []
    for ending in ("cancelled", "no_show", "checked_out"):
        booked = at.booked(patient)
        visit = {
            "appointment_id": booked.appointment_id,
            "patient_id": patient,
            "clinic_id": at.clinic_id,
        }
        await at.hear(booked)
        if ending == "cancelled":
            await at.hear(
                AppointmentCancelled(
                    **visit,
                    reason="other",
                    notice_minutes=1,
                    late=True,
                    cancelled_at=at.clock.now(),
                )
            )
        elif ending == "no_show":
            await at.hear(AppointmentNoShow(**visit, cause="timer", recorded_at=at.clock.now()))
        else:
            await at.hear(at.checked_in(booked), at.checked_out(booked))
        seen.append((await at.read(f"/v1/visits/{booked.appointment_id}"))["state"])
    assert seen == ["cancelled", "no_show", "checked_out"]


async def test_the_latest_estimate_is_what_a_copay_is_measured_by(at: Scene) -> None:
    patient = await at.patient()
    booked = at.booked(patient)
    # Eligibility may be heard before the booking that it is about.
    await at.hear(at.estimate(booked, 2000), booked, at.estimate(booked, 3500))
    seen = await at.read(f"/v1/visits/{booked.appointment_id}")
    assert (seen["copay_expected_cents"], seen["copay_open_cents"]) == (3500, 3500)


async def test_news_of_a_visit_whose_booking_was_not_heard_is_refused_not_guessed(
    at: Scene,
) -> None:
    booked = at.booked(await at.patient())
    with pytest.raises(Conflict) as caught:
        await at.hear(at.checked_in(booked))
    assert caught.value.code == "visit.unheard"


def test_every_event_that_is_heard_locks_what_it_changes() -> None:
    unlocked = [
        event for event in SUBSCRIPTIONS.handlers if not SUBSCRIPTIONS.locks(event.example())
    ]
    assert unlocked == []
