"""Routes of blocks."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.appointments.api.routes import ROUTES
from services.appointments.commands import blocks, rebooking
from services.appointments.domain.blocks import OnVisits
from services.appointments.domain.slots import WINDOW_MAX, Slot
from services.appointments.queries import blocks as queries
from services.appointments.queries import visits
from services.appointments.schemas.blocks import (
    BlockList,
    BlockMade,
    BlockView,
    CreateBlock,
    HitList,
    HitView,
    ListBlocks,
    MovedView,
    PreviewBlock,
    RebookReport,
    RebookVisits,
)
from services.appointments.tables import Block
from shared.contracts.permissions import Permission as May
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.values.errors import Invalid
from shared.values.interval import Interval
from shared.web.calls import Call, Reply, created

REFUSALS = (
    "block.resources", "block.too_long", "block.type", "block.over", "block.overlaps",
    "provider.not_found", "room.not_found", "time.naive", "interval.reversed",
)  # fmt: skip


def _request(call: Call[Any]) -> blocks.Request:
    given = call.given
    names = ("clinic_id", "kind", "starts_at", "ends_at", "appointment_type_id", "note")
    members = {name: getattr(given, name) for name in names}
    return blocks.Request(
        **members, provider_ids=tuple(given.provider_ids), room_ids=tuple(given.room_ids)
    )


async def _hits(
    work: Work,
    call: Call[Any],
    found: blocks.InTheWay,
    slots: dict[UUID, tuple[Slot, ...]],
) -> HitList:
    call.concerns(*(row.patient_id for row in found.visits))
    zones = {c: await visits.clinic_zone(work, c) for c in {row.clinic_id for row in found.visits}}
    items = [HitView.of(v, slots.get(v.id, ()), zones[v.clinic_id]) for v in found.visits]
    sessions = [row.id for row in found.sessions]
    return HitList(items=items, elsewhere=found.elsewhere, session_ids=sessions)


async def _view(work: Work, row: Block) -> BlockView:
    return BlockView.of(row, (await queries.resources_of(work, row.id))[row.id])


@ROUTES.post(
    "/v1/blocks/preview",
    may=May.CALENDAR_WRITE,
    body=PreviewBlock,
    reply=HitList,
    keyed=False,
    refuses=REFUSALS,
)
async def preview_block(work: Work, call: Call[PreviewBlock]) -> Reply:
    """The visits that a block would hit; nothing is written."""
    found = await blocks.preview(work, _request(call))
    return Reply(await _hits(work, call, found, {}))


def _locks(call: Call[Any]) -> Sequence[LockKey]:
    return blocks.block_locks(_request(call))


@ROUTES.post(
    "/v1/blocks",
    may=May.CALENDAR_WRITE,
    body=CreateBlock,
    reply=BlockMade,
    status=201,
    refuses=("block.visits_hit", *REFUSALS),
    locks=_locks,
)
async def create_block(work: Work, call: Call[CreateBlock]) -> Reply:
    """Take time of providers and rooms out of the book: of all of them, or of none.

    With `propose` each visit in the way comes with up to three times instead, none of them twice;
    `/rebook` carries out what was chosen.
    """
    row, found = await blocks.create_block(work, _request(call), call.given.on_visits)
    await work.flush()
    wanted = call.given.on_visits is OnVisits.PROPOSE
    slots = await queries.proposal(work, found.visits) if wanted else {}
    made = BlockMade(block=await _view(work, row), visits=await _hits(work, call, found, slots))
    return created(made, f"/v1/blocks/{row.id}")


@ROUTES.get("/v1/blocks", may=May.CALENDAR_READ, query=ListBlocks, reply=BlockList)
async def list_blocks(work: Work, call: Call[ListBlocks]) -> Reply:
    """A clinic's blocks that touch a window of at most 93 days, by start."""
    window = Interval(call.given.since, call.given.until)
    if window.length > WINDOW_MAX:
        raise Invalid("query.too_wide", "The window is longer than 93 days.", pointer="/until")
    rows = await queries.blocks_of(work, call.given.clinic_id, window)
    resources = await queries.resources_of(work, *(row.id for row in rows))
    return Reply(BlockList(items=[BlockView.of(row, resources[row.id]) for row in rows]))


@ROUTES.get("/v1/blocks/{block_id}", may=May.CALENDAR_READ, reply=BlockView)
async def read_block(work: Work, call: Call[None]) -> Reply:
    """One block."""
    row = await queries.block(work, call.id("block_id"))
    return Reply(await _view(work, row), version=row.version)


@ROUTES.get("/v1/blocks/{block_id}/proposal", may=May.CALENDAR_READ, reply=HitList)
async def read_proposal(work: Work, call: Call[None]) -> Reply:
    """The visits that are still in a block's way, each with up to three times instead."""
    row = await queries.block(work, call.id("block_id"))
    resources = (await queries.resources_of(work, row.id))[row.id]
    interval = Interval(row.starts_at, row.ends_at)
    found = await blocks.in_the_way(work, resources, interval, row.appointment_type_id)
    if row.lifted_at is not None:
        found = blocks.InTheWay([], 0, [])
    return Reply(await _hits(work, call, found, await queries.proposal(work, found.visits)))


def _moves(call: Call[RebookVisits]) -> list[rebooking.Move]:
    return [rebooking.Move(**item.model_dump()) for item in call.given.moves]


async def _rebook_locks(work: Work, call: Call[Any]) -> Sequence[LockKey]:
    return await rebooking.rebook_locks(work, call.id("block_id"), _moves(call))


@ROUTES.post(
    "/v1/blocks/{block_id}/rebook",
    may=May.CALENDAR_WRITE,
    body=RebookVisits,
    reply=RebookReport,
    refuses=("block.lifted", "block.moves"),
    locks_read=_rebook_locks,
)
async def rebook_visits(work: Work, call: Call[RebookVisits]) -> Reply:
    """Move visits out of a block's way: each as a whole or not at all, with a result for each."""
    found = await rebooking.rebook(work, call.id("block_id"), _moves(call))
    call.concerns(*(item.patient_id for item in found if item.patient_id is not None))
    items = [MovedView(appointment_id=i.appointment_id, moved=i.moved, code=i.code) for i in found]
    return Reply(RebookReport(items=items, stay=sum(not item.moved for item in items)))


async def _lift_locks(work: Work, call: Call[Any]) -> Sequence[LockKey]:
    return await blocks.lift_locks(work, call.id("block_id"))


@ROUTES.post(
    "/v1/blocks/{block_id}/lift",
    may=May.CALENDAR_WRITE,
    reply=BlockView,
    refuses=("block.over",),
    locks_read=_lift_locks,
)
async def lift_block(work: Work, call: Call[None]) -> Reply:
    """Give back the time of all that a block names."""
    row = await blocks.lift_block(work, call.id("block_id"))
    await work.flush()
    return Reply(await _view(work, row), version=row.version)
