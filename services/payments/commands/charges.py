"""Charging what was done at a visit, or saying why it costs nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import ClassVar
from uuid import UUID

from services.payments import events
from services.payments.commands.posting import (
    Source,
    account_lock,
    allocate_rows,
    day_lock,
    open_account,
    post,
)
from services.payments.domain import postings
from services.payments.domain.allocation import Credit, Due, Part, Purpose, apply_credit
from services.payments.domain.card_data import without_card_data
from services.payments.domain.charge import (
    ChargeLine as LineRule,
)
from services.payments.domain.charge import (
    NoChargeReason,
    Status,
    amount,
    checked,
)
from services.payments.domain.codes import diagnosis_code, service_code
from services.payments.domain.fees import Fee, price_on
from services.payments.queries.accounts import credits_of
from services.payments.queries.books import (
    Books,
    books_of,
    closed_day,
    day_closed,
    require_open_day,
    visit_of,
)
from services.payments.queries.charges import no_charge_of, standing_charge
from services.payments.queries.fees import fee_of, prices_of
from services.payments.tables import Account, Charge, ChargeLine, KnownVisit, NoCharge
from shared.db.locks import LockKey, lock_key
from shared.db.work import Work
from shared.values.errors import Conflict, Invalid, NotYetHeard
from shared.values.money import Money

BEGUN = ("checked_in", "checked_out")
NOT_HELD = ("cancelled", "no_show")


class NotYetBegun(NotYetHeard):
    """A visit that has not begun, as far as was heard: the news may be on its way."""

    kind: ClassVar[str] = "conflict"


@dataclass(frozen=True, slots=True)
class LineWish:
    """A service to charge. diagnoses: places in the charge's list, counted from 1."""

    code: str
    units: int = 1
    modifiers: tuple[str, ...] = ()
    diagnoses: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ChargeWish:
    """What was done at a visit."""

    appointment_id: UUID
    lines: Sequence[LineWish]
    diagnoses: Sequence[str] = field(default=())


def visit_lock(appointment_id: UUID) -> LockKey:
    """What is known of a visit, and what it is charged as."""
    return lock_key("visit", appointment_id)


def already_charged() -> Conflict:
    """A visit has one charge that stands."""
    return Conflict("charge.exists", "This visit is charged already.")


async def charge_locks(work: Work, appointment_id: UUID) -> Sequence[LockKey]:
    """The visit, its patient's account and the day that is posted into."""
    visit = await visit_of(work, appointment_id)
    books = await books_of(work, visit.clinic_id)
    return (
        visit_lock(appointment_id),
        account_lock(visit.patient_id),
        day_lock(visit.clinic_id, books.today),
    )


async def capture(work: Work, wish: ChargeWish) -> Charge:
    """Charge a visit at the prices of its own day; credit that waits for it meets it at once.

    It is posted into the clinic's open day of today. Raises NotFound for an unknown visit,
    Conflict ``charge.exists``, ``charge.visit_not_held``, ``charge.visit_not_begun``,
    ``ledger.day_closed``, and what the rules of charges and fees raise.
    """
    visit = await visit_of(work, wish.appointment_id)
    books = await books_of(work, visit.clinic_id)
    _require_well_formed(wish, books.currency)
    _require_held(visit)
    if await standing_charge(work, wish.appointment_id) is not None:
        raise already_charged()
    await require_open_day(work, books)
    service_date = books.day_of(visit.starts_at)
    lines, diagnoses = await _priced(work, books, wish, service_date)
    total = amount(lines)
    account = await open_account(work, visit.patient_id, total.currency)
    row = Charge(
        id=work.new_id("charge"),
        network_id=work.network_id,
        appointment_id=wish.appointment_id,
        patient_id=visit.patient_id,
        clinic_id=visit.clinic_id,
        status=Status.CAPTURED.value,
        amount_cents=total.cents,
        currency=total.currency,
        diagnoses=diagnoses,
        service_date=service_date,
        business_date=books.today,
        captured_at=work.now,
        captured_by=str(work.actor),
    )
    work.add(row, *_line_rows(row, lines))
    if total.cents:
        await _post(work, row, books, account)
    work.say(events.charge_captured(row, account), of=account)
    return row


def _require_well_formed(wish: ChargeWish, currency: str) -> None:
    """Refuse what is unacceptable in itself before the state of the visit is judged."""
    free = Money(0, currency)
    checked(
        [LineRule(each.code, each.units, free, each.modifiers, each.diagnoses)
         for each in wish.lines],
        wish.diagnoses,
    )  # fmt: skip


def _require_held(visit: KnownVisit) -> None:
    if visit.state in NOT_HELD:
        raise Conflict("charge.visit_not_held", "This visit did not take place.")
    if visit.state not in BEGUN:
        raise NotYetBegun("charge.visit_not_begun", "This visit has not begun.")


async def _priced(
    work: Work, books: Books, wish: ChargeWish, day: date
) -> tuple[tuple[LineRule, ...], list[str]]:
    codes = [
        service_code(line.code, pointer=f"/lines/{i}/code") for i, line in enumerate(wish.lines)
    ]
    fees = [fee_of(row) for row in await prices_of(work, books.clinic_id, codes)]
    lines = [
        LineRule(code, line.units, _price(fees, code, day, i), line.modifiers, line.diagnoses)
        for i, (code, line) in enumerate(zip(codes, wish.lines, strict=True))
    ]
    return checked(lines, wish.diagnoses), [diagnosis_code(code) for code in wish.diagnoses]


def _price(fees: Sequence[Fee], code: str, day: date, at: int) -> Money:
    try:
        return price_on(fees, code, day).price
    except Invalid as error:
        error.pointer = f"/lines/{at}/code"
        raise


def _line_rows(row: Charge, lines: Sequence[LineRule]) -> list[ChargeLine]:
    return [
        ChargeLine(
            network_id=row.network_id,
            charge_id=row.id,
            line=number,
            code=line.code,
            units=line.units,
            unit_price_cents=line.unit_price.cents,
            amount_cents=line.amount.cents,
            modifiers=list(line.modifiers),
            diagnoses=list(line.diagnoses),
        )
        for number, line in enumerate(lines, start=1)
    ]


async def _post(work: Work, row: Charge, books: Books, account: Account) -> None:
    money = Money(row.amount_cents, row.currency)
    source = Source(row.id, row.business_date, row.patient_id)
    due = Due(row.id, row.appointment_id, row.service_date, row.amount_cents)
    credits = await credits_of(work, row.patient_id)
    entry = postings.charge_captured(row.patient_id, row.clinic_id, money)
    await post(work, entry, books, source, account)
    met = apply_credit(credits, due)
    if not met:
        return
    cents = sum(each.cents for each in met)
    applied = postings.credit_applied(row.patient_id, Money(cents, row.currency))
    posted = await post(work, applied, books, source, account)
    for payment_id, parts in _moved(credits, due, [(m.payment_id, m.cents) for m in met]):
        allocate_rows(work, account, payment_id, posted, parts)


def _moved(
    credits: Sequence[Credit], due: Due, met: Sequence[tuple[UUID, int]]
) -> list[tuple[UUID, list[Part]]]:
    """For each payment: what leaves its credit, and what comes to meet the charge instead.

    Credit kept for the charge's visit goes first, as `apply_credit` takes it.
    """
    kept = {c.payment_id: c.open_cents for c in credits if c.visit_id == due.visit_id}
    found = []
    for payment_id, cents in met:
        of_visit = min(cents, kept.get(payment_id, 0))
        kept[payment_id] = kept.get(payment_id, 0) - of_visit
        parts: list[Part] = []
        for visit_id, moved in ((due.visit_id, of_visit), (None, cents - of_visit)):
            if moved:
                was = Purpose.COPAY if visit_id else Purpose.CREDIT
                now = Purpose.COPAY if visit_id else Purpose.BALANCE
                parts.append(Part(was, -moved, None, visit_id))
                parts.append(Part(now, moved, due.charge_id, visit_id))
        found.append((payment_id, parts))
    return found


async def no_charge_locks(work: Work, appointment_id: UUID) -> Sequence[LockKey]:
    """The visit, and the close of its day."""
    visit = await visit_of(work, appointment_id)
    books = await books_of(work, visit.clinic_id)
    day = books.day_of(visit.starts_at)
    return (visit_lock(appointment_id), day_lock(visit.clinic_id, day))


async def no_charge(
    work: Work, appointment_id: UUID, reason: NoChargeReason, note: str | None
) -> tuple[KnownVisit, NoCharge]:
    """Say why a visit costs nothing; said again it replaces what was said.

    Raises NotFound for an unknown visit, Conflict ``charge.exists`` where it is charged,
    ``charge.visit_not_held``, ``ledger.day_closed`` where its day is closed.
    """
    visit = await visit_of(work, appointment_id)
    books = await books_of(work, visit.clinic_id)
    _require_held(visit)
    if await standing_charge(work, appointment_id) is not None:
        raise already_charged()
    if await closed_day(work, visit.clinic_id, books.day_of(visit.starts_at)):
        raise day_closed()
    if note is not None:
        without_card_data(note, pointer="/note")
    row = await no_charge_of(work, appointment_id)
    if row is None:
        row = NoCharge(
            network_id=work.network_id,
            appointment_id=appointment_id,
            reason=reason.value,
            note=note,
            noted_at=work.now,
            noted_by=str(work.actor),
        )
        work.add(row)
    else:
        row.reason, row.note = reason.value, note
        row.noted_at, row.noted_by = work.now, str(work.actor)
        work.save(row)
    return visit, row
