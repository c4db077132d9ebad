"""Go through the demographics with the person."""

from collections.abc import Sequence
from uuid import UUID

from services.patients import events
from services.patients.domain.verification import (
    Field,
    Outcome,
    Verification,
    decide_verification,
)
from services.patients.queries.people import person
from services.patients.queries.verification import amended, latest_checks
from services.patients.tables import FieldVerified, Patient
from shared.db.work import Work


async def verify(
    work: Work, patient_id: UUID, answers: Sequence[tuple[Field, Outcome]]
) -> tuple[Patient, Verification]:
    """Record what came of each field that was gone through.

    `changed` says that the record was amended and the new value read back; the amendment comes
    first. Raises what `decide_verification` raises.
    """
    row = await person(work, patient_id)
    before = await latest_checks(work, row.id)
    when = await amended(work, row.id)
    done = decide_verification(answers, before, str(work.actor), work.now, amended=when)
    work.add(
        *(
            FieldVerified(
                id=work.new_id(f"verification/{check.field}"),
                network_id=work.network_id,
                patient_id=row.id,
                field=check.field.value,
                outcome=check.outcome.value,
                verified_at=check.at,
                verified_by=check.by,
            )
            for check in done.checks
        )
    )
    work.save(row)
    work.say(events.verified(row, done, work.now), of=row)
    return row, done
