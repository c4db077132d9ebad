"""Who waits for a time, and what is offered to them."""

from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, JsonValue

from shared.contracts.appointments.samples import APPOINTMENT, CLINIC, PATIENT, PROVIDER, TYPE
from shared.contracts.envelope import Event

_ENTRY: dict[str, JsonValue] = {
    "entry_id": "0190a1b2-0000-7000-8000-000000000017",
    "patient_id": PATIENT,
    "clinic_id": CLINIC,
    "appointment_type_id": TYPE,
}
_OFFER: dict[str, JsonValue] = {
    **_ENTRY,
    "offer_id": "0190a1b2-0000-7000-8000-000000000018",
    "provider_id": PROVIDER,
    "starts_at": "2026-11-30T16:00:00Z",
    "ends_at": "2026-11-30T16:30:00Z",
}


class WaitlistEvent(Event):
    """Where every event of one entry stands. clinic_id: of an offer, where the time is."""

    producer: ClassVar[str] = "appointments"
    aggregate: ClassVar[str] = "waitlist_entry"
    subject_field: ClassVar[str] = "entry_id"

    entry_id: UUID
    patient_id: UUID
    clinic_id: UUID
    appointment_type_id: UUID


class WaitlistEntered(WaitlistEvent):
    """Somebody waits for an earlier time, or for any."""

    name: ClassVar[str] = "waitlist.entered"
    model_config = ConfigDict(json_schema_extra={"examples": [{**_ENTRY}]})


class WaitlistOfferEvent(WaitlistEvent):
    """Where every event of an offer stands."""

    offer_id: UUID
    provider_id: UUID
    starts_at: AwareDatetime
    ends_at: AwareDatetime


class WaitlistOfferMade(WaitlistOfferEvent):
    """A time is held for somebody who waits, until `expires_at`."""

    name: ClassVar[str] = "waitlist.offer_made"
    model_config = ConfigDict(
        json_schema_extra={"examples": [{**_OFFER, "expires_at": "2026-11-23T15:30:00Z"}]}
    )

    expires_at: AwareDatetime


class WaitlistOfferAccepted(WaitlistOfferEvent):
    """The time that was held is a visit now."""

    name: ClassVar[str] = "waitlist.offer_accepted"
    model_config = ConfigDict(
        json_schema_extra={"examples": [{**_OFFER, "appointment_id": APPOINTMENT}]}
    )

    appointment_id: UUID


class WaitlistOfferDeclined(WaitlistOfferEvent):
    """They do not want this time, and wait on."""

    name: ClassVar[str] = "waitlist.offer_declined"
    model_config = ConfigDict(json_schema_extra={"examples": [{**_OFFER}]})


class WaitlistOfferExpired(WaitlistOfferEvent):
    """They did not answer in time, and wait on."""

    name: ClassVar[str] = "waitlist.offer_expired"
    model_config = ConfigDict(json_schema_extra={"examples": [{**_OFFER}]})
