"""The four statuses of a row, as the rules' one value and back."""

from services.appointments.domain.status import (
    Confirmation,
    Flow,
    Lifecycle,
    Readiness,
    Statuses,
)
from services.appointments.tables import Appointment


def statuses_of(row: Appointment) -> Statuses:
    """Where the visit of a row stands."""
    return Statuses(
        Lifecycle(row.lifecycle),
        Confirmation(row.confirmation),
        Flow(row.flow),
        Readiness(row.readiness),
    )


def set_statuses(row: Appointment, statuses: Statuses) -> None:
    """Put the statuses that a rule gave into a row."""
    row.lifecycle = statuses.lifecycle.value
    row.confirmation = statuses.confirmation.value
    row.flow = statuses.flow.value
    row.readiness = statuses.readiness.value
