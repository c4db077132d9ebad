"""Asking a payer: the 270 of a coverage, the row that remembers it, and the intent to send it."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, cast
from uuid import UUID

from services.eligibility.domain.request_270 import (
    Dependent,
    Inquiry,
    Receiver,
    Subscriber,
    build_270,
)
from services.eligibility.domain.request_270 import Payer as PayerRule
from services.eligibility.queries.coverages import payer
from services.eligibility.tables import Check, Coverage, Payer
from shared.db.locks import LockKey, lock_key
from shared.db.work import Work
from shared.x12.building import CONTROL_NUMBER_MAX

CHECK = "check"
ORIGINATOR = "9CLINICBUS"
"""TRN03: ten characters, of which a 9 in front says that we chose the rest."""
_SEX = {"female": "F", "male": "M"}


def patient_lock(patient_id: UUID | str) -> Sequence[LockKey]:
    """What guards all that is kept of a patient: coverages, checks, visits, verdicts, estimates."""
    return (lock_key("patient", patient_id),)


def inquiry(asked: Payer, cover: Coverage, on: date, trace: UUID, at: datetime) -> Inquiry:
    """What goes into the 270 that asks about a coverage on a day."""
    dependent = None
    if cover.relationship != "self" and cover.dependent_birth_date is not None:
        dependent = Dependent(
            last_name=cover.dependent_family_name or "",
            first_name=cover.dependent_given_name or "",
            birth_date=cover.dependent_birth_date,
            sex=_sex(cover.dependent_gender),
            relationship=cast("Any", cover.relationship),
        )
    return Inquiry(
        payer=PayerRule(asked.name, asked.payer_id),
        receiver=Receiver(asked.provider_name, asked.provider_npi),
        subscriber=Subscriber(
            last_name=cover.subscriber_family_name,
            first_name=cover.subscriber_given_name or "",
            member_id=cover.member_id,
            birth_date=cover.subscriber_birth_date,
            sex=_sex(cover.subscriber_gender),
            group_number=cover.group_number or "",
        ),
        dependent=dependent,
        service_date=on,
        trace=str(trace),
        originator=ORIGINATOR,
        # From the trace, so that a check made again from the same event sends the same bytes.
        control_number=trace.int % CONTROL_NUMBER_MAX + 1,
        made_at=at,
        sender_id=asked.sender_id,
        receiver_id=asked.receiver_id,
        service_types=tuple(asked.service_types),
    )


def _sex(gender: str | None) -> Any:
    return _SEX.get(gender or "")


async def ask(
    work: Work, cover: Coverage, on: date, appointment_id: UUID | None, since: datetime
) -> Check:
    """Commit to asking about a coverage on a day. Needs the patient's lock.

    since: what is asked because of something that happened is not asked before it.
    """
    check_id = work.new_id(f"check/{cover.id}/{cover.edition}/{on}")
    at = max(work.now, since)
    request = build_270(inquiry(await payer(work, cover.payer_id), cover, on, check_id, at))
    last = await work.raw.fetchval(
        "SELECT max(number) FROM checks WHERE network_id = $1 AND coverage_id = $2",
        work.network_id,
        cover.id,
    )
    row = Check(
        id=check_id,
        network_id=work.network_id,
        patient_id=cover.patient_id,
        coverage_id=cover.id,
        edition=cover.edition,
        appointment_id=appointment_id,
        service_date=on,
        number=(last or 0) + 1,
        trace=str(check_id),
        request=request.to_bytes(),
        requested_at=at,
        requested_by=str(work.actor),
    )
    work.add(row)
    work.intent(CHECK, row.id, {"patient_id": str(row.patient_id)})
    await work.flush()
    return row
