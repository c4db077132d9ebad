"""Calendar feeds: an address with a secret in it, for one provider or one clinic."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from services.appointments.commands.schedules import provider
from services.appointments.commands.setup import clinic
from services.appointments.domain.ics import Entry, calendar_text
from services.appointments.tables import (
    Appointment,
    AppointmentMove,
    AppointmentType,
    CalendarFeed,
    Clinic,
    ProviderClinic,
    Room,
)
from shared.db.actor import at_clinic
from shared.db.work import Work
from shared.values.errors import Conflict, Invalid, NotFound
from shared.values.interval import Interval
from shared.values.zones import zone
from shared.web.by_secret import Secret, new_secret, secret_of

BEHIND, AHEAD = timedelta(days=30), timedelta(days=180)
"""How far a feed looks back and ahead."""
ENTRIES_MAX = 5000


@dataclass(frozen=True, slots=True)
class Opened:
    """A feed with the secret of its address, which is shown once and not kept."""

    row: CalendarFeed
    secret: str


async def create_feed(work: Work, provider_id: UUID | None, clinic_id: UUID | None) -> CalendarFeed:
    """Enter a feed; it has no address until it is given its first secret."""
    if (provider_id is None) == (clinic_id is None):
        raise Invalid("feed.of_whom", "A feed is of a provider or of a clinic.")
    if provider_id is not None:
        await provider(work, provider_id)
    if clinic_id is not None:
        await clinic(work, clinic_id)
    row = CalendarFeed(
        id=work.new_id("feed"),
        network_id=work.network_id,
        provider_id=provider_id,
        clinic_id=clinic_id,
        created_at=work.now,
        created_by=str(work.actor),
    )
    work.add(row)
    return row


async def feed(work: Work, feed_id: UUID) -> CalendarFeed:
    """A feed of the caller's clinics. Raises NotFound."""
    row = await work.load(CalendarFeed, feed_id)
    if row is None or (row.clinic_id is not None and not at_clinic(work.actor, row.clinic_id)):
        raise NotFound("feed.not_found", "There is no such feed.")
    if row.provider_id is not None:
        await provider(work, row.provider_id)
    return row


async def rotate_feed(work: Work, feed_id: UUID) -> Opened:
    """Give a feed its first secret or another; one that it had opens nothing any more."""
    row = await feed(work, feed_id)
    if row.revoked_at is not None:
        raise Conflict("feed.revoked", "This feed was taken back.")
    text = new_secret(work.network_id)
    found = secret_of(text)
    row.secret_hash = found.digest if found else None
    row.rotated_at = work.now
    work.save(row)
    return Opened(row, text)


async def revoke_feed(work: Work, feed_id: UUID) -> CalendarFeed:
    """Take a feed back for good. Doing so again changes nothing."""
    row = await feed(work, feed_id)
    if row.revoked_at is None:
        row.revoked_at, row.secret_hash = work.now, None
        work.save(row)
    return row


async def read_feed(work: Work, secret: Secret) -> bytes:
    """The calendar that a secret opens. Raises NotFound for one that opens none."""
    rows = await work.load_where(
        CalendarFeed, "secret_hash = $2 AND revoked_at IS NULL", secret.digest
    )
    if not rows:
        raise NotFound
    (row,) = rows
    places = [row.clinic_id]
    if row.provider_id is not None:
        links = await work.load_where(ProviderClinic, "provider_id = $2", row.provider_id)
        places = [link.clinic_id for link in links]
    clinics = {c.id: c for c in await work.load_where(Clinic, "id = ANY ($2)", places)}
    visits = await work.load_where(
        Appointment,
        "clinic_id = ANY ($2) AND starts_at > $3 AND starts_at < $4"
        " AND ($5::uuid IS NULL OR provider_id = $5 OR $5 = ANY (further_provider_ids))"
        " AND lifecycle <> 'entered_in_error'"
        f" ORDER BY starts_at, id LIMIT {ENTRIES_MAX}",
        places,
        work.now - BEHIND,
        work.now + AHEAD,
        row.provider_id,
    )
    name = "Appointments" if row.clinic_id is None else clinics[row.clinic_id].name
    return calendar_text(name, await _entries(work, visits, clinics))


async def _entries(
    work: Work, visits: list[Appointment], clinics: dict[UUID, Clinic]
) -> list[Entry]:
    types = {t.id: t.name for t in await work.load_where(AppointmentType, "true")}
    wanted = list({v.room_id for v in visits if v.room_id is not None})
    rooms = {r.id: r.name for r in await work.load_where(Room, "id = ANY ($2)", wanted)}
    moved = [v.id for v in visits if v.moves]
    news = {v.id: v.booked_at for v in visits}
    for move in await work.load_where(
        AppointmentMove, "appointment_id = ANY ($2) ORDER BY move", moved
    ):
        news[move.appointment_id] = move.moved_at
    found = []
    for v in visits:
        place = clinics[v.clinic_id]
        room = rooms.get(v.room_id) if v.room_id is not None else None
        cancelled = v.lifecycle == "cancelled"
        found.append(
            Entry(
                id=v.id,
                interval=Interval(v.starts_at, v.ends_at),
                zone=zone(place.time_zone),
                summary=types[v.appointment_type_id],
                location=place.name if room is None else f"{place.name}, {room}",
                sequence=v.moves + cancelled,
                at=v.cancelled_at or news[v.id],
                cancelled=cancelled,
            )
        )
    return found
