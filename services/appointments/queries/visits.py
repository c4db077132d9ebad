"""Reading visits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.appointments.tables import Appointment, Clinic, KnownPatient, VisitPacket
from shared.db.actor import Actor, at_clinic
from shared.db.work import Work
from shared.values.errors import NotFound


async def visit(work: Work, appointment_id: UUID) -> Appointment:
    """A visit of the network and of the caller's clinics. Raises NotFound."""
    row = await work.load(Appointment, appointment_id)
    if row is None or not at_clinic(work.actor, row.clinic_id, row.patient_id):
        raise NotFound("appointment.not_found", "There is no such appointment.")
    return row


async def visits(work: Work, appointment_ids: Sequence[UUID]) -> list[Appointment]:
    """All of these visits. Raises NotFound where there is one that is not."""
    rows = await work.load_where(Appointment, "id = ANY($2) ORDER BY id", list(appointment_ids))
    if len(rows) != len(set(appointment_ids)):
        raise NotFound("appointment.not_found", "There is no such appointment.")
    return rows


async def clinic_zone(work: Work, clinic_id: UUID) -> str:
    """The IANA zone of a clinic, for whoever may know of something there. Raises NotFound."""
    return _zone_of(await work.load(Clinic, clinic_id))


async def named_zone(work: Work, clinic_id: UUID, patient_id: UUID | None = None) -> str:
    """The IANA zone of a clinic that the caller named. Raises NotFound where it is not theirs.

    patient_id: whose visits there are asked for.
    """
    row = await work.load(Clinic, clinic_id)
    return _zone_of(row if at_clinic(work.actor, clinic_id, patient_id) else None)


def _zone_of(row: Clinic | None) -> str:
    if row is None:
        raise NotFound("clinic.not_found", "There is no such clinic.")
    return row.time_zone


@dataclass(frozen=True, slots=True)
class VisitFilter:
    """Which visits are listed: of a patient, or of a clinic between two instants; of them, those
    that patients booked themselves or did not, and those booked since an instant."""

    clinic_id: UUID | None
    patient_id: UUID | None
    since: datetime | None
    until: datetime | None
    self_booked: bool | None = None
    booked_since: datetime | None = None


async def list_visits(
    work: Work,
    wanted: VisitFilter,
    after: tuple[datetime, UUID] | None,
    limit: int,
    actor: Actor,
) -> list[Appointment]:
    """Visits in the order (starts_at, id), at most `limit`, after a position."""
    clinic_ids = actor.clinic_ids
    if wanted.clinic_id is not None:
        there = at_clinic(actor, wanted.clinic_id, wanted.patient_id)
        clinic_ids = frozenset({wanted.clinic_id} if there else ())
    elif wanted.patient_id in actor.emergencies:
        clinic_ids = None
    conditions: list[tuple[str, tuple[Any, ...]]] = [
        ("clinic_id = ANY({})", (None if clinic_ids is None else list(clinic_ids),)),
        ("patient_id = {}", (wanted.patient_id,)),
        ("starts_at >= {}", (wanted.since,)),
        ("starts_at < {}", (wanted.until,)),
        ("self_booked = {}", (wanted.self_booked,)),
        ("booked_at >= {}", (wanted.booked_since,)),
        ("(starts_at, id) > ({}, {})", after or (None, None)),
    ]
    texts, arguments = ["true"], list[Any]()
    for text, given in conditions:
        if given[0] is not None:
            texts.append(text.format(*(f"${2 + len(arguments) + n}" for n in range(len(given)))))
            arguments.extend(given)
    where = f"{' AND '.join(texts)} ORDER BY starts_at, id LIMIT ${2 + len(arguments)}"
    return await work.load_where(Appointment, where, *arguments, limit)


async def one_known_patient(work: Work, patient_id: UUID) -> KnownPatient | None:
    """What is known of a patient, None before anything was heard."""
    rows = await work.load_where(KnownPatient, "patient_id = $2", patient_id)
    return rows[0] if rows else None


async def packet_of(work: Work, appointment_id: UUID) -> VisitPacket | None:
    """The latest chart packet of a visit."""
    rows = await work.load_where(VisitPacket, "appointment_id = $2", appointment_id)
    return rows[0] if rows else None
