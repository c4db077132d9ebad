"""What each thing that happens to money looks like in the ledger. Each builder gives a whole entry.

A patient owes what their receivable and their credit sum to (`owed_cents`). Money that meets a
charge lowers the receivable; money that meets none yet stands as credit until a charge comes.
"""

from collections.abc import Mapping
from uuid import UUID

from services.payments.domain.accounts import Account, Kind
from services.payments.domain.ledger import Entry, EntryKind, Line, checked
from services.payments.domain.payment import Method
from shared.values.errors import Invalid
from shared.values.money import Money


def owed_cents(balances: Mapping[tuple[Account, str], int], patient: UUID, currency: str) -> int:
    """What a patient owes on balance, below zero where they are owed: receivable less credit."""
    mine = (Account(Kind.PATIENT_RECEIVABLE, patient), Account(Kind.PATIENT_CREDIT, patient))
    return sum(balances.get((account, currency), 0) for account in mine)


def charge_captured(patient: UUID, clinic: UUID, amount: Money) -> Entry:
    """Something was done that has a price: the patient owes it, the clinic has earned it."""
    return _entry(
        EntryKind.CHARGE,
        amount.currency,
        {
            Account(Kind.PATIENT_RECEIVABLE, patient): amount.cents,
            Account(Kind.REVENUE, clinic): -amount.cents,
        },
    )


def adjusted(patient: UUID, clinic: UUID, amount: Money) -> Entry:
    """A payer's contract takes `amount` off the price."""
    return _entry(
        EntryKind.ADJUSTMENT,
        amount.currency,
        {
            Account(Kind.CONTRACTUAL_ADJUSTMENT, clinic): amount.cents,
            Account(Kind.PATIENT_RECEIVABLE, patient): -amount.cents,
        },
    )


def till(method: Method, clinic: UUID) -> Account:
    """The account where money of this method first lies."""
    if method is Method.CASH:
        return Account(Kind.CASH_DRAWER, clinic)
    if method is Method.CHECK:
        return Account(Kind.CHECKS_ON_HAND, clinic)
    return Account(Kind.CARD_CLEARING)


def payment_posted(
    method: Method, patient: UUID, clinic: UUID, amount: Money, *, applied_cents: int
) -> Entry:
    """Money came in: `applied_cents` of it meet charges, the rest is the patient's credit.

    Raises Invalid ``allocation.over`` unless 0 <= applied_cents <= amount.
    """
    if not 0 <= applied_cents <= amount.cents:
        raise Invalid("allocation.over", "More is allocated than was paid.")
    return _entry(
        EntryKind.PAYMENT,
        amount.currency,
        {
            till(method, clinic): amount.cents,
            Account(Kind.PATIENT_RECEIVABLE, patient): -applied_cents,
            Account(Kind.PATIENT_CREDIT, patient): applied_cents - amount.cents,
        },
    )


def credit_applied(patient: UUID, amount: Money) -> Entry:
    """Credit of a patient meets a charge."""
    return _entry(
        EntryKind.CREDIT_APPLIED,
        amount.currency,
        {
            Account(Kind.PATIENT_CREDIT, patient): amount.cents,
            Account(Kind.PATIENT_RECEIVABLE, patient): -amount.cents,
        },
    )


def refund_granted(patient: UUID, amount: Money, *, from_credit_cents: int) -> Entry:
    """A refund that is paid out later (card, office check): out of credit, the rest owed again."""
    return _entry(
        EntryKind.REFUND_GRANTED,
        amount.currency,
        {
            **_given_back(patient, amount, from_credit_cents),
            Account(Kind.REFUNDS_PAYABLE): -amount.cents,
        },
    )


def refund_paid(method: Method, amount: Money) -> Entry:
    """A granted refund went out: by the card processor, or as a check drawn on the bank.

    Raises Invalid ``refund.method`` for cash, which is given at once (`refund_in_cash`).
    """
    if method is Method.CASH:
        raise Invalid("refund.method", "Cash is given back at once.")
    source = Kind.CARD_CLEARING if method is Method.CARD else Kind.BANK
    return _entry(
        EntryKind.REFUND_PAID,
        amount.currency,
        {Account(Kind.REFUNDS_PAYABLE): amount.cents, Account(source): -amount.cents},
    )


def refund_in_cash(patient: UUID, clinic: UUID, amount: Money, *, from_credit_cents: int) -> Entry:
    """Cash handed back from a drawer: out of credit first, the rest is owed again."""
    return _entry(
        EntryKind.REFUND,
        amount.currency,
        {
            **_given_back(patient, amount, from_credit_cents),
            Account(Kind.CASH_DRAWER, clinic): -amount.cents,
        },
    )


def drawer_opened(clinic: UUID, opening_float: Money) -> Entry | None:
    """The float goes from the safe into a drawer. None for a float of zero."""
    if opening_float.cents == 0:
        return None
    return _entry(
        EntryKind.DRAWER_OPENED,
        opening_float.currency,
        {
            Account(Kind.CASH_DRAWER, clinic): opening_float.cents,
            Account(Kind.CASH_SAFE, clinic): -opening_float.cents,
        },
    )


def drawer_closed(clinic: UUID, *, expected: Money, counted: Money) -> Entry | None:
    """The drawer is emptied into the safe: what was counted, with the variance as over or short.

    None where it was empty and was expected to be.
    """
    variance = counted - expected
    lines = {
        Account(Kind.CASH_SAFE, clinic): counted.cents,
        Account(Kind.CASH_DRAWER, clinic): -expected.cents,
        Account(Kind.OVER_SHORT, clinic): -variance.cents,
    }
    if not any(lines.values()):
        return None
    return _entry(EntryKind.DRAWER_CLOSED, counted.currency, lines)


def _given_back(patient: UUID, amount: Money, from_credit_cents: int) -> dict[Account, int]:
    if not 0 <= from_credit_cents <= amount.cents:
        raise Invalid("refund.split", "More is taken from credit than is given back.")
    return {
        Account(Kind.PATIENT_CREDIT, patient): from_credit_cents,
        Account(Kind.PATIENT_RECEIVABLE, patient): amount.cents - from_credit_cents,
    }


def _entry(kind: EntryKind, currency: str, cents: Mapping[Account, int]) -> Entry:
    lines = tuple(Line(account, amount, currency) for account, amount in cents.items() if amount)
    return checked(Entry(kind, lines))
