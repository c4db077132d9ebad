"""Other people to turn to: emergency contacts, next of kin, guarantors."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from services.patients import events
from services.patients.commands.people import note_amended
from services.patients.domain.address import Address
from services.patients.domain.contact import Relationship, checked_relation
from services.patients.domain.verification import Field
from services.patients.queries.contact import contact
from services.patients.queries.people import person
from services.patients.tables import Contact, Patient
from shared.db.work import Work
from shared.values.errors import Conflict


class ContactKind(StrEnum):
    """What somebody is turned to for."""

    EMERGENCY = "emergency"
    NEXT_OF_KIN = "next_of_kin"
    GUARANTOR = "guarantor"


@dataclass(frozen=True, slots=True)
class NewContact:
    """Somebody to turn to, each part checked; named, or a patient of the network."""

    kind: ContactKind
    relationship: Relationship
    contact_patient_id: UUID | None = None
    family: str | None = None
    given: str | None = None
    phone: str | None = None
    email: str | None = None
    address: Address | None = None


async def add_contact(work: Work, patient_id: UUID, who: NewContact) -> Contact:
    """Add a contact. Raises Invalid ``contact.self``; NotFound for a patient that is not there."""
    checked_relation(patient_id, who.contact_patient_id)
    patient = await person(work, patient_id)
    if who.contact_patient_id is not None:
        await person(work, who.contact_patient_id)
    address = who.address
    row = Contact(
        id=work.new_id("contact"),
        network_id=work.network_id,
        patient_id=patient.id,
        kind=who.kind.value,
        relationship=who.relationship.value,
        contact_patient_id=who.contact_patient_id,
        family=who.family,
        given=who.given,
        phone=who.phone,
        email=who.email,
        lines=None if address is None else list(address.lines),
        city=None if address is None else address.city,
        state=None if address is None else address.state,
        postal_code=None if address is None else address.postal_code,
        country=None if address is None else address.country,
        added_at=work.now,
    )
    work.add(row)
    await _say_changed(work, patient, who.kind)
    return row


async def end_contact(work: Work, patient_id: UUID, contact_id: UUID) -> Contact:
    """No longer turn to somebody. Raises Conflict ``contact.already_ended``."""
    patient = await person(work, patient_id)
    row = await contact(work, patient.id, contact_id)
    if row.ended_at is not None:
        raise Conflict("contact.already_ended", "This contact has been ended already.")
    row.ended_at = work.now
    work.save(row)
    await _say_changed(work, patient, ContactKind(row.kind))
    return row


async def _say_changed(work: Work, patient: Patient, kind: ContactKind) -> None:
    if kind is ContactKind.EMERGENCY:
        await note_amended(work, patient.id, Field.EMERGENCY_CONTACT)
    work.save(patient)
    work.say(events.updated(patient, ["contacts"], work.now), of=patient)
