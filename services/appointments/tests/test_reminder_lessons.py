"""What went wrong elsewhere, each a test named after where it did."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.appointments.tests.reminding import Reminding, reminding
from shared.testing.apps import Office
from shared.values.clock import FixedClock

STARTS = datetime(2026, 11, 12, 17, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Reminding:
    return await reminding(environment, clinic_office, network_id, clock)


async def test_openemr_11477_what_was_sent_is_not_sent_again_each_hour(at: Reminding) -> None:
    """The job runs every hour for three days, and something sets the timer each time."""
    patient = await at.patient()
    visit = await at.book(patient)
    at.clock.at = STARTS - 74 * HOUR
    for _ in range(76):
        await at.consents(patient)
        await at.work_off()
        at.clock.move(HOUR)
    assert len(at.mail.sent) == 2
    assert set((await at.ledger(visit)).values()) == {("sent", None)}


async def test_openemr_11480_each_visit_of_several_is_marked_by_itself(at: Reminding) -> None:
    """Four visits of one patient on four weeks: a reminder of one marks no other, and each gets
    its own."""
    patient = await at.patient()
    days = ("2026-11-05", "2026-11-12", "2026-11-19", "2026-11-26")
    visits = [await at.book(patient, f"{day}T10:00:00-07:00") for day in days]
    for n, visit in enumerate(visits):
        await at.later(to=datetime(2026, 11, 5, 16, tzinfo=UTC) + timedelta(weeks=n))
        assert ("sent", None) in (await at.ledger(visit)).values()
        for later in visits[n + 1 :]:
            assert {state for state, _ in (await at.ledger(later)).values()} == {"planned"}
    # Booked on Monday for Thursday at the same hour, the first has both leads, too.
    assert len(at.mail.sent) == 8


async def test_openemr_11589_a_reminder_writes_over_no_status(at: Reminding) -> None:
    """The row of the visit is the same before and after, but for how many events it has said."""
    visit = await at.book(await at.patient())
    await at.does(f"/v1/appointments/{visit}/confirm")
    statement = "SELECT * FROM appointments WHERE network_id = $1"
    (before,) = await at.rows(statement)
    await at.later(to=STARTS - HOUR)
    (after,) = await at.rows(statement)
    assert len(at.mail.sent) == 2
    assert after == {**before, "event_seq": before["event_seq"] + 4}
    assert before["confirmation"] == "confirmed"
