"""Appointments without its outbox: the same service, in which saying an event writes nothing.

    python -m shared.web.run bench.without_outbox:service --role api --port 8101

It is measured and never used: it shows what the outbox costs. The event is still made and its
number still goes up with the row, so that all else stays as it is.
"""

from sqlmodel import SQLModel

from services.appointments.app import service as with_outbox
from shared.contracts.envelope import Event
from shared.db.work import Work
from shared.web.service import Service


def _say(_work: Work, _event: Event, of: SQLModel) -> None:
    setattr(of, "event_seq", int(getattr(of, "event_seq")) + 1)


def service() -> Service:
    """The service of the environment's settings, which from now on says nothing."""
    setattr(Work, "say", _say)
    return with_outbox()
