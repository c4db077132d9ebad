"""Routes of checks."""

from collections.abc import Sequence
from typing import Any

from services.eligibility.api.routes import ROUTES
from services.eligibility.commands import checks as commands
from services.eligibility.commands.asking import patient_lock
from services.eligibility.queries import checks as queries
from services.eligibility.queries.coverages import coverage
from services.eligibility.schemas.checks import CheckView, RequestCheck
from shared.contracts.permissions import Permission as May
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.web.calls import Call, Reply, accepted


async def _patient_of_coverage(work: Work, call: Call[Any]) -> Sequence[LockKey]:
    return patient_lock((await coverage(work, call.given.coverage_id)).patient_id)


@ROUTES.post(
    "/v1/checks",
    may=May.ELIGIBILITY_CHECK,
    body=RequestCheck,
    reply=CheckView,
    status=202,
    refuses=("visit.not_open", "check.date"),
    locks_read=_patient_of_coverage,
)
async def request_check(work: Work, call: Call[RequestCheck]) -> Reply:
    """Ask the payer about a coverage. `Location` tells how it went."""
    given = call.given
    row = await commands.request_check(
        work, given.coverage_id, given.appointment_id, given.service_date
    )
    call.concerns(row.patient_id)
    return accepted(CheckView.of(row), f"/v1/checks/{row.id}")


@ROUTES.get("/v1/checks/{check_id}", may=May.COVERAGE_READ, reply=CheckView)
async def read_check(work: Work, call: Call[None]) -> Reply:
    """A check and what came of it, in one sentence and in the payer's lines."""
    row = await queries.check(work, call.id("check_id"))
    call.concerns(row.patient_id)
    return Reply(CheckView.of(row), version=row.version)
