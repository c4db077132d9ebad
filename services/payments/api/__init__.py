"""HTTP: parse, one command or query, answer."""

from services.payments.api import (  # noqa: F401 - they declare on ROUTES
    accounts,
    charges,
    days,
    drawers,
    fees,
    payments,
    receipts,
    refunds,
)
from services.payments.api.routes import ROUTES

__all__ = ["ROUTES"]
