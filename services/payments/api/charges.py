"""Routes of charges."""

from collections.abc import Sequence
from typing import Any

from services.payments.api.routes import ROUTES
from services.payments.commands import charges
from services.payments.domain.charge import NoChargeReason
from services.payments.queries.accounts import copay_of
from services.payments.queries.books import visit_of
from services.payments.queries.charges import (
    charge_of,
    lines_of,
    no_charge_of,
    open_cents,
    standing_charge,
)
from services.payments.schemas.charges import (
    CaptureCharge,
    ChargeView,
    NoteNoCharge,
    VisitMoneyView,
)
from services.payments.tables import Charge, KnownVisit
from shared.contracts.permissions import Permission as May
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.web.calls import Call, Reply, created


async def _charge_locks(work: Work, call: Call[Any]) -> Sequence[LockKey]:
    return await charges.charge_locks(work, call.given.appointment_id)


def _wish(given: CaptureCharge) -> charges.ChargeWish:
    lines = [
        charges.LineWish(line.code, line.units, tuple(line.modifiers), tuple(line.diagnoses))
        for line in given.lines
    ]
    return charges.ChargeWish(given.appointment_id, lines, given.diagnoses)


async def _view(work: Work, row: Charge) -> ChargeView:
    return ChargeView.of(row, await lines_of(work, row.id), await open_cents(work, row))


@ROUTES.post(
    "/v1/charges",
    may=May.CHARGE_WRITE,
    body=CaptureCharge,
    reply=ChargeView,
    status=201,
    refuses=("appointment.not_found", "charge.exists", "charge.visit_not_held",
             "charge.visit_not_begun", "fee.none", "fee.none_on_day", "code.service",
             "code.diagnosis", "charge.pointers", "ledger.day_closed"),
    locks_read=_charge_locks,
)  # fmt: skip
async def capture_charge(work: Work, call: Call[CaptureCharge]) -> Reply:
    """Charge a visit at the prices of its day.

    Credit that is kept for the visit, a copay paid before, meets the charge at once.
    """
    row = await charges.capture(work, _wish(call.given))
    call.concerns(row.patient_id)
    await work.flush()
    return created(await _view(work, row), f"/v1/charges/{row.id}")


@ROUTES.get("/v1/charges/{charge_id}", may=May.CHARGE_WRITE, reply=ChargeView)
async def read_charge(work: Work, call: Call[None]) -> Reply:
    """One charge with its lines."""
    row = await charge_of(work, call.id("charge_id"))
    call.concerns(row.patient_id)
    return Reply(await _view(work, row), version=row.version)


async def _no_charge_locks(work: Work, call: Call[Any]) -> Sequence[LockKey]:
    return await charges.no_charge_locks(work, call.id("appointment_id"))


@ROUTES.post(
    "/v1/visits/{appointment_id}/no-charge",
    may=May.CHARGE_WRITE,
    body=NoteNoCharge,
    reply=VisitMoneyView,
    refuses=("appointment.not_found", "charge.exists", "charge.visit_not_held",
             "charge.visit_not_begun", "ledger.day_closed", "card.data"),
    locks_read=_no_charge_locks,
)  # fmt: skip
async def note_no_charge(work: Work, call: Call[NoteNoCharge]) -> Reply:
    """Say why a visit costs nothing; said again, it replaces what was said."""
    reason = NoChargeReason(call.given.reason)
    visit, _ = await charges.no_charge(work, call.id("appointment_id"), reason, call.given.note)
    await work.flush()
    return await _money(work, call, visit)


@ROUTES.get("/v1/visits/{appointment_id}", may=May.PAYMENT_READ, reply=VisitMoneyView)
async def read_visit_money(work: Work, call: Call[None]) -> Reply:
    """The copay that is expected of a visit and what is open of it, and how it was charged."""
    return await _money(work, call, await visit_of(work, call.id("appointment_id")))


async def _money(work: Work, call: Call[Any], visit: KnownVisit) -> Reply:
    call.concerns(visit.patient_id)
    copay = await copay_of(work, visit.patient_id, visit.appointment_id)
    charge = await standing_charge(work, visit.appointment_id)
    free = await no_charge_of(work, visit.appointment_id)
    return Reply(VisitMoneyView.of(visit, copay, charge, free))
