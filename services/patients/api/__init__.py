"""HTTP: parse, one command or query, answer."""

from services.patients.api import (  # noqa: F401 - they declare on ROUTES
    consent,
    contact,
    emergency,
    finding,
    messages,
    people,
    proxies,
    verification,
)
from services.patients.api.routes import ROUTES

__all__ = ["ROUTES"]
