"""HTTP: parse, one command or query, answer."""

from services.appointments.api import (  # noqa: F401 - they declare on ROUTES
    booking,
    changes,
    equipment,
    flow,
    holds,
    series,
    sessions,
    setup,
    waitlist,
)
from services.appointments.api.routes import ROUTES

__all__ = ["ROUTES"]
