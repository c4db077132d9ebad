"""Routes of verifying the demographics."""

from uuid import UUID

from services.patients.api.people import patient_lock
from services.patients.api.routes import ROUTES
from services.patients.commands import verification as commands
from services.patients.queries import verification as queries
from services.patients.queries.people import person
from services.patients.schemas.verification import VerificationView, VerifyDemographics
from shared.contracts.permissions import Permission as May
from shared.db.work import Work
from shared.web.calls import Call, Reply


@ROUTES.post(
    "/v1/patients/{patient_id}/verifications",
    may=May.PATIENT_WRITE,
    body=VerifyDemographics,
    reply=VerificationView,
    refuses=("verification.empty", "verification.field_twice"),
    locks=patient_lock,
)
async def verify_demographics(work: Work, call: Call[VerifyDemographics]) -> Reply:
    """Record which fields were gone through with the person, and what came of each.

    A value that changed is amended first. Identity counts as verified once nothing is stale.
    """
    answers = [(answer.field, answer.outcome) for answer in call.given.fields]
    row, _ = await commands.verify(work, call.id("patient_id"), answers)
    call.concerns(row.id)
    await work.flush()
    return Reply(await _view(work, row.id), version=row.version)


@ROUTES.get("/v1/patients/{patient_id}/verifications", may=May.PATIENT_READ, reply=VerificationView)
async def read_verification(work: Work, call: Call[None]) -> Reply:
    """Each field of the demographics: when it was gone through, and whether it is stale."""
    row = await person(work, call.id("patient_id"))
    call.concerns(row.id)
    return Reply(await _view(work, row.id), version=row.version)


async def _view(work: Work, patient_id: UUID) -> VerificationView:
    checks = await queries.latest_checks(work, patient_id)
    return VerificationView.of(checks, await queries.amended(work, patient_id), work.now)
