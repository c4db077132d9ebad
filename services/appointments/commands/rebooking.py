"""Book the visits in a block's way elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.appointments.commands import booking
from services.appointments.commands.blocks import lift_locks, occupy
from services.appointments.domain.blocks import FENCES, VISITS_MAX, BlockKind, Resource
from services.appointments.domain.occupancy import ResourceKind
from services.appointments.domain.reasons import Reason
from services.appointments.queries import blocks
from services.appointments.queries.visits import visit
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.values.errors import Conflict, DomainError, Invalid, NotFound
from shared.values.interval import Interval


@dataclass(frozen=True, slots=True)
class Move:
    """Where one visit goes."""

    appointment_id: UUID
    starts_at: datetime
    provider_id: UUID | None = None
    further_provider_ids: Sequence[UUID] | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """How it went with one visit: moved, or it stays for the reason of a refusal's code."""

    appointment_id: UUID
    patient_id: UUID | None
    moved: bool
    code: str | None = None


async def rebook_locks(work: Work, block_id: UUID, moves: Sequence[Move]) -> list[LockKey]:
    """What moving the visits changes: each of them, and the block that takes their time."""
    keys = list(await lift_locks(work, block_id))
    for move in moves:
        try:
            keys += await booking.reschedule_locks(work, move.appointment_id, _destination(move))
        except NotFound:
            continue  # it is named in the reply
    return keys


async def rebook(work: Work, block_id: UUID, moves: Sequence[Move]) -> list[Moved]:
    """Move visits out of a block, each as a whole or not at all; one that stays stops no other.

    What they leave is the block's own time at once. Raises Conflict ``block.lifted``; Invalid
    ``block.moves`` for a visit that is named twice, or too many.
    """
    row = await blocks.block(work, block_id)
    if row.lifted_at is not None:
        raise Conflict("block.lifted", "This block was lifted.")
    if len({move.appointment_id for move in moves}) < len(moves) or len(moves) > VISITS_MAX:
        raise Invalid("block.moves", "Each visit is named once, and 60 at most.", pointer="/moves")
    resources = (await blocks.resources_of(work, block_id))[block_id]
    interval = Interval(row.starts_at, row.ends_at)
    inside = {v.id for v in await blocks.visits_at(work, resources, interval)}
    results = [await _move(work, move, inside, resources) for move in moves]
    if BlockKind(row.kind) not in FENCES:
        await occupy(work, row, resources, fence=False)
    return results


async def _move(work: Work, move: Move, inside: set[UUID], resources: Sequence[Resource]) -> Moved:
    patient_id = None
    try:
        row = await visit(work, move.appointment_id)
        patient_id = row.patient_id
        if row.id not in inside:
            return Moved(row.id, patient_id, moved=False, code="block.not_hit")
        providers = (row.provider_id, *(row.further_provider_ids or ()))
        gone = any((ResourceKind.PROVIDER, provider_id) in resources for provider_id in providers)
        reason = Reason.PROVIDER_UNAVAILABLE if gone else Reason.CLINIC_CLOSED
        await booking.reschedule(work, row.id, _destination(move), reason, row.version)
        await work.flush()
    except DomainError as error:
        # Rules refuse before anything is written; what moved on while it was written undoes all.
        if error.code == "row.changed":
            raise
        return Moved(move.appointment_id, patient_id, moved=False, code=error.code)
    return Moved(row.id, patient_id, moved=True)


def _destination(move: Move) -> booking.Destination:
    return booking.Destination(
        move.starts_at,
        provider_id=move.provider_id,
        further_provider_ids=move.further_provider_ids,
    )
