"""The chart of accounts of one network: which accounts there are and whose each one is.

An account is a kind and an owner. The network itself is the owner of no row: every row carries
`network_id` already, so the accounts of two networks never meet.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from shared.values.errors import Invalid


class Kind(StrEnum):
    """What an account stands for."""

    PATIENT_RECEIVABLE = "patient_receivable"
    """What a patient owes for what was done."""
    PATIENT_CREDIT = "patient_credit"
    """What a patient has paid and owes nothing for yet: a prepaid copay, an overpayment."""
    CASH_DRAWER = "cash_drawer"
    """Cash in the open drawers of a clinic. Zero once all of them are closed."""
    CASH_SAFE = "cash_safe"
    """Cash of a clinic outside its drawers: floats come from it, counted cash goes to it."""
    CHECKS_ON_HAND = "checks_on_hand"
    """Checks taken and not yet paid in."""
    CARD_CLEARING = "card_clearing"
    """What the card processor owes the network."""
    BANK = "bank"
    """What office checks for refunds are drawn on."""
    REVENUE = "revenue"
    """What a clinic has earned, at the price of its fee schedule."""
    CONTRACTUAL_ADJUSTMENT = "contractual_adjustment"
    """What a payer's contract takes off the price."""
    REFUNDS_PAYABLE = "refunds_payable"
    """Refunds granted and not yet paid out."""
    OVER_SHORT = "over_short"
    """Cash found or missing at the count of a drawer."""


class Owner(StrEnum):
    """Whose an account is."""

    PATIENT = "patient"
    CLINIC = "clinic"
    NETWORK = "network"


OWNERS: Mapping[Kind, Owner] = MappingProxyType(
    {
        Kind.PATIENT_RECEIVABLE: Owner.PATIENT,
        Kind.PATIENT_CREDIT: Owner.PATIENT,
        Kind.CASH_DRAWER: Owner.CLINIC,
        Kind.CASH_SAFE: Owner.CLINIC,
        Kind.CHECKS_ON_HAND: Owner.CLINIC,
        Kind.CARD_CLEARING: Owner.NETWORK,
        Kind.BANK: Owner.NETWORK,
        Kind.REVENUE: Owner.CLINIC,
        Kind.CONTRACTUAL_ADJUSTMENT: Owner.CLINIC,
        Kind.REFUNDS_PAYABLE: Owner.NETWORK,
        Kind.OVER_SHORT: Owner.CLINIC,
    }
)

DEBIT_NORMAL = frozenset(
    {
        Kind.PATIENT_RECEIVABLE,
        Kind.CASH_DRAWER,
        Kind.CASH_SAFE,
        Kind.CHECKS_ON_HAND,
        Kind.CARD_CLEARING,
        Kind.BANK,
        Kind.CONTRACTUAL_ADJUSTMENT,
        Kind.OVER_SHORT,
    }
)
"""Kinds whose balance is shown as it stands; the others are shown with the sign turned."""


@dataclass(frozen=True, slots=True, order=True)
class Account:
    """One account of a network. `owner` is a patient's or a clinic's id, None for the network."""

    kind: Kind
    owner: UUID | None = None

    def __post_init__(self) -> None:
        if (self.owner is None) != (OWNERS[self.kind] is Owner.NETWORK):
            raise Invalid("ledger.account_owner", "This account needs the other kind of owner.")

    @property
    def code(self) -> str:
        """One text for one account: ``revenue:<clinic id>``, ``card_clearing``."""
        return self.kind.value if self.owner is None else f"{self.kind.value}:{self.owner}"


def account(code: str) -> Account:
    """The account of a code as `Account.code` writes it. Raises Invalid ``ledger.account``."""
    name, colon, owner = code.partition(":")
    try:
        return Account(Kind(name), UUID(owner) if colon else None)
    except ValueError as error:
        raise Invalid("ledger.account", "There is no such account.") from error


def natural(kind: Kind, cents: int) -> int:
    """A signed balance (debits above zero) as a person says it: what is owed, held or earned."""
    return cents if kind in DEBIT_NORMAL else -cents
