"""Reading equipment and further providers, for the visits that need any."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from services.appointments import tables as t
from services.appointments.domain.allotment import Colleague
from services.appointments.domain.booking import BookingFacts
from services.appointments.domain.bounds import open_within
from services.appointments.domain.occupancy import Busy, ResourceKind
from services.appointments.domain.resources import AppointmentType, Equipment
from services.appointments.queries.booking_facts import AROUND, Known
from shared.db.work import Work
from shared.values.interval import Interval

# As in the facts of a booking: plain comparisons on the columns of an index.
_TAKEN = """
SELECT resource_id, lane, starts_at, ends_at, coalesce(appointment_id, session_id) AS owner_id,
 hold_id, expires_at
FROM occupancies WHERE network_id = $1 AND active AND resource_kind = 'equipment'
 AND resource_id = ANY ($2) AND starts_at > $3 AND starts_at < $4
"""


async def equipment_of(work: Work, clinic_id: UUID, kind: AppointmentType) -> tuple[Equipment, ...]:
    """The items of a clinic of the kinds that a type needs, in the order in which they fill up."""
    if not kind.equipment:
        return ()
    kinds = [name for name, _ in kind.equipment]
    where = "clinic_id = $2 AND kind = ANY($3) ORDER BY position, id"
    rows = await work.load_where(t.Equipment, where, clinic_id, kinds)
    return tuple(
        Equipment(row.id, clinic_id, row.kind, row.capacity, row.out_from, row.out_until)
        for row in rows
    )


def with_colleagues(known: Known, others: Sequence[Known]) -> Known:
    """The facts with those of further providers, who are read as the first one is."""
    facts, expired = known.facts, {*known.expired}
    busy = set(facts.busy)
    for other in others:
        busy.update(other.facts.busy)
        expired.update(other.expired)
    colleagues = tuple(
        Colleague(o.facts.provider, open_within(o.facts.open_times, o.facts.bounds)) for o in others
    )
    facts = replace(facts, busy=tuple(busy), colleagues=colleagues)
    return replace(known, facts=facts, expired=tuple(sorted(expired)))


async def with_equipment(work: Work, known: Known, at: datetime, clinic_id: UUID) -> Known:
    """The facts with the equipment that the type needs, and what of it is taken around a time."""
    facts: BookingFacts = known.facts
    items = await equipment_of(work, clinic_id, facts.type)
    if not items:
        return known
    ids = [item.id for item in items]
    rows = await work.raw.fetch(_TAKEN, work.network_id, ids, at - AROUND, at + 2 * AROUND)
    over = {row["hold_id"] for row in rows if row["expires_at"] and row["expires_at"] <= work.now}
    busy = [
        Busy(
            ResourceKind.EQUIPMENT,
            row["resource_id"],
            row["lane"] or None,
            Interval(row["starts_at"], row["ends_at"]),
            row["owner_id"],
            row["hold_id"],
        )
        for row in rows
        if row["hold_id"] not in over
    ]
    facts = replace(facts, equipment=items, busy=(*facts.busy, *busy))
    return replace(known, facts=facts, expired=tuple(sorted({*known.expired, *over})))
