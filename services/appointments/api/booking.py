"""Routes of availability and booking."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.appointments.api.routes import ROUTES
from services.appointments.commands import booking, holds
from services.appointments.commands.places import Request
from services.appointments.domain.slots import Question
from services.appointments.queries import availability, visits
from services.appointments.schemas.visits import (
    AppointmentPage,
    AppointmentView,
    AvailabilityView,
    BookAppointment,
    EmptyView,
    FindSlots,
    ListAppointments,
    MoveList,
    MoveView,
    SlotView,
)
from services.appointments.tables import Appointment, AppointmentMove
from shared.contracts.permissions import Permission as May
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.values.errors import DomainError, Invalid
from shared.values.interval import Interval
from shared.values.zones import day_bounds, zone
from shared.web.calls import Call, Reply, created
from shared.web.pages import read_cursor, sign_cursor

WINDOW = timedelta(days=14)
BOOKING_REFUSALS = (
    "slot.taken", "slot.outside_schedule", "patient.overlap", "overbook.quota_used",
    "appointment.in_past", "appointment.too_far", "provider.inactive", "time.naive",
    "time.nonexistent", "time.ambiguous", "time.offset", "interval.reversed", "interval.too_long",
    "booking.for_the_desk",
)  # fmt: skip
HOLD_REFUSALS = (
    "hold.anothers", "hold.expired", "hold.released", "hold.taken", "hold.other_place",
)  # fmt: skip


def _request(call: Call[BookAppointment]) -> Request:
    return Request(**vars(call.given))


def may_overbook(call: Call[Any]) -> bool:
    """Whether the caller may book above the capacity."""
    return May.APPOINTMENT_OVERBOOK in call.principal.permissions


def _book_locks(call: Call[Any]) -> Sequence[LockKey]:
    return holds.take_locks(_request(call))


async def _instead(work: Work, call: Call[Any], error: DomainError) -> Mapping[str, Any]:
    """Up to three slots near the one that is taken."""
    if error.code not in ("slot.taken", "slot.outside_schedule", "patient.overlap"):
        return {}
    given = call.given
    if given.starts_at.tzinfo is None or not isinstance(given, BookAppointment):
        return {}
    near = Interval(given.starts_at, given.starts_at + timedelta(minutes=1))
    slots = await availability.slots_near(
        work, given.clinic_id, given.provider_id, given.appointment_type_id, near
    )
    name = await visits.clinic_zone(work, given.clinic_id)
    return {"alternatives": [SlotView.of(slot, name).model_dump(mode="json") for slot in slots]}


@ROUTES.post(
    "/v1/appointments",
    may=May.APPOINTMENT_BOOK,
    body=BookAppointment,
    reply=AppointmentView,
    status=201,
    refuses=(*BOOKING_REFUSALS, *HOLD_REFUSALS),
    locks=_book_locks,
    enrich=_instead,
)
async def book_appointment(work: Work, call: Call[BookAppointment]) -> Reply:
    """Book a visit, or turn a hold into one: `hold_id` names it, and asking twice makes one visit.

    A conflict carries up to three `alternatives`. Time is judged in the clinic's zone: one that
    its clocks skip or show twice is refused with two `proposals`.
    """
    call.concerns(call.given.patient_id)
    request, may = _request(call), may_overbook(call)
    if request.hold_id is None:
        row, time_zone = await booking.book(work, request, may_overbook=may)
    else:
        row, time_zone = await holds.take(work, request.hold_id, request, may_overbook=may)
    view = AppointmentView.of(row, time_zone)
    return created(view, f"/v1/appointments/{row.id}", row.version)


async def _view(work: Work, row: Appointment) -> Reply:
    name = await visits.clinic_zone(work, row.clinic_id)
    return Reply(AppointmentView.of(row, name), version=row.version)


@ROUTES.get("/v1/appointments/{appointment_id}", may=May.APPOINTMENT_READ, reply=AppointmentView)
async def read_appointment(work: Work, call: Call[None]) -> Reply:
    """One visit."""
    row = await visits.visit(work, call.id("appointment_id"))
    call.concerns(row.patient_id)
    return await _view(work, row)


@ROUTES.get("/v1/appointments/{appointment_id}/moves", may=May.APPOINTMENT_READ, reply=MoveList)
async def list_moves(work: Work, call: Call[None]) -> Reply:
    """Where a visit has been before."""
    row = await visits.visit(work, call.id("appointment_id"))
    call.concerns(row.patient_id)
    moves = await work.load_where(AppointmentMove, "appointment_id = $2 ORDER BY move", row.id)
    names = MoveView.model_fields
    return Reply(MoveList(items=[MoveView(**{n: getattr(m, n) for n in names}) for m in moves]))


@ROUTES.get(
    "/v1/appointments", may=May.APPOINTMENT_READ, query=ListAppointments, reply=AppointmentPage
)
async def list_appointments(work: Work, call: Call[ListAppointments]) -> Reply:
    """Visits of a clinic on a local day, or of a patient, by start."""
    given = call.given
    if given.patient_id is not None:
        call.concerns(given.patient_id)
    since = until = None
    if given.day is not None:
        if given.clinic_id is None:
            raise Invalid("query.clinic_needed", "A day is of a clinic.", pointer="/clinic_id")
        named = await visits.named_zone(work, given.clinic_id, given.patient_id)
        since, until = day_bounds(given.day, zone(named))
    if given.clinic_id is None and given.patient_id is None:
        raise Invalid("query.too_wide", "Name a clinic or a patient.", pointer="/clinic_id")
    after = (
        _position(read_cursor(call.cursor_secret, given.cursor))
        if given.cursor is not None
        else None
    )
    wanted = visits.VisitFilter(given.clinic_id, given.patient_id, since, until)
    rows = await visits.list_visits(work, wanted, after, given.limit + 1, work.actor)
    page = rows[: given.limit]
    call.concerns(*(row.patient_id for row in page))
    last = page[-1] if len(rows) > given.limit else None
    position = f"{last.starts_at.isoformat()}|{last.id}" if last else None
    zones = {c: await visits.clinic_zone(work, c) for c in {row.clinic_id for row in page}}
    return Reply(
        AppointmentPage(
            items=[AppointmentView.of(row, zones[row.clinic_id]) for row in page],
            next=sign_cursor(call.cursor_secret, position) if position else None,
        )
    )


def _position(text: str) -> tuple[datetime, UUID]:
    moment, _, key = text.partition("|")
    return datetime.fromisoformat(moment), UUID(key)


@ROUTES.get("/v1/availability", may=May.APPOINTMENT_READ, query=FindSlots, reply=AvailabilityView)
async def find_slots(work: Work, call: Call[FindSlots]) -> Reply:
    """The times that can be booked, over several providers, or why there are none."""
    given = call.given
    time_zone = await visits.named_zone(work, given.clinic_id)
    patient = None
    if given.patient_id is not None:
        call.concerns(given.patient_id)
        patient = await visits.one_known_patient(work, given.patient_id)
    known = given.known_patient
    since = given.since or work.now
    question = Question(
        window=Interval(since, given.until or since + WINDOW),
        type=await availability.load_type(work, given.appointment_type_id),
        known_patient=(patient is not None and patient.visits > 0) if known is None else known,
        grid=timedelta(minutes=int(given.grid_minutes)),
        patient_id=given.patient_id,
        limit=given.limit,
    )
    found = await availability.slots_for(work, question, given.clinic_id, given.provider_id)
    view = AvailabilityView(
        slots=[SlotView.of(slot, time_zone) for slot in found.slots],
        more=found.more,
        empty=[EmptyView(provider_id=w.provider_id, reason=w.reason.value) for w in found.why],
        time_zone=time_zone,
    )
    return Reply(view)


async def view_saved(work: Work, row: Appointment) -> Reply:
    """The view of a row as it will stand: the version goes up when it is flushed."""
    await work.flush()
    return await _view(work, row)
