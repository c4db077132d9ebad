"""What payments hears; each function turns an event into a command."""

from collections.abc import Sequence

from services.payments.commands import hearsay
from services.payments.commands.charges import visit_lock
from services.payments.tables import Estimate, ProxyEntry
from shared.bus.process import Subscriptions
from shared.bus.projections import Projection
from shared.contracts.appointments import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentEnteredInError,
    AppointmentNoShow,
    AppointmentRescheduled,
    ClinicOpened,
    PatientArrived,
    PatientCheckedIn,
    VisitCheckedOut,
    VisitEvent,
    VisitStepUndone,
)
from shared.contracts.eligibility import EstimateCreated
from shared.contracts.envelope import Envelope, Event
from shared.contracts.patients import PatientRegistered, ProxyEnded, ProxyGranted
from shared.db.locks import LockKey, lock_key
from shared.db.proxies import note_ended, note_granted
from shared.db.work import Work


async def on_clinic_opened(work: Work, _: Envelope, event: ClinicOpened) -> None:
    """Its zone says which day it is there."""
    await hearsay.note_clinic(work, event.clinic_id, event.time_zone, event.currency)


async def on_patient_registered(work: Work, _: Envelope, event: PatientRegistered) -> None:
    """A person may now be charged and may pay."""
    await hearsay.note_patient(work, event.patient_id, event.registered_at)


async def on_booked(work: Work, _: Envelope, event: AppointmentBooked) -> None:
    """There is a visit to charge one day."""
    await hearsay.note_booking(
        work, event.appointment_id, event.patient_id, event.clinic_id, event.starts_at
    )


async def on_rescheduled(work: Work, _: Envelope, event: AppointmentRescheduled) -> None:
    """The visit falls on another day, or is at another clinic."""
    row = await hearsay.known_visit(work, event.appointment_id)
    row.starts_at, row.clinic_id = event.starts_at, event.clinic_id


async def on_cancelled(work: Work, _: Envelope, event: AppointmentCancelled) -> None:
    """There will be nothing to charge."""
    (await hearsay.known_visit(work, event.appointment_id)).state = "cancelled"


async def on_no_show(work: Work, _: Envelope, event: AppointmentNoShow) -> None:
    """There was nothing to charge."""
    (await hearsay.known_visit(work, event.appointment_id)).state = "no_show"


async def on_arrived(work: Work, _: Envelope, event: PatientArrived) -> None:
    """There may be something to charge after all."""
    if event.after_no_show:
        (await hearsay.known_visit(work, event.appointment_id)).state = "booked"


async def on_step_undone(work: Work, _: Envelope, event: VisitStepUndone) -> None:
    """Nobody was checked in: the visit is one to come."""
    if event.step == "checked_in":
        (await hearsay.known_visit(work, event.appointment_id)).state = "booked"


async def on_entered_in_error(work: Work, _: Envelope, event: AppointmentEnteredInError) -> None:
    """There never was such a visit: the day does not wait for its charge."""
    row = await hearsay.known_visit(work, event.appointment_id)
    row.state, row.checked_out_at = "cancelled", None


async def on_checked_in(work: Work, _: Envelope, event: PatientCheckedIn) -> None:
    """The visit may be charged."""
    (await hearsay.known_visit(work, event.appointment_id)).state = "checked_in"


async def on_checked_out(work: Work, _: Envelope, event: VisitCheckedOut) -> None:
    """From now on the day is not closed without a charge or a reason for none."""
    row = await hearsay.known_visit(work, event.appointment_id)
    row.state, row.checked_out_at = "checked_out", event.checked_out_at


async def on_estimate(work: Work, _: Envelope, event: EstimateCreated) -> None:
    """What the patient is expected to pay at the desk."""
    heard = Estimate(
        network_id=work.network_id,
        appointment_id=event.appointment_id,
        estimate_id=event.estimate_id,
        patient_id=event.patient_id,
        patient_cents=event.patient_cents,
        copay_cents=event.copay_cents,
        currency=event.currency,
        created_at=event.created_at,
    )
    await hearsay.note_estimate(work, heard)


async def on_proxy_granted(work: Work, _: Envelope, event: ProxyGranted) -> None:
    """Somebody may act for a patient."""
    note_granted(work, ProxyEntry, event)


async def on_proxy_ended(work: Work, _: Envelope, event: ProxyEnded) -> None:
    """They may not any more."""
    await note_ended(work, ProxyEntry, event)


def locks(event: Event) -> Sequence[LockKey]:
    """What the handlers above change: one row each, so they agree in every order."""
    if isinstance(event, VisitEvent):
        return (visit_lock(event.appointment_id),)
    if isinstance(event, EstimateCreated):
        return (lock_key("estimate", event.appointment_id),)
    if isinstance(event, ProxyGranted | ProxyEnded):
        return (lock_key("proxy", event.proxy_id),)
    if isinstance(event, PatientRegistered):
        return (lock_key("known-patient", event.patient_id),)
    if isinstance(event, ClinicOpened):
        return (lock_key("known-clinic", event.clinic_id),)
    return ()


SUBSCRIPTIONS = Subscriptions(
    {
        ClinicOpened: on_clinic_opened,
        PatientRegistered: on_patient_registered,
        AppointmentBooked: on_booked,
        AppointmentRescheduled: on_rescheduled,
        AppointmentCancelled: on_cancelled,
        AppointmentNoShow: on_no_show,
        AppointmentEnteredInError: on_entered_in_error,
        PatientArrived: on_arrived,
        VisitStepUndone: on_step_undone,
        PatientCheckedIn: on_checked_in,
        VisitCheckedOut: on_checked_out,
        EstimateCreated: on_estimate,
        ProxyGranted: on_proxy_granted,
        ProxyEnded: on_proxy_ended,
    },
    locks,
)

PROJECTIONS = {
    "proxies": Projection(("proxies",)),
    "visits": Projection(("known_visits", "estimates")),
    "patients": Projection(("known_patients",)),
    "clinics": Projection(("known_clinics",)),
}
