"""Equipment of a clinic, and when it is out of service."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID

from services.appointments.commands.setup import clinic
from services.appointments.tables import Equipment, Occupancy
from shared.db.actor import at_clinic
from shared.db.work import Work
from shared.values.errors import Invalid, NotFound
from shared.values.zones import first_at, zone


@dataclass(frozen=True, slots=True)
class EquipmentWish:
    """An item to enter."""

    clinic_id: UUID
    kind: str
    name: str
    capacity: int = 1
    position: int = 0


async def add_equipment(work: Work, wish: EquipmentWish) -> Equipment:
    """Enter an item of a clinic."""
    await clinic(work, wish.clinic_id)
    row = Equipment(
        id=work.new_id("equipment"),
        network_id=work.network_id,
        clinic_id=wish.clinic_id,
        kind=wish.kind,
        name=wish.name,
        capacity=wish.capacity,
        position=wish.position,
    )
    work.add(row)
    return row


async def one_item(work: Work, equipment_id: UUID) -> Equipment:
    """An item of the network and of the caller's clinics. Raises NotFound."""
    row = await work.load(Equipment, equipment_id)
    if row is None or not at_clinic(work.actor, row.clinic_id):
        raise NotFound("equipment.not_found", "There is no such equipment.")
    return row


async def set_out_of_service(
    work: Work, equipment_id: UUID, since: date | None, until: date | None
) -> tuple[Equipment, list[UUID]]:
    """Take an item out of service on local days, both included, or put it back (`since` None).

    Visits that have it then stay as they are: their ids are given, in the order of their start.
    Raises Invalid ``equipment.out_of_service`` for days in the wrong order.
    """
    row = await one_item(work, equipment_id)
    if (since is None and until is not None) or (since and until and until < since):
        title = "The last day must not precede the first."
        raise Invalid("equipment.out_of_service", title, pointer="/until")
    row.out_from, row.out_until = since, until
    work.save(row)
    if since is None:
        return row, []
    in_zone = zone((await clinic(work, row.clinic_id)).time_zone)
    begins = first_at(datetime.combine(since, time(0)), in_zone)
    ends = None
    if until is not None:
        ends = first_at(datetime.combine(until + timedelta(days=1), time(0)), in_zone)
    hit = await work.load_where(
        Occupancy,
        "resource_kind = 'equipment' AND resource_id = $2 AND active AND appointment_id IS NOT NULL"
        " AND ends_at > $3 AND ($4::timestamptz IS NULL OR starts_at < $4) AND ends_at > $5"
        " ORDER BY starts_at, id",
        row.id,
        begins,
        ends,
        work.now,
    )
    visits = [taken.appointment_id for taken in hit if taken.appointment_id is not None]
    return row, list(dict.fromkeys(visits))
