"""Reading rooms as they stand on the day."""

from dataclasses import dataclass
from uuid import UUID

from services.appointments.domain.rooming import RoomNow
from services.appointments.domain.rooming import RoomState as State
from services.appointments.tables import Appointment, Room, RoomState, RoomStay
from shared.db.actor import at_clinic
from shared.db.work import Work
from shared.values.errors import NotFound


async def room_at(work: Work, room_id: UUID, clinic_id: UUID | None = None) -> Room:
    """A room of the caller's clinics, and of the one that is named. Raises NotFound."""
    row = await work.load(Room, room_id)
    there = row is not None and at_clinic(work.actor, row.clinic_id)
    if row is None or not there or clinic_id not in (None, row.clinic_id):
        raise NotFound("room.not_found", "There is no such room at this clinic.")
    return row


async def stay_of(work: Work, appointment_id: UUID) -> RoomStay | None:
    """The room that a visit is in now."""
    where = "appointment_id = $2 AND left_at IS NULL"
    rows = await work.load_where(RoomStay, where, appointment_id)
    return rows[0] if rows else None


async def stays_in(work: Work, room_id: UUID) -> list[RoomStay]:
    """The visits that are in a room now."""
    return await work.load_where(RoomStay, "room_id = $2 AND left_at IS NULL", room_id)


async def state_row(work: Work, room_id: UUID) -> RoomState | None:
    """How a room stands; None for one that nobody has used yet, which is free."""
    rows = await work.load_where(RoomState, "room_id = $2", room_id)
    return rows[0] if rows else None


async def room_now(work: Work, room: Room) -> RoomNow:
    """A room as its rule sees it."""
    state = await state_row(work, room.id)
    taken = frozenset(stay.place for stay in await stays_in(work, room.id))
    return RoomNow(room.capacity, taken, State(state.state) if state else State.FREE)


@dataclass(frozen=True, slots=True)
class RoomOnBoard:
    """A room on the board of its clinic: how it stands, and the visits in it."""

    room: Room
    state: RoomState | None
    visits: tuple[tuple[RoomStay, Appointment], ...]


async def board(work: Work, clinic_id: UUID) -> list[RoomOnBoard]:
    """The rooms of a clinic, in the order in which they fill up."""
    rooms = await work.load_where(Room, "clinic_id = $2 ORDER BY position, id", clinic_id)
    states = {r.room_id: r for r in await work.load_where(RoomState, "clinic_id = $2", clinic_id)}
    where = "clinic_id = $2 AND left_at IS NULL ORDER BY place"
    stays = await work.load_where(RoomStay, where, clinic_id)
    ids = [stay.appointment_id for stay in stays]
    rows = await work.load_where(Appointment, "id = ANY($2)", ids) if ids else []
    visits = {row.id: row for row in rows}
    return [
        RoomOnBoard(
            room,
            states.get(room.id),
            tuple((stay, visits[stay.appointment_id]) for stay in stays if stay.room_id == room.id),
        )
        for room in rooms
    ]
