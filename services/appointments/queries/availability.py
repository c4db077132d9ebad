"""Availability over several providers, read in three round trips."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from services.appointments import tables as t
from services.appointments.domain.booking import alternatives
from services.appointments.domain.occupancy import Busy, Calendar, ResourceKind
from services.appointments.domain.resources import AppointmentType, Provider, Room
from services.appointments.domain.schedule import WeeklySchedule, local_days, openings
from services.appointments.domain.slots import Availability, Offer, Question, Slot, availability
from services.appointments.queries.booking_facts import LONGEST, type_of
from services.appointments.queries.equipment import equipment_of
from shared.db.actor import at_clinic
from shared.db.work import Work
from shared.values.errors import NotFound
from shared.values.interval import Interval
from shared.values.zones import zone

OFFER_WINDOW = timedelta(days=3)


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
            row.room_kind,
            row.equipment,
            row.providers,
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
    weekly = await work.load_where(
        t.WeeklySchedule,
        "clinic_id = $2 AND provider_id = ANY($3)",
        clinic_id,
        [provider.id for provider in providers],
    )
    in_zone = zone(clinic.time_zone)
    first, last = local_days(question.window, in_zone)
    schedules = [
        WeeklySchedule(
            row.provider_id,
            clinic_id,
            in_zone,
            row.weekday,
            row.opens,
            row.closes,
            row.effective_from,
            row.effective_until,
        )  # fmt: skip
        for row in weekly
    ]
    found = openings(schedules, first, last)
    offers = [
        Offer(
            provider,
            clinic_id,
            in_zone,
            tuple(o.interval for o in found if o.provider_id == provider.id),
        )
        for provider in providers
    ]
    rooms = await _rooms(work, clinic_id)
    equipment = await equipment_of(work, clinic_id, question.type)
    resources = [p.id for p in providers] + [r.id for r in rooms] + [e.id for e in equipment]
    if question.patient_id is not None:
        resources.append(question.patient_id)
    calendar = Calendar(await _busy(work, resources, question.window))
    return availability(question, offers, rooms, calendar, work.now, equipment)


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


async def _rooms(work: Work, clinic_id: UUID) -> list[Room]:
    rows = await work.load_where(t.Room, "clinic_id = $2 ORDER BY position, id", clinic_id)
    return [Room(row.id, clinic_id, row.capacity, row.kind) for row in rows]


async def _busy(work: Work, resources: Sequence[UUID], window: Interval) -> list[Busy]:
    rows = await work.raw.fetch(
        "SELECT resource_kind, resource_id, lane, starts_at, ends_at, appointment_id"
        " FROM occupancies WHERE network_id = $1 AND active AND resource_id = ANY($2)"
        " AND resource_kind = ANY($3) AND starts_at < $4 AND ends_at > $5 AND starts_at > $6"
        " AND (expires_at IS NULL OR expires_at > $7)",
        work.network_id,
        list(resources),
        [kind.value for kind in ResourceKind],
        window.end + LONGEST,
        window.start - LONGEST,
        window.start - LONGEST,
        work.now,
    )
    return [
        Busy(
            ResourceKind(row["resource_kind"]),
            row["resource_id"],
            row["lane"] or None,
            Interval(row["starts_at"], row["ends_at"]),
            row["appointment_id"],
        )
        for row in rows
    ]
