"""What the patients service says; a module for each part of the work."""

from shared.contracts.envelope import Event
from shared.contracts.patients.intake import PacketSubmitted
from shared.contracts.patients.people import (
    AdministrativeGender,
    ConsentGranted,
    ConsentKind,
    ConsentRevoked,
    DemographicsVerified,
    EmergencyAccessOpened,
    EmergencyAccessReviewed,
    EmergencyFinding,
    EmergencyReason,
    MessageChannel,
    MessagesPreferred,
    PatientEvent,
    PatientRegistered,
    PatientUpdated,
    ProxyEnded,
    ProxyEndReason,
    ProxyGranted,
)
from shared.contracts.patients.records import PatientMerged

EVENTS: tuple[type[Event], ...] = (
    PatientRegistered,
    PatientUpdated,
    PatientMerged,
    DemographicsVerified,
    ConsentGranted,
    ConsentRevoked,
    MessagesPreferred,
    EmergencyAccessOpened,
    EmergencyAccessReviewed,
    ProxyGranted,
    ProxyEnded,
    PacketSubmitted,
)

__all__ = [
    "EVENTS",
    "AdministrativeGender",
    "ConsentGranted",
    "ConsentKind",
    "ConsentRevoked",
    "DemographicsVerified",
    "EmergencyAccessOpened",
    "EmergencyAccessReviewed",
    "EmergencyFinding",
    "EmergencyReason",
    "MessageChannel",
    "MessagesPreferred",
    "PacketSubmitted",
    "PatientEvent",
    "PatientMerged",
    "PatientRegistered",
    "PatientUpdated",
    "ProxyEndReason",
    "ProxyEnded",
    "ProxyGranted",
]
