"""Availability over several providers and clinics, read day by day until there is enough."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from services.appointments import tables as t
from services.appointments.domain.alternatives import alternatives
from services.appointments.domain.booking import BookingPolicy, months_after
from services.appointments.domain.occupancy import Busy, Calendar, ResourceKind
from services.appointments.domain.resources import (
    Equipment,
    Modality,
    Provider,
    Room,
)
from services.appointments.domain.rules import Rule
from services.appointments.domain.schedule import local_days
from services.appointments.domain.slots import (
    Availability,
    Offer,
    Question,
    Slot,
    Why,
    availability,
    later,
)
from services.appointments.domain.tally import Tally
from services.appointments.queries.booking_facts import LONGEST, load_type
from services.appointments.queries.calendars import Entered, entered_of, openness
from services.appointments.queries.equipment import equipment_of
from services.appointments.queries.rules import patient_facts, rules_for, visits_between
from services.appointments.queries.visits import one_known_patient
from shared.db.actor import at_clinic
from shared.db.work import Work
from shared.values.errors import NotFound
from shared.values.interval import Interval
from shared.values.zones import day_bounds, zone

_KINDS = {kind.value: kind for kind in ResourceKind}
_DAY = timedelta(days=1)
OFFER_WINDOW = timedelta(days=3)
DAYS_MOST = 8
"""How many days are read at once, where those before had too little."""

TAKEN = """
SELECT resource_kind, resource_id, lane, starts_at, ends_at, appointment_id FROM occupancies
WHERE network_id = $1 AND active AND starts_at < $2 AND starts_at > $3 AND ends_at > $4
 AND (expires_at IS NULL OR expires_at > $9) AND only_type_id IS DISTINCT FROM $10
 AND resource_kind"""
BUSY = f"""
{TAKEN} = 'provider' AND resource_id = ANY ($5) UNION ALL
{TAKEN} = 'room' AND resource_id = ANY ($6) UNION ALL
{TAKEN} = 'equipment' AND resource_id = ANY ($7) UNION ALL
{TAKEN} = 'patient' AND resource_id = $8
"""
"""What is taken and could touch a time: $3 is as early as it may have begun (see LONGEST).

A hold that ran out by $9 takes nothing, whether or not somebody has noted it. Nor does the fence
of a block for visits of one type, where $10 is that type.
"""


@dataclass(frozen=True, slots=True)
class Where:
    """Where slots are looked for. No provider or room named: all of the clinics.

    A room that is named must be one of theirs, and a slot is in one of those named.
    """

    clinic_ids: Sequence[UUID]
    provider_ids: Sequence[UUID] = ()
    room_ids: Sequence[UUID] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What is found, up to when was looked, the clinics' zones, and the rules that could decide."""

    availability: Availability
    searched_until: datetime
    zones: dict[UUID, ZoneInfo]
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class _Ground:
    """All that stays the same from one day to the next.

    providers: of each clinic; where several take part in a visit, with all who could join it.
    asked: whose visits are wanted. entered: their hours, by provider and clinic.
    """

    zones: dict[UUID, ZoneInfo]
    providers: dict[UUID, list[Provider]]
    asked: frozenset[UUID]
    rooms: list[Room]
    equipment: list[Equipment]
    entered: dict[tuple[UUID, UUID], Entered]
    rules: tuple[Rule, ...]


async def slots_for(work: Work, question: Question, where: Where) -> Found:
    """The slots of clinics' providers. Raises NotFound for what is not of these clinics."""
    ground = await _ground(work, question, where)
    question = await _of_patient(work, question, ground.rules)
    slots: list[Slot] = []
    why: dict[tuple[UUID, UUID], Why] = {}
    with_slot: set[tuple[UUID, UUID]] = set()
    since, days, more = question.window.start, 1, False
    in_zone = next(iter(ground.zones.values()))
    while since < question.window.end and not more:
        until = _days_on(since, days, in_zone, question.window.end)
        wanted = replace(
            question, window=Interval(since, until), limit=question.limit - len(slots) or 1
        )
        found = await _slots_of_days(work, wanted, ground)
        more = found.more or len(slots) + len(found.slots) > question.limit
        slots += found.slots[: question.limit - len(slots)]
        with_slot |= {(slot.provider_id, slot.clinic_id) for slot in found.slots}
        for each in found.why:
            key = (each.provider_id, each.clinic_id)
            why[key] = later(why.get(key, each), each)
        # Days that are full are read in greater steps; the first are never more than one.
        days = min(DAYS_MOST, days * 2)
        since = until
    left = tuple(each for key, each in why.items() if key not in with_slot)
    searched = slots[-1].interval.start if more else question.window.end
    return Found(Availability(tuple(slots), more, left), searched, ground.zones, ground.rules)


async def slots_near(
    work: Work,
    clinic_id: UUID,
    provider_id: UUID,
    type_id: UUID,
    wanted: Interval,
    *,
    patient_id: UUID,
    modality: Modality = Modality.IN_PERSON,
) -> tuple[Slot, ...]:
    """At most three slots to offer a patient instead of one that is taken."""
    known = await one_known_patient(work, patient_id)
    window = Interval(max(work.now, wanted.start - OFFER_WINDOW), wanted.start + OFFER_WINDOW)
    question = Question(
        window,
        await load_type(work, type_id),
        known_patient=known is not None and known.visits > 0,
        limit=500,
        patient_id=patient_id,
        self_service=work.actor.patient_ids is not None,
        modality=modality,
    )
    found = await slots_for(work, question, Where([clinic_id], [provider_id]))
    return alternatives(wanted, provider_id, found.availability.slots)


def _days_on(since: datetime, days: int, in_zone: ZoneInfo, end: datetime) -> datetime:
    """The end of the local day `days` days on, or of the window."""
    last = since.astimezone(in_zone).date() + timedelta(days=days - 1)
    return min(end, day_bounds(last, in_zone)[1])


async def _ground(work: Work, question: Question, where: Where) -> _Ground:
    clinics = await work.load_where(t.Clinic, "id = ANY($2)", list(where.clinic_ids))
    there = {row.id: zone(row.time_zone) for row in clinics if at_clinic(work.actor, row.id)}
    zones = {clinic_id: there[clinic_id] for clinic_id in where.clinic_ids if clinic_id in there}
    if len(zones) != len(set(where.clinic_ids)):
        raise NotFound("clinic.not_found", "There is no such clinic.")
    providers = await _providers(work, list(zones), where.provider_ids)
    asked = frozenset(provider.id for found in providers.values() for provider in found)
    if where.provider_ids and question.type.providers > 1:
        providers = await _providers(work, list(zones), ())
    rooms = await _rooms(work, list(zones), where.room_ids)
    equipment = [e for c in zones for e in await equipment_of(work, c, question.met)]
    entered = await entered_of(
        work,
        [row for row in clinics if row.id in zones],
        list({provider.id for found in providers.values() for provider in found}),
        question.window.start.date() - 2 * _DAY,
        question.window.end.date() + 2 * _DAY,
    )
    rules = await rules_for(work, list(zones), question.type.id)
    return _Ground(zones, providers, asked, rooms, equipment, entered, rules)


async def _of_patient(work: Work, question: Question, rules: tuple[Rule, ...]) -> Question:
    if question.patient_id is None or not rules:
        return question
    known = await one_known_patient(work, question.patient_id)
    said = (known.birth_year, known.gender) if known is not None else (None, None)
    facts = await patient_facts(work, rules, question.patient_id, said)
    return replace(question, patient=facts)


async def _slots_of_days(work: Work, question: Question, ground: _Ground) -> Availability:
    """The slots of some days: what is open, what is taken, and what counts, of these alone."""
    offers: list[Offer] = []
    for clinic_id, in_zone in ground.zones.items():
        days = local_days(question.window, in_zone)
        tally = await _tally(work, question, ground, clinic_id)
        today = work.now.astimezone(in_zone).date()
        last_day = months_after(today, BookingPolicy().months_ahead)
        for provider in ground.providers[clinic_id]:
            given = ground.entered[provider.id, clinic_id]
            times = openness(provider.id, clinic_id, in_zone, given, *days)
            offers.append(
                Offer(
                    provider, clinic_id, in_zone, times.open_times, ground.rules, tally, last_day,
                    times.bounds,
                )
            )  # fmt: skip
    calendar = Calendar(await _busy(work, question, ground))
    asked = [offer for offer in offers if offer.provider.id in ground.asked]
    beside = (ground.rooms, calendar, work.now, ground.equipment, offers)
    return availability(question, asked, *beside)


async def _tally(work: Work, question: Question, ground: _Ground, clinic_id: UUID) -> Tally:
    providers = [provider.id for provider in ground.providers[clinic_id]]
    of = (clinic_id, question.type.id, providers, question.patient_id)
    window = (question.window.start, question.window.end)
    visits = await visits_between(work, ground.rules, window, of)
    return Tally(visits, ground.zones[clinic_id])


async def _providers(
    work: Work, clinic_ids: list[UUID], provider_ids: Sequence[UUID]
) -> dict[UUID, list[Provider]]:
    """The providers of each clinic. Raises NotFound for one who is named and works at none."""
    links = await work.load_where(
        t.ProviderClinic,
        "clinic_id = ANY($2) AND ($3::uuid[] IS NULL OR provider_id = ANY($3))"
        " ORDER BY provider_id",
        clinic_ids,
        list(provider_ids) or None,
    )
    if provider_ids and {link.provider_id for link in links} != set(provider_ids):
        raise NotFound("provider.not_found", "There is no such provider at this clinic.")
    rows = await work.load_where(t.Provider, "id = ANY($2)", [link.provider_id for link in links])
    of = {row.id: row for row in rows}
    found: dict[UUID, list[Provider]] = {clinic_id: [] for clinic_id in clinic_ids}
    for link in links:
        row = of[link.provider_id]
        found[link.clinic_id].append(
            Provider(
                row.id, frozenset({link.clinic_id}), row.active_from, row.active_until,
                row.capacity, row.overbook_quota,
            )
        )  # fmt: skip
    return found


async def _rooms(work: Work, clinic_ids: list[UUID], room_ids: Sequence[UUID]) -> list[Room]:
    rows = await work.load_where(
        t.Room,
        "clinic_id = ANY($2) AND ($3::uuid[] IS NULL OR id = ANY($3)) ORDER BY position, id",
        clinic_ids,
        list(room_ids) or None,
    )
    if room_ids and len(rows) != len(set(room_ids)):
        raise NotFound("room.not_found", "There is no such room at this clinic.")
    return [Room(row.id, row.clinic_id, row.capacity, row.kind) for row in rows]


async def _busy(work: Work, question: Question, ground: _Ground) -> list[Busy]:
    window, type_ = question.window, question.type
    longest = max(type_.length_new, type_.length_known)
    providers = {provider.id for each in ground.providers.values() for provider in each}
    rows = await work.raw.fetch(
        BUSY,
        work.network_id,
        window.end + longest + type_.buffer_after,
        window.start - LONGEST,
        window.start - type_.buffer_before,
        list(providers),
        [room.id for room in ground.rooms] if question.needs_room else [],
        [item.id for item in ground.equipment],
        question.patient_id,
        work.now,
        type_.id,
    )
    return [
        Busy(
            _KINDS[kind],
            resource_id,
            lane if lane > 0 else None,
            Interval(starts_at, ends_at),
            appointment_id,
        )
        for kind, resource_id, lane, starts_at, ends_at, appointment_id in rows
    ]
