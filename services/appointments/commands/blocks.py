"""Make a block of time, and lift it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from services.appointments import events
from services.appointments.commands.schedules import works_at
from services.appointments.commands.setup import clinic
from services.appointments.domain.blocks import (
    FENCES,
    BlockKind,
    BlockWish,
    OnVisits,
    Resource,
    check_block,
    cut,
    fence_lane,
    free_pieces,
)
from services.appointments.domain.occupancy import ResourceKind
from services.appointments.domain.zones import offset_minutes
from services.appointments.queries import blocks
from services.appointments.queries.booking_facts import load_type
from services.appointments.tables import (
    Appointment,
    Block,
    BlockResource,
    Occupancy,
    Room,
    Session,
)
from shared.db.actor import at_clinic
from shared.db.locks import LockKey, lock_key
from shared.db.work import Work
from shared.values.errors import Conflict, NotFound
from shared.values.interval import Interval
from shared.values.zones import instant_in, zone


@dataclass(frozen=True, slots=True)
class Request:
    """A block as asked for; times as the caller gave them."""

    clinic_id: UUID
    kind: BlockKind
    starts_at: datetime
    ends_at: datetime
    provider_ids: tuple[UUID, ...]
    room_ids: tuple[UUID, ...]
    appointment_type_id: UUID | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class InTheWay:
    """What is in a block's way that the caller may know of, and how much else there is.

    sessions: group sessions; their seats are among the visits, and they move as a whole.
    """

    visits: list[Appointment]
    elsewhere: int
    sessions: list[Session]


def block_locks(request: Request) -> Sequence[LockKey]:
    """What a block changes: every provider's time, and the clinic's rooms."""
    keys = [lock_key("provider", provider_id) for provider_id in request.provider_ids]
    return [*keys, lock_key("rooms", request.clinic_id)] if request.room_ids else keys


async def preview(work: Work, request: Request) -> InTheWay:
    """What a block would hit; nothing is written. Raises what making it would, but for visits."""
    wish, _ = await _wish(work, request)
    others = await blocks.blocks_at(work, wish.resources, wish.interval)
    check_block(wish, OnVisits.KEEP, (), others, work.now)
    return await _in_the_way(work, wish)


async def create_block(work: Work, request: Request, on_visits: OnVisits) -> tuple[Block, InTheWay]:
    """Make a block of all its resources or of none; what is in its way stays until it is moved."""
    wish, in_zone = await _wish(work, request)
    hit = await _in_the_way(work, wish)
    others = await blocks.blocks_at(work, wish.resources, wish.interval)
    named, sessions = [row.id for row in hit.visits], [row.id for row in hit.sessions]
    unseen = hit.elsewhere and not named and not sessions
    if unseen and wish.kind not in FENCES and on_visits is OnVisits.REFUSE:
        raise Conflict("block.visits_hit", "There are visits at another clinic at that time.")
    check_block(wish, on_visits, named, others, work.now, sessions)
    row = Block(
        id=work.new_id("block"),
        network_id=work.network_id,
        clinic_id=request.clinic_id,
        kind=wish.kind.value,
        starts_at=wish.interval.start,
        ends_at=wish.interval.end,
        utc_offset_minutes=offset_minutes(wish.interval.start, in_zone),
        end_utc_offset_minutes=offset_minutes(wish.interval.end, in_zone),
        appointment_type_id=wish.type_id,
        note=request.note,
        created_at=work.now,
        created_by=str(work.actor),
    )
    work.add(row)
    for kind, resource_id in wish.resources:
        work.add(
            BlockResource(
                network_id=work.network_id,
                block_id=row.id,
                resource_id=resource_id,
                resource_kind=kind.value,
            )
        )
    work.say(events.block_created(row, wish.resources, len(named) + hit.elsewhere), of=row)
    await work.flush()
    await occupy(work, row, wish.resources, fence=True)
    return row, hit


async def lift_locks(work: Work, block_id: UUID) -> Sequence[LockKey]:
    """What lifting a block changes."""
    row = await blocks.block(work, block_id)
    found = [lock_key("block", block_id), lock_key("rooms", row.clinic_id)]
    for kind, resource_id in (await blocks.resources_of(work, block_id))[block_id]:
        if kind is ResourceKind.PROVIDER:
            found.append(lock_key("provider", resource_id))
    return found


async def lift_block(work: Work, block_id: UUID) -> Block:
    """Give back the time of all its resources. Lifting it again changes nothing.

    Raises Conflict ``block.over`` where its time has passed: there is nothing to give back.
    """
    row = await blocks.block(work, block_id)
    if row.lifted_at is not None:
        return row
    if row.ends_at <= work.now:
        raise Conflict("block.over", "The time of this block has passed.")
    for taken in await work.load_where(Occupancy, "block_id = $2 AND active", row.id):
        taken.active = False
        work.save(taken)
    row.lifted_at = work.now
    work.save(row)
    resources = (await blocks.resources_of(work, row.id))[row.id]
    work.say(events.block_lifted(row, resources, work.now), of=row)
    return row


async def _wish(work: Work, request: Request) -> tuple[BlockWish, ZoneInfo]:
    place = await clinic(work, request.clinic_id)
    in_zone = zone(place.time_zone)
    for provider_id in request.provider_ids:
        await works_at(work, provider_id, request.clinic_id)
    for room_id in request.room_ids:
        room = await work.load(Room, room_id)
        if room is None or room.clinic_id != request.clinic_id:
            raise NotFound("room.not_found", "There is no such room at this clinic.")
    if request.appointment_type_id is not None:
        await load_type(work, request.appointment_type_id)
    start = instant_in(request.starts_at, in_zone)
    wish = BlockWish(
        request.kind,
        Interval(start, instant_in(request.ends_at, in_zone)),
        (
            *((ResourceKind.PROVIDER, provider_id) for provider_id in request.provider_ids),
            *((ResourceKind.ROOM, room_id) for room_id in request.room_ids),
        ),
        request.appointment_type_id,
    )
    return wish, in_zone


async def _in_the_way(work: Work, wish: BlockWish) -> InTheWay:
    return await in_the_way(work, wish.resources, wish.interval, wish.type_id)


async def in_the_way(
    work: Work, resources: Sequence[Resource], interval: Interval, but_type: UUID | None
) -> InTheWay:
    """The visits and group sessions at a time, but for those of a type."""
    visits = await blocks.visits_at(work, resources, interval, but_type)
    sessions = await blocks.sessions_at(work, resources, interval, but_type)
    mine = [row for row in visits if at_clinic(work.actor, row.clinic_id, row.patient_id)]
    ours = [row for row in sessions if at_clinic(work.actor, row.clinic_id)]
    return InTheWay(mine, len(visits) - len(mine) + len(sessions) - len(ours), ours)


async def occupy(work: Work, row: Block, resources: Sequence[Resource], *, fence: bool) -> None:
    """Take for a block what is free of its time; where that is not all, put up a fence."""
    interval = Interval(row.starts_at, row.ends_at)
    taken = await blocks.occupied(work, resources, interval)
    rows = []
    for resource in resources:
        free: list[Interval] = []
        if BlockKind(row.kind) not in FENCES:
            free = free_pieces(interval, (time for lane, time in taken[resource] if lane >= 0))
        rows += [_occupancy(work, row, resource, 0, piece) for piece in free]
        if fence and free != cut(interval):
            lane = fence_lane(lane for lane, _ in taken[resource])
            rows += [_occupancy(work, row, resource, lane, piece) for piece in cut(interval)]
    if rows:
        work.insert(Occupancy, rows)


def _occupancy(
    work: Work, row: Block, resource: Resource, lane: int, time: Interval
) -> dict[str, object]:
    kind, resource_id = resource
    role = f"occupancy/{row.id}/{resource_id}/{lane}/{time.start.isoformat()}/{row.version}"
    return {
        "id": work.new_id(role),
        "network_id": work.network_id,
        "resource_kind": kind.value,
        "resource_id": resource_id,
        "lane": lane,
        "starts_at": time.start,
        "ends_at": time.end,
        "block_id": row.id,
        "only_type_id": row.appointment_type_id if lane < 0 else None,
        "active": True,
    }
