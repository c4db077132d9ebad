"""Appointments without its audit: the same service, in which recording who did what writes nothing.

    python -m shared.web.run bench.without_audit:service --role api --port 8101

It is measured and never used: it shows what the audit row of a booking costs.
"""

from typing import Any

from services.appointments.app import service as with_audit
from shared.db.work import Work
from shared.web.service import Service


def _audit(_work: Work, _action: str, _resource: str, **_said: Any) -> None:
    return None


def service() -> Service:
    """The service of the environment's settings, which from now on records nothing."""
    setattr(Work, "audit", _audit)
    return with_audit()
