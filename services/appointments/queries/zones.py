"""What lies ahead at wall times of clinics, and what is in the way where it would go."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from services.appointments.tables import Occupancy
from shared.db.work import Work


class Kind(StrEnum):
    """What can be booked at a wall time."""

    VISIT = "visit"
    SESSION = "session"
    BLOCK = "block"
    SHIFT = "shift"


@dataclass(frozen=True, slots=True)
class Ahead:
    """One moment ahead: a start, or the end of what may last for days. offset: in minutes, which
    the zone had when it was entered. clinic_id: none of a shift that is the network's."""

    kind: Kind
    id: UUID
    clinic_id: UUID | None
    zone: str
    at: datetime
    offset: int


_AHEAD = """
SELECT 'visit' AS kind, t.id, t.clinic_id, c.time_zone AS zone, t.starts_at AS at,
  t.utc_offset_minutes AS offset
 FROM appointments t JOIN clinics c ON c.network_id = t.network_id AND c.id = t.clinic_id
 WHERE t.network_id = $1 AND t.starts_at > $2 AND t.lifecycle = 'booked' AND t.session_id IS NULL
UNION ALL
SELECT 'session', t.id, t.clinic_id, c.time_zone, t.starts_at, t.utc_offset_minutes
 FROM sessions t JOIN clinics c ON c.network_id = t.network_id AND c.id = t.clinic_id
 WHERE t.network_id = $1 AND t.starts_at > $2 AND t.state = 'open'
UNION ALL
SELECT 'block', t.id, t.clinic_id, c.time_zone, moment.at, moment.offset
 FROM blocks t JOIN clinics c ON c.network_id = t.network_id AND c.id = t.clinic_id,
 LATERAL (VALUES (t.starts_at, t.utc_offset_minutes), (t.ends_at, t.end_utc_offset_minutes))
  AS moment (at, "offset")
 WHERE t.network_id = $1 AND moment.at > $2 AND t.lifted_at IS NULL
UNION ALL
SELECT 'shift', t.id, t.clinic_id, t.time_zone, moment.at, moment.offset
 FROM on_call_shifts t,
 LATERAL (VALUES (t.starts_at, t.utc_offset_minutes), (t.ends_at, t.end_utc_offset_minutes))
  AS moment (at, "offset")
 WHERE t.network_id = $1 AND moment.at > $2 AND t.withdrawn_at IS NULL
ORDER BY at, id
"""


async def all_ahead(work: Work) -> list[Ahead]:
    """Every start of a visit or session of the network, and both ends of blocks and shifts, that
    are to come; seats of sessions are left out, for they go where their session goes."""
    rows = await work.raw.fetch(_AHEAD, work.network_id, work.now)
    return [Ahead(Kind(row["kind"]), *tuple(row)[1:]) for row in rows]


_HELD = """
SELECT max(expires_at) FROM holds WHERE network_id = $1 AND state = 'held' AND expires_at > $2
 AND clinic_id = ANY ($3)
"""


async def held_until(work: Work, clinic_ids: Sequence[UUID]) -> datetime | None:
    """When the last hold at some clinics runs out; None where nothing is held."""
    found: datetime | None = await work.raw.fetchval(
        _HELD, work.network_id, work.now, list(clinic_ids)
    )
    return found


# As in the facts of a booking: plain comparisons, and no row begins further back than 30 hours.
_IN_THE_WAY = """
SELECT coalesce(o.appointment_id, o.session_id, o.block_id, o.hold_id) AS id, o.hold_id,
  o.expires_at
FROM unnest($2::text[], $3::uuid[], $4::int[], $5::timestamptz[], $6::timestamptz[])
  AS place (kind, id, lane, starts_at, ends_at)
JOIN occupancies o ON o.network_id = $1 AND o.active AND o.resource_kind = place.kind
  AND o.resource_id = place.id AND (o.lane = place.lane OR o.lane <= 0)
  AND o.starts_at < place.ends_at AND o.ends_at > place.starts_at
  AND o.starts_at > place.starts_at - interval '30 h'
WHERE NOT (o.id = ANY ($7)) AND o.only_type_id IS DISTINCT FROM $8 ORDER BY o.starts_at, o.id
"""


async def in_the_way(
    work: Work, taken: Sequence[Occupancy], by: timedelta, type_id: UUID
) -> tuple[UUID | None, list[UUID]]:
    """What stands where these rows would be in some time, and the holds there that ran out.

    A block stands in every lane. type_id: the kind of visit, which a block may be open for.
    """
    rows = await work.raw.fetch(
        _IN_THE_WAY,
        work.network_id,
        [row.resource_kind for row in taken],
        [row.resource_id for row in taken],
        [row.lane for row in taken],
        [row.starts_at + by for row in taken],
        [row.ends_at + by for row in taken],
        [row.id for row in taken],
        type_id,
    )
    over = {row["hold_id"] for row in rows if row["expires_at"] and row["expires_at"] <= work.now}
    there = [row["id"] for row in rows if row["hold_id"] is None or row["hold_id"] not in over]
    return (there[0] if there else None), sorted(over)
