"""What appointments hears; each function turns an event into a command."""

from collections.abc import Sequence

from services.appointments.commands import hearsay, hearsay_day
from services.appointments.commands.reminders import plan_anew_of
from services.appointments.tables import ProxyEntry
from shared.bus.process import Subscriptions
from shared.bus.projections import Projection
from shared.contracts.documents import PacketReady
from shared.contracts.eligibility import (
    AuthorizationApproved,
    AuthorizationDenied,
    AuthorizationEvent,
    AuthorizationExpired,
    CoverageAdded,
    CoverageChanged,
    CoverageEvent,
    EligibilityFailed,
    EligibilityVerified,
    EstimateCreated,
)
from shared.contracts.envelope import Envelope, Event
from shared.contracts.patients import (
    ConsentGranted,
    ConsentRevoked,
    DemographicsVerified,
    EmergencyAccessOpened,
    MessagesPreferred,
    PacketSubmitted,
    PatientEvent,
    PatientMerged,
    PatientRegistered,
    PatientUpdated,
    ProxyEnded,
    ProxyGranted,
)
from shared.contracts.payments import AccountEvent, ChargeCaptured, PaymentPosted, PaymentRefunded
from shared.db.locks import LockKey, lock_key
from shared.db.proxies import note_ended, note_granted
from shared.db.work import Work


async def on_patient_registered(work: Work, _: Envelope, event: PatientRegistered) -> None:
    """A person may now be booked."""
    row = await hearsay.known_patient(work, event.patient_id)
    row.registered, row.birth_year, row.gender = True, event.birth_year, event.gender


async def on_patient_updated(work: Work, _: Envelope, event: PatientUpdated) -> None:
    """Another birth date or gender: what limits are judged by."""
    if event.birth_year is None and event.gender is None:
        return
    row = await hearsay.known_patient(work, event.patient_id)
    row.birth_year = row.birth_year if event.birth_year is None else event.birth_year
    row.gender = row.gender if event.gender is None else event.gender


async def on_patient_merged(work: Work, _: Envelope, event: PatientMerged) -> None:
    """A record that was given up for another of the same person: it gets no message any more."""
    await hearsay.note_merge(work, event)
    await plan_anew_of(work, event.patient_id)


async def on_demographics_verified(work: Work, _: Envelope, event: DemographicsVerified) -> None:
    """Identity counts as verified when nothing was left stale; each field by itself."""
    await hearsay_day.note_verified(work, event.patient_id, event.fields, event.verified_at)
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
        await plan_anew_of(work, event.patient_id)


async def on_consent_revoked(work: Work, _: Envelope, event: ConsentRevoked) -> None:
    """A consent that no longer counts."""
    await hearsay.note_revocation(work, event.consent_id, event.revoked_at)
    if event.kind == "messages":
        await plan_anew_of(work, event.patient_id)


async def on_messages_preferred(work: Work, _: Envelope, event: MessagesPreferred) -> None:
    """What messages to a patient may come by."""
    await hearsay.note_preference(work, event)
    await plan_anew_of(work, event.patient_id)


async def on_emergency_opened(work: Work, _: Envelope, event: EmergencyAccessOpened) -> None:
    """Somebody reads a patient at any clinic for an hour."""
    hearsay.note_emergency(work, event)


async def on_coverage(work: Work, _: Envelope, event: CoverageAdded | CoverageChanged) -> None:
    """Who pays for a patient, and when: what limits by payer are judged by."""
    await hearsay.note_coverage(work, event)


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


async def on_payment(work: Work, envelope: Envelope, event: PaymentPosted) -> None:
    """What the patient owes now, and what was paid for the visit."""
    await on_account_moved(work, envelope, event)
    await hearsay_day.note_paid(work, event.appointment_id, event.patient_id, event.amount_cents)


async def on_refund(work: Work, envelope: Envelope, event: PaymentRefunded) -> None:
    """What the patient owes now, and what was given back of what was paid for the visit."""
    await on_account_moved(work, envelope, event)
    await hearsay_day.note_paid(work, event.appointment_id, event.patient_id, -event.amount_cents)


async def on_estimate(work: Work, _: Envelope, event: EstimateCreated) -> None:
    """The copay that is to be paid at the desk."""
    await hearsay_day.note_copay(work, event.appointment_id, event.copay_cents, event.created_at)


async def on_packet_submitted(work: Work, _: Envelope, event: PacketSubmitted) -> None:
    """Forms were handed in."""
    await hearsay_day.note_forms(
        work,
        event.packet_id,
        event.patient_id,
        event.appointment_id,
        event.forms,
        event.submitted_at,
    )


async def on_authorization_approved(work: Work, _: Envelope, event: AuthorizationApproved) -> None:
    """A payer approves a visit, for a time."""
    await hearsay_day.note_authorization(
        work, event, "approved", event.decided_at, event.valid_from, event.valid_until
    )


async def on_authorization_denied(work: Work, _: Envelope, event: AuthorizationDenied) -> None:
    """A payer does not approve a visit."""
    await hearsay_day.note_authorization(work, event, "denied", event.decided_at)


async def on_authorization_expired(work: Work, _: Envelope, event: AuthorizationExpired) -> None:
    """An approval holds no longer."""
    await hearsay_day.note_authorization(work, event, "expired", event.expired_at)


async def on_packet_ready(work: Work, _: Envelope, event: PacketReady) -> None:
    """The chart packet of a visit is there."""
    await hearsay.note_packet(
        work, event.appointment_id, event.document_id, event.revision, event.ready_at
    )


async def on_proxy_granted(work: Work, _: Envelope, event: ProxyGranted) -> None:
    """Somebody may act for a patient."""
    note_granted(work, ProxyEntry, event)


async def on_proxy_ended(work: Work, _: Envelope, event: ProxyEnded) -> None:
    """They may not any more."""
    await note_ended(work, ProxyEntry, event)


def locks(event: Event) -> Sequence[LockKey]:
    """What the handlers above change."""
    found = []
    if isinstance(event, PatientEvent | AccountEvent | PacketSubmitted):
        found.append(lock_key("patient", event.patient_id))
    if isinstance(
        event,
        EligibilityVerified
        | EligibilityFailed
        | EstimateCreated
        | PacketReady
        | AuthorizationEvent,
    ):
        found.append(lock_key("visit-facts", event.appointment_id))
    if isinstance(event, CoverageEvent):
        found.append(lock_key("coverage", event.coverage_id))
    if isinstance(event, AccountEvent) and event.appointment_id is not None:
        found.append(lock_key("visit-facts", event.appointment_id))
    return found


SUBSCRIPTIONS = Subscriptions(
    {
        PatientRegistered: on_patient_registered,
        PatientUpdated: on_patient_updated,
        PatientMerged: on_patient_merged,
        DemographicsVerified: on_demographics_verified,
        ConsentGranted: on_consent_granted,
        ConsentRevoked: on_consent_revoked,
        MessagesPreferred: on_messages_preferred,
        EmergencyAccessOpened: on_emergency_opened,
        CoverageAdded: on_coverage,
        CoverageChanged: on_coverage,
        EligibilityVerified: on_eligibility,
        EligibilityFailed: on_eligibility,
        ChargeCaptured: on_account_moved,
        PaymentPosted: on_payment,
        PaymentRefunded: on_refund,
        EstimateCreated: on_estimate,
        PacketReady: on_packet_ready,
        ProxyGranted: on_proxy_granted,
        ProxyEnded: on_proxy_ended,
        PacketSubmitted: on_packet_submitted,
        AuthorizationApproved: on_authorization_approved,
        AuthorizationDenied: on_authorization_denied,
        AuthorizationExpired: on_authorization_expired,
    },
    locks,
)

PROJECTIONS = {
    "proxies": Projection(("proxies",)),
    "patients": Projection(
        (
            "known_patients",
            "known_consents",
            "known_verifications",
            "known_preferences",
            "emergency_access",
        ),
        # Checking out counts the visits that make a patient a known one.
        counted={
            "visits": "(SELECT count(*) FROM appointments a WHERE a.network_id = t.network_id"
            " AND a.patient_id = t.patient_id AND a.checked_out_at IS NOT NULL)"
        },
    ),
    "covers": Projection(("known_covers",)),
    "visits": Projection(
        (
            "visit_covers",
            "visit_copays",
            "visit_payments",
            "visit_packets",
            "known_forms",
            "known_authorizations",
        )
    ),
}
