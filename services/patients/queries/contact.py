"""Whom to turn to for a patient."""

from uuid import UUID

from services.patients.tables import Contact
from shared.db.work import Work
from shared.values.errors import NotFound


async def contacts(work: Work, patient_id: UUID) -> list[Contact]:
    """The contacts of a patient that have not been ended, in the order in which they were added."""
    where = "patient_id = $2 AND ended_at IS NULL ORDER BY added_at, id"
    return await work.load_where(Contact, where, patient_id)


async def contact(work: Work, patient_id: UUID, contact_id: UUID) -> Contact:
    """One contact of a patient, ended or not. Raises NotFound."""
    found = await work.load_where(Contact, "patient_id = $2 AND id = $3", patient_id, contact_id)
    if not found:
        raise NotFound("contact.not_found", "There is no such contact.")
    return found[0]
