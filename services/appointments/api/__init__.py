"""HTTP: parse, one command or query, answer."""

from services.appointments.api import booking, changes, equipment, flow, holds, sessions, setup  # noqa: F401 - they declare on ROUTES
from services.appointments.api.routes import ROUTES

__all__ = ["ROUTES"]
