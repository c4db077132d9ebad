"""What documents hears; each function turns an event into a command."""

from collections.abc import Sequence

from services.documents.commands import hearsay, packets
from services.documents.tables import KnownVisit, ProxyEntry, VisitEstimate
from shared.bus.process import Subscriptions
from shared.bus.projections import Projection
from shared.contracts.appointments import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentEnteredInError,
    AppointmentNoShow,
    AppointmentRescheduled,
    PatientArrived,
    VisitEvent,
)
from shared.contracts.eligibility import (
    EligibilityFailed,
    EligibilityVerified,
    EstimateCreated,
    VisitCoverEvent,
)
from shared.contracts.envelope import Envelope, Event
from shared.contracts.patients import (
    ConsentGranted,
    ConsentRevoked,
    DemographicsVerified,
    EmergencyAccessOpened,
    PatientEvent,
    PatientRegistered,
    ProxyEnded,
    ProxyGranted,
)
from shared.contracts.payments import AccountEvent, ChargeCaptured, PaymentPosted, PaymentRefunded
from shared.db.locks import LockKey, lock_key
from shared.db.proxies import note_ended, note_granted
from shared.db.work import Work


async def on_booked(work: Work, envelope: Envelope, event: AppointmentBooked) -> None:
    """A visit will want a chart packet."""
    visit = KnownVisit(
        network_id=work.network_id,
        appointment_id=event.appointment_id,
        patient_id=event.patient_id,
        clinic_id=event.clinic_id,
        provider_id=event.provider_id,
        appointment_type_id=event.appointment_type_id,
        starts_at=event.starts_at,
        ends_at=event.ends_at,
        new_patient=event.new_patient,
        walk_in=event.walk_in,
        heard_at=envelope.time,
        heard_event=envelope.id,
        heard_actor=envelope.actor,
    )
    work.add(visit)
    await packets.expect(work, visit)


async def on_rescheduled(work: Work, envelope: Envelope, event: AppointmentRescheduled) -> None:
    """A visit moved, and its packet with it."""
    visit = await hearsay.heard_visit(work, envelope, event.appointment_id)
    visit.clinic_id, visit.provider_id = event.clinic_id, event.provider_id
    visit.starts_at, visit.ends_at = event.starts_at, event.ends_at
    visit.moves = event.moves
    await packets.expect_again(work, visit)


async def on_cancelled(work: Work, envelope: Envelope, event: AppointmentCancelled) -> None:
    """A visit was called off."""
    visit = await hearsay.heard_visit(work, envelope, event.appointment_id)
    visit.state = "cancelled"
    await packets.withdraw(work, visit.appointment_id)


async def on_no_show(work: Work, _: Envelope, event: AppointmentNoShow) -> None:
    """Nobody came."""
    visit = await hearsay.visit_is(work, event.appointment_id, "no_show")
    await packets.withdraw(work, visit.appointment_id)


async def on_arrived(work: Work, _: Envelope, event: PatientArrived) -> None:
    """Who had been given up is here after all, and their packet is wanted again."""
    if event.after_no_show:
        visit = await hearsay.visit_is(work, event.appointment_id, "booked")
        await packets.want_again(work, visit)


async def on_entered_in_error(
    work: Work, envelope: Envelope, event: AppointmentEnteredInError
) -> None:
    """There never was such a visit."""
    visit = await hearsay.heard_visit(work, envelope, event.appointment_id)
    visit.state = "cancelled"
    await packets.withdraw(work, visit.appointment_id)


async def on_patient_registered(work: Work, _: Envelope, event: PatientRegistered) -> None:
    """Documents may now be filed with a person."""
    (await hearsay.known_patient(work, event.patient_id)).registered = True


async def on_demographics_verified(work: Work, _: Envelope, event: DemographicsVerified) -> None:
    """Identity counts as verified when nothing was left stale."""
    if event.complete:
        row = await hearsay.known_patient(work, event.patient_id)
        row.identity_verified_at = event.verified_at
        await hearsay.patient_changed(work, row)


async def on_consent_granted(work: Work, _: Envelope, event: ConsentGranted) -> None:
    """A consent that need not be asked for."""
    await hearsay.note_consent(
        work, event.patient_id, event.consent_id, event.kind, event.granted_at, event.expires_on
    )


async def on_consent_revoked(work: Work, _: Envelope, event: ConsentRevoked) -> None:
    """A consent that no longer counts."""
    await hearsay.note_revocation(work, event.patient_id, event.consent_id, event.revoked_at)


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


async def on_estimate(work: Work, _: Envelope, event: EstimateCreated) -> None:
    """What a visit will likely cost."""
    members = event.model_dump(exclude={"patient_id"})
    await hearsay.note_estimate(work, VisitEstimate(network_id=work.network_id, **members))


async def on_account_moved(work: Work, _: Envelope, event: AccountEvent) -> None:
    """What the patient owes now. It is in the next packet and asks for none by itself: money moves
    at the desk, when the packet has served."""
    row = await hearsay.known_patient(work, event.patient_id)
    row.balance_cents, row.currency = event.balance_cents, event.currency


async def on_proxy_granted(work: Work, _: Envelope, event: ProxyGranted) -> None:
    """Somebody may act for a patient."""
    note_granted(work, ProxyEntry, event)


async def on_proxy_ended(work: Work, _: Envelope, event: ProxyEnded) -> None:
    """They may not any more."""
    await note_ended(work, ProxyEntry, event)


def locks(event: Event) -> Sequence[LockKey]:
    """What the handlers above change: what is known of a patient, and of a visit."""
    found: list[LockKey] = []
    if isinstance(event, VisitEvent | VisitCoverEvent | EstimateCreated):
        found += packets.visit_lock(event.appointment_id)
    if isinstance(
        event, VisitEvent | VisitCoverEvent | EstimateCreated | PatientEvent | AccountEvent
    ):
        found.append(lock_key("patient", event.patient_id))
    return found


SUBSCRIPTIONS = Subscriptions(
    {
        AppointmentBooked: on_booked,
        AppointmentRescheduled: on_rescheduled,
        AppointmentCancelled: on_cancelled,
        AppointmentNoShow: on_no_show,
        AppointmentEnteredInError: on_entered_in_error,
        PatientArrived: on_arrived,
        PatientRegistered: on_patient_registered,
        DemographicsVerified: on_demographics_verified,
        ConsentGranted: on_consent_granted,
        ConsentRevoked: on_consent_revoked,
        EmergencyAccessOpened: on_emergency_opened,
        EligibilityVerified: on_eligibility,
        EligibilityFailed: on_eligibility,
        EstimateCreated: on_estimate,
        ChargeCaptured: on_account_moved,
        PaymentPosted: on_account_moved,
        PaymentRefunded: on_account_moved,
        ProxyGranted: on_proxy_granted,
        ProxyEnded: on_proxy_ended,
    },
    locks,
)

PROJECTIONS = {
    "proxies": Projection(("proxies",)),
    "visits": Projection(("known_visits", "visit_covers", "visit_estimates")),
    "patients": Projection(("known_patients", "known_consents", "emergency_access")),
    "packets": Projection(
        ("chart_packets",),
        refused="a packet counts the revisions that were printed and said, which no handler does.",
    ),
}
