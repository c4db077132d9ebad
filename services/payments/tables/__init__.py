"""The tables of payments: what was heard, the ledger and what moves it, and the till."""

from services.payments.tables.accounts import Account, Allocation, LedgerEntry, LedgerLine
from services.payments.tables.charges import Charge, ChargeLine, FeePrice, NoCharge
from services.payments.tables.heard import (
    Estimate,
    KnownClinic,
    KnownPatient,
    KnownVisit,
    ProxyEntry,
)
from services.payments.tables.money import (
    Payment,
    ReceiptCounter,
    ReceiptPdf,
    ReceiptRow,
    Refund,
)
from services.payments.tables.registry import metadata
from services.payments.tables.till import BusinessDay, Drawer

__all__ = [
    "Account",
    "Allocation",
    "BusinessDay",
    "Charge",
    "ChargeLine",
    "Drawer",
    "Estimate",
    "FeePrice",
    "KnownClinic",
    "KnownPatient",
    "KnownVisit",
    "LedgerEntry",
    "LedgerLine",
    "NoCharge",
    "Payment",
    "ProxyEntry",
    "ReceiptCounter",
    "ReceiptPdf",
    "ReceiptRow",
    "Refund",
    "metadata",
]
