"""Availability over several providers, read in a few round trips."""

from collections.abc import Sequence
from datetime import date, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson

from services.appointments import tables as t
from services.appointments.domain.booking import alternatives
from services.appointments.domain.occupancy import Busy, Calendar, ResourceKind
from services.appointments.domain.resources import AppointmentType, Provider, Room
from services.appointments.domain.schedule import local_days
from services.appointments.domain.slots import Availability, Offer, Question, Slot, availability
from services.appointments.queries.booking_facts import LONGEST, type_of
from services.appointments.queries.calendars import (
    Openness,
    clinic_columns,
    entered,
    openness,
    provider_members,
)
from shared.db.actor import at_clinic
from shared.db.work import Work
from shared.values.errors import NotFound
from shared.values.interval import Interval
from shared.values.zones import zone

OFFER_WINDOW = timedelta(days=3)
OPENNESS = f"""
SELECT p.id, json_build_array(
 (SELECT {clinic_columns("$4::date", "$5::date")} FROM clinics
  WHERE network_id = $1 AND id = $2),
{provider_members("p.id", "$4::date", "$5::date")})::text AS told
FROM providers p WHERE p.network_id = $1 AND p.id = ANY ($3)
"""


async def load_type(work: Work, type_id: UUID) -> AppointmentType:
    """A type's rule values. Raises NotFound."""
    row = await work.load(t.AppointmentType, type_id)
    if row is None:
        raise NotFound("appointment_type.not_found", "There is no such appointment type.")
    return type_of(
        row.id,
        [
            row.minutes_new,
            row.minutes_known,
            row.buffer_before_minutes,
            row.buffer_after_minutes,
            row.needs_room,
            row.lead_time_minutes,
            row.horizon_days,
        ],
    )


async def slots_for(
    work: Work, question: Question, clinic_id: UUID, provider_ids: Sequence[UUID]
) -> Availability:
    """The slots of a clinic's providers (all of them where none is named). Raises NotFound."""
    clinic = await work.load(t.Clinic, clinic_id)
    if clinic is None or not at_clinic(work.actor, clinic_id):
        raise NotFound("clinic.not_found", "There is no such clinic.")
    providers = await _providers(work, clinic_id, provider_ids)
    in_zone = zone(clinic.time_zone)
    first, last = local_days(question.window, in_zone)
    times = await _openness(work, clinic_id, providers, in_zone, first, last)
    offers = [
        Offer(provider, clinic_id, in_zone, times[provider.id].open_times, times[provider.id].shut)
        for provider in providers
    ]
    rooms = await _rooms(work, clinic_id)
    resources = [p.id for p in providers] + [r.id for r in rooms]
    if question.patient_id is not None:
        resources.append(question.patient_id)
    calendar = Calendar(await _busy(work, resources, question.window, question.type.id))
    return availability(question, offers, rooms, calendar, work.now)


async def slots_near(
    work: Work, clinic_id: UUID, provider_id: UUID, type_id: UUID, wanted: Interval
) -> tuple[Slot, ...]:
    """At most three slots to offer instead of one that is taken."""
    window = Interval(max(work.now, wanted.start - OFFER_WINDOW), wanted.start + OFFER_WINDOW)
    question = Question(window, await load_type(work, type_id), known_patient=True, limit=500)
    found = await slots_for(work, question, clinic_id, [provider_id])
    return alternatives(wanted, provider_id, found.slots)


async def _providers(work: Work, clinic_id: UUID, provider_ids: Sequence[UUID]) -> list[Provider]:
    here = (
        "id IN (SELECT provider_id FROM provider_clinics WHERE network_id = $1 AND clinic_id = $2)"
    )
    if provider_ids:
        where = f"id = ANY($3) AND {here} ORDER BY id"
        rows = await work.load_where(t.Provider, where, clinic_id, list(provider_ids))
    else:
        rows = await work.load_where(t.Provider, f"{here} ORDER BY id", clinic_id)
    if provider_ids and len(rows) != len(set(provider_ids)):
        raise NotFound("provider.not_found", "There is no such provider at this clinic.")
    places = frozenset({clinic_id})
    return [
        Provider(
            row.id, places, row.active_from, row.active_until, row.capacity, row.overbook_quota
        )
        for row in rows
    ]


async def _openness(
    work: Work,
    clinic_id: UUID,
    providers: Sequence[Provider],
    in_zone: ZoneInfo,
    first: date,
    last: date,
) -> dict[UUID, Openness]:
    rows = await work.raw.fetch(
        OPENNESS, work.network_id, clinic_id, [p.id for p in providers], first, last
    )
    found = {}
    for row in rows:
        clinic, *hours = orjson.loads(row["told"])
        given = entered(clinic, *hours)
        found[row["id"]] = openness(row["id"], clinic_id, in_zone, given, first, last)
    return found


async def _rooms(work: Work, clinic_id: UUID) -> list[Room]:
    rows = await work.load_where(t.Room, "clinic_id = $2 ORDER BY position, id", clinic_id)
    return [Room(row.id, clinic_id, row.capacity) for row in rows]


async def _busy(
    work: Work, resources: Sequence[UUID], window: Interval, type_id: UUID
) -> list[Busy]:
    rows = await work.raw.fetch(
        "SELECT resource_kind, resource_id, lane, starts_at, ends_at, appointment_id"
        " FROM occupancies WHERE network_id = $1 AND active AND resource_id = ANY($2)"
        " AND resource_kind = ANY($3) AND starts_at < $4 AND ends_at > $5 AND starts_at > $6"
        " AND only_type_id IS DISTINCT FROM $7",
        work.network_id,
        list(resources),
        [kind.value for kind in ResourceKind],
        window.end + LONGEST,
        window.start - LONGEST,
        window.start - LONGEST,
        type_id,
    )
    return [
        Busy(
            ResourceKind(row["resource_kind"]),
            row["resource_id"],
            row["lane"] if row["lane"] > 0 else None,
            Interval(row["starts_at"], row["ends_at"]),
            row["appointment_id"],
        )
        for row in rows
    ]
