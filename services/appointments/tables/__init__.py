"""The tables of appointments, on a registry of their own; a module for each part of the work."""

from services.appointments.tables.day import (
    QueueEntry,
    RequirementCheck,
    RoomState,
    RoomStay,
    Visitor,
    VisitPolicy,
    VisitStep,
)
from services.appointments.tables.heard import (
    EmergencyAccess,
    KnownAuthorization,
    KnownConsent,
    KnownForm,
    KnownPatient,
    KnownVerification,
    VisitCopay,
    VisitCover,
    VisitPacket,
    VisitPayment,
)
from services.appointments.tables.registered import Base, metadata
from services.appointments.tables.setup import (
    AppointmentType,
    Clinic,
    Provider,
    ProviderClinic,
    Room,
    WeeklySchedule,
)
from services.appointments.tables.visits import Appointment, AppointmentMove, Occupancy

__all__ = [
    "Appointment",
    "AppointmentMove",
    "AppointmentType",
    "Base",
    "Clinic",
    "EmergencyAccess",
    "KnownAuthorization",
    "KnownConsent",
    "KnownForm",
    "KnownPatient",
    "KnownVerification",
    "Occupancy",
    "Provider",
    "ProviderClinic",
    "QueueEntry",
    "RequirementCheck",
    "Room",
    "RoomState",
    "RoomStay",
    "VisitCopay",
    "VisitCover",
    "VisitPacket",
    "VisitPayment",
    "VisitPolicy",
    "VisitStep",
    "Visitor",
    "WeeklySchedule",
    "metadata",
]
