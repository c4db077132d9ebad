"""Ask the desk for a time, and what the desk makes of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from uuid import UUID

from services.appointments import events
from services.appointments.commands.booking import book, book_locks
from services.appointments.commands.places import Request
from services.appointments.domain.booking import BookingPolicy, months_after
from services.appointments.domain.requests import (
    DeclineReason,
    RequestState,
    asked_already,
    checked_times,
    mode_at,
    require_askable,
    require_open,
    stands_at,
)
from services.appointments.queries import requests as read
from services.appointments.queries import visits
from services.appointments.queries.rules import rules_for
from services.appointments.tables import (
    Appointment,
    AppointmentRequest,
    AppointmentType,
    ProviderClinic,
)
from shared.contracts.envelope import Event
from shared.db.locks import LockKey, lock_key
from shared.db.work import Work
from shared.values.errors import Invalid, NotFound, NotYetHeard
from shared.values.zones import instant_in, zone

REQUEST_EXPIRY = "request_expiry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A time asked for. wished: as the caller gave them; the clinic's zone judges them."""

    patient_id: UUID
    clinic_id: UUID
    appointment_type_id: UUID
    provider_id: UUID | None
    wished: Sequence[datetime]
    note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """The time that the desk books. provider_id: None for the one whom the patient named."""

    starts_at: datetime
    ends_at: datetime | None = None
    provider_id: UUID | None = None
    room_id: UUID | None = None
    modality: str = "in_person"


def request_lock(request_id: UUID) -> Sequence[LockKey]:
    """What an end of a request changes."""
    return (lock_key("appointment_request", request_id),)


async def ask_locks(work: Work, patient_id: UUID, type_id: UUID) -> Sequence[LockKey]:
    """What asking changes: the patient's requests, and the open one that may have run out."""
    row = await read.open_request(work, patient_id, type_id)
    mine = lock_key("requests-of", patient_id)
    return (mine,) if row is None else (mine, *request_lock(row.id))


async def ask(work: Work, asked: Asked) -> AppointmentRequest:
    """Ask the desk for a time. It is nobody's until the desk books it. Under `ask_locks`.

    Raises NotFound, NotYetHeard; Forbidden ``appointment_request.view_only``; Invalid for times
    that are none; Conflict ``appointment_request.open`` where one is open for this kind of visit.
    """
    in_zone = zone(await visits.named_zone(work, asked.clinic_id))
    if await work.load(AppointmentType, asked.appointment_type_id) is None:
        raise NotFound("appointment_type.not_found", "There is no such appointment type.")
    await _require_provider(work, asked)
    patient = await visits.one_known_patient(work, asked.patient_id)
    if patient is None or not patient.registered:
        raise NotYetHeard("patient.not_found", "There is no such patient.")
    wished = [instant_in(at, in_zone) for at in asked.wished]
    today = work.now.astimezone(in_zone).date()
    last_day = months_after(today, BookingPolicy().months_ahead)
    checked_times(wished, work.now, datetime.combine(last_day, time.max, in_zone).astimezone(UTC))
    rules = await rules_for(work, [asked.clinic_id], asked.appointment_type_id)
    where = (asked.clinic_id, asked.appointment_type_id, asked.provider_id, in_zone)
    modes = [mode_at(rules, *where, at) for at in wished]
    require_askable(modes, self_service=work.actor.patient_ids is not None)
    await _none_open(work, asked)
    row = work.create(
        AppointmentRequest,
        id=work.new_id("appointment_request"),
        network_id=work.network_id,
        patient_id=asked.patient_id,
        clinic_id=asked.clinic_id,
        appointment_type_id=asked.appointment_type_id,
        provider_id=asked.provider_id,
        wished=wished,
        last_wished=max(wished),
        note=asked.note,
        made_at=work.now,
        made_by=str(work.actor),
    )
    work.say(events.request_made(row), of=row)
    work.timer(REQUEST_EXPIRY, row.id, row.last_wished)
    return row


async def accept_locks(work: Work, request_id: UUID, picked: Picked) -> Sequence[LockKey]:
    """What accepting changes: the request, and the time that the visit takes."""
    row = await read.found_request(work, request_id)
    return (*request_lock(row.id), *book_locks(_booking(row, picked)))


async def accept(
    work: Work, request_id: UUID, picked: Picked
) -> tuple[AppointmentRequest, Appointment, str]:
    """Book what was asked for, by every rule of booking. The request, the visit, and its zone.

    Under `accept_locks`. Accepting twice gives the same visit. Raises Conflict for one that is
    over, and what a booking raises; the request stays open then.
    """
    row = await read.found_request(work, request_id)
    if row.appointment_id is not None:
        made = await visits.visit(work, row.appointment_id)
        return row, made, await visits.clinic_zone(work, made.clinic_id)
    _require_open(work, row)
    made, name = await book(work, _booking(row, picked))
    row.appointment_id = made.id
    _end(work, row, RequestState.ACCEPTED, events.request_accepted(row, made.id))
    return row, made, name


async def decline(work: Work, request_id: UUID, reason: DeclineReason) -> AppointmentRequest:
    """Say no, and why. Declining twice changes nothing. Raises Conflict for one that is over."""
    row = await read.found_request(work, request_id)
    if row.state == RequestState.DECLINED:
        return row
    _require_open(work, row)
    row.reason = reason.value
    _end(work, row, RequestState.DECLINED, events.request_declined(row))
    return row


async def withdraw(work: Work, request_id: UUID) -> AppointmentRequest:
    """Take it back. Twice changes nothing. Raises Conflict for one that is over."""
    row = await read.found_request(work, request_id)
    if row.state == RequestState.WITHDRAWN:
        return row
    _require_open(work, row)
    _end(work, row, RequestState.WITHDRAWN, events.request_withdrawn(row))
    return row


async def request_due(work: Work, request_id: UUID) -> None:
    """What the timer does: the last of the times wished for has passed. Under `request_lock`."""
    row = await work.load(AppointmentRequest, request_id)
    if row is not None and _stands(work, row) is RequestState.EXPIRED and row.ended_at is None:
        _end(work, row, RequestState.EXPIRED, events.request_expired(row))


async def _require_provider(work: Work, asked: Asked) -> None:
    if asked.provider_id is None:
        return
    where = "provider_id = $2 AND clinic_id = $3"
    if not await work.load_where(ProviderClinic, where, asked.provider_id, asked.clinic_id):
        raise NotFound("provider.not_found", "There is no such provider at this clinic.")


async def _none_open(work: Work, asked: Asked) -> None:
    """One that has run out and is not noted yet is noted here."""
    row = await read.open_request(work, asked.patient_id, asked.appointment_type_id)
    if row is not None and _stands(work, row) is RequestState.EXPIRED:
        _end(work, row, RequestState.EXPIRED, events.request_expired(row))
        await work.flush()
        row = None
    if row is not None:
        raise asked_already()


def _booking(row: AppointmentRequest, picked: Picked) -> Request:
    provider_id = picked.provider_id or row.provider_id
    if provider_id is None:
        title = "No provider was asked for: say who it is with."
        raise Invalid("appointment_request.provider", title, pointer="/provider_id")
    return Request(
        patient_id=row.patient_id,
        clinic_id=row.clinic_id,
        provider_id=provider_id,
        appointment_type_id=row.appointment_type_id,
        starts_at=picked.starts_at,
        ends_at=picked.ends_at,
        room_id=picked.room_id,
        modality=picked.modality,
    )


def _stands(work: Work, row: AppointmentRequest) -> RequestState:
    return stands_at(RequestState(row.state), row.last_wished, work.now)


def _require_open(work: Work, row: AppointmentRequest) -> None:
    require_open(_stands(work, row))


def _end(work: Work, row: AppointmentRequest, state: RequestState, said: Event) -> None:
    row.state, row.ended_at, row.ended_by = state.value, work.now, str(work.actor)
    work.save(row)
    work.say(said, of=row)
    work.cancel_timer(REQUEST_EXPIRY, row.id)
