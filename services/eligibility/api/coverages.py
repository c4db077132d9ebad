"""Routes of payers, coverages and the patient's word to pay."""

from collections.abc import Sequence
from typing import Any

from services.eligibility.api.routes import ROUTES
from services.eligibility.commands import coverages as commands
from services.eligibility.commands.asking import patient_lock
from services.eligibility.queries import coverages as queries
from services.eligibility.schemas.coverages import (
    AddCoverage,
    ChangeCoverage,
    CoverageList,
    CoverageView,
    ListCoverages,
    MarkSelfPay,
    SelfPayView,
    TerminateCoverage,
)
from services.eligibility.schemas.payers import AddPayer, PayerList, PayerView
from shared.contracts.permissions import Permission as May
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.web.calls import Call, Reply, created

UNASKABLE = (
    "request.incomplete", "request.npi", "request.too_long", "x12.charset",
    "x12.delimiter_in_data", "x12.too_long",
)  # fmt: skip
REFUSALS = (
    "coverage.order_taken", "coverage.dates_reversed", "dependent.missing",
    "dependent.is_subscriber", "birth_date.missing", "birth_date.out_of_range", *UNASKABLE,
)  # fmt: skip


@ROUTES.post(
    "/v1/payers",
    may=May.PAYER_WRITE,
    body=AddPayer,
    reply=PayerView,
    status=201,
    refuses=("payer.known", *UNASKABLE),
)
async def add_payer(work: Work, call: Call[AddPayer]) -> Reply:
    """Enter a payer. Where payers are asked is the deployment's setting, not a member here."""
    row = await commands.add_payer(work, call.given.model_dump())
    return created(PayerView.of(row), f"/v1/payers/{row.id}")


@ROUTES.get("/v1/payers", may=May.PAYER_READ, reply=PayerList)
async def list_payers(work: Work, call: Call[None]) -> Reply:
    """The payers of the network."""
    return Reply(PayerList(items=[PayerView.of(row) for row in await queries.payers(work)]))


@ROUTES.get("/v1/payers/{payer_id}", may=May.PAYER_READ, reply=PayerView)
async def read_payer(work: Work, call: Call[None]) -> Reply:
    """One payer."""
    row = await queries.payer(work, call.id("payer_id"))
    return Reply(PayerView.of(row), version=row.version)


def _patient_of_body(call: Call[AddCoverage]) -> Sequence[LockKey]:
    return patient_lock(call.given.patient_id)


@ROUTES.post(
    "/v1/coverages",
    may=May.COVERAGE_WRITE,
    body=AddCoverage,
    reply=CoverageView,
    status=201,
    refuses=REFUSALS,
    locks=_patient_of_body,
)
async def add_coverage(work: Work, call: Call[AddCoverage]) -> Reply:
    """Enter a coverage as the card says. For visits to come the payer is asked at once."""
    call.concerns(call.given.patient_id)
    row = await commands.add_coverage(work, call.given.facts())
    return created(CoverageView.of(row), f"/v1/coverages/{row.id}")


@ROUTES.get("/v1/coverages", may=May.COVERAGE_READ, query=ListCoverages, reply=CoverageList)
async def list_coverages(work: Work, call: Call[ListCoverages]) -> Reply:
    """A patient's coverages, those that ended too."""
    patient_id = call.given.patient_id
    call.concerns(patient_id)
    rows = await queries.coverages_of(work, patient_id)
    marks = await queries.self_pay_marks(work, patient_id)
    items = [CoverageView.of(row) for row in rows]
    return Reply(CoverageList(items=items, self_pay=marks.get(None, False)))


@ROUTES.get("/v1/coverages/{coverage_id}", may=May.COVERAGE_READ, reply=CoverageView)
async def read_coverage(work: Work, call: Call[None]) -> Reply:
    """One coverage."""
    row = await queries.coverage(work, call.id("coverage_id"))
    call.concerns(row.patient_id)
    return Reply(CoverageView.of(row), version=row.version)


async def _patient_of_coverage(work: Work, call: Call[Any]) -> Sequence[LockKey]:
    return patient_lock((await queries.coverage(work, call.id("coverage_id"))).patient_id)


@ROUTES.patch(
    "/v1/coverages/{coverage_id}",
    may=May.COVERAGE_WRITE,
    body=ChangeCoverage,
    reply=CoverageView,
    refuses=("coverage.terminated", *REFUSALS),
    locks_read=_patient_of_coverage,
)
async def change_coverage(work: Work, call: Call[ChangeCoverage]) -> Reply:
    """Correct or renew a coverage by a merge patch. For visits to come the payer is asked anew."""
    facts = call.given.facts()
    row = await commands.change_coverage(work, call.id("coverage_id"), facts, call.if_match)
    call.concerns(row.patient_id)
    return Reply(CoverageView.of(row), version=row.version)


@ROUTES.post(
    "/v1/coverages/{coverage_id}/terminate",
    may=May.COVERAGE_WRITE,
    body=TerminateCoverage,
    reply=CoverageView,
    refuses=("coverage.terminated", "coverage.dates_reversed"),
    locks_read=_patient_of_coverage,
)
async def terminate_coverage(work: Work, call: Call[TerminateCoverage]) -> Reply:
    """End a coverage. Visits after its last day are judged without it."""
    row = await commands.terminate_coverage(work, call.id("coverage_id"), call.given.effective_to)
    call.concerns(row.patient_id)
    return Reply(CoverageView.of(row), version=row.version)


def _patient_of_path(call: Call[Any]) -> Sequence[LockKey]:
    return patient_lock(call.id("patient_id"))


@ROUTES.post(
    "/v1/patients/{patient_id}/self-pay",
    may=May.COVERAGE_WRITE,
    body=MarkSelfPay,
    reply=SelfPayView,
    locks=_patient_of_path,
)
async def mark_self_pay(work: Work, call: Call[MarkSelfPay]) -> Reply:
    """Keep the patient's word to pay a visit, or all of them, without their cover."""
    patient_id, given = call.id("patient_id"), call.given
    call.concerns(patient_id)
    row = await commands.mark_self_pay(work, patient_id, given.appointment_id, given.self_pay)
    return Reply(SelfPayView.of(row))
