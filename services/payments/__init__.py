"""Payments: charges, the ledger, money taken and given back, drawers and the close of the day."""
