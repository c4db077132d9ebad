"""Routes of refunds."""

from collections.abc import Sequence
from typing import Any

from services.payments.api.routes import ROUTES
from services.payments.commands import refunds
from services.payments.queries.money import is_unsettled, receipt_for, refund_of
from services.payments.schemas.payments import RefundPayment, RefundView
from services.payments.tables import Refund
from shared.contracts.permissions import Permission as May
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.web.calls import Call, Reply, accepted, created


def _wish(call: Call[RefundPayment]) -> refunds.RefundWish:
    return refunds.RefundWish(payment_id=call.id("payment_id"), **call.given.model_dump())


async def _locks(work: Work, call: Call[Any]) -> Sequence[LockKey]:
    return await refunds.refund_locks(work, _wish(call))


async def _view(work: Work, row: Refund) -> RefundView:
    return RefundView.of(row, await receipt_for(work, row.payment_id, row.id))


@ROUTES.post(
    "/v1/payments/{payment_id}/refund",
    may=May.PAYMENT_REFUND,
    body=RefundPayment,
    reply=RefundView,
    status=201,
    also={202: RefundView},
    refuses=("payment.not_found", "refund.above_paid", "refund.above_remaining",
             "refund.nothing_left", "payment.illegal_transition", "payment.means_missing",
             "payment.means_foreign", "drawer.not_open", "drawer.not_enough", "card.data",
             "ledger.day_closed"),
    locks_read=_locks,
    step_up=True,
)  # fmt: skip
async def refund_payment(work: Work, call: Call[RefundPayment]) -> Reply:
    """Give back a payment, in part or in whole, the way it came.

    Cash comes out of an open drawer and is posted at once (201), as is an office check. A card is
    refunded by the processor (202): `Location` tells how it went.
    """
    row = await refunds.give_back(work, _wish(call))
    call.concerns(row.patient_id)
    await work.flush()
    view, location = await _view(work, row), f"/v1/refunds/{row.id}"
    if is_unsettled(row.status):
        return accepted(view, location, row.version)
    return created(view, location)


@ROUTES.get("/v1/refunds/{refund_id}", may=May.PAYMENT_READ, reply=RefundView)
async def read_refund(work: Work, call: Call[None]) -> Reply:
    """One refund."""
    row = await refund_of(work, call.id("refund_id"))
    call.concerns(row.patient_id)
    return Reply(await _view(work, row), version=row.version)
