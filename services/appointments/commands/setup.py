"""What a network enters before it can book: clinics, rooms, providers, types."""

from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from services.appointments import events
from services.appointments.domain.resources import AppointmentType as TypeRule
from services.appointments.queries.booking_facts import type_of
from services.appointments.tables import (
    AppointmentType,
    Clinic,
    Provider,
    ProviderClinic,
    Room,
)
from shared.db.actor import at_clinic
from shared.db.work import Work
from shared.values.errors import Invalid, NotFound
from shared.values.npi import checked_npi
from shared.values.zones import zone


@dataclass(frozen=True, slots=True)
class ClinicWish:
    """A clinic to open."""

    name: str
    time_zone: str
    currency: str
    phone: str | None = None
    address: dict[str, str] | None = None


async def open_clinic(work: Work, wish: ClinicWish) -> Clinic:
    """Enter a clinic. Raises Invalid for an unknown time zone."""
    zone(wish.time_zone)
    row = Clinic(
        id=work.new_id("clinic"),
        network_id=work.network_id,
        name=wish.name,
        time_zone=wish.time_zone,
        currency=wish.currency,
        phone=wish.phone,
        address=wish.address,
    )
    work.add(row)
    work.say(events.clinic_opened(row), of=row)
    return row


async def clinic(work: Work, clinic_id: UUID) -> Clinic:
    """A clinic of the network and of the caller's token. Raises NotFound."""
    row = await work.load(Clinic, clinic_id)
    if row is None or not at_clinic(work.actor, clinic_id):
        raise NotFound("clinic.not_found", "There is no such clinic.")
    return row


async def add_room(
    work: Work, clinic_id: UUID, name: str, capacity: int, position: int, kind: str | None = None
) -> Room:
    """Enter a room of a clinic."""
    await clinic(work, clinic_id)
    row = Room(
        id=work.new_id("room"),
        network_id=work.network_id,
        clinic_id=clinic_id,
        name=name,
        capacity=capacity,
        position=position,
        kind=kind,
    )
    work.add(row)
    return row


@dataclass(frozen=True, slots=True)
class ProviderWish:
    """A provider to enter."""

    family_name: str
    given_name: str | None
    npi: str | None
    clinic_ids: tuple[UUID, ...] = field(default=())
    active_from: date | None = None
    active_until: date | None = None
    capacity: int = 1
    overbook_quota: int = 1


async def add_provider(work: Work, wish: ProviderWish) -> tuple[Provider, list[UUID]]:
    """Enter a provider and where they work. Raises Invalid for an NPI whose check digit fails."""
    for clinic_id in wish.clinic_ids:
        await clinic(work, clinic_id)
    if wish.active_from and wish.active_until and wish.active_until < wish.active_from:
        raise Invalid("provider.active", "The last day must not precede the first.")
    row = Provider(
        id=work.new_id("provider"),
        network_id=work.network_id,
        family_name=wish.family_name,
        given_name=wish.given_name,
        npi=None if wish.npi is None else checked_npi(wish.npi),
        active_from=wish.active_from,
        active_until=wish.active_until,
        capacity=wish.capacity,
        overbook_quota=wish.overbook_quota,
    )
    work.add(row)
    places = list(dict.fromkeys(wish.clinic_ids))
    for clinic_id in places:
        work.add(
            ProviderClinic(network_id=work.network_id, provider_id=row.id, clinic_id=clinic_id)
        )
    return row, places


async def publish_type(work: Work, row: AppointmentType) -> AppointmentType:
    """Enter a kind of visit. Raises Invalid where its lengths make no sense."""
    _check_type(row)
    work.add(row)
    work.say(events.type_published(row), of=row)
    return row


def _check_type(row: AppointmentType) -> TypeRule:
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
