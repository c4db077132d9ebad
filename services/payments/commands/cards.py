"""What a card processor's answer does to a payment or a refund, and the lack of one."""

from datetime import timedelta
from uuid import UUID

from services.payments import events
from services.payments.clients import Answer
from services.payments.commands.payments import (
    CARD_TOKEN,
    CHARGE_CARD,
    card_facts,
    post_payment,
)
from services.payments.commands.posting import open_account
from services.payments.commands.refunds import REFUND_CARD, post_refund, refund_facts
from services.payments.domain import payment as rules
from services.payments.domain.payment import Move, Status
from services.payments.queries.books import books_of, visit_of
from services.payments.queries.money import card_token_of, is_unsettled, payment_of, refund_of
from shared.db.mechanism_writes import intent_without
from shared.db.work import Work

ASK_PAYMENT = "ask_about_payment"
ASK_REFUND = "ask_about_refund"
ASK_AGAIN_AFTER = timedelta(minutes=2)
"""How long an unknown outcome rests before the processor is asked again."""


async def charge_answered(work: Work, payment_id: UUID, answer: Answer) -> None:
    """A card was charged or declined: post the payment, or let it fail. Twice changes nothing."""
    row = await payment_of(work, payment_id)
    if not is_unsettled(row.status):
        return
    account = await open_account(work, row.patient_id, row.currency)
    row.processor_reference = answer.reference
    row.card_brand, row.card_last4 = answer.card_brand, answer.card_last4
    work.save(row)
    work.cancel_timer(ASK_PAYMENT, row.id)
    # Until now it was needed to ask again; from here on nobody has a use for it.
    work.stage(intent_without(work.context, CHARGE_CARD, row.id, CARD_TOKEN))
    if answer.approved:
        books = await books_of(work, row.clinic_id)
        visit = await visit_of(work, row.appointment_id) if row.appointment_id else None
        row.approval_code = answer.approval_code
        row.status = rules.next_status(Status(row.status), Move.APPROVE).value
        await post_payment(work, row, account, books, visit)
    else:
        row.status = rules.next_status(Status(row.status), Move.DECLINE).value
        row.decline_code = answer.decline_code
        work.say(events.payment_failed(row, account, "card.declined", work.now), of=account)


async def charge_lost(work: Work, payment_id: UUID, *, ask_again: bool) -> None:
    """No answer came: nobody knows. The processor is asked again later, with the same id."""
    row = await payment_of(work, payment_id)
    if Status(row.status) is not Status.PENDING:
        return
    row.status = rules.next_status(Status(row.status), Move.LOSE).value
    work.save(row)
    if ask_again:
        work.timer(ASK_PAYMENT, row.id, work.now + ASK_AGAIN_AFTER)


async def ask_about_charge(work: Work, payment_id: UUID) -> None:
    """Send the errand again for a payment whose outcome is unknown."""
    row = await payment_of(work, payment_id)
    if Status(row.status) is not Status.UNKNOWN:
        return
    row.status = rules.next_status(Status(row.status), Move.SEND).value
    work.save(row)
    card_token = await card_token_of(work, row.id)
    work.intent(CHARGE_CARD, row.id, {**card_facts(row, card_token), "ask_first": True})


async def refund_answered(work: Work, refund_id: UUID, answer: Answer) -> None:
    """A card was refunded or not: post the refund, or give its share back to the payment."""
    row = await refund_of(work, refund_id)
    if not is_unsettled(row.status):
        return
    paid = await payment_of(work, row.payment_id)
    row.processor_reference = answer.reference
    work.save(row)
    work.cancel_timer(ASK_REFUND, row.id)
    if answer.approved:
        books = await books_of(work, row.clinic_id)
        account = await open_account(work, row.patient_id, row.currency)
        row.approval_code = answer.approval_code
        row.status = rules.next_refund_status(Status(row.status), Move.APPROVE).value
        await post_refund(work, row, paid, account, books)
    else:
        row.status = rules.next_refund_status(Status(row.status), Move.DECLINE).value
        row.decline_code = answer.decline_code
        paid.refunded_cents -= row.amount_cents
        work.save(paid)


async def refund_lost(work: Work, refund_id: UUID, *, ask_again: bool) -> None:
    """No answer came: nobody knows. The processor is asked again later, with the same id."""
    row = await refund_of(work, refund_id)
    if Status(row.status) is not Status.PENDING:
        return
    row.status = rules.next_refund_status(Status(row.status), Move.LOSE).value
    work.save(row)
    if ask_again:
        work.timer(ASK_REFUND, row.id, work.now + ASK_AGAIN_AFTER)


async def ask_about_refund(work: Work, refund_id: UUID) -> None:
    """Send the errand again for a refund whose outcome is unknown."""
    row = await refund_of(work, refund_id)
    if Status(row.status) is not Status.UNKNOWN:
        return
    row.status = rules.next_refund_status(Status(row.status), Move.SEND).value
    work.save(row)
    work.intent(REFUND_CARD, row.id, {**refund_facts(row), "ask_first": True})
