"""What payments asks outside: the card processor, and the names that belong on a receipt."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar
from uuid import UUID

import httpx
from pydantic import BaseModel, ValidationError

from services.payments.clients import Answer, CardProcessor, IdReused, NoAnswer, Unreachable
from services.payments.commands import cards, receipts
from services.payments.commands.payments import CHARGE_CARD, payment_lock
from services.payments.commands.posting import account_lock, day_lock, receipts_lock
from services.payments.commands.refunds import REFUND_CARD, refund_lock
from services.payments.domain.receipt_text import Letterhead, content
from services.payments.queries.money import receipt_of
from services.payments.tables import ReceiptRow
from shared.db.errands import Errand, Errands, Intent, TryLater
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.pdf import RenderError, render, template
from shared.values.money import Money
from shared.web.service import Ports
from shared.web.service_calls import ServiceCalls

PROCESSOR_SECONDS = 25.0
"""Longer is no answer: the processor is asked what came of it."""
PRINT_TRIES = 10
Read = TypeVar("Read", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that no further try will mend."""

    code: str


@dataclass(frozen=True, slots=True)
class Cards:
    """The errands to the card processor. Without one every card is declined."""

    processor: CardProcessor | None

    async def charge(self, intent: Intent) -> Answer | Fault:
        """Charge a card, once per payment: the payment's id is the idempotency key."""
        body = intent.body
        money = Money(body["amount_cents"], body["currency"])
        return await self._asked(
            intent, money, lambda to: to.charge(intent.subject_id, body["card_token"], money)
        )

    async def refund(self, intent: Intent) -> Answer | Fault:
        """Refund a card, once per refund."""
        body = intent.body
        money = Money(body["amount_cents"], body["currency"])
        charge_id = UUID(body["payment_id"])
        return await self._asked(
            intent, money, lambda to: to.refund(intent.subject_id, charge_id, money)
        )

    async def _asked(
        self, intent: Intent, money: Money, ask: Callable[[CardProcessor], Awaitable[Answer]]
    ) -> Answer | Fault:
        if self.processor is None:
            return _declined(intent, money)
        try:
            async with asyncio.timeout(PROCESSOR_SECONDS):
                found = None
                if intent.attempts > 1 or intent.body.get("ask_first"):
                    found = await self.processor.find(intent.subject_id)
                answer = found or await ask(self.processor)
        except (NoAnswer, TimeoutError):
            raise TryLater("card.no_answer") from None
        except Unreachable:
            raise TryLater("card.unreachable") from None
        except IdReused:
            return Fault("card.id_reused")
        return answer if answer.amount == money else Fault("card.other_amount")


def _declined(intent: Intent, money: Money) -> Answer:
    return Answer(
        our_id=intent.subject_id,
        approved=False,
        amount=money,
        reference="none",
        decline_code="no_processor",
    )


@dataclass(frozen=True, slots=True)
class Printer:
    """The errand that prints receipts, with names that their owners are asked for."""

    services: ServiceCalls

    async def print(self, intent: Intent) -> bytes | Fault:
        """The PDF of a receipt. Raises TryLater where a name cannot be had now."""
        row: ReceiptRow = intent.facts
        letterhead = await self._letterhead(intent, row)
        received_from, mrn = await self._person(intent, row)
        receipt = receipts.printable(row, letterhead, received_from, mrn)
        try:
            return await render(template("services.payments", "receipt.typ"), content(receipt))
        except RenderError:
            return Fault("receipt.template")

    async def _letterhead(self, intent: Intent, row: ReceiptRow) -> Letterhead:
        path = f"/v1/clinics/{row.clinic_id}"
        clinic = _read(await self.services.get("appointments", path, **_why(intent)), _Clinic)
        address = clinic.address or {}
        town = " ".join(address[k] for k in ("state", "postal_code") if address.get(k))
        lines = (
            address.get("line1"),
            address.get("line2"),
            ", ".join(part for part in (address.get("city"), town) if part),
            clinic.phone,
        )
        return Letterhead(clinic.name, tuple(line for line in lines if line))

    async def _person(self, intent: Intent, row: ReceiptRow) -> tuple[str | None, str | None]:
        path, body = "/v1/patients/lookup", {"ids": [str(row.patient_id)]}
        answer = await self.services.post("patients", path, body=body, **_why(intent))
        people = _read(answer, _People).items
        return (people[0].name.display, people[0].mrn) if people else (None, None)


class _Clinic(BaseModel):
    """What a letterhead needs of appointments' clinic."""

    name: str
    phone: str | None = None
    address: dict[str, str] | None = None


class _Name(BaseModel):
    display: str


class _Person(BaseModel):
    name: _Name
    mrn: str


class _People(BaseModel):
    """What a receipt needs of whom patients has looked up."""

    items: list[_Person]


def _read(answer: httpx.Response, model: type[Read]) -> Read:
    if answer.status_code != 200:
        raise TryLater(f"names.refused:{answer.status_code}", 2.0)
    try:
        return model.model_validate_json(answer.content)
    except ValidationError:
        raise TryLater("names.unreadable", 2.0) from None


def _why(intent: Intent) -> dict[str, Any]:
    """For whom, what for and on whose account the owner is asked."""
    return {
        "network_id": intent.network_id,
        "actor": str(intent.actor),
        "purpose": "receipt",
        "event": intent.causation_id,
    }


async def _receipt(work: Work, intent: Intent) -> ReceiptRow:
    return await receipt_of(work, intent.subject_id)


async def _settle_charge(work: Work, intent: Intent, outcome: Answer | Fault) -> None:
    if isinstance(outcome, Fault):
        await cards.charge_lost(work, intent.subject_id, ask_again=False)
    else:
        await cards.charge_answered(work, intent.subject_id, outcome)
    _audit(work, intent, "payments", _patient(intent), outcome)


async def _give_up_charge(work: Work, intent: Intent, reason: str) -> None:
    await cards.charge_lost(work, intent.subject_id, ask_again=True)
    _audit(work, intent, "payments", _patient(intent), Fault(reason))


async def _settle_refund(work: Work, intent: Intent, outcome: Answer | Fault) -> None:
    if isinstance(outcome, Fault):
        await cards.refund_lost(work, intent.subject_id, ask_again=False)
    else:
        await cards.refund_answered(work, intent.subject_id, outcome)
    _audit(work, intent, "refunds", _patient(intent), outcome)


async def _give_up_refund(work: Work, intent: Intent, reason: str) -> None:
    await cards.refund_lost(work, intent.subject_id, ask_again=True)
    _audit(work, intent, "refunds", _patient(intent), Fault(reason))


async def _settle_print(work: Work, intent: Intent, outcome: bytes | Fault) -> None:
    if isinstance(outcome, Fault):
        await receipts.note_not_printed(work, intent.subject_id)
    else:
        await receipts.keep_pdf(work, intent.subject_id, outcome)
    _audit(work, intent, "receipts", intent.facts.patient_id, outcome)


async def _give_up_print(work: Work, intent: Intent, reason: str) -> None:
    await receipts.note_not_printed(work, intent.subject_id)
    _audit(work, intent, "receipts", intent.facts.patient_id, Fault(reason))


def _patient(intent: Intent) -> UUID:
    return UUID(intent.body["patient_id"])


def _audit(work: Work, intent: Intent, kind: str, patient_id: UUID, outcome: object) -> None:
    result = "ok"
    if isinstance(outcome, Fault):
        result = outcome.code
    elif isinstance(outcome, Answer) and not outcome.approved:
        result = "declined"
    work.audit(
        intent.kind,
        f"/v1/{kind}/{intent.subject_id}",
        patients=[patient_id],
        outcome=result,
    )


def money_locks(intent: Intent) -> Sequence[LockKey]:
    """What the answer of a card processor changes."""
    body = intent.body
    clinic_id = UUID(body["clinic_id"])
    refunding = intent.kind == REFUND_CARD
    own = [refund_lock(intent.subject_id)] if refunding else []
    return (
        *own,
        payment_lock(UUID(body["payment_id"]) if refunding else intent.subject_id),
        account_lock(UUID(body["patient_id"])),
        day_lock(clinic_id, date.fromisoformat(body["business_date"])),
        receipts_lock(clinic_id),
    )


def print_locks(intent: Intent) -> Sequence[LockKey]:
    """What a printed receipt changes."""
    return (receipts.receipt_lock(intent.subject_id),)


def errands(ports: Ports, processor: CardProcessor | None) -> Errands:
    """The errands of a process."""
    card, printer = Cards(processor), Printer(ServiceCalls(ports))
    return {
        CHARGE_CARD: Errand(card.charge, _settle_charge, _give_up_charge, money_locks),
        REFUND_CARD: Errand(card.refund, _settle_refund, _give_up_refund, money_locks),
        receipts.RENDER: Errand(
            printer.print,
            _settle_print,
            _give_up_print,
            print_locks,
            attempts_max=PRINT_TRIES,
            prepare=_receipt,
        ),
    }
