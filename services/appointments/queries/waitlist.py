"""Reading the waitlist."""

from datetime import datetime, timedelta
from uuid import UUID

from services.appointments.domain.session import SessionState
from services.appointments.domain.waitlist import Entry, Priority, Slot, Wishes
from services.appointments.queries.visits import clinic_zone
from services.appointments.tables import ReleasedSlot, Session, WaitlistEntry, WaitlistOffer
from shared.db.actor import at_clinic
from shared.db.work import Work
from shared.values.errors import NotFound
from shared.values.interval import Interval
from shared.values.zones import day_bounds, zone

LIMIT = 200


async def found_entry(work: Work, entry_id: UUID) -> WaitlistEntry:
    """An entry of the network and of the caller's clinics. Raises NotFound."""
    row = await work.load(WaitlistEntry, entry_id)
    if row is None or not at_clinic(work.actor, row.clinic_id):
        raise NotFound("waitlist.not_found", "There is no such entry on the waitlist.")
    return row


async def found_offer(work: Work, offer_id: UUID) -> WaitlistOffer:
    """An offer of the network and of the caller's clinics. Raises NotFound."""
    row = await work.load(WaitlistOffer, offer_id)
    if row is None or not at_clinic(work.actor, row.clinic_id):
        raise NotFound("offer.not_found", "There is no such offer.")
    return row


async def waiting_at(work: Work, clinic_id: UUID) -> list[WaitlistEntry]:
    """Who waits by the list of a clinic's desk, the longest first; 200 at most."""
    where = f"clinic_id = $2 AND state = 'waiting' ORDER BY entered_at, id LIMIT {LIMIT}"
    return await work.load_where(WaitlistEntry, where, clinic_id)


async def entries_of(work: Work, patient_id: UUID) -> list[WaitlistEntry]:
    """A patient's entries that the caller may know of, the latest first; 200 at most."""
    where = f"patient_id = $2 ORDER BY entered_at DESC, id LIMIT {LIMIT}"
    rows = await work.load_where(WaitlistEntry, where, patient_id)
    return [row for row in rows if at_clinic(work.actor, row.clinic_id, row.patient_id)]


async def offers_of(work: Work, patient_id: UUID) -> list[WaitlistOffer]:
    """What was offered to a patient, the latest first; 200 at most."""
    where = f"patient_id = $2 ORDER BY made_at DESC, id LIMIT {LIMIT}"
    rows = await work.load_where(WaitlistOffer, where, patient_id)
    return [row for row in rows if at_clinic(work.actor, row.clinic_id, row.patient_id)]


async def slot_of(work: Work, row: ReleasedSlot) -> Slot | None:
    """The rule's value of a time that became free; None for a seat of what was called off.

    A seat is when and where its session is now.
    """
    if row.session_id is None:
        in_zone = zone(await clinic_zone(work, row.clinic_id))
        return Slot(row.clinic_id, row.provider_id, Interval(row.starts_at, row.ends_at), in_zone)
    session = await work.load(Session, row.session_id)
    if session is None or session.state != SessionState.OPEN.value:
        return None
    return Slot(
        session.clinic_id,
        session.provider_id,
        Interval(session.starts_at, session.ends_at),
        zone(await clinic_zone(work, session.clinic_id)),
        session.appointment_type_id,
    )


async def is_on_offer(work: Work, row: ReleasedSlot) -> bool:
    """Whether this seat, or any of this time of the provider, is offered to somebody now."""
    if row.session_id is not None:
        where = "slot_id = $2 AND state = 'made'"
        return bool(await work.load_where(WaitlistOffer, where, row.id))
    where = (
        "provider_id = $2 AND starts_at < $4 AND ends_at > $3 AND state = 'made'"
        " AND session_id IS NULL"
    )
    found = await work.load_where(WaitlistOffer, where, row.provider_id, row.starts_at, row.ends_at)
    return bool(found)


async def open_of_entry(work: Work, entry_id: UUID) -> list[WaitlistOffer]:
    """What somebody who waits is offered now; one at the most."""
    return await work.load_where(WaitlistOffer, "entry_id = $2 AND state = 'made'", entry_id)


async def open_of_session(work: Work, session_id: UUID) -> list[WaitlistOffer]:
    """The seats of a session that are on offer; not those that were booked at the desk by now."""
    where = (
        "session_id = $2 AND state = 'made' AND EXISTS (SELECT 1 FROM holds h WHERE"
        " h.network_id = $1 AND h.id = hold_id AND h.state = 'held') ORDER BY id"
    )
    return await work.load_where(WaitlistOffer, where, session_id)


_BEFORE = """
SELECT e.id, t.minutes_new, t.minutes_known, p.visits, a.starts_at AS before
FROM waitlist_entries e
JOIN appointment_types t ON t.network_id = $1 AND t.id = e.appointment_type_id
LEFT JOIN known_patients p ON p.network_id = $1 AND p.patient_id = e.patient_id
LEFT JOIN appointments a ON a.network_id = $1 AND a.id = e.replaces_appointment_id
  AND a.lifecycle = 'booked'
WHERE e.network_id = $1 AND e.state = 'waiting'
"""
_OPEN = "SELECT patient_id FROM waitlist_offers WHERE network_id = $1 AND state = 'made'"
_EXPIRED = """
SELECT DISTINCT patient_id FROM waitlist_offers
WHERE network_id = $1 AND state = 'expired' AND ended_at >= $2
"""
_HERE = """
SELECT entry_id, state, count(*) AS number FROM waitlist_offers
WHERE network_id = $1 AND slot_id = $2 GROUP BY entry_id, state
"""
_BUSY = """
SELECT o.resource_id, o.starts_at, o.ends_at FROM occupancies o
WHERE o.network_id = $1 AND o.resource_kind = 'patient' AND o.resource_id = ANY($2) AND o.active
  AND o.starts_at < $4 AND o.ends_at > $3 AND (o.expires_at IS NULL OR o.expires_at > $5)
  AND NOT EXISTS (SELECT 1 FROM waitlist_entries e WHERE e.network_id = $1
    AND e.state = 'waiting' AND e.patient_id = o.resource_id
    AND e.replaces_appointment_id = o.appointment_id)
"""


async def candidates(
    work: Work, slot_id: UUID, slot: Slot
) -> tuple[list[Entry], dict[UUID, WaitlistEntry]]:
    """Everybody who waits, as the rule's values and as rows by id."""
    rows = {r.id: r for r in await work.load_where(WaitlistEntry, "state = 'waiting'")}
    facts = {found["id"]: found for found in await work.raw.fetch(_BEFORE, work.network_id)}
    offered = {found["patient_id"] for found in await work.raw.fetch(_OPEN, work.network_id)}
    today, _ = day_bounds(work.now.astimezone(slot.zone).date(), slot.zone)
    late = await work.raw.fetch(_EXPIRED, work.network_id, today)
    expired = {found["patient_id"] for found in late}
    here = {
        (found["entry_id"], found["state"]): found["number"]
        for found in await work.raw.fetch(_HERE, work.network_id, slot_id)
    }
    patients = list({row.patient_id for row in rows.values()})
    busy: dict[UUID, list[Interval]] = {}
    for found in await work.raw.fetch(
        _BUSY, work.network_id, patients, slot.interval.start, slot.interval.end, work.now
    ):
        taken = Interval(found["starts_at"], found["ends_at"])
        busy.setdefault(found["resource_id"], []).append(taken)
    entries = []
    for row in rows.values():
        known = facts[row.id]
        minutes = known["minutes_known"] if known["visits"] else known["minutes_new"]
        entries.append(
            Entry(
                id=row.id,
                patient_id=row.patient_id,
                type_id=row.appointment_type_id,
                length=timedelta(minutes=minutes),
                since=row.entered_at,
                wishes=wishes_of(row, before=known["before"]),
                priority=Priority[row.priority.upper()],
                offers=row.offers,
                passed_over=row.passed_over,
                busy=tuple(busy.get(row.patient_id, ())),
                has_offer=row.patient_id in offered,
                expired_here=here.get((row.id, "expired"), 0),
                expired_today=row.patient_id in expired,
                declined_here=(row.id, "declined") in here,
            )
        )
    return entries, rows


def wishes_of(row: WaitlistEntry, before: datetime | None = None) -> Wishes:
    """What somebody wishes who waits. before: the start of the visit that it would replace."""
    return Wishes(
        clinic_ids=frozenset(row.clinic_ids or ()),
        provider_ids=frozenset(row.provider_ids or ()),
        weekdays=frozenset(row.weekdays or ()),
        opens=row.opens,
        closes=row.closes,
        earliest=row.earliest,
        latest=row.latest,
        notice=timedelta(minutes=row.notice_minutes),
        before=before,
    )
