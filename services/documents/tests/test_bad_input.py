"""Bad input by number, B5: what is paid and registered before its visit is known.

Across subjects the bus promises no order. So nothing is parked for another subject's sake: each
fact is kept as it comes, and nothing is made of it before the visit is heard of.
"""

from datetime import timedelta
from uuid import UUID

from services.documents.tests.scenes import CLINIC, Scene
from services.documents.tests.test_handlers import PATIENT, VISIT, Timed, apply, known
from shared.contracts.patients import PatientRegistered
from shared.contracts.payments import PaymentPosted
from shared.values.ids import new_id


async def test_b5_paid_before_booked(at: Scene) -> None:
    """The payment is heard first, of a patient and a visit that nobody knows: it is taken, it makes
    nothing of its own, and in the end all is as if it had come in its place."""
    now, minute = at.clock.now(), timedelta(minutes=1)
    booked: Timed = (now, at.booked(VISIT, PATIENT, timedelta(hours=3)))
    registered: Timed = (
        now + minute,
        PatientRegistered(patient_id=PATIENT, registered_at=now + minute),
    )
    paid: Timed = (
        now + 2 * minute,
        PaymentPosted(
            patient_id=PATIENT,
            appointment_id=VISIT,
            amount_cents=3000,
            currency="USD",
            balance_cents=15000,
            occurred_at=now + 2 * minute,
            payment_id=UUID(int=300),
            clinic_id=CLINIC,
            method="cash",
        ),
    )
    straight, early = new_id(), new_id()
    await apply(at, straight, [booked, registered, paid])
    await apply(at, early, [paid])
    before = await known(at, early)
    assert [row["balance_cents"] for row in before["known_patients"]] == [15000]
    assert [row["registered"] for row in before["known_patients"]] == [False]
    assert before["known_visits"] == before["chart_packets"] == before["timer"] == []
    await apply(at, early, [registered, booked])
    after = await known(at, early)
    assert after["known_visits"]
    assert after == await known(at, straight)
