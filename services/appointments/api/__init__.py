"""HTTP: parse, one command or query, answer."""

from services.appointments.api import (  # noqa: F401 - they declare on ROUTES
    booking,
    calls,
    changes,
    day,
    equipment,
    flow,
    holds,
    policies,
    readiness,
    reminders,
    series,
    sessions,
    setup,
    visitors,
    waiting,
)
from services.appointments.api.routes import ROUTES

__all__ = ["ROUTES"]
