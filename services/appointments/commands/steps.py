"""One move of a visit on its day: the statuses, and a row of who made it and when."""

from collections.abc import Sequence
from uuid import UUID

from services.appointments.commands.statuses import set_statuses, statuses_of
from services.appointments.domain.status import Move
from services.appointments.queries.rooms import stay_of
from services.appointments.queries.visits import visit
from services.appointments.tables import Appointment, VisitStep
from shared.db.locks import LockKey, lock_key
from shared.db.work import Work


def step(
    work: Work,
    row: Appointment,
    move: Move,
    *,
    room_id: UUID | None = None,
    reason: str | None = None,
) -> None:
    """Make a move of a visit, and keep who made it. Raises IllegalTransition."""
    before, after = row.flow, statuses_of(row).moved(move)
    set_statuses(row, after)
    work.save(row)
    work.add(
        VisitStep(
            id=work.new_id(f"step/{row.id}/{move}"),
            network_id=work.network_id,
            appointment_id=row.id,
            patient_id=row.patient_id,
            move=move.value,
            from_flow=before,
            to_flow=row.flow,
            room_id=room_id,
            reason=reason,
            at=work.now,
            done_by=str(work.actor),
        )
    )


async def door_locks(work: Work, appointment_id: UUID) -> Sequence[LockKey]:
    """What arriving and its undoing change: the visit, its patient's, and the clinic's queue."""
    row = await visit(work, appointment_id)
    return (
        lock_key("appointment", row.id),
        lock_key("patient", row.patient_id),
        lock_key("queue", row.clinic_id),
    )


async def place_locks(
    work: Work, appointment_id: UUID, room_id: UUID | None = None
) -> Sequence[LockKey]:
    """What moving on changes: the visit, its patient's, the room it is in and the one it takes."""
    row = await visit(work, appointment_id)
    keys = [lock_key("appointment", row.id), lock_key("patient", row.patient_id)]
    stay = await stay_of(work, row.id)
    for room in {room_id, stay.room_id if stay else None} - {None}:
        keys.append(room_lock(room))
    return keys


def room_lock(room_id: UUID | None) -> LockKey:
    """The one room."""
    return lock_key("room", room_id)
