"""What a payment is for: today's copay, then the oldest balance, then the patient's credit.

A copay is often paid before anything is charged. It then stands as credit that is kept for its
visit, and meets the visit's charge when that comes; other credit meets whatever comes first.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from shared.values.errors import Invalid


@dataclass(frozen=True, slots=True)
class Due:
    """What is still open of one charge of the patient."""

    charge_id: UUID
    visit_id: UUID | None
    business_date: date
    open_cents: int


class Purpose(StrEnum):
    """What a part of a payment is for."""

    COPAY = "copay"
    BALANCE = "balance"
    CREDIT = "credit"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a payment. With `charge_id` it meets that charge, else it stands as credit.

    visit_id: the visit for which a copay is kept or was paid; None for any other part.
    """

    purpose: Purpose
    cents: int
    charge_id: UUID | None = None
    visit_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Credit:
    """What is left of one payment's credit; `visit_id` where it is kept for that visit."""

    payment_id: UUID
    business_date: date
    open_cents: int
    visit_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """Cents of one payment's credit that meet a charge."""

    payment_id: UUID
    charge_id: UUID
    cents: int


def applied_cents(parts: Iterable[Part]) -> int:
    """How much of the parts meets charges; the rest is credit."""
    return sum(part.cents for part in parts if part.charge_id is not None)


def allocate(
    cents: int, dues: Sequence[Due], *, visit_id: UUID | None = None, copay_open_cents: int = 0
) -> tuple[Part, ...]:
    """Divide a payment by rule; the parts sum to it.

    dues: the open charges of the same patient and currency. visit_id: the visit at which it is
    paid. copay_open_cents: what of that visit's copay is unpaid. Charges of one day go in the
    order of their ids, so the same facts give the same parts.
    """
    left = cents
    open_of = {due.charge_id: due.open_cents for due in dues}
    parts: list[Part] = []
    of_visit = [due for due in dues if visit_id is not None and due.visit_id == visit_id]
    copay = min(left, copay_open_cents) if visit_id is not None else 0
    for due in _by_age(of_visit):
        met = min(copay, open_of[due.charge_id])
        if met > 0:
            parts.append(Part(Purpose.COPAY, met, due.charge_id, visit_id))
            open_of[due.charge_id] -= met
            copay, left = copay - met, left - met
    if copay > 0:
        parts.append(Part(Purpose.COPAY, copay, None, visit_id))
        left -= copay
    for due in _by_age(dues):
        met = min(left, open_of[due.charge_id])
        if met > 0:
            parts.append(Part(Purpose.BALANCE, met, due.charge_id))
            left -= met
    if left > 0:
        parts.append(Part(Purpose.CREDIT, left))
    return tuple(parts)


def allocate_as_asked(
    cents: int, dues: Sequence[Due], asked: Sequence[tuple[UUID, int]], reason: str
) -> tuple[Part, ...]:
    """Divide a payment as a person says, against the rule; what they leave out is credit.

    asked: (charge id, cents). Raises Invalid: ``allocation.reason`` without one,
    ``allocation.charge`` for a charge that is not an open one of this patient,
    ``allocation.over`` for more than is open or than was paid, ``allocation.twice``.
    """
    if not reason.strip():
        raise Invalid("allocation.reason", "Say why the rule is not followed.", pointer="/reason")
    open_of = {due.charge_id: due.open_cents for due in dues}
    if len({charge_id for charge_id, _ in asked}) < len(asked):
        raise Invalid("allocation.twice", "Each charge stands once.", pointer="/allocations")
    for i, (charge_id, part_cents) in enumerate(asked):
        if charge_id not in open_of:
            raise Invalid(
                "allocation.charge", "There is no such open charge.", pointer=f"/allocations/{i}"
            )
        if not 0 < part_cents <= open_of[charge_id]:
            raise Invalid(
                "allocation.over", "That is not open on this charge.", pointer=f"/allocations/{i}"
            )
    left = cents - sum(part_cents for _, part_cents in asked)
    if left < 0:
        raise Invalid("allocation.over", "More is allocated than was paid.", pointer="/allocations")
    parts = [Part(Purpose.BALANCE, part_cents, charge_id) for charge_id, part_cents in asked]
    return tuple([*parts, Part(Purpose.CREDIT, left)] if left else parts)


def apply_credit(credits: Sequence[Credit], due: Due) -> tuple[Applied, ...]:
    """What of a patient's credit meets a new charge.

    First what is kept for the charge's visit, then the oldest credit kept for none. Credit kept
    for another visit stays where it is. credits: of the same patient and currency.
    """
    left = due.open_cents
    kept = [c for c in credits if c.visit_id is not None and c.visit_id == due.visit_id]
    free = [c for c in credits if c.visit_id is None]
    found: list[Applied] = []
    for credit in [*sorted(kept, key=_credit_age), *sorted(free, key=_credit_age)]:
        met = min(left, credit.open_cents)
        if met > 0:
            found.append(Applied(credit.payment_id, due.charge_id, met))
            left -= met
    return tuple(found)


def taken_back(
    cents: int, credit_open_cents: int, met: Sequence[Applied]
) -> tuple[int, tuple[Applied, ...]]:
    """Where a refund of one payment comes from: its open credit, then the charges it met last.

    met: what of this payment meets charges, in the order in which it came to meet them. Answers
    the cents out of credit and what each charge is owed again. Raises Invalid ``refund.split``
    where the payment does not hold that much.
    """
    from_credit = min(cents, credit_open_cents)
    left = cents - from_credit
    again: list[Applied] = []
    for each in reversed(met):
        back = min(left, each.cents)
        if back > 0:
            again.append(Applied(each.payment_id, each.charge_id, back))
            left -= back
    if left > 0:
        raise Invalid("refund.split", "The payment does not hold that much.")
    return from_credit, tuple(again)


def _by_age(dues: Iterable[Due]) -> list[Due]:
    return sorted(dues, key=lambda due: (due.business_date, due.charge_id.int))


def _credit_age(credit: Credit) -> tuple[date, int]:
    return credit.business_date, credit.payment_id.int
