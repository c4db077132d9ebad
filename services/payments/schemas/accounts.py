"""Models of patient accounts and of the ledger."""

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from shared.web.minimum import minimum
from shared.web.pages import PageQuery

_PATIENT = "0190a1b2-0000-7000-8000-000000000001"


class StatementItemView(BaseModel):
    """An entry of a patient's account. `cents` above zero: owed more; below: owed less.

    `source_id` is the charge, payment or refund. `receivable_cents` is the share of charges,
    `credit_cents` that of credit; the two sum to `cents`.
    """

    entry_id: UUID
    kind: str
    source_id: UUID
    clinic_id: UUID
    business_date: date
    posted_at: datetime
    currency: str
    cents: int
    receivable_cents: int
    credit_cents: int


class OpenChargeView(BaseModel):
    """What is open of the charge of a visit."""

    appointment_id: UUID
    charge_id: UUID
    service_date: date
    open_cents: int


class AccountView(BaseModel):
    """What a patient owes (below zero: is owed), and a page of what moved it, oldest first.

    `open_charges`: what is open of each visit, the oldest first.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "patient_id": _PATIENT,
                    "balance_cents": 15000,
                    "currency": "USD",
                    "open_charges": [
                        {
                            "appointment_id": "0190a1b2-0000-7000-8000-000000000013",
                            "charge_id": "0190a1b2-0000-7000-8000-000000000032",
                            "service_date": "2026-11-30",
                            "open_cents": 15000,
                        }
                    ],
                    "items": [
                        {
                            "entry_id": "0190a1b2-0000-7000-8000-000000000037",
                            "kind": "charge",
                            "source_id": "0190a1b2-0000-7000-8000-000000000032",
                            "clinic_id": "0190a1b2-0000-7000-8000-000000000010",
                            "business_date": "2026-11-30",
                            "posted_at": "2026-11-30T16:45:00Z",
                            "currency": "USD",
                            "cents": 15000,
                            "receivable_cents": 15000,
                            "credit_cents": 0,
                        }
                    ],
                    "next": None,
                }
            ]
        }
    )

    patient_id: UUID
    balance_cents: int
    currency: str | None
    open_charges: list[OpenChargeView]
    items: list[StatementItemView]
    next: str | None


AccountMinimum = minimum(
    AccountView,
    "AccountMinimum",
    *("patient_id", "balance_cents", "currency"),
    *("open_charges.appointment_id", "open_charges.charge_id"),
    *("open_charges.service_date", "open_charges.open_cents"),
)
"""What is needed to collect at a visit: the balance and what is open of each, no entries."""


class ReadAccount(PageQuery):
    """A page of an account."""


class TrialLineView(BaseModel):
    """The balance of an account: a debit above zero. Patients' accounts are taken together."""

    account_kind: str
    owner_id: UUID | None
    currency: str
    cents: int
    lines: int


class TotalView(BaseModel):
    """The sum of all accounts of a currency: zero."""

    currency: str
    cents: int


class KindTotalView(BaseModel):
    """The sum of all accounts of a kind: a debit above zero."""

    account_kind: str
    currency: str
    cents: int


class TrialBalanceView(BaseModel):
    """Every account of the ledger, the sum of those of each kind, and their sum."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "accounts": [
                        {
                            "account_kind": "card_clearing",
                            "owner_id": None,
                            "currency": "USD",
                            "cents": 3000,
                            "lines": 1,
                        },
                        {
                            "account_kind": "patient_credit",
                            "owner_id": None,
                            "currency": "USD",
                            "cents": -3000,
                            "lines": 1,
                        },
                    ],
                    "kinds": [
                        {"account_kind": "card_clearing", "currency": "USD", "cents": 3000},
                        {"account_kind": "patient_credit", "currency": "USD", "cents": -3000},
                    ],
                    "totals": [{"currency": "USD", "cents": 0}],
                    "balanced": True,
                }
            ]
        }
    )

    accounts: list[TrialLineView]
    kinds: list[KindTotalView]
    totals: list[TotalView]
    balanced: bool


TrialBalanceTotals = minimum(
    TrialBalanceView,
    "TrialBalanceTotals",
    *("kinds.account_kind", "kinds.currency", "kinds.cents"),
    *("totals.currency", "totals.cents", "balanced"),
)
"""The ledger as totals: by kind of account, and none of a drawer or payer by itself."""
