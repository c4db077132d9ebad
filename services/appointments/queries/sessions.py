"""Reading group sessions and their seats."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.appointments.domain import session as rules
from services.appointments.domain.occupancy import Busy, ResourceKind
from services.appointments.domain.session import SessionState
from services.appointments.domain.status import Lifecycle
from services.appointments.queries.booking_facts import AROUND
from services.appointments.tables import Appointment, Session
from shared.db.actor import at_clinic
from shared.db.work import Work
from shared.values.errors import NotFound
from shared.values.interval import Interval

LIMIT = 200
OFF = (Lifecycle.CANCELLED.value, Lifecycle.NO_SHOW.value, Lifecycle.ENTERED_IN_ERROR.value)
"""The seats that nobody is expected in."""

_TAKEN = """
SELECT resource_kind, resource_id, lane, starts_at, ends_at, hold_id, expires_at,
 coalesce(appointment_id, session_id) AS owner_id
FROM occupancies WHERE network_id = $1 AND active AND resource_kind = $2
 AND resource_id = ANY ($3) AND starts_at > $4 AND starts_at < $5
"""


async def one_session(work: Work, session_id: UUID) -> Session:
    """A session of the network and of the caller's clinics. Raises NotFound."""
    row = await work.load(Session, session_id)
    if row is None or not at_clinic(work.actor, row.clinic_id):
        raise NotFound("session.not_found", "There is no such session.")
    return row


async def seats_of(work: Work, session_id: UUID) -> list[Appointment]:
    """The seats that somebody is expected in or was, by number."""
    where = "session_id = $2 AND NOT (lifecycle = ANY($3)) ORDER BY seat"
    return await work.load_where(Appointment, where, session_id, list(OFF))


async def seats_held(work: Work, session_id: UUID) -> int:
    """How many seats are held for those who were offered them."""
    return int(
        await work.raw.fetchval(
            "SELECT count(*) FROM holds WHERE network_id = $1 AND session_id = $2"
            " AND state = 'held' AND expires_at > $3",
            work.network_id, session_id, work.now,
        )
    )  # fmt: skip


async def sessions_between(
    work: Work, clinic_id: UUID, since: datetime, until: datetime | None
) -> list[Session]:
    """The sessions of a clinic that begin in a time, by start; `until` None is without an end."""
    where = (
        "clinic_id = $2 AND starts_at >= $3 AND ($4::timestamptz IS NULL OR starts_at < $4)"
        f" ORDER BY starts_at, id LIMIT {LIMIT}"
    )
    return await work.load_where(Session, where, clinic_id, since, until)


def rule_of(row: Session, seats: Sequence[Appointment] = ()) -> rules.Session:
    """The rules' values of a row and its seats."""
    patients = frozenset(seat.patient_id for seat in seats)
    interval = Interval(row.starts_at, row.ends_at)
    return rules.Session(row.id, SessionState(row.state), interval, row.seats, patients)


async def taken_of(
    work: Work, kind: ResourceKind, ids: Sequence[UUID], at: Interval
) -> tuple[list[Busy], list[UUID]]:
    """What is taken of some resources around a time, and the holds that have run out of it."""
    rows = await work.raw.fetch(
        _TAKEN, work.network_id, kind.value, list(ids), at.start - AROUND, at.end
    )
    over = {row["hold_id"] for row in rows if row["expires_at"] and row["expires_at"] <= work.now}
    busy = [
        Busy(
            kind,
            row["resource_id"],
            row["lane"] or None,
            Interval(row["starts_at"], row["ends_at"]),
            row["owner_id"],
            row["hold_id"],
        )
        for row in rows
        if row["hold_id"] is None or row["hold_id"] not in over
    ]
    return busy, sorted(over)
