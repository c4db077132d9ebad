"""HTTP: parse, one command or query, answer."""

from services.appointments.api import (  # noqa: F401 - they declare on ROUTES
    availability,
    blocks,
    booking,
    calls,
    changes,
    day,
    equipment,
    feeds,
    flow,
    holds,
    on_call,
    policies,
    readiness,
    reminders,
    requests,
    rules,
    schedules,
    series,
    sessions,
    setup,
    visitors,
    waiting,
    waitlist,
)
from services.appointments.api.routes import ROUTES, SECRET_ROUTES

__all__ = ["ROUTES", "SECRET_ROUTES"]
