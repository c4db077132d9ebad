"""Routes of a person's record."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.patients.api.routes import ROUTES
from services.patients.commands import people as commands
from services.patients.domain.demographics import Demographics, checked
from services.patients.queries import people as queries
from services.patients.queries.visits import Visits, visits_of
from services.patients.schemas.minimum import PatientMinimum
from services.patients.schemas.people import AmendPatient, PatientView, RegisterPatient
from services.patients.tables import Patient
from shared.contracts.permissions import Permission as May
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.values.errors import Conflict
from shared.web.calls import Call, Reply, created, refused
from shared.web.minimum import Lesser

REFUSALS = (
    "name.missing", "text.encoding", "text.blank", "text.too_long", "birth_date.future",
    "birth_date.too_early", "death_date.before_birth", "death_date.future", "phone.invalid",
    "phone.too_long", "email.invalid", "email.too_long", "address.lines", "address.country",
    "address.state", "address.postal_code", "contact.twice",
)  # fmt: skip


def _sent(call: Call[RegisterPatient]) -> Demographics:
    return checked(call.given.model_dump())


def _register_locks(call: Call[Any]) -> Sequence[LockKey]:
    return commands.register_locks(_sent(call))


@ROUTES.post(
    "/v1/patients",
    may=May.PATIENT_WRITE,
    body=RegisterPatient,
    reply=PatientView,
    status=201,
    refuses=("patient.maybe_known", "override.reason_required", *REFUSALS),
    locks=_register_locks,
)
async def register_patient(work: Work, call: Call[RegisterPatient]) -> Reply:
    """Register a person.

    Where somebody like this is on record, `patient.maybe_known` carries `candidates`: id, MRN,
    grade, score and reasons, the likeliest first. Going on all the same takes `override_reason`.
    """
    try:
        row = await commands.register(work, _sent(call), call.given.override_reason)
    except Conflict as conflict:
        # Told who could be meant, the caller has read of them: that is kept in the audit.
        told = conflict.facts.get("candidates", [])
        call.concerns(*(UUID(who["id"]) for who in told))
        call.detail["refused"] = conflict.code
        return refused(conflict)
    call.concerns(row.id)
    view = PatientView.of(row, _sent(call), Visits(None, None))
    return created(view, f"/v1/patients/{row.id}")


@ROUTES.get(
    "/v1/patients/{patient_id}",
    may=May.PATIENT_READ,
    reply=PatientView,
    lesser=(Lesser(May.PATIENT_READ_MINIMUM, PatientMinimum),),
)
async def read_patient(work: Work, call: Call[None]) -> Reply:
    """One person's record."""
    row = await queries.person(work, call.id("patient_id"))
    call.concerns(row.id)
    who = (await queries.demographics(work, [row]))[row.id]
    return Reply(await _view(work, row, who), version=row.version)


def patient_lock(call: Call[Any]) -> Sequence[LockKey]:
    """The one person of the path."""
    return commands.patient_lock(call.id("patient_id"))


@ROUTES.patch(
    "/v1/patients/{patient_id}",
    may=May.PATIENT_WRITE,
    body=AmendPatient,
    reply=PatientView,
    refuses=("member.required", *REFUSALS),
    locks=patient_lock,
)
async def amend_patient(work: Work, call: Call[AmendPatient]) -> Reply:
    """Amend a person's record by a merge patch."""
    row, who = await commands.amend(work, call.id("patient_id"), call.given.patch(), call.if_match)
    call.concerns(row.id)
    await work.flush()
    return Reply(await _view(work, row, who), version=row.version)


async def _view(work: Work, row: Patient, who: Demographics) -> PatientView:
    return PatientView.of(row, who, await visits_of(work, row.id))
