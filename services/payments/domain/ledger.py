"""Double-entry bookkeeping: entries that sum to zero, never changed, corrected by reversal.

A line is signed: a debit is above zero, a credit below. The database refuses what these rules
refuse, with a deferred trigger; here the refusal has a code and comes before anything is written.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from services.payments.domain.accounts import Account
from services.payments.domain.amounts import known_currency
from shared.values.errors import Conflict, Invalid
from shared.values.money import CENTS_MAX


class EntryKind(StrEnum):
    """What an entry is the record of."""

    CHARGE = "charge"
    PAYMENT = "payment"
    CREDIT_APPLIED = "credit_applied"
    ADJUSTMENT = "adjustment"
    REFUND_GRANTED = "refund_granted"
    REFUND_PAID = "refund_paid"
    REFUND = "refund"
    DRAWER_OPENED = "drawer_opened"
    DRAWER_CLOSED = "drawer_closed"


@dataclass(frozen=True, slots=True)
class Line:
    """One side of an entry: signed cents, a debit above zero and a credit below."""

    account: Account
    cents: int
    currency: str = "USD"


@dataclass(frozen=True, slots=True)
class Entry:
    """Lines that belong together. `reversed` marks the mirror image of an entry of this kind."""

    kind: EntryKind
    lines: tuple[Line, ...]
    reversed: bool = False


def checked(entry: Entry) -> Entry:
    """The entry itself, when it may be posted.

    Raises Invalid: ``ledger.too_few_lines`` (fewer than two), ``ledger.line_amount`` (zero, or not
    a whole number that JSON keeps exact), ``amount.currency_unknown``, ``ledger.account_twice``
    (an account on both sides, or twice on one) and ``ledger.unbalanced``, whose facts say by how
    many cents in which currency.
    """
    if len(entry.lines) < 2:
        raise Invalid("ledger.too_few_lines", "An entry has two lines or more.")
    seen: set[tuple[Account, str]] = set()
    for line in entry.lines:
        whole = isinstance(line.cents, int) and not isinstance(line.cents, bool)
        if not whole or line.cents == 0 or abs(line.cents) > CENTS_MAX:
            raise Invalid("ledger.line_amount", "A line is a whole number of cents, not zero.")
        known_currency(line.currency)
        if (line.account, line.currency) in seen:
            raise Invalid("ledger.account_twice", "An account stands once in an entry.")
        seen.add((line.account, line.currency))
    off = {currency: cents for currency, cents in sums(entry.lines).items() if cents}
    if off:
        raise Invalid("ledger.unbalanced", "The entry does not sum to zero.", facts={"off": off})
    return entry


def sums(lines: Iterable[Line]) -> dict[str, int]:
    """The signed sum of lines by currency. Zero everywhere for whole entries."""
    found: dict[str, int] = defaultdict(int)
    for line in lines:
        found[line.currency] += line.cents
    return dict(sorted(found.items()))


def balances(entries: Iterable[Entry]) -> dict[tuple[Account, str], int]:
    """The signed balance of each account and currency that the entries touch, zeros included."""
    found: dict[tuple[Account, str], int] = defaultdict(int)
    for entry in entries:
        for line in entry.lines:
            found[line.account, line.currency] += line.cents
    return dict(found)


def reversal(entry: Entry) -> Entry:
    """The entry that undoes this one: every line with its sign turned. Twice is the original."""
    lines = tuple(replace(line, cents=-line.cents) for line in entry.lines)
    return checked(Entry(entry.kind, lines, reversed=not entry.reversed))


def reversible(entry: Entry, *, reversed_already: bool) -> Entry:
    """The entry itself, when it may still be undone.

    Raises Conflict ``ledger.already_reversed`` the second time, and ``ledger.is_reversal`` for
    the undoing of an undoing: that is a new entry, with its own reason.
    """
    if reversed_already:
        raise Conflict("ledger.already_reversed", "This entry has been reversed before.")
    if entry.reversed:
        raise Conflict("ledger.is_reversal", "A reversal is not reversed; post anew.")
    return entry


def postable(
    entry: Entry,
    *,
    business_date: date,
    today: date,
    days_closed: Collection[date] = (),
    accounts_closed: Collection[Account] = (),
) -> Entry:
    """The entry itself, when it may be posted on a day of the clinic's calendar.

    business_date: the day it counts for; today: the clinic's own date now.
    Raises Invalid ``ledger.future`` for a day to come, Conflict ``ledger.day_closed`` (what comes
    late goes to the open day) and ``ledger.account_closed``, and all that `checked` raises.
    """
    if business_date > today:
        raise Invalid("ledger.future", "Nothing is posted to a day to come.")
    if business_date in days_closed:
        raise Conflict("ledger.day_closed", "The books of this day are closed.")
    closed = [line.account for line in entry.lines if line.account in accounts_closed]
    if closed:
        kinds = sorted({account.kind.value for account in closed})
        raise Conflict("ledger.account_closed", "An account is closed.", facts={"kinds": kinds})
    return checked(entry)
