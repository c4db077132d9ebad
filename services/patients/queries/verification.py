"""How far the demographics of a patient are verified."""

from datetime import datetime
from uuid import UUID

from services.patients.domain.verification import Field, FieldCheck, Outcome
from services.patients.tables import FieldAmended
from shared.db.work import Work

_LATEST = """
SELECT DISTINCT ON (field) field, outcome, verified_by, verified_at FROM verifications
WHERE network_id = $1 AND patient_id = $2 ORDER BY field, verified_at DESC, id DESC
"""


async def latest_checks(work: Work, patient_id: UUID) -> list[FieldCheck]:
    """The last check of each field that was ever gone through."""
    return [
        FieldCheck(
            Field(record["field"]),
            Outcome(record["outcome"]),
            record["verified_by"],
            record["verified_at"],
        )
        for record in await work.raw.fetch(_LATEST, work.network_id, patient_id)
    ]


async def amended(work: Work, patient_id: UUID) -> dict[Field, datetime]:
    """When the value of each field last changed; a field that never did is not there."""
    rows = await work.load_where(FieldAmended, "patient_id = $2", patient_id)
    return {Field(row.field): row.amended_at for row in rows}
