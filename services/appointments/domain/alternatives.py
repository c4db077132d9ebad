"""Which of the times that are free are offered instead of one that is not."""

from collections.abc import Iterable
from uuid import UUID

from services.appointments.domain.slots import Slot
from shared.values.interval import Interval

ALTERNATIVES_MAX = 3


def alternatives(wanted: Interval, provider_id: UUID, slots: Iterable[Slot]) -> tuple[Slot, ...]:
    """At most three slots to offer instead, in time order.

    The nearest in time; at the same distance the provider asked for comes first, then the earlier.
    """
    nearest = sorted(
        slots,
        key=lambda slot: (
            abs(slot.interval.start - wanted.start),
            slot.provider_id != provider_id,
            slot.interval,
            slot.provider_id,
        ),
    )
    return tuple(
        sorted(nearest[:ALTERNATIVES_MAX], key=lambda slot: (slot.interval, slot.provider_id))
    )
