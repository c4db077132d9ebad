"""Reading series and the visits that they are."""

from uuid import UUID
from zoneinfo import ZoneInfo

from services.appointments.domain.series import Member
from services.appointments.domain.status import Flow, Lifecycle
from services.appointments.tables import Appointment, Series
from shared.db.actor import at_clinic
from shared.db.work import Work
from shared.values.errors import NotFound


async def one_series(work: Work, series_id: UUID) -> Series:
    """A series of the network and of the caller's clinics. Raises NotFound."""
    row = await work.load(Series, series_id)
    if row is None or not at_clinic(work.actor, row.clinic_id, row.patient_id):
        raise NotFound("series.not_found", "There is no such series.")
    return row


async def visits_of(work: Work, series_id: UUID) -> list[Appointment]:
    """The visits of a series, by occurrence."""
    return await work.load_where(Appointment, "series_id = $2 ORDER BY occurrence", series_id)


def member_of(row: Appointment, zone: ZoneInfo) -> Member:
    """The rules' values of a visit of a series."""
    waiting = row.lifecycle == Lifecycle.BOOKED.value and row.flow == Flow.EXPECTED.value
    wall = row.starts_at.astimezone(zone).replace(tzinfo=None)
    return Member(row.occurrence or 0, row.id, wall, waiting)
