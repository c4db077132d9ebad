"""The route of availability."""

from datetime import datetime, timedelta
from uuid import UUID

from services.appointments.api.routes import ROUTES
from services.appointments.domain.resources import Modality
from services.appointments.domain.rules import self_booking_at
from services.appointments.domain.slots import Place, Question
from services.appointments.queries import availability, visits
from services.appointments.queries.booking_facts import load_type
from services.appointments.schemas.availability import (
    AvailabilityView,
    EmptyView,
    FindSlots,
    SlotView,
)
from shared.contracts.permissions import Permission as May
from shared.db.work import Work
from shared.values.interval import Interval
from shared.web.calls import Call, Reply
from shared.web.pages import read_cursor, sign_cursor

WINDOW = timedelta(days=14)


@ROUTES.get(
    "/v1/availability",
    may=May.APPOINTMENT_READ,
    query=FindSlots,
    reply=AvailabilityView,
    refuses=("modality.not_offered", "availability.window", "cursor.invalid"),
)
async def find_slots(work: Work, call: Call[FindSlots]) -> Reply:
    """The times that can be booked, over several providers and clinics, or why there are none."""
    given = call.given
    time_zone = await visits.named_zone(work, given.clinic_id[0])
    if given.patient_id is not None:
        call.concerns(given.patient_id)
    question = await _question(work, call)
    where = availability.Where(given.clinic_id, given.provider_id, given.room_id)
    found = await availability.slots_for(work, question, where)
    shown = found.availability
    last = shown.slots[-1].place if shown.more else None
    mode = self_booking_at(
        found.rules, found.zones, given.appointment_type_id, question.window.start
    )
    view = AvailabilityView(
        slots=[SlotView.of(slot, found.zones[slot.clinic_id].key) for slot in shown.slots],
        more=shown.more,
        next=_signed(call, last, question.window.end) if last is not None else None,
        empty=[
            EmptyView(provider_id=w.provider_id, clinic_id=w.clinic_id, reason=w.reason)
            for w in shown.why
        ],
        searched_until=found.searched_until,
        self_booking=mode.value,
        time_zone=time_zone,
    )
    return Reply(view)


async def _question(work: Work, call: Call[FindSlots]) -> Question:
    given, after = call.given, None
    since = given.since or work.now
    until = given.until or since + WINDOW
    if given.cursor is not None:
        after, until = _position(read_cursor(call.cursor_secret, given.cursor))
        since = after[0]
    patient = None
    if given.patient_id is not None:
        patient = await visits.one_known_patient(work, given.patient_id)
    known = given.known_patient
    return Question(
        window=Interval(since, until),
        type=await load_type(work, given.appointment_type_id),
        known_patient=(patient is not None and patient.visits > 0) if known is None else known,
        grid=timedelta(minutes=int(given.grid_minutes)),
        patient_id=given.patient_id,
        limit=given.limit,
        self_service=work.actor.patient_ids is not None,
        modality=Modality(given.modality),
        any_room=bool(given.room_id),
        after=after,
    )


def _signed(call: Call[FindSlots], place: Place, until: datetime) -> str:
    at, provider_id, clinic_id = place
    position = f"{at.isoformat()}|{provider_id}|{clinic_id}|{until.isoformat()}"
    return sign_cursor(call.cursor_secret, position)


def _position(text: str) -> tuple[Place, datetime]:
    at, provider_id, clinic_id, until = text.split("|")
    place = (datetime.fromisoformat(at), UUID(provider_id), UUID(clinic_id))
    return place, datetime.fromisoformat(until)
