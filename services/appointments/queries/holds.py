"""Reading holds."""

from uuid import UUID

from services.appointments.domain import hold as rules
from services.appointments.domain.hold import HoldState
from services.appointments.tables import Hold
from shared.db.actor import at_clinic
from shared.db.work import Work
from shared.values.errors import NotFound


async def found_hold(work: Work, hold_id: UUID) -> Hold:
    """A hold of the network and of the caller's clinics. Raises NotFound."""
    row = await work.load(Hold, hold_id)
    if row is None or not at_clinic(work.actor, row.clinic_id):
        raise NotFound("hold.not_found", "There is no such hold.")
    return row


def rule_of(row: Hold) -> rules.Hold:
    """The rules' values of a row."""
    return rules.Hold(
        HoldState(row.state),
        row.held_by,
        row.expires_at,
        row.patient_id,
        row.appointment_id,
        row.extended,
    )


_LIVING = """
SELECT count(*) FROM holds
WHERE network_id = $1 AND state = 'held' AND purpose = 'booking' AND expires_at > $2 AND {whose}
"""


async def living_holds(work: Work, patient_id: UUID | None) -> tuple[int, int]:
    """How many living holds the caller may have, and has.

    Of somebody who books for themselves those of the patient count, of anybody else those they
    placed.
    """
    if work.actor.patient_ids is not None:
        text, whose = _LIVING.format(whose="patient_id = $3"), patient_id
        living = await work.raw.fetchval(text, work.network_id, work.now, whose)
        return rules.HOLDS_OF_A_PATIENT, int(living)
    text = _LIVING.format(whose="held_by = $3")
    living = await work.raw.fetchval(text, work.network_id, work.now, str(work.actor))
    return rules.HOLDS_OF_A_PERSON, int(living)
