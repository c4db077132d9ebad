"""Whose books a deed goes into: the clinic, its calendar, and whether the day is open."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from services.payments.tables import BusinessDay, KnownClinic, KnownPatient, KnownVisit
from shared.db.actor import at_clinic
from shared.db.work import Work
from shared.values.errors import Conflict, NotYetHeard
from shared.values.zones import zone


@dataclass(frozen=True, slots=True)
class Books:
    """A clinic's books. today: the day that its clocks show now."""

    clinic_id: UUID
    zone: ZoneInfo
    currency: str
    today: date

    def day_of(self, instant: datetime) -> date:
        """The day of the clinic's calendar on which an instant falls."""
        return instant.astimezone(self.zone).date()


async def books_of(work: Work, clinic_id: UUID) -> Books:
    """The books of a clinic that the caller may know of. Raises NotFound."""
    rows = await work.load_where(KnownClinic, "clinic_id = $2", clinic_id)
    if not rows or not at_clinic(work.actor, clinic_id):
        raise NotYetHeard("clinic.not_found", "There is no such clinic.")
    in_zone = zone(rows[0].time_zone)
    return Books(clinic_id, in_zone, rows[0].currency, work.now.astimezone(in_zone).date())


async def closed_day(work: Work, clinic_id: UUID, business_date: date) -> BusinessDay | None:
    """The close of a clinic's day; None while it is open."""
    where = "clinic_id = $2 AND business_date = $3"
    rows = await work.load_where(BusinessDay, where, clinic_id, business_date)
    return rows[0] if rows else None


async def closed_days(work: Work, clinic_id: UUID, business_date: date) -> tuple[date, ...]:
    """The day itself if it is closed: what `ledger.postable` asks for."""
    closed = await closed_day(work, clinic_id, business_date)
    return (business_date,) if closed else ()


async def require_open_day(work: Work, books: Books) -> None:
    """Raise Conflict ``ledger.day_closed`` where the clinic's books of today are closed."""
    if await closed_day(work, books.clinic_id, books.today):
        raise day_closed()


def day_closed() -> Conflict:
    """Nothing goes into a closed day."""
    return Conflict("ledger.day_closed", "The books of this day are closed.")


async def require_patient(work: Work, patient_id: UUID) -> None:
    """Raise NotFound where nothing is known of such a patient, after waiting for the news."""
    if not await work.load_where(KnownPatient, "patient_id = $2", patient_id):
        raise NotYetHeard("patient.not_found", "There is no such patient.")


async def visit_of(work: Work, appointment_id: UUID) -> KnownVisit:
    """A visit of one of the caller's clinics. Raises NotFound, after waiting for the news."""
    rows = await work.load_where(KnownVisit, "appointment_id = $2", appointment_id)
    if not rows or not at_clinic(work.actor, rows[0].clinic_id):
        raise NotYetHeard("appointment.not_found", "There is no such appointment.")
    return rows[0]
