"""HTTP: parse, one command or query, answer."""

from services.appointments.api import blocks, booking, feeds, flow, on_call, schedules, setup  # noqa: F401 - they declare on ROUTES
from services.appointments.api.routes import ROUTES, SECRET_ROUTES

__all__ = ["ROUTES", "SECRET_ROUTES"]
