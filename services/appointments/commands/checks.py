"""What somebody at the desk verifies, waives, or takes their word back of: a row each."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from services.appointments.domain.asked_for import (
    decide_verification,
    decide_waiver,
    decide_withdrawal,
)
from services.appointments.domain.requirement_values import Item, State
from services.appointments.domain.status import Lifecycle
from services.appointments.queries.requirements import checks_of, open_items, settled
from services.appointments.queries.visits import visit
from services.appointments.tables import Appointment, RequirementCheck
from shared.db.work import Work
from shared.values.errors import Conflict


async def verify(work: Work, appointment_id: UUID, code: str) -> Appointment:
    """Somebody at the desk saw it. Raises Conflict as the rule says."""
    row = await visit(work, appointment_id)
    decide_verification(await _open(work, row), code)
    note(work, row, code, "verified", None)
    return row


async def waive(work: Work, appointment_id: UUID, code: str, reason: str) -> Appointment:
    """Do without a requirement. Raises what `decide_waiver` raises."""
    row = await visit(work, appointment_id)
    decide_waiver(await _open(work, row), code, reason)
    note(work, row, code, "waived", reason)
    return row


async def withdraw(work: Work, appointment_id: UUID, code: str, reason: str) -> Appointment:
    """Take back what was verified or waived; the requirement stands as if nobody had said it.

    Raises Conflict ``requirement.nothing_said``, ``requirement.settled``.
    """
    row = await visit(work, appointment_id)
    _require_open(row)
    decide_withdrawal(settled(await checks_of(work, row), row.moves), code)
    note(work, row, code, "withdrawn", reason)
    return row


def note_words(
    work: Work, row: Appointment, items: Iterable[Item], words: Mapping[str, str]
) -> dict[str, str]:
    """Keep the words that settled something at check-in, by the code of what they settled."""
    kept = {
        item.code: words[item.code]
        for item in items
        if item.state is State.WAIVED and item.why != "waived" and item.code in words
    }
    for code, word in kept.items():
        note(work, row, code, "waived", word)
    return kept


def note(work: Work, row: Appointment, code: str, outcome: str, reason: str | None) -> None:
    """One row: what, by whom, when, and for which time of the visit."""
    work.add(
        RequirementCheck(
            id=work.new_id(f"check/{row.id}/{code}"),
            network_id=work.network_id,
            appointment_id=row.id,
            patient_id=row.patient_id,
            code=code,
            outcome=outcome,
            reason=reason,
            visit_moves=row.moves,
            checked_at=work.now,
            checked_by=str(work.actor),
        )
    )


async def _open(work: Work, row: Appointment) -> tuple[Item, ...]:
    """The requirements of a visit before check-in. Raises Conflict ``requirement.settled``."""
    _require_open(row)
    return await open_items(work, row)


def _require_open(row: Appointment) -> None:
    if row.lifecycle not in (Lifecycle.BOOKED, Lifecycle.ARRIVED):
        raise Conflict("requirement.settled", "What is asked for was settled at check-in.")
