"""What eligibility hears; each function turns an event into a command."""

from collections.abc import Sequence
from datetime import UTC

from services.eligibility.commands import hearsay
from services.eligibility.commands.reckoning import reckon
from services.eligibility.tables import KnownFee, KnownVisit, ProxyEntry
from shared.bus.process import Subscriptions
from shared.bus.projections import Projection
from shared.contracts.appointments import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentEnteredInError,
    AppointmentNoShow,
    AppointmentRescheduled,
    AppointmentTypePublished,
    ClinicOpened,
    PatientArrived,
    VisitEvent,
)
from shared.contracts.envelope import Envelope, Event
from shared.contracts.patients import PatientEvent, PatientRegistered, ProxyEnded, ProxyGranted
from shared.contracts.payments import FeePriced
from shared.db.locks import LockKey, lock_key
from shared.db.proxies import note_ended, note_granted
from shared.db.work import Work


async def on_patient_registered(work: Work, _: Envelope, event: PatientRegistered) -> None:
    """A person may now have coverages."""
    await hearsay.note_patient(work, event.patient_id, event.registered_at)


async def on_booked(work: Work, _: Envelope, event: AppointmentBooked) -> None:
    """A visit's cover is looked at, and the visit estimated."""
    row = KnownVisit(
        network_id=work.network_id,
        appointment_id=event.appointment_id,
        patient_id=event.patient_id,
        clinic_id=event.clinic_id,
        appointment_type_id=event.appointment_type_id,
        starts_at=event.starts_at,
        new_patient=event.new_patient,
        placed_at=work.now,
    )
    await hearsay.note_booking(work, row)
    await reckon(work, event.patient_id, event.starts_at.astimezone(UTC).date(), alone=True)


async def on_rescheduled(work: Work, _: Envelope, event: AppointmentRescheduled) -> None:
    """On another day another cover may apply, and another price."""
    await hearsay.note_move(work, event.appointment_id, event.clinic_id, event.starts_at)
    await reckon(work, event.patient_id, event.starts_at.astimezone(UTC).date(), alone=True)


async def on_cancelled(work: Work, _: Envelope, event: AppointmentCancelled) -> None:
    """Nothing is asked for a visit that was called off."""
    await hearsay.note_end(work, event.appointment_id, "cancelled")


async def on_no_show(work: Work, _: Envelope, event: AppointmentNoShow) -> None:
    """Nothing is asked for a visit to which nobody came."""
    await hearsay.note_end(work, event.appointment_id, "no_show")


async def on_arrived(work: Work, _: Envelope, event: PatientArrived) -> None:
    """Who had been given up is here after all: their cover is looked at again."""
    if event.after_no_show:
        await hearsay.note_on_again(work, event.appointment_id)
        await reckon(work, event.patient_id)


async def on_entered_in_error(work: Work, _: Envelope, event: AppointmentEnteredInError) -> None:
    """Nothing is asked for a visit that never was."""
    await hearsay.note_end(work, event.appointment_id, "cancelled")


async def on_clinic_opened(work: Work, _: Envelope, event: ClinicOpened) -> None:
    """The days of this clinic's visits can be told."""
    await hearsay.note_clinic(work, event.clinic_id, event.time_zone)


async def on_type_published(work: Work, _: Envelope, event: AppointmentTypePublished) -> None:
    """What visits of this kind are priced as."""
    await hearsay.note_type(
        work, event.appointment_type_id, event.service_code_new, event.service_code_known
    )


async def on_fee_priced(work: Work, _: Envelope, event: FeePriced) -> None:
    """What a clinic asks for a service."""
    row = KnownFee(
        network_id=work.network_id,
        fee_id=event.fee_id,
        clinic_id=event.clinic_id,
        service_code=event.service_code,
        amount_cents=event.amount_cents,
        currency=event.currency,
        effective_from=event.effective_from,
    )
    await hearsay.note_fee(work, row)


async def on_proxy_granted(work: Work, _: Envelope, event: ProxyGranted) -> None:
    """Somebody may act for a patient."""
    note_granted(work, ProxyEntry, event)


async def on_proxy_ended(work: Work, _: Envelope, event: ProxyEnded) -> None:
    """They may not any more."""
    await note_ended(work, ProxyEntry, event)


def locks(event: Event) -> Sequence[LockKey]:
    """What the handlers above change.

    A visit is booked under the locks of its clinic and kind too: see `hearsay._reckon_later`.
    """
    found = []
    if isinstance(event, VisitEvent | PatientEvent):
        found.append(lock_key("patient", event.patient_id))
    if isinstance(event, VisitEvent | ClinicOpened | FeePriced):
        found.append(lock_key("clinic", event.clinic_id))
    if isinstance(event, AppointmentBooked | AppointmentTypePublished):
        found.append(lock_key("type", event.appointment_type_id))
    return found


SUBSCRIPTIONS = Subscriptions(
    {
        PatientRegistered: on_patient_registered,
        AppointmentBooked: on_booked,
        AppointmentRescheduled: on_rescheduled,
        AppointmentCancelled: on_cancelled,
        AppointmentNoShow: on_no_show,
        AppointmentEnteredInError: on_entered_in_error,
        PatientArrived: on_arrived,
        ClinicOpened: on_clinic_opened,
        AppointmentTypePublished: on_type_published,
        FeePriced: on_fee_priced,
        ProxyGranted: on_proxy_granted,
        ProxyEnded: on_proxy_ended,
    },
    locks,
)

PROJECTIONS = {
    "proxies": Projection(("proxies",)),
    "visits": Projection(("known_visits",)),
    "patients": Projection(("known_patients",)),
    "prices": Projection(("known_clinics", "known_types", "known_fees")),
    "verdicts": Projection(
        ("visit_covers", "checks", "estimates", "estimate_revisions"),
        refused="verdicts and estimates rest on what payers answered, which is on no topic,"
        " and each was said as an event of its own.",
    ),
}
