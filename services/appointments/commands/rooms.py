"""Rooms on the day: somebody goes in, somebody leaves, somebody cleans."""

from uuid import UUID

from services.appointments.domain.rooming import (
    RoomState,
    after_leaving,
    decide_clean,
    place_in,
)
from services.appointments.queries.requirements import policy_of_visit
from services.appointments.queries.rooms import (
    room_at,
    room_now,
    state_row,
    stay_of,
    stays_in,
)
from services.appointments.tables import Appointment, Room, RoomStay
from services.appointments.tables import RoomState as StateRow
from shared.db.work import Work


async def enter(work: Work, row: Appointment, room_id: UUID) -> None:
    """Take a place in a room of the visit's clinic.

    Raises NotFound ``room.not_found``; Conflict ``room.occupied``, ``room.to_be_cleaned``.
    """
    room = await room_at(work, room_id, row.clinic_id)
    place = place_in(await room_now(work, room))
    work.add(
        RoomStay(
            id=work.new_id(f"stay/{row.id}/{room.id}"),
            network_id=work.network_id,
            room_id=room.id,
            clinic_id=room.clinic_id,
            appointment_id=row.id,
            place=place,
            entered_at=work.now,
            entered_by=str(work.actor),
        )
    )
    await _set_state(work, room, RoomState.OCCUPIED)


async def leave(work: Work, row: Appointment) -> UUID | None:
    """Give back the room that a visit is in; which one, None where it is in none.

    It is sent at once, so that another room can be taken in the same work.
    """
    stay = await stay_of(work, row.id)
    if stay is None:
        return None
    room = await room_at(work, stay.room_id)
    others = [other.place for other in await stays_in(work, room.id) if other.id != stay.id]
    stay.left_at = work.now
    work.save(stay)
    cleaned = (await policy_of_visit(work, row)).rooms_cleaned
    await _set_state(work, room, after_leaving(others, cleaned_between=cleaned))
    await work.flush()
    return room.id


async def clean(work: Work, room_id: UUID) -> tuple[Room, RoomState]:
    """A room was cleaned and is free. Raises NotFound; Conflict ``room.occupied``."""
    room = await room_at(work, room_id)
    now = (await room_now(work, room)).state
    after = decide_clean(now)
    if after is not now:
        await _set_state(work, room, after)
    return room, after


async def _set_state(work: Work, room: Room, state: RoomState) -> None:
    """Keep how a room stands, since when, and by whom."""
    row = await state_row(work, room.id)
    if row is None:
        work.add(
            StateRow(
                network_id=work.network_id,
                room_id=room.id,
                clinic_id=room.clinic_id,
                state=state.value,
                since=work.now,
                changed_by=str(work.actor),
            )
        )
    elif row.state != state:
        row.state, row.since, row.changed_by = state.value, work.now, str(work.actor)
        work.save(row)
