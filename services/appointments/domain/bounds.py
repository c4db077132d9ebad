"""What bounds the hours of a provider at a clinic: when it is open, and what they may practise by.

Hours say when somebody is in. A visit lies within them and within every bound; of several bounds
that it breaks the first is told, and availability gives the same reason for a time it leaves out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.appointments.domain.empty import Empty
from shared.values.errors import Conflict
from shared.values.interval import Interval, intersected


@dataclass(frozen=True, slots=True)
class Bound:
    """Times, sorted and joined, outside of which nobody is booked, and the reason that tells it."""

    reason: Empty
    times: tuple[Interval, ...]


_REFUSED: Mapping[Empty, tuple[str, str]] = {
    Empty.CLINIC_CLOSED: ("clinic.closed", "The clinic is closed at that time."),
    Empty.NO_CREDENTIAL: (
        "provider.no_credential",
        "The provider lacks what the clinic asks for on that day.",
    ),
}


def within(interval: Interval, times: Iterable[Interval]) -> bool:
    """Whether an interval lies within one of the times."""
    return any(time.contains(interval) for time in times)


def require_within(interval: Interval, bounds: Iterable[Bound]) -> None:
    """Raise Conflict ``clinic.closed`` or ``provider.no_credential`` for the first that is broken.

    The visit itself is asked about; buffers may lie outside, as they may outside of hours.
    """
    for bound in bounds:
        if not within(interval, bound.times):
            raise Conflict(*_REFUSED[bound.reason])


def open_within(times: Sequence[Interval], bounds: Iterable[Bound]) -> tuple[Interval, ...]:
    """What the bounds leave of the times of somebody's hours."""
    for bound in bounds:
        times = intersected(times, bound.times)
    return tuple(times)
