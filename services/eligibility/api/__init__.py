"""HTTP: parse, one command or query, answer."""

from services.eligibility.api import checks, coverages, visits  # noqa: F401 - declared on ROUTES
from services.eligibility.api.routes import ROUTES

__all__ = ["ROUTES"]
