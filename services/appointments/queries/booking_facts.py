"""The facts of a booking in one round trip."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, Self
from uuid import UUID

import orjson

from services.appointments import tables as t
from services.appointments.domain.booking import BookingFacts
from services.appointments.domain.occupancy import Busy, ResourceKind
from services.appointments.domain.resources import AppointmentType, Modality, Provider, Room
from services.appointments.domain.rules import RuleKind
from services.appointments.domain.schedule import local_days
from services.appointments.queries import rules
from services.appointments.queries.calendars import (
    clinic_columns,
    entered,
    openness,
    provider_members,
)
from shared.db.actor import at_clinic
from shared.db.work import Work
from shared.values.errors import NotFound, NotYetHeard
from shared.values.interval import Interval
from shared.values.zones import zone

# One statement with a member an answer: a hot command makes one trip for all it must know. Only
# plain comparisons on indexed columns: under row security others would scan (DESIGN: leakproof).
# One arm a kind of resource: an OR of the three reads every room of the network. No COALESCE in a
# condition: Postgres takes it for leaky, and reads all that is booked later as well.
_TAKEN = """
SELECT json_build_array(resource_kind, resource_id, lane, starts_at, ends_at,
  coalesce(appointment_id, session_id), hold_id, expires_at) AS row
FROM occupancies WHERE network_id = $1 AND active AND only_type_id IS DISTINCT FROM $4
 AND starts_at > $6::timestamptz - interval '30 h'
 AND ends_at > (
   SELECT $6::timestamptz - make_interval(mins => buffer_before_minutes)
   FROM appointment_types WHERE network_id = $1 AND id = $4)
 AND starts_at < (
   SELECT $7::timestamptz
     + make_interval(mins => buffer_after_minutes + greatest(minutes_new, minutes_known))
   FROM appointment_types WHERE network_id = $1 AND id = $4)
 AND resource_kind"""
_DAYS = (
    "($6::timestamptz AT TIME ZONE 'UTC')::date - 3",
    "($6::timestamptz AT TIME ZONE 'UTC')::date + 3",
)
FACTS = f"""
SELECT json_build_array(
 (SELECT {clinic_columns(*_DAYS)} FROM clinics WHERE network_id = $1 AND id = $2),
 (SELECT json_build_array(minutes_new, minutes_known, buffer_before_minutes, buffer_after_minutes,
    needs_room, lead_time_minutes, horizon_days, room_kind, equipment, providers, modalities)
  FROM appointment_types WHERE network_id = $1 AND id = $4),
 (SELECT json_build_array(active_from, active_until, capacity, overbook_quota)
  FROM providers WHERE network_id = $1 AND id = $3),
 (SELECT json_agg(clinic_id) FROM provider_clinics WHERE network_id = $1 AND provider_id = $3),
 {provider_members("$3", "$2", *_DAYS)},
 (SELECT json_agg(json_build_array(id, capacity, kind) ORDER BY position, id)
  FROM rooms WHERE network_id = $1 AND clinic_id = $2),
 (SELECT json_agg(row) FROM (
   {_TAKEN} = 'provider' AND resource_id = $3 UNION ALL
   {_TAKEN} = 'patient' AND resource_id = $5 UNION ALL
   {_TAKEN} = 'room' AND resource_id = ANY (ARRAY(
     SELECT id FROM rooms WHERE network_id = $1 AND clinic_id = $2))) AS taken),
 (SELECT json_build_array(registered, visits, birth_year, gender) FROM known_patients
  WHERE network_id = $1 AND patient_id = $5),
 (SELECT json_agg({rules.MEMBERS}) FROM booking_rules WHERE network_id = $1
  AND (clinic_id IS NULL OR clinic_id = $2) AND (appointment_type_id IS NULL
  OR appointment_type_id = $4) AND (provider_id IS NULL OR provider_id = $3)))::text
"""

_UNHEARD = (False, 0, None, None)
"""What is known of a patient of whom nobody has said anything."""
AROUND = timedelta(hours=26)
"""Further than the longest visit with its buffers reaches.

In the statement: what is taken and could touch the wish overlaps it with its buffers. As a visit
lasts 24 hours at most and each of three buffers two, it began within 30 hours before.
"""
LONGEST = timedelta(hours=52)


@dataclass(frozen=True, slots=True)
class Known:
    """The facts, and whether the patient has been seen before.

    expired: holds that ran out and whose time nobody has freed yet: they are no facts any more.
    """

    facts: BookingFacts
    known_patient: bool
    currency: str
    expired: tuple[UUID, ...] = ()

    def waiving(self, *kinds: RuleKind) -> Self:
        """The same with kinds of rule that are not asked, for they were asked before."""
        waived = self.facts.waived.union(kinds)
        return replace(self, facts=replace(self.facts, waived=waived))


async def facts_for(
    work: Work,
    *,
    clinic_id: UUID,
    provider_id: UUID,
    type_id: UUID,
    patient_id: UUID | None,
    starts_at: datetime,
    ends_at: datetime | None,
    may_overbook: bool,
) -> Known:
    """What must be known to book or move a visit, read under its locks.

    Raises NotFound for a clinic that is unknown or not the caller's, for an unknown provider or
    type; NotYetHeard for an unknown patient.
    """
    at = starts_at if starts_at.tzinfo is not None else work.now
    until = ends_at if ends_at is not None and ends_at.tzinfo is not None else at
    found = await work.raw.fetchval(
        FACTS, work.network_id, clinic_id, provider_id, type_id, patient_id, at, max(at, until)
    )
    clinic, kind, provider, places, *hours, rooms, busy, patient, ruled = orjson.loads(found)
    if clinic is None or not at_clinic(work.actor, clinic_id):
        raise NotFound("clinic.not_found", "There is no such clinic.")
    if kind is None:
        raise NotFound("appointment_type.not_found", "There is no such appointment type.")
    if provider is None:
        raise NotFound("provider.not_found", "There is no such provider at this clinic.")
    if patient_id is not None and (patient is None or not patient[0]):
        raise NotYetHeard("patient.not_found", "There is no such patient.")
    in_zone = zone(clinic[0])
    first, last = local_days(Interval(at - AROUND, at + AROUND), in_zone)
    asked = tuple(rules.rule_of(item) for item in ruled or ())
    times = openness(provider_id, clinic_id, in_zone, entered(clinic, *hours), first, last)
    expired = {item[6] for item in busy or () if item[6] and _moment(item[7]) <= work.now}
    return Known(
        BookingFacts(
            zone=in_zone,
            type=type_of(type_id, kind),
            provider=_provider_of(provider_id, provider, places or []),
            open_times=times.open_times,
            bounds=times.bounds,
            rooms=tuple(Room(_id(r[0]), clinic_id, r[1], r[2]) for r in rooms or ()),
            busy=tuple(busy_of(item) for item in busy or () if item[6] not in expired),
            may_overbook=may_overbook,
            rules=asked,
            patient=await rules.patient_facts(work, asked, patient_id, (patient or _UNHEARD)[2:]),
            visits=await rules.visits_of_day(
                work,
                asked,
                (at, max(at, until)),
                in_zone,
                (clinic_id, type_id, provider_id, patient_id),
            ),
        ),
        known_patient=patient is not None and patient[1] > 0,
        currency=clinic[1],
        expired=tuple(_id(hold_id) for hold_id in sorted(expired)),
    )


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
            row.modalities,
        ],
    )


def type_of(type_id: UUID, members: list[Any]) -> AppointmentType:
    """A type's rule values from its columns."""
    new, known, before, after, needs_room, lead, horizon = members[:7]
    room_kind, equipment, providers, modalities = members[7:]
    return AppointmentType(
        type_id,
        timedelta(minutes=new),
        timedelta(minutes=known),
        timedelta(minutes=before),
        timedelta(minutes=after),
        needs_room,
        room_kind,
        tuple(sorted((equipment or {}).items())),
        providers,
        timedelta(minutes=lead),
        timedelta(days=horizon),
        frozenset(Modality(each) for each in modalities),
    )


def _provider_of(provider_id: UUID, members: list[Any], places: list[str]) -> Provider:
    first, last, capacity, quota = members
    clinics = frozenset(_id(place) for place in places)
    return Provider(provider_id, clinics, _day(first), _day(last), capacity, quota)


def busy_of(item: list[Any]) -> Busy:
    """An occupancy's rule values from its columns. Lane 0 is every lane, and so is a fence."""
    kind, resource_id, lane, starts_at, ends_at, appointment_id, hold_id, _ = item
    return Busy(
        ResourceKind(kind),
        _id(resource_id),
        lane if lane > 0 else None,
        Interval(_moment(starts_at), _moment(ends_at)),
        _id(appointment_id) if appointment_id else None,
        _id(hold_id) if hold_id else None,
    )


@lru_cache(maxsize=4096)
def _id(text: str) -> UUID:
    # The same rooms and neighbours are read for booking after booking.
    return UUID(text)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
