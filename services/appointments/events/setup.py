"""What is entered, as events."""

from datetime import datetime
from typing import Literal

from services.appointments.tables import AppointmentType, Clinic, WeeklySchedule
from shared.contracts.appointments import (
    AppointmentTypePublished,
    ClinicOpened,
    ScheduleTemplateChanged,
)


def clinic_opened(clinic: Clinic) -> ClinicOpened:
    """A clinic was entered."""
    return ClinicOpened(clinic_id=clinic.id, time_zone=clinic.time_zone, currency=clinic.currency)


def type_published(kind: AppointmentType) -> AppointmentTypePublished:
    """A kind of visit was entered."""
    return AppointmentTypePublished(
        appointment_type_id=kind.id,
        minutes=kind.minutes_known,
        service_code_new=kind.service_code_new,
        service_code_known=kind.service_code_known,
    )


def template_changed(
    row: WeeklySchedule, change: Literal["entered", "ended", "called_off"], at: datetime
) -> ScheduleTemplateChanged:
    """Hours of a provider were entered, end, or were called off before they began."""
    return ScheduleTemplateChanged(
        schedule_id=row.id,
        provider_id=row.provider_id,
        clinic_id=row.clinic_id,
        change=change,
        effective_from=row.effective_from,
        effective_until=row.effective_until,
        changed_at=at,
    )
