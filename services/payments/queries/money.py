"""Reading payments, refunds and receipts."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from services.payments.domain.payment import UNSETTLED, Status
from services.payments.tables import Payment, ReceiptPdf, ReceiptRow, Refund
from shared.db.actor import at_clinic
from shared.db.work import Work
from shared.values.errors import NotFound

TWIN_SECONDS = 10
NOT_GIVEN = (Status.DECLINED.value, Status.CANCELLED.value)


async def payment_of(work: Work, payment_id: UUID) -> Payment:
    """A payment at one of the caller's clinics. Raises NotFound."""
    row = await work.load(Payment, payment_id)
    if row is None or not at_clinic(work.actor, row.clinic_id):
        raise NotFound("payment.not_found", "There is no such payment.")
    return row


async def refund_of(work: Work, refund_id: UUID) -> Refund:
    """A refund at one of the caller's clinics. Raises NotFound."""
    row = await work.load(Refund, refund_id)
    if row is None or not at_clinic(work.actor, row.clinic_id):
        raise NotFound("refund.not_found", "There is no such refund.")
    return row


async def refunds_of(work: Work, payment_id: UUID) -> list[Refund]:
    """The refunds of a payment that were given or may yet be, in the order of asking."""
    where = "payment_id = $2 AND status <> ALL ($3) ORDER BY id"
    return await work.load_where(Refund, where, payment_id, list(NOT_GIVEN))


async def receipt_of(work: Work, receipt_id: UUID) -> ReceiptRow:
    """A receipt of one of the caller's clinics. Raises NotFound."""
    row = await work.load(ReceiptRow, receipt_id)
    if row is None or not at_clinic(work.actor, row.clinic_id):
        raise NotFound("receipt.not_found", "There is no such receipt.")
    return row


async def receipt_for(
    work: Work, payment_id: UUID, refund_id: UUID | None = None
) -> ReceiptRow | None:
    """The receipt of a payment, or of one of its refunds; None before it is posted."""
    where = "payment_id = $2 AND refund_id IS NOT DISTINCT FROM $3::uuid"
    rows = await work.load_where(ReceiptRow, where, payment_id, refund_id)
    return rows[0] if rows else None


async def pdf_of(work: Work, receipt_id: UUID) -> bytes | None:
    """The printed receipt; None until it is rendered."""
    rows = await work.load_where(ReceiptPdf, "receipt_id = $2", receipt_id)
    return rows[0].pdf if rows else None


async def twin_of(
    work: Work, patient_id: UUID, clinic_id: UUID, method: str, amount_cents: int, now: datetime
) -> UUID | None:
    """Another payment of the same sum and method by the same person at a clinic moments ago."""
    found: UUID | None = await work.raw.fetchval(
        "SELECT id FROM payments WHERE network_id = $1 AND patient_id = $2 AND method = $3"
        " AND amount_cents = $4 AND taken_at > $5 AND status <> ALL ($6)"
        " AND clinic_id = $7 ORDER BY taken_at DESC, id DESC LIMIT 1",
        work.network_id,
        patient_id,
        method,
        amount_cents,
        now - timedelta(seconds=TWIN_SECONDS),
        list(NOT_GIVEN),
        clinic_id,
    )
    return found


def is_unsettled(status: str) -> bool:
    """Whether it is not known yet if the money moved."""
    return Status(status) in UNSETTLED


def posted_cents(refunds: Sequence[Refund]) -> list[int]:
    """The amounts of the refunds that went out."""
    return [row.amount_cents for row in refunds if row.status == Status.POSTED.value]


async def card_token_of(work: Work, payment_id: UUID) -> str:
    """The processor's token of the card that a payment is made with, as its errand was told.

    It is kept with the errand alone, while the outcome is unknown.
    """
    found: str = await work.raw.fetchval(
        "SELECT body->>'card_token' FROM intent WHERE network_id = $1 AND subject_id = $2"
        " AND kind = 'charge_card' ORDER BY created_at LIMIT 1",
        work.network_id,
        payment_id,
    )
    return found
