"""What is asked for, known and occupied, where a visit or a hold takes its place."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from services.appointments.domain.booking import Booking, Wish
from services.appointments.domain.explain import naming_rules
from services.appointments.domain.occupancy import ResourceKind
from services.appointments.domain.resources import Modality
from services.appointments.domain.rules import Rule
from services.appointments.queries.booking_facts import Known, facts_for
from services.appointments.queries.equipment import with_colleagues, with_equipment
from services.appointments.tables import Occupancy
from shared.db.actor import Actor
from shared.db.work import Work
from shared.values.errors import Forbidden
from shared.values.zones import in_range, instant_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A place as asked for. Times as the caller gave them; the clinic's zone judges them.

    patient_id: None where nobody knows yet for whom.
    """

    patient_id: UUID | None
    clinic_id: UUID
    provider_id: UUID
    appointment_type_id: UUID
    starts_at: datetime
    ends_at: datetime | None = None
    room_id: UUID | None = None
    further_provider_ids: Sequence[UUID] = ()
    walk_in: bool = False
    overbook: bool = False
    overlap_reason: str | None = None
    modality: str = "in_person"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Wanted):
    """A booking as asked for. hold_id: the hold whose place it takes."""

    patient_id: UUID
    hold_id: UUID | None = None


def require_desk(actor: Actor, wanted: Wanted) -> None:
    """Raise Forbidden where a patient lifts a rule that the desk may lift."""
    lifts = wanted.walk_in or wanted.overbook or wanted.overlap_reason is not None
    if lifts and actor.patient_ids is not None:
        raise Forbidden("booking.for_the_desk", "To book beyond the rules is for the desk.")


async def facts_of(work: Work, wanted: Wanted, may_overbook: bool) -> Known:
    """What must be known of a place. Raises NotFound, NotYetHeard; Invalid ``time.range``.

    One round trip; one more for each further provider, and one for equipment.
    """
    with naming_rules():
        for moment in (wanted.starts_at, wanted.ends_at):
            if moment is not None:
                in_range(moment)

    async def facts_of_one(provider_id: UUID) -> Known:
        return await facts_for(
            work,
            clinic_id=wanted.clinic_id,
            provider_id=provider_id,
            type_id=wanted.appointment_type_id,
            patient_id=wanted.patient_id,
            starts_at=wanted.starts_at,
            ends_at=wanted.ends_at,
            may_overbook=may_overbook,
        )

    known = await facts_of_one(wanted.provider_id)
    others = [await facts_of_one(each) for each in wanted.further_provider_ids]
    if not others and not known.facts.type.equipment:
        return known
    at = wanted.starts_at if wanted.starts_at.tzinfo is not None else work.now
    return await with_equipment(work, with_colleagues(known, others), at, wanted.clinic_id)


def wish_of(work: Work, wanted: Wanted, known: Known) -> Wish:
    """What the rules are asked. Raises Invalid for a time that the clinic's clocks have not."""
    in_zone = known.facts.zone
    wish = Wish(
        clinic_id=wanted.clinic_id,
        patient_id=wanted.patient_id,
        starts_at=instant_in(wanted.starts_at, in_zone),
        known_patient=known.known_patient,
        room_id=wanted.room_id,
        overbook=wanted.overbook,
        overlap_reason=wanted.overlap_reason,
        further_provider_ids=tuple(wanted.further_provider_ids),
        self_service=work.actor.patient_ids is not None,
        modality=Modality(wanted.modality),
    )
    if wanted.ends_at is None:
        return wish
    return replace(wish, ends_at=instant_in(wanted.ends_at, in_zone))


def decided_by(rules: Sequence[Rule]) -> list[dict[str, Any]] | None:
    """The network's rules that decided, as they are kept with the visit."""
    return [{"rule": rule.kind.value, "version": rule.version} for rule in rules] or None


def occupancy_rows(
    work: Work, booking: Booking, owner_id: UUID, move: int, **owner: Any
) -> list[dict[str, Any]]:
    """The rows of what is occupied. owner: the columns that say for what."""
    return [
        {
            "id": work.new_id(f"occupancy/{owner_id}/{move}/{number}"),
            "network_id": work.network_id,
            "resource_kind": taken.kind.value,
            "resource_id": taken.resource_id,
            "lane": taken.lane,
            "starts_at": taken.interval.start,
            "ends_at": taken.interval.end,
            "active": True,
            **owner,
        }
        for number, taken in enumerate(booking.occupancies)
    ]


async def free(work: Work, appointment_id: UUID, but: ResourceKind | None = None) -> None:
    """Deactivate a visit's occupancies and send that before anything takes their place.

    but: what stays occupied.
    """
    for row in await work.load_where(Occupancy, "appointment_id = $2 AND active", appointment_id):
        if row.resource_kind != but:
            row.active = False
            work.save(row)
    await work.flush()


async def free_session(work: Work, session_id: UUID) -> None:
    """Deactivate what a group session occupies itself, and send that; its seats are visits."""
    for row in await work.load_where(Occupancy, "session_id = $2 AND active", session_id):
        row.active = False
        work.save(row)
    await work.flush()


# In the order of their ids, so that two who free the same time do not wait for each other.
_FREE_HELD = """
UPDATE occupancies SET active = false WHERE network_id = $1 AND id IN (
  SELECT id FROM occupancies WHERE network_id = $1 AND hold_id = ANY($2) AND active
  ORDER BY id FOR UPDATE)
"""


async def free_held(work: Work, hold_ids: Sequence[UUID]) -> None:
    """Deactivate what holds occupy, before anything takes its place; nothing where none is named.

    The holds themselves stay as they are: one that ran out is ended by its timer.
    """
    if hold_ids:
        await work.raw.execute(_FREE_HELD, work.network_id, list(hold_ids))
