"""Routes of receipts."""

from collections.abc import Sequence
from typing import Any

from services.payments.api.routes import ROUTES
from services.payments.commands import receipts
from services.payments.queries.money import pdf_of, receipt_of
from services.payments.schemas.receipts import PdfPending, ReceiptView
from shared.contracts.permissions import Permission as May
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.values.errors import Conflict
from shared.web.calls import Call, Reply, accepted


@ROUTES.get("/v1/receipts/{receipt_id}", may=May.PAYMENT_READ, reply=ReceiptView)
async def read_receipt(work: Work, call: Call[None]) -> Reply:
    """One receipt, as it was issued."""
    row = await receipt_of(work, call.id("receipt_id"))
    call.concerns(row.patient_id)
    return Reply(ReceiptView.of(row), version=row.version)


@ROUTES.get(
    "/v1/receipts/{receipt_id}/pdf",
    may=May.PAYMENT_READ,
    media_type="application/pdf",
    also={202: PdfPending},
    refuses=("receipt.not_printed",),
)
async def read_receipt_pdf(work: Work, call: Call[None]) -> Reply:
    """The printed receipt (PDF/UA); 202 with Retry-After while it is being printed."""
    row = await receipt_of(work, call.id("receipt_id"))
    call.concerns(row.patient_id)
    if row.pdf_state == "failed":
        raise Conflict("receipt.not_printed", "It could not be printed; have it printed again.")
    pdf = await pdf_of(work, row.id)
    if pdf is None:
        pending = PdfPending(receipt_id=row.id, pdf_state=row.pdf_state)
        return Reply(pending, 202, headers={"Retry-After": "1"})
    headers = {"Content-Disposition": f'inline; filename="receipt-{row.number:06d}.pdf"'}
    return Reply(pdf, version=row.version, headers=headers, media_type="application/pdf")


def _locks(call: Call[Any]) -> Sequence[LockKey]:
    return (receipts.receipt_lock(call.id("receipt_id")),)


@ROUTES.post(
    "/v1/receipts/{receipt_id}/print",
    may=May.PAYMENT_POST,
    reply=ReceiptView,
    status=202,
    refuses=("receipt.not_failed",),
    locks=_locks,
)
async def print_receipt(work: Work, call: Call[None]) -> Reply:
    """Have a receipt printed again after it could not be."""
    row = await receipts.print_again(work, call.id("receipt_id"))
    call.concerns(row.patient_id)
    await work.flush()
    return accepted(ReceiptView.of(row), f"/v1/receipts/{row.id}/pdf", row.version)
