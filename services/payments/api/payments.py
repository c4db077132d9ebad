"""Routes of payments."""

from collections.abc import Sequence
from typing import Any

from services.payments.api.routes import ROUTES
from services.payments.commands import payments
from services.payments.domain.payment import Method
from services.payments.queries.accounts import parts_of
from services.payments.queries.money import is_unsettled, payment_of, receipt_for
from services.payments.schemas.payments import PaymentView, TakePayment
from services.payments.tables import Payment
from shared.contracts.permissions import Permission as May
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.web.calls import Call, Reply, accepted, created

REFUSALS = (
    "clinic.not_found", "patient.not_found", "appointment.not_found", "drawer.not_found",
    "drawer.not_open", "drawer.other_clinic", "drawer.other_day", "amount.too_large",
    "amount.currency_unknown", "amount.currency_mismatch", "payment.means_missing",
    "payment.means_foreign", "payment.other_patient", "payment.tendered_short", "card.data",
    "ledger.day_closed",
)  # fmt: skip


def _wish(given: TakePayment) -> payments.PaymentWish:
    members = given.model_dump(exclude={"method"})
    return payments.PaymentWish(method=Method(given.method), **members)


async def _locks(work: Work, call: Call[Any]) -> Sequence[LockKey]:
    return await payments.payment_locks(work, _wish(call.given))


async def _view(work: Work, row: Payment) -> PaymentView:
    parts = await parts_of(work, row.id)
    return PaymentView.of(row, parts, await receipt_for(work, row.id))


@ROUTES.post(
    "/v1/payments",
    may=May.PAYMENT_POST,
    body=TakePayment,
    reply=PaymentView,
    status=201,
    also={202: PaymentView},
    refuses=REFUSALS,
    locks_read=_locks,
)
async def take_payment(work: Work, call: Call[TakePayment]) -> Reply:
    """Take a payment.

    Cash and checks are posted at once (201) with a numbered receipt. A card is sent to the
    processor (202): `Location` tells how it went. The money goes to today's copay, then to the
    oldest charge that is open, then stands as the patient's credit.
    """
    call.concerns(call.given.patient_id)
    row = await payments.take(work, _wish(call.given))
    await work.flush()
    view, location = await _view(work, row), f"/v1/payments/{row.id}"
    if is_unsettled(row.status):
        return accepted(view, location, row.version)
    return created(view, location)


@ROUTES.get("/v1/payments/{payment_id}", may=May.PAYMENT_READ, reply=PaymentView)
async def read_payment(work: Work, call: Call[None]) -> Reply:
    """One payment, and where its money stands."""
    row = await payment_of(work, call.id("payment_id"))
    call.concerns(row.patient_id)
    return Reply(await _view(work, row), version=row.version)
