"""The seats of group sessions: who takes one, and what it occupies."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from services.appointments import events
from services.appointments.commands.booking import NO_SHOW
from services.appointments.commands.places import (
    Wanted,
    decided_by,
    facts_of,
    free_held,
    require_desk,
    wish_of,
)
from services.appointments.commands.reminders import plan_anew
from services.appointments.domain import session as rules
from services.appointments.domain.explain import naming_rules
from services.appointments.domain.no_show import due_at
from services.appointments.domain.occupancy import Calendar, ResourceKind
from services.appointments.queries import sessions as read
from services.appointments.tables import Appointment, Occupancy, Session
from shared.db.locks import LockKey, lock_key
from shared.db.work import Work
from shared.values.interval import Interval


async def seat_locks(work: Work, session_id: UUID, patient_id: UUID) -> Sequence[LockKey]:
    """What taking a seat changes: the session's seats, the patient's time, and what caps count."""
    session = await read.one_session(work, session_id)
    return (
        lock_key("session", session_id),
        lock_key("patient", patient_id),
        lock_key("provider", session.provider_id),
        lock_key("rooms", session.clinic_id),
    )


async def take_seat(
    work: Work, session_id: UUID, patient_id: UUID, overlap_reason: str | None = None
) -> tuple[Appointment, str]:
    """Take a seat for a patient: a visit of its own. Also the clinic's zone. Under `seat_locks`.

    Raises Forbidden, NotFound, NotYetHeard, what `decide_seat` raises, and what rules refuse.
    """
    session = await read.one_session(work, session_id)
    wanted = replace(
        wanted_of(session, session.starts_at), patient_id=patient_id,
        overlap_reason=overlap_reason, further_provider_ids=(),
    )  # fmt: skip
    known = await facts_of(work, wanted, may_overbook=False)
    found = read.rule_of(session, await read.seats_of(work, session_id))
    seats, _ = await read.taken_of(work, ResourceKind.SESSION, [session_id], found.interval)
    theirs, over = await read.taken_of(work, ResourceKind.PATIENT, [patient_id], found.interval)
    calendar = Calendar([*seats, *theirs])
    with naming_rules():
        require_desk(work.actor, wanted)
        seat = rules.decide_seat(found, patient_id, calendar, work.now, overlap_reason)
        wish = wish_of(work, wanted, known)
        decided = rules.rules_of_seat(found, wish, known.facts, work.now)
    await free_held(work, over)
    row = work.create(
        Appointment,
        id=work.new_id("appointment"),
        network_id=work.network_id,
        patient_id=patient_id,
        clinic_id=session.clinic_id,
        provider_id=session.provider_id,
        appointment_type_id=session.appointment_type_id,
        room_id=session.room_id,
        session_id=session.id,
        seat=seat.number,
        starts_at=session.starts_at,
        ends_at=session.ends_at,
        utc_offset_minutes=session.utc_offset_minutes,
        new_patient=not known.known_patient,
        self_booked=work.actor.patient_ids is not None,
        overlap_reason=seat.overlap_reason,
        decided_by=decided_by(decided),
        booked_at=work.now,
    )
    occupy(work, row, session, seat.patient_lane)
    work.say(events.booked(row), of=row)
    work.timer(NO_SHOW, row.id, due_at(found.interval))
    plan_anew(work, row.id)
    return row, known.facts.zone.key


def occupy(work: Work, seat: Appointment, session: Session, patient_lane: int) -> None:
    """The rows of a seat: its lane of the session, and the patient's time."""
    interval = Interval(seat.starts_at, seat.ends_at)
    taken = rules.seat_occupancies(
        read.rule_of(session),
        rules.Seat(seat.seat or 0, patient_lane, None),
        seat.patient_id,
    )
    common = {
        "network_id": work.network_id,
        "starts_at": interval.start,
        "ends_at": interval.end,
        "appointment_id": seat.id,
        "active": True,
    }
    of_seat = {"seat_of": session.id, "seats": session.seats}
    work.insert(
        Occupancy,
        [
            {
                **common,
                "id": work.new_id(f"occupancy/{seat.id}/{seat.moves}/{row.kind}"),
                "resource_kind": row.kind.value,
                "resource_id": row.resource_id,
                "lane": row.lane,
                **(of_seat if row.kind is ResourceKind.SESSION else {}),
            }
            for row in taken
        ],
    )


def wanted_of(session: Session, starts_at: datetime) -> Wanted:
    """The place of a session at a time, as it would be asked for."""
    return Wanted(
        patient_id=None,
        clinic_id=session.clinic_id,
        provider_id=session.provider_id,
        appointment_type_id=session.appointment_type_id,
        starts_at=starts_at,
        further_provider_ids=session.further_provider_ids or (),
    )
