"""What happens to a visit, as events."""

from datetime import datetime
from typing import Literal

from services.appointments.domain.reschedule import Lineage
from services.appointments.tables import Appointment
from shared.contracts.appointments import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentConfirmed,
    AppointmentDeclined,
    AppointmentNoShow,
    AppointmentRescheduled,
    PatientCheckedIn,
    SlotReleased,
    VisitCheckedOut,
)
from shared.values.interval import Interval


def booked(row: Appointment) -> AppointmentBooked:
    """A visit was booked."""
    return AppointmentBooked(
        appointment_id=row.id,
        patient_id=row.patient_id,
        clinic_id=row.clinic_id,
        provider_id=row.provider_id,
        appointment_type_id=row.appointment_type_id,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        new_patient=row.new_patient,
        walk_in=row.walk_in,
        booked_at=row.booked_at,
    )


def rescheduled(row: Appointment, lineage: Lineage) -> AppointmentRescheduled:
    """A visit moved."""
    return AppointmentRescheduled(
        appointment_id=row.id,
        patient_id=row.patient_id,
        clinic_id=row.clinic_id,
        provider_id=row.provider_id,
        previous_provider_id=lineage.was.provider_id,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        previous_starts_at=lineage.was.interval.start,
        previous_ends_at=lineage.was.interval.end,
        moves=lineage.move,
        reason=lineage.reason.value,
    )


def cancelled(row: Appointment, notice_minutes: int, at: datetime) -> AppointmentCancelled:
    """A visit was called off."""
    return AppointmentCancelled(
        appointment_id=row.id,
        patient_id=row.patient_id,
        clinic_id=row.clinic_id,
        reason=row.cancel_reason or "",
        notice_minutes=notice_minutes,
        late=row.late_cancel,
        cancelled_at=at,
    )


def confirmed(row: Appointment, at: datetime) -> AppointmentConfirmed:
    """The patient will come."""
    return AppointmentConfirmed(
        appointment_id=row.id,
        patient_id=row.patient_id,
        clinic_id=row.clinic_id,
        confirmed_at=at,
    )


def declined(row: Appointment, at: datetime) -> AppointmentDeclined:
    """The patient will not come."""
    return AppointmentDeclined(
        appointment_id=row.id,
        patient_id=row.patient_id,
        clinic_id=row.clinic_id,
        declined_at=at,
    )


def no_show(row: Appointment, cause: Literal["timer", "staff"], at: datetime) -> AppointmentNoShow:
    """Nobody came."""
    return AppointmentNoShow(
        appointment_id=row.id,
        patient_id=row.patient_id,
        clinic_id=row.clinic_id,
        cause=cause,
        recorded_at=at,
    )


def checked_in(row: Appointment, waived: tuple[str, ...], at: datetime) -> PatientCheckedIn:
    """The patient is here."""
    return PatientCheckedIn(
        appointment_id=row.id,
        patient_id=row.patient_id,
        clinic_id=row.clinic_id,
        checked_in_at=at,
        waived=list(waived),
    )


def checked_out(row: Appointment, at: datetime) -> VisitCheckedOut:
    """The visit is over."""
    return VisitCheckedOut(
        appointment_id=row.id,
        patient_id=row.patient_id,
        clinic_id=row.clinic_id,
        appointment_type_id=row.appointment_type_id,
        new_patient=row.new_patient,
        checked_out_at=at,
    )


def slot_released(
    row: Appointment,
    interval: Interval,
    cause: Literal["cancelled", "rescheduled", "no_show"],
) -> SlotReleased:
    """Time is free again. `row` still names the provider whose time it was."""
    return SlotReleased(
        appointment_id=row.id,
        patient_id=row.patient_id,
        clinic_id=row.clinic_id,
        provider_id=row.provider_id,
        appointment_type_id=row.appointment_type_id,
        starts_at=interval.start,
        ends_at=interval.end,
        cause=cause,
    )
