"""What is in the way of a block, and where it could go instead."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from services.appointments.domain.blocks import Hit, Resource, propose
from services.appointments.domain.occupancy import ResourceKind
from services.appointments.domain.resources import Modality
from services.appointments.domain.slots import Question, Slot
from services.appointments.queries import availability
from services.appointments.queries.booking_facts import LONGEST, load_type
from services.appointments.queries.sessions import OFF
from services.appointments.tables import Appointment, Block, BlockResource, Session
from shared.db.actor import at_clinic
from shared.db.work import Work
from shared.values.errors import NotFound
from shared.values.interval import Interval

DAYS_MAX = 14
"""How far ahead of a visit its alternatives are looked for."""
ENOUGH = 6
"""As many slots as this a visit are enough to choose from."""
LIST_MAX = 500
_DAY = timedelta(days=1)

_AT_THAT_TIME = """
FROM occupancies WHERE network_id = $1 AND active AND resource_kind = ANY ($2)
 AND resource_id = ANY ($3) AND starts_at < $5 AND ends_at > $4 AND starts_at > $4 - interval '52 h'
"""


async def block(work: Work, block_id: UUID) -> Block:
    """A block of the caller's clinics. Raises NotFound."""
    row = await work.load(Block, block_id)
    if row is None or not at_clinic(work.actor, row.clinic_id):
        raise NotFound("block.not_found", "There is no such block.")
    return row


async def resources_of(work: Work, *block_ids: UUID) -> dict[UUID, tuple[Resource, ...]]:
    """Whose time blocks take."""
    found: dict[UUID, list[Resource]] = {block_id: [] for block_id in block_ids}
    where = "block_id = ANY ($2) ORDER BY resource_kind, resource_id"
    for row in await work.load_where(BlockResource, where, list(block_ids)):
        found[row.block_id].append((ResourceKind(row.resource_kind), row.resource_id))
    return {block_id: tuple(rows) for block_id, rows in found.items()}


async def blocks_of(work: Work, clinic_id: UUID, window: Interval) -> list[Block]:
    """A clinic's blocks that touch a window and were not lifted, by start."""
    if not at_clinic(work.actor, clinic_id):
        return []
    where = (
        "clinic_id = $2 AND starts_at < $3 AND ends_at > $4 AND lifted_at IS NULL"
        f" ORDER BY starts_at, id LIMIT {LIST_MAX}"
    )
    return await work.load_where(Block, where, clinic_id, window.end, window.start)


async def occupied(
    work: Work, resources: Sequence[Resource], interval: Interval
) -> dict[Resource, list[tuple[int, Interval]]]:
    """What is taken of each resource: lane and time, fences among them."""
    found: dict[Resource, list[tuple[int, Interval]]] = {resource: [] for resource in resources}
    rows = await work.raw.fetch(
        f"SELECT resource_kind, resource_id, lane, starts_at, ends_at {_AT_THAT_TIME}",
        *_asked(work, resources, interval),
    )
    for row in rows:
        resource = ResourceKind(row["resource_kind"]), row["resource_id"]
        found[resource].append((row["lane"], Interval(row["starts_at"], row["ends_at"])))
    return found


async def visits_at(
    work: Work, resources: Sequence[Resource], interval: Interval, but_type: UUID | None = None
) -> list[Appointment]:
    """The visits that take a resource's time, buffers included, by start; of a type: none.

    A seat of a group session is one, for the session takes the time. A visit that is called off and
    keeps its time closed is none.
    """
    where = (
        f"id IN (SELECT appointment_id {_AT_THAT_TIME} AND appointment_id IS NOT NULL"
        " UNION SELECT seat.id FROM appointments AS seat WHERE seat.network_id = $1"
        f" AND seat.session_id IN (SELECT session_id {_AT_THAT_TIME} AND session_id IS NOT NULL))"
        " AND NOT (lifecycle = ANY ($7))"
        " AND appointment_type_id IS DISTINCT FROM $6 ORDER BY starts_at, id"
    )
    asked = _asked(work, resources, interval)[1:]
    return await work.load_where(Appointment, where, *asked, but_type, list(OFF))


async def sessions_at(
    work: Work, resources: Sequence[Resource], interval: Interval, but_type: UUID | None = None
) -> list[Session]:
    """The group sessions that take a resource's time, by start; of a type: none."""
    where = (
        f"id IN (SELECT session_id {_AT_THAT_TIME} AND session_id IS NOT NULL)"
        " AND appointment_type_id IS DISTINCT FROM $6 ORDER BY starts_at, id"
    )
    return await work.load_where(Session, where, *_asked(work, resources, interval)[1:], but_type)


async def blocks_at(work: Work, resources: Sequence[Resource], interval: Interval) -> list[UUID]:
    """The blocks of resources at a time, but for those that are fences alone."""
    rows = await work.raw.fetch(
        f"SELECT id FROM blocks WHERE network_id = $1 AND kind NOT IN ('hold', 'freeze')"
        f" AND id IN (SELECT block_id {_AT_THAT_TIME} AND block_id IS NOT NULL) ORDER BY id",
        *_asked(work, resources, interval),
    )
    return [row["id"] for row in rows]


def _asked(work: Work, resources: Sequence[Resource], interval: Interval) -> list[object]:
    kinds = sorted({kind.value for kind, _ in resources})
    ids = [resource_id for _, resource_id in resources]
    return [work.network_id, kinds, ids, interval.start, interval.end]


async def proposal(work: Work, visits: Sequence[Appointment]) -> dict[UUID, tuple[Slot, ...]]:
    """For each visit that can still be moved, up to three times instead; see `propose`.

    Looked for day by day from the first visit on, until there is enough to choose from.
    """
    types = {t: await load_type(work, t) for t in {v.appointment_type_id for v in visits}}
    groups: defaultdict[tuple[UUID, UUID, bool, str], list[Hit]] = defaultdict(list)
    for row in visits:
        if row.lifecycle == "booked" and row.session_id is None:
            interval = Interval(row.starts_at, row.ends_at)
            kind = types[row.appointment_type_id]
            hit = Hit(row.id, row.patient_id, row.provider_id, interval, kind)
            groups[row.clinic_id, kind.id, row.new_patient, row.modality].append(hit)
    slots: dict[UUID, list[Slot]] = {}
    for (clinic_id, _, new_patient, modality), hits in groups.items():
        question = Question(
            Interval(work.now, work.now + _DAY),
            hits[0].type,
            known_patient=not new_patient,
            limit=1000,
            modality=Modality(modality),
        )
        found = await _slots_for(work, clinic_id, hits, question)
        slots |= {hit.appointment_id: found for hit in hits}
    hits = [hit for group in groups.values() for hit in group]
    return propose(hits, slots, await _engaged(work, hits))


async def _slots_for(
    work: Work, clinic_id: UUID, hits: Sequence[Hit], question: Question
) -> list[Slot]:
    found: list[Slot] = []
    begin = max(work.now, min(hit.interval.start for hit in hits) - timedelta(hours=12))
    for n in range(DAYS_MAX):
        window = Interval(begin + n * _DAY, begin + (n + 1) * _DAY)
        asked = replace(question, window=window)
        there = await availability.slots_for(work, asked, availability.Where([clinic_id]))
        found += there.availability.slots
        if n and len(found) >= ENOUGH * len(hits):
            break
    return found


async def _engaged(work: Work, hits: Sequence[Hit]) -> dict[UUID, list[Interval]]:
    if not hits:
        return {}
    begin = min(hit.interval.start for hit in hits) - LONGEST
    end = max(hit.interval.end for hit in hits) + DAYS_MAX * _DAY + LONGEST
    patients = [(ResourceKind.PATIENT, hit.patient_id) for hit in hits]
    rows = await occupied(work, patients, Interval(begin, end))
    return {patient: [time for _, time in taken] for (_, patient), taken in rows.items()}
