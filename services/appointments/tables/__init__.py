"""The tables of appointments, on a registry of their own; a module for each part of the work."""

from services.appointments.tables.calendars import (
    Block,
    BlockResource,
    CalendarFeed,
    OnCallShift,
    ProviderCredential,
    ScheduleException,
)
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
    KnownCover,
    KnownForm,
    KnownPatient,
    KnownPreference,
    KnownVerification,
    ProxyEntry,
    VisitCopay,
    VisitCover,
    VisitPacket,
    VisitPayment,
)
from services.appointments.tables.holds import Hold
from services.appointments.tables.registered import Base, metadata
from services.appointments.tables.reminders import (
    CallTask,
    ChannelStop,
    Reminder,
    ReminderSettings,
)
from services.appointments.tables.requests import AppointmentRequest
from services.appointments.tables.rules import BookingRule
from services.appointments.tables.series import Series
from services.appointments.tables.sessions import Session
from services.appointments.tables.setup import (
    AppointmentType,
    Clinic,
    Equipment,
    Provider,
    ProviderClinic,
    Room,
    WeeklySchedule,
)
from services.appointments.tables.visits import Appointment, AppointmentMove, Occupancy
from services.appointments.tables.waitlist import ReleasedSlot, WaitlistEntry, WaitlistOffer

__all__ = [
    "Appointment",
    "AppointmentMove",
    "AppointmentRequest",
    "AppointmentType",
    "Base",
    "Block",
    "BlockResource",
    "BookingRule",
    "CalendarFeed",
    "CallTask",
    "ChannelStop",
    "Clinic",
    "EmergencyAccess",
    "Equipment",
    "Hold",
    "KnownAuthorization",
    "KnownConsent",
    "KnownCover",
    "KnownForm",
    "KnownPatient",
    "KnownPreference",
    "KnownVerification",
    "Occupancy",
    "OnCallShift",
    "Provider",
    "ProviderClinic",
    "ProviderCredential",
    "ProxyEntry",
    "QueueEntry",
    "ReleasedSlot",
    "Reminder",
    "ReminderSettings",
    "RequirementCheck",
    "Room",
    "RoomState",
    "RoomStay",
    "ScheduleException",
    "Series",
    "Session",
    "VisitCopay",
    "VisitCover",
    "VisitPacket",
    "VisitPayment",
    "VisitPolicy",
    "VisitStep",
    "Visitor",
    "WaitlistEntry",
    "WaitlistOffer",
    "WeeklySchedule",
    "metadata",
]
