"""What a visit gets at a clinic besides its provider: a room, equipment, colleagues."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID
from zoneinfo import ZoneInfo

from services.appointments.domain.allotment import (
    Colleague,
    Missing,
    colleagues_free,
    equipment_for,
)
from services.appointments.domain.occupancy import Calendar, ResourceKind
from services.appointments.domain.resources import AppointmentType, Equipment, Room
from shared.values.interval import Interval


@dataclass(frozen=True, slots=True)
class Company:
    """What a visit can have besides its provider at a time: a room, where it needs one; others."""

    room_id: UUID | None
    further_provider_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Beside:
    """What there is, of every clinic that is asked about, in the order in which it fills up.

    colleagues: of the clinic that is looked at, the provider whose visit it is left out.
    """

    rooms: Sequence[Room] = ()
    equipment: Sequence[Equipment] = ()
    colleagues: Sequence[Colleague] = ()

    def at(
        self,
        kind: AppointmentType,
        clinic_id: UUID,
        interval: Interval,
        zone: ZoneInfo,
        calendar: Calendar,
        *,
        room: bool,
    ) -> Company | Missing:
        """What a visit of a kind would have at a time, or the first thing that it would lack.

        room: whether it must have one. As a booking finds them: what is free here it gets.
        """
        found = None
        if room:
            found = free_room(rooms_of_kind(self.rooms, kind), clinic_id, interval, calendar)
            if found is None:
                return Missing(ResourceKind.ROOM)
        place = (clinic_id, interval, zone, calendar)
        units = equipment_for(kind, self.equipment, *place)
        if isinstance(units, Missing):
            return units
        further = colleagues_free(kind, self.colleagues, *place)
        if further is None:
            return Missing(ResourceKind.PROVIDER)
        return Company(None if found is None else found[0].id, further)


def free_room(
    rooms: Iterable[Room], clinic_id: UUID, interval: Interval, calendar: Calendar
) -> tuple[Room, int] | None:
    """The first room of a clinic with a free lane, and the lane."""
    for room in rooms:
        if room.clinic_id == clinic_id:
            lane = calendar.free_lane(ResourceKind.ROOM, room.id, interval, room.capacity)
            if lane is not None:
                return room, lane
    return None


def rooms_of_kind(rooms: Iterable[Room], kind: AppointmentType) -> list[Room]:
    """The rooms in which a visit of a type may be."""
    return [room for room in rooms if kind.room_kind in (None, room.kind)]
