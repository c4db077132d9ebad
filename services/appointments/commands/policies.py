"""What a network asks for on the day of a visit, entered as data."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from services.appointments.commands.setup import clinic
from services.appointments.tables import AppointmentType, VisitPolicy
from shared.db.locks import LockKey, lock_key
from shared.db.work import Work
from shared.values.errors import NotFound

LIMIT = 500


def policy_lock(clinic_id: UUID | None, type_id: UUID | None) -> Sequence[LockKey]:
    """The one policy of a scope."""
    return (lock_key("visit-policy", f"{clinic_id}/{type_id}"),)


async def set_policy(
    work: Work, clinic_id: UUID | None, type_id: UUID | None, members: Mapping[str, Any]
) -> VisitPolicy:
    """Enter the policy of a scope, in the place of the one before. Raises NotFound."""
    if clinic_id is not None:
        await clinic(work, clinic_id)
    elif work.actor.clinic_ids is not None:
        raise NotFound("clinic.not_found", "There is no such clinic.")
    if type_id is not None and await work.load(AppointmentType, type_id) is None:
        raise NotFound("appointment_type.not_found", "There is no such appointment type.")
    where = "clinic_id IS NOT DISTINCT FROM $2 AND appointment_type_id IS NOT DISTINCT FROM $3"
    rows = await work.load_where(VisitPolicy, where, clinic_id, type_id)
    if rows:
        rows[0].members = dict(members)
        work.save(rows[0])
        return rows[0]
    row = VisitPolicy(
        id=work.new_id("policy"),
        network_id=work.network_id,
        clinic_id=clinic_id,
        appointment_type_id=type_id,
        members=dict(members),
    )
    work.add(row)
    return row


async def policies(work: Work) -> list[VisitPolicy]:
    """The policies of the network and of the caller's clinics."""
    where = f"true ORDER BY clinic_id NULLS FIRST, appointment_type_id NULLS FIRST LIMIT {LIMIT}"
    rows = await work.load_where(VisitPolicy, where)
    mine = work.actor.clinic_ids
    return [row for row in rows if mine is None or row.clinic_id is None or row.clinic_id in mine]
