"""What appointments hears; each function turns an event into a command."""

from collections.abc import Sequence

from services.appointments.commands import hearsay
from services.appointments.commands.reminders import remind_anew
from shared.bus.process import Subscriptions
from shared.bus.projections import Projection
from shared.contracts.documents import PacketReady
from shared.contracts.eligibility import EligibilityFailed, EligibilityVerified
from shared.contracts.envelope import Envelope, Event
from shared.contracts.patients import (
    ConsentGranted,
    ConsentRevoked,
    DemographicsVerified,
    EmergencyAccessOpened,
    MessagesPreferred,
    PatientEvent,
    PatientRegistered,
)
from shared.contracts.payments import AccountEvent, ChargeCaptured, PaymentPosted, PaymentRefunded
from shared.db.locks import LockKey, lock_key
from shared.db.work import Work


async def on_patient_registered(work: Work, _: Envelope, event: PatientRegistered) -> None:
    """A person may now be booked."""
    (await hearsay.known_patient(work, event.patient_id)).registered = True


async def on_demographics_verified(work: Work, _: Envelope, event: DemographicsVerified) -> None:
    """Identity counts as verified when nothing was left stale."""
    if event.complete:
        row = await hearsay.known_patient(work, event.patient_id)
        row.identity_verified_at = event.verified_at


async def on_consent_granted(work: Work, _: Envelope, event: ConsentGranted) -> None:
    """A consent that check-in may ask for, or a message."""
    await hearsay.note_consent(
        work,
        event.patient_id,
        event.consent_id,
        event.kind,
        event.text_version,
        event.granted_at,
        event.expires_on,
    )
    if event.kind == "messages":
        await remind_anew(work, event.patient_id)


async def on_consent_revoked(work: Work, _: Envelope, event: ConsentRevoked) -> None:
    """A consent that no longer counts."""
    await hearsay.note_revocation(work, event.consent_id, event.revoked_at)
    if event.kind == "messages":
        await remind_anew(work, event.patient_id)


async def on_messages_preferred(work: Work, _: Envelope, event: MessagesPreferred) -> None:
    """What messages to a patient may come by."""
    await hearsay.note_preference(work, event)
    await remind_anew(work, event.patient_id)


async def on_emergency_opened(work: Work, _: Envelope, event: EmergencyAccessOpened) -> None:
    """Somebody reads a patient at any clinic for an hour."""
    hearsay.note_emergency(work, event)


async def on_eligibility(
    work: Work, _: Envelope, event: EligibilityVerified | EligibilityFailed
) -> None:
    """The verdict on a visit's cover."""
    await hearsay.note_cover(
        work, event.appointment_id, event.verdict, event.reason, event.decided_at
    )


async def on_account_moved(work: Work, _: Envelope, event: AccountEvent) -> None:
    """What the patient owes now."""
    row = await hearsay.known_patient(work, event.patient_id)
    row.balance_cents = event.balance_cents


async def on_packet_ready(work: Work, _: Envelope, event: PacketReady) -> None:
    """The chart packet of a visit is there."""
    await hearsay.note_packet(
        work, event.appointment_id, event.document_id, event.revision, event.ready_at
    )


def locks(event: Event) -> Sequence[LockKey]:
    """What the handlers above change."""
    found = []
    if isinstance(event, PatientEvent | AccountEvent):
        found.append(lock_key("patient", event.patient_id))
    if isinstance(event, EligibilityVerified | EligibilityFailed | PacketReady):
        found.append(lock_key("visit-facts", event.appointment_id))
    return found


SUBSCRIPTIONS = Subscriptions(
    {
        PatientRegistered: on_patient_registered,
        DemographicsVerified: on_demographics_verified,
        ConsentGranted: on_consent_granted,
        ConsentRevoked: on_consent_revoked,
        MessagesPreferred: on_messages_preferred,
        EmergencyAccessOpened: on_emergency_opened,
        EligibilityVerified: on_eligibility,
        EligibilityFailed: on_eligibility,
        ChargeCaptured: on_account_moved,
        PaymentPosted: on_account_moved,
        PaymentRefunded: on_account_moved,
        PacketReady: on_packet_ready,
    },
    locks,
)

PROJECTIONS = {
    "patients": Projection(
        ("known_patients", "known_consents", "known_preferences", "emergency_access"),
        # Checking out counts the visits that make a patient a known one.
        counted={
            "visits": "(SELECT count(*) FROM appointments a WHERE a.network_id = t.network_id"
            " AND a.patient_id = t.patient_id AND a.checked_out_at IS NOT NULL)"
        },
    ),
    "visits": Projection(("visit_covers", "visit_packets")),
}
