"""What is entered, as events."""

from services.appointments.tables import AppointmentType, Clinic
from shared.contracts.appointments import (
    AppointmentTypePublished,
    ClinicOpened,
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
