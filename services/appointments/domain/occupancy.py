"""Which time a visit occupies, and in which lane.

Every resource has lanes: 1 to its capacity are normal use, those above are overbooking. Two rows
of one lane never overlap; the database proves that with an exclusion constraint, and these rules
choose the lane and put a refusal into words. A block (meeting, leave, closure) occupies every lane,
so no permission books over it.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from services.appointments.domain.resources import AppointmentType
from shared.values.errors import Conflict
from shared.values.interval import Interval, normalised


class ResourceKind(StrEnum):
    """What can be occupied."""

    PROVIDER = "provider"
    ROOM = "room"
    EQUIPMENT = "equipment"
    SESSION = "session"
    """A group session: its lanes are its seats."""
    PATIENT = "patient"


EVERY_LANE = None
"""The lane of a block."""


@dataclass(frozen=True, slots=True)
class Occupancy:
    """One resource is taken for an interval, in one lane."""

    kind: ResourceKind
    resource_id: UUID
    lane: int
    interval: Interval


@dataclass(frozen=True, slots=True)
class Busy:
    """Time that is taken already: a row of the table. For a block nobody is named.

    appointment_id: the visit, or the group session, that it is taken for; hold_id: the hold.
    """

    kind: ResourceKind
    resource_id: UUID
    lane: int | None
    interval: Interval
    appointment_id: UUID | None = None
    hold_id: UUID | None = None


class Calendar:
    """What is taken, arranged for quick questions: per resource and lane, sorted and joined."""

    __slots__ = ("_lanes",)

    def __init__(self, busy: Iterable[Busy], *, ignoring: UUID | None = None) -> None:
        """`ignoring` leaves out what gives way: the visit that moves, the hold that is taken."""
        rows: defaultdict[tuple[ResourceKind, UUID], defaultdict[int | None, list[Interval]]]
        rows = defaultdict(lambda: defaultdict(list))
        for row in busy:
            if ignoring is None or ignoring not in (row.appointment_id, row.hold_id):
                rows[row.kind, row.resource_id][row.lane].append(row.interval)
        self._lanes = {
            resource: {lane: normalised(intervals) for lane, intervals in lanes.items()}
            for resource, lanes in rows.items()
        }

    def blocked(self, kind: ResourceKind, resource_id: UUID, interval: Interval) -> bool:
        """Whether a block lies somewhere in the interval."""
        return self._taken(kind, resource_id, EVERY_LANE, interval)

    def free_lane(
        self, kind: ResourceKind, resource_id: UUID, interval: Interval, capacity: int = 1
    ) -> int | None:
        """The lowest lane up to `capacity` that is free for the whole interval, or None."""
        return next(self.free_lanes(kind, resource_id, interval, capacity), None)

    def free_lanes(
        self, kind: ResourceKind, resource_id: UUID, interval: Interval, capacity: int
    ) -> Iterator[int]:
        """The lanes up to `capacity` that are free for the whole interval; none under a block."""
        if not self.blocked(kind, resource_id, interval):
            for lane in range(1, capacity + 1):
                if not self._taken(kind, resource_id, lane, interval):
                    yield lane

    def further_lane(
        self, kind: ResourceKind, resource_id: UUID, interval: Interval, capacity: int = 1
    ) -> int:
        """The lowest free lane above `capacity`. Whoever asks has ruled out a block."""
        lane = capacity + 1
        while self._taken(kind, resource_id, lane, interval):
            lane += 1
        return lane

    def _taken(
        self, kind: ResourceKind, resource_id: UUID, lane: int | None, interval: Interval
    ) -> bool:
        taken = self._lanes.get((kind, resource_id), {}).get(lane)
        if not taken:
            return False
        # Sorted and disjoint: only the last that begins before our end can reach into it.
        place = bisect_left(taken, interval.end, key=lambda row: row.start)
        return place > 0 and taken[place - 1].end > interval.start


def provider_time(interval: Interval, kind_of_visit: AppointmentType) -> Interval:
    """The provider's time for a visit: with the buffers. Room and patient have none."""
    return interval.widened(kind_of_visit.buffer_before, kind_of_visit.buffer_after)


def slot_taken(kind: ResourceKind, *, blocked: bool = False, **about: str | None) -> Conflict:
    """The refusal when a resource is taken; also for a violated exclusion constraint.

    about: what tells the resource from others of its kind.
    """
    facts = {"resource": kind.value, "blocked": blocked, **about}
    return Conflict("slot.taken", "This time is taken.", facts=facts)
