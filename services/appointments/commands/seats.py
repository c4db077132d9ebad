"""The seats of group sessions: who takes or holds one, and what it occupies."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
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
from services.appointments.domain.rules import Rule, RuleKind
from services.appointments.queries import sessions as read
from services.appointments.queries.booking_facts import Known
from services.appointments.tables import Appointment, Hold, Occupancy, Session
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


@dataclass(frozen=True, slots=True)
class _Decided:
    session: Session
    seat: rules.Seat
    by: Sequence[Rule]
    known: Known


async def _decide(
    work: Work,
    session_id: UUID,
    patient_id: UUID,
    overlap_reason: str | None = None,
    instead_of: UUID | None = None,
) -> _Decided:
    """The seat of a patient, by all rules, once holds that are over or give way are freed."""
    session = await read.one_session(work, session_id)
    wanted = replace(
        wanted_of(session, session.starts_at), patient_id=patient_id,
        overlap_reason=overlap_reason, further_provider_ids=(),
    )  # fmt: skip
    known = await facts_of(work, wanted, may_overbook=False)
    if instead_of is not None:
        known = known.waiving(RuleKind.LEAD_TIME)
    found = read.rule_of(session, await read.seats_of(work, session_id))
    seats, _ = await read.taken_of(work, ResourceKind.SESSION, [session_id], found.interval)
    theirs, over = await read.taken_of(work, ResourceKind.PATIENT, [patient_id], found.interval)
    calendar = Calendar([*seats, *theirs], ignoring=instead_of)
    with naming_rules():
        require_desk(work.actor, wanted)
        seat = rules.decide_seat(found, patient_id, calendar, work.now, overlap_reason)
        wish = wish_of(work, wanted, known)
        decided = rules.rules_of_seat(found, wish, known.facts, work.now)
    await free_held(work, (*over, *([instead_of] if instead_of else [])))
    return _Decided(session, seat, decided, known)


async def hold_seat(
    work: Work, session_id: UUID, patient_id: UUID, lasts: timedelta
) -> tuple[Hold, str]:
    """Hold a seat for somebody who is to be offered it. Also the clinic's zone.

    Raises as `take_seat`.
    """
    found = await _decide(work, session_id, patient_id)
    session, until = found.session, work.now + lasts
    row = work.create(
        Hold,
        id=work.new_id("hold"),
        network_id=work.network_id,
        patient_id=patient_id,
        **_place_of(session),
        purpose="offer",
        held_by=str(work.actor),
        held_at=work.now,
        expires_at=until,
    )
    _occupy(work, session, found.seat, patient_id, str(row.id), hold_id=row.id, expires_at=until)
    return row, found.known.facts.zone.key


async def take_seat(
    work: Work,
    session_id: UUID,
    patient_id: UUID,
    overlap_reason: str | None = None,
    *,
    instead_of: UUID | None = None,
) -> tuple[Appointment, str]:
    """Take a seat for a patient: a visit of its own. Also the clinic's zone. Under `seat_locks`.

    instead_of: the hold whose place it takes.
    Raises Forbidden, NotFound, NotYetHeard, what `decide_seat` raises, and what rules refuse.
    """
    found = await _decide(work, session_id, patient_id, overlap_reason, instead_of)
    session, seat, known = found.session, found.seat, found.known
    row = work.create(
        Appointment,
        id=work.new_id("appointment"),
        network_id=work.network_id,
        patient_id=patient_id,
        **_place_of(session),
        seat=seat.number,
        utc_offset_minutes=session.utc_offset_minutes,
        new_patient=not known.known_patient,
        self_booked=work.actor.patient_ids is not None,
        overlap_reason=seat.overlap_reason,
        decided_by=decided_by(found.by),
        booked_at=work.now,
    )
    occupy(work, row, session, seat.patient_lane)
    work.say(events.booked(row), of=row)
    work.timer(NO_SHOW, row.id, due_at(Interval(row.starts_at, row.ends_at)))
    plan_anew(work, row.id)
    return row, known.facts.zone.key


def _place_of(session: Session) -> dict[str, Any]:
    """The columns in which whatever is of a session is as the session is."""
    same = ("clinic_id", "provider_id", "appointment_type_id", "room_id", "starts_at", "ends_at")
    return {"session_id": session.id, **{name: getattr(session, name) for name in same}}


def occupy(work: Work, seat: Appointment, session: Session, patient_lane: int) -> None:
    """The rows of a seat: its lane of the session, and the patient's time."""
    taken = rules.Seat(seat.seat or 0, patient_lane, None)
    named = f"{seat.id}/{seat.moves}"
    _occupy(work, session, taken, seat.patient_id, named, appointment_id=seat.id)


def _occupy(
    work: Work, session: Session, seat: rules.Seat, patient_id: UUID, named: str, **owner: Any
) -> None:
    taken = rules.seat_occupancies(read.rule_of(session), seat, patient_id)
    common = {
        "network_id": work.network_id,
        "starts_at": session.starts_at,
        "ends_at": session.ends_at,
        "active": True,
        **owner,
    }
    of_seat = {"seat_of": session.id, "seats": session.seats}
    work.insert(
        Occupancy,
        [
            {
                **common,
                "id": work.new_id(f"occupancy/{named}/{row.kind}"),
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
