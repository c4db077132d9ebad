"""Whatever order the subjects are heard in, what the service knows ends the same."""

import random
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.documents.commands.packets import LEAD, due_at
from services.documents.handlers import SUBSCRIPTIONS
from services.documents.tests.scenes import CLINIC, PROVIDER, Scene
from shared.contracts.appointments import (
    AppointmentCancelled,
    AppointmentNoShow,
    AppointmentRescheduled,
)
from shared.contracts.eligibility import EligibilityFailed, EligibilityVerified, EstimateCreated
from shared.contracts.envelope import Envelope, Event
from shared.contracts.patients import (
    ConsentGranted,
    ConsentRevoked,
    DemographicsVerified,
    PatientRegistered,
)
from shared.contracts.payments import PaymentPosted
from shared.db.actor import Actor
from shared.db.database import become_app
from shared.db.work import Context
from shared.values.errors import Conflict
from shared.values.ids import derived_id, new_id

VISIT, PATIENT = UUID(int=101), UUID(int=102)
CONSENTS = UUID(int=103), UUID(int=104)
Timed = tuple[datetime, Event]


def streams(at: Scene, ending: str, starts_in: timedelta) -> list[list[Timed]]:
    """What each subject says, in its own order, a minute apart."""
    start = at.clock.now() + starts_in
    minute = timedelta(minutes=1)
    visit = {"appointment_id": VISIT, "patient_id": PATIENT}
    clinic = {**visit, "clinic_id": CLINIC}
    moment = [at.clock.now() + n * minute for n in range(20)]
    booked = at.booked(VISIT, PATIENT, starts_in)
    to = {"starts_at": start + timedelta(days=1), "ends_at": start + timedelta(days=1, hours=1)}
    was = {"previous_starts_at": start, "previous_ends_at": booked.ends_at}
    endings: dict[str, list[Timed]] = {
        "rescheduled": [
            (
                moment[9],
                AppointmentRescheduled(
                    **clinic,
                    **to,
                    **was,
                    provider_id=UUID(int=77),
                    previous_provider_id=PROVIDER,
                    moves=1,
                    reason="provider_out",
                ),
            )
        ],
        "cancelled": [
            (
                moment[9],
                AppointmentCancelled(
                    **clinic,
                    reason="patient_request",
                    notice_minutes=1,
                    late=True,
                    cancelled_at=moment[9],
                ),
            )
        ],
        "no_show": [(moment[9], AppointmentNoShow(**clinic, cause="timer", recorded_at=moment[9]))],
        "booked": [],
    }
    money = {"currency": "USD", "occurred_at": moment[2]}
    share = {"fee_cents": 18000, "patient_cents": 3000, "currency": "USD", "certain": True}
    granted = {"text_version": "1", "patient_id": PATIENT}
    return [
        [(moment[0], booked), *endings[ending]],
        [
            (moment[1], PatientRegistered(patient_id=PATIENT, registered_at=moment[1])),
            (
                moment[3],
                ConsentGranted(
                    **granted, consent_id=CONSENTS[0], kind="treatment", granted_at=moment[3]
                ),
            ),
            (
                moment[4],
                ConsentGranted(
                    **granted, consent_id=CONSENTS[1], kind="messages", granted_at=moment[4]
                ),
            ),
            (
                moment[6],
                ConsentRevoked(
                    patient_id=PATIENT,
                    consent_id=CONSENTS[1],
                    kind="messages",
                    revoked_at=moment[6],
                ),
            ),
            (
                moment[7],
                DemographicsVerified(
                    patient_id=PATIENT, fields=["phone"], complete=True, verified_at=moment[7]
                ),
            ),
        ],
        [
            (
                moment[2],
                EligibilityFailed(**visit, reason="payer.no_answer", decided_at=moment[2]),
            ),
            (
                moment[8],
                EligibilityVerified(
                    **visit, verdict="active", reason="payer.active", decided_at=moment[8]
                ),
            ),
        ],
        [
            (
                moment[n],
                EstimateCreated(
                    **visit,
                    **share,
                    estimate_id=UUID(int=200 + n),
                    copay_cents=n,
                    created_at=moment[n],
                ),
            )
            for n in (5, 10)
        ],
        [
            (
                moment[2],
                PaymentPosted(
                    **money,
                    patient_id=PATIENT,
                    amount_cents=1,
                    balance_cents=700,
                    payment_id=UUID(int=300),
                    clinic_id=CLINIC,
                    method="cash",
                ),
            )
        ],
    ]


def merged(subjects: list[list[Timed]], chance: random.Random) -> list[Timed]:
    """One interleaving that keeps each subject's own order."""
    left = [list(subject) for subject in subjects]
    found = []
    while any(left):
        found.append(chance.choice([subject for subject in left if subject]).pop(0))
    return found


async def apply(at: Scene, network_id: UUID, events: list[Timed]) -> None:
    """Apply events in a network. An event has the same id in each."""
    for moment, event in events:
        envelope = Envelope(
            id=derived_id(VISIT, f"{moment}/{event.name}"),
            type=event.wire_type(),
            source="/clinicbus/test",
            subject=event.subject,
            time=moment,
            subject_seq=1,
            network_id=network_id,
            actor="person/ana",
            correlation_id=UUID(int=5),
            causation_id=None,
            clinic_id=None,
            traceparent=None,
        )
        context = Context(network_id, Actor("service", "documents"), at.clock.now())
        async with at.database.work(context, SUBSCRIPTIONS.locks(event), role="worker") as work:
            await become_app(work)
            work.caused_by(envelope)
            await SUBSCRIPTIONS.handlers[type(event)](work, envelope, event)


TABLES = {
    "known_visits": "appointment_id",
    "chart_packets": "appointment_id",
    "known_patients": "patient_id",
    "known_consents": "consent_id",
    "visit_covers": "appointment_id",
    "visit_estimates": "appointment_id",
    "timer": "subject_id",
}


async def known(at: Scene, network_id: UUID) -> dict[str, list[dict[str, Any]]]:
    """All that is known in a network, but for what differs in every network."""
    context = Context(network_id, Actor("person", "test"), at.clock.now())
    found = {}
    async with at.database.work(context) as work:
        for table, key in TABLES.items():
            rows = await work.raw.fetch(
                f"SELECT * FROM {table} WHERE network_id = $1 ORDER BY {key}", network_id
            )
            found[table] = [_comparable(dict(row)) for row in rows]
    return found


def _comparable(row: dict[str, Any]) -> dict[str, Any]:
    left_out = {"network_id", "version"}
    if "due_at" in row:
        # The id of a timer's row is random; when one would have been due that is over is nothing.
        left_out |= {"id"} | ({"due_at"} if row["ended_at"] else set())
    return {name: value for name, value in row.items() if name not in left_out}


@pytest.mark.parametrize("ending", ["booked", "rescheduled", "cancelled", "no_show"])
@pytest.mark.parametrize("starts_in", [timedelta(days=9), timedelta(hours=3)])
async def test_any_order_of_subjects_ends_the_same(
    at: Scene, ending: str, starts_in: timedelta
) -> None:
    subjects = streams(at, ending, starts_in)
    straight = [timed for subject in subjects for timed in subject]
    await apply(at, at.network_id, straight)
    expected = await known(at, at.network_id)
    assert all(expected.values())
    chance = random.Random(f"{ending}/{starts_in}")
    for _ in range(8):
        network_id, order = new_id(), merged(subjects, chance)
        await apply(at, network_id, order)
        names = [event.name for _, event in order]
        assert await known(at, network_id) == expected, names


async def test_what_cannot_be_before_its_beginning_waits(at: Scene) -> None:
    patient = await at.patient()
    revoked = {"kind": "treatment", "revoked_at": at.clock.now()}
    early = ConsentRevoked(patient_id=patient, consent_id=new_id(), **revoked)
    with pytest.raises(Conflict, match=r"consent\.unheard"):
        await at.hear(early)
    no_show = AppointmentNoShow(
        appointment_id=new_id(),
        patient_id=patient,
        clinic_id=CLINIC,
        cause="timer",
        recorded_at=at.clock.now(),
    )
    with pytest.raises(Conflict, match=r"appointment\.unheard"):
        await at.hear(no_show)


async def test_every_event_that_is_heard_names_what_it_changes() -> None:
    for event in SUBSCRIPTIONS.handlers:
        locks = SUBSCRIPTIONS.locks(event.example())
        assert ("patient", str(getattr(event.example(), "patient_id"))) in locks


def test_a_packet_is_due_a_day_before_or_after_the_last_change(at_start: datetime) -> None:
    lead = at_start - LEAD
    soon = at_start - timedelta(hours=1)
    assert due_at(at_start, []) == lead
    assert due_at(at_start, [lead - timedelta(days=1), None]) == lead
    assert due_at(at_start, [soon, lead]) == soon
    assert due_at(at_start, [soon, at_start]) == soon


@pytest.fixture
def at_start(clock: Any) -> datetime:
    start: datetime = clock.now() + timedelta(days=2)
    return start
