"""Reading patient accounts: what is open of charges, what is left of payments, the statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from services.payments.domain.allocation import Credit, Due, Part, Purpose
from services.payments.tables import Account
from shared.db.work import Work

_DUES = """
SELECT c.id, c.appointment_id, c.service_date, c.amount_cents - coalesce(sum(a.cents), 0) AS open
FROM charges c LEFT JOIN allocations a ON a.network_id = c.network_id AND a.charge_id = c.id
WHERE c.network_id = $1 AND c.patient_id = $2 AND c.status = 'captured'
GROUP BY c.id HAVING c.amount_cents > coalesce(sum(a.cents), 0)
"""
_OPEN_CHARGES = f"""
SELECT d.* FROM ({_DUES}) d JOIN charges c ON c.network_id = $1 AND c.id = d.id
WHERE $3::uuid[] IS NULL OR c.clinic_id = ANY ($3)
ORDER BY d.service_date, d.id
"""
_CREDITS = """
SELECT a.payment_id, p.business_date, a.visit_id, sum(a.cents) AS open
FROM allocations a JOIN payments p ON p.network_id = a.network_id AND p.id = a.payment_id
WHERE a.network_id = $1 AND a.patient_id = $2 AND a.charge_id IS NULL
GROUP BY a.payment_id, p.business_date, a.visit_id HAVING sum(a.cents) > 0
"""
_HELD = """
SELECT charge_id, visit_id, purpose, sum(cents) AS cents FROM allocations
WHERE network_id = $1 AND payment_id = $2 GROUP BY charge_id, visit_id, purpose
HAVING sum(cents) > 0 ORDER BY max(position) FILTER (WHERE cents > 0)
"""
_COPAY = """
SELECT coalesce(max(e.copay_cents), 0) AS expected, coalesce((SELECT sum(a.cents)
  FROM allocations a WHERE a.network_id = $1 AND a.patient_id = $2 AND a.visit_id = $3
  AND a.purpose = 'copay'), 0) AS paid
FROM estimates e WHERE e.network_id = $1 AND e.appointment_id = $3 AND e.patient_id = $2
"""
_STATEMENT = """
SELECT e.id, e.kind, e.source_id, e.clinic_id, e.business_date, e.posted_at, l.currency,
  coalesce(sum(l.cents) FILTER (WHERE l.account_kind = 'patient_receivable'), 0) AS receivable,
  coalesce(sum(l.cents) FILTER (WHERE l.account_kind = 'patient_credit'), 0) AS credit
FROM ledger_entries e
JOIN ledger_lines l ON l.network_id = e.network_id AND l.entry_id = e.id AND l.owner_id = $2
  AND l.account_kind IN ('patient_receivable', 'patient_credit')
WHERE e.network_id = $1 AND e.patient_id = $2
  AND ($3::timestamptz IS NULL OR (e.posted_at, e.id) > ($3, $4::uuid))
  AND ($5::uuid[] IS NULL OR e.clinic_id = ANY ($5))
GROUP BY e.id, l.currency ORDER BY e.posted_at, e.id LIMIT $6
"""
_TRIAL = """
SELECT account_kind, owner_id, currency, sum(cents)::bigint AS cents, count(*) AS lines FROM (
  SELECT l.account_kind, l.currency, l.cents, CASE
    WHEN l.account_kind IN ('patient_receivable', 'patient_credit') THEN NULL
    ELSE l.owner_id END AS owner_id
  FROM ledger_lines l
  WHERE l.network_id = $1 AND ($2::uuid[] IS NULL OR EXISTS (
    SELECT 1 FROM ledger_entries e WHERE e.network_id = l.network_id AND e.id = l.entry_id
    AND e.clinic_id = ANY ($2)))) lines
GROUP BY account_kind, owner_id, currency ORDER BY account_kind, owner_id, currency
"""


async def account_of(work: Work, patient_id: UUID) -> Account | None:
    """A patient's account; None before anything was posted to it."""
    rows = await work.load_where(Account, "patient_id = $2", patient_id)
    return rows[0] if rows else None


async def dues_of(work: Work, patient_id: UUID) -> list[Due]:
    """The charges of a patient of which something is open."""
    rows = await work.raw.fetch(_DUES, work.network_id, patient_id)
    return [
        Due(row["id"], row["appointment_id"], row["service_date"], int(row["open"])) for row in rows
    ]


async def open_charges(work: Work, patient_id: UUID) -> list[Due]:
    """Those of them at the clinics that the caller may know of, the oldest first."""
    clinics = work.actor.clinic_ids
    mine = None if clinics is None else list(clinics)
    rows = await work.raw.fetch(_OPEN_CHARGES, work.network_id, patient_id, mine)
    return [
        Due(row["id"], row["appointment_id"], row["service_date"], int(row["open"])) for row in rows
    ]


async def credits_of(work: Work, patient_id: UUID) -> list[Credit]:
    """What is left of a patient's credit, by payment and by the visit it is kept for."""
    rows = await work.raw.fetch(_CREDITS, work.network_id, patient_id)
    return [
        Credit(row["payment_id"], row["business_date"], int(row["open"]), row["visit_id"])
        for row in rows
    ]


async def parts_of(work: Work, payment_id: UUID) -> list[Part]:
    """Where the money of a payment stands now, in the order in which it came to stand there."""
    rows = await work.raw.fetch(_HELD, work.network_id, payment_id)
    return [
        Part(Purpose(row["purpose"]), int(row["cents"]), row["charge_id"], row["visit_id"])
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Copay:
    """The copay that is expected of a visit, and what of it has been paid."""

    expected_cents: int
    paid_cents: int

    @property
    def open_cents(self) -> int:
        """What is unpaid; never below zero."""
        return max(0, self.expected_cents - self.paid_cents)


async def copay_of(work: Work, patient_id: UUID, appointment_id: UUID) -> Copay:
    """The copay of a patient's visit; nothing where nothing was estimated."""
    row = await work.raw.fetchrow(_COPAY, work.network_id, patient_id, appointment_id)
    return Copay(int(row["expected"]), int(row["paid"]))


@dataclass(frozen=True, slots=True)
class StatementItem:
    """One entry of a patient's account. Cents above zero: owed more; below: owed less."""

    entry_id: UUID
    kind: str
    source_id: UUID
    clinic_id: UUID
    business_date: date
    posted_at: datetime
    currency: str
    receivable_cents: int
    credit_cents: int


async def statement(
    work: Work, patient_id: UUID, after: tuple[datetime, UUID] | None, limit: int
) -> list[StatementItem]:
    """What moved a patient's account, oldest first, at the clinics the caller may know of."""
    moment, key = after or (None, None)
    clinics = work.actor.clinic_ids
    mine = None if clinics is None else list(clinics)
    rows = await work.raw.fetch(_STATEMENT, work.network_id, patient_id, moment, key, mine, limit)
    return [
        StatementItem(
            entry_id=row["id"],
            kind=row["kind"],
            source_id=row["source_id"],
            clinic_id=row["clinic_id"],
            business_date=row["business_date"],
            posted_at=row["posted_at"],
            currency=row["currency"],
            receivable_cents=int(row["receivable"]),
            credit_cents=int(row["credit"]),
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class TrialLine:
    """The balance of one account, or of all patients' accounts of one kind together."""

    account_kind: str
    owner_id: UUID | None
    currency: str
    cents: int
    lines: int


async def trial_balance(work: Work) -> Sequence[TrialLine]:
    """Every account of the network, or of the caller's clinics; the sum is zero by currency."""
    clinics = work.actor.clinic_ids
    mine = None if clinics is None else list(clinics)
    return [TrialLine(*row) for row in await work.raw.fetch(_TRIAL, work.network_id, mine)]
