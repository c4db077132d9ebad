"""What patients hears; each function turns an event into a command."""

from collections.abc import Sequence

from services.patients.commands import hearsay, messages
from services.patients.domain.messages import MessageChannel
from shared.bus.process import Subscriptions
from shared.bus.projections import Projection
from shared.contracts.appointments import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentEnteredInError,
    AppointmentNoShow,
    AppointmentRescheduled,
    ClinicOpened,
    MessagesStopped,
    PatientArrived,
    VisitCheckedOut,
    VisitEvent,
)
from shared.contracts.envelope import Envelope, Event
from shared.db.locks import LockKey, lock_key
from shared.db.work import Work


async def on_clinic_opened(work: Work, _: Envelope, event: ClinicOpened) -> None:
    """The zone in which a clinic's days are told."""
    await hearsay.note_clinic(work, event.clinic_id, event.time_zone)


async def on_booked(work: Work, _: Envelope, event: AppointmentBooked) -> None:
    """A visit is to come."""
    await hearsay.note_booked(
        work, event.appointment_id, event.patient_id, event.clinic_id, event.starts_at
    )


async def on_rescheduled(work: Work, _: Envelope, event: AppointmentRescheduled) -> None:
    """A visit has another time or place."""
    await hearsay.note_moved(work, event.appointment_id, event.clinic_id, event.starts_at)


async def on_cancelled(work: Work, _: Envelope, event: AppointmentCancelled) -> None:
    """A visit was called off."""
    await hearsay.note_off(work, event.appointment_id, "cancelled")


async def on_no_show(work: Work, _: Envelope, event: AppointmentNoShow) -> None:
    """Nobody came."""
    await hearsay.note_off(work, event.appointment_id, "no_show")


async def on_arrived(work: Work, _: Envelope, event: PatientArrived) -> None:
    """Who had been given up is here after all."""
    if event.after_no_show:
        await hearsay.note_on_again(work, event.appointment_id)


async def on_entered_in_error(work: Work, _: Envelope, event: AppointmentEnteredInError) -> None:
    """There never was such a visit."""
    await hearsay.note_off(work, event.appointment_id, "cancelled")


async def on_checked_out(work: Work, _: Envelope, event: VisitCheckedOut) -> None:
    """A visit is over."""
    await hearsay.note_ended(work, event.appointment_id, event.checked_out_at)


async def on_messages_stopped(work: Work, _: Envelope, event: MessagesStopped) -> None:
    """A patient wants no more messages by one channel."""
    await messages.stop(work, event.patient_id, MessageChannel(event.channel))


def locks(event: Event) -> Sequence[LockKey]:
    """What the handlers above change."""
    if isinstance(event, MessagesStopped):
        return (lock_key("patient", event.patient_id),)
    if isinstance(event, VisitEvent):
        return (lock_key("known-visit", event.appointment_id),)
    if isinstance(event, ClinicOpened):
        return (lock_key("known-clinic", event.clinic_id),)
    return ()


SUBSCRIPTIONS = Subscriptions(
    {
        ClinicOpened: on_clinic_opened,
        AppointmentBooked: on_booked,
        AppointmentRescheduled: on_rescheduled,
        AppointmentCancelled: on_cancelled,
        AppointmentNoShow: on_no_show,
        AppointmentEnteredInError: on_entered_in_error,
        PatientArrived: on_arrived,
        VisitCheckedOut: on_checked_out,
        MessagesStopped: on_messages_stopped,
    },
    locks,
)

PROJECTIONS = {
    "visits": Projection(("known_visits",)),
    "clinics": Projection(("known_clinics",)),
}
