"""Coverages of one person: their order and the days on which they hold."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Literal
from uuid import UUID

from shared.values.errors import Conflict, Invalid

Order = Literal["primary", "secondary", "tertiary"]
ORDERS: tuple[Order, ...] = ("primary", "secondary", "tertiary")


@dataclass(frozen=True, slots=True)
class Coverage:
    """A coverage on record. Both days are included; no last day means that none is known."""

    id: UUID
    order: Order
    effective_from: date
    effective_to: date | None = None

    def in_force(self, on: date) -> bool:
        """Whether it holds on that day."""
        return self.effective_from <= on and (self.effective_to is None or on <= self.effective_to)

    def overlaps(self, other: "Coverage") -> bool:
        """Whether there is a day on which both hold."""
        starts_before_other_ends = (
            other.effective_to is None or self.effective_from <= other.effective_to
        )
        other_starts_before_end = (
            self.effective_to is None or other.effective_from <= self.effective_to
        )
        return starts_before_other_ends and other_starts_before_end


def checked(coverage: Coverage, others: Iterable[Coverage]) -> Coverage:
    """The coverage itself, fit to stand beside the person's others.

    An order is held by one coverage on any day. A coverage with the same id among `others` is the
    row that is being changed, and is left out.
    Raises Invalid ``coverage.dates_reversed``, Conflict ``coverage.order_taken`` with the id of the
    coverage that holds the order.
    """
    if coverage.effective_to is not None and coverage.effective_to < coverage.effective_from:
        raise Invalid(
            "coverage.dates_reversed",
            "The last day must not come before the first.",
            pointer="/effective_to",
        )
    for other in others:
        same_place = other.order == coverage.order and other.id != coverage.id
        if same_place and coverage.overlaps(other):
            raise Conflict(
                "coverage.order_taken",
                "Another coverage has this order on some of these days.",
                pointer="/order",
                facts={"coverage_id": str(other.id)},
            )
    return coverage


def in_force(coverages: Iterable[Coverage], on: date) -> list[Coverage]:
    """Those that hold on a day, in the order in which they pay."""
    return sorted(
        (coverage for coverage in coverages if coverage.in_force(on)),
        key=lambda coverage: (ORDERS.index(coverage.order), coverage.effective_from),
    )


def applicable(coverages: Iterable[Coverage], on: date) -> Coverage | None:
    """The one that pays first on a day, or None. Without a primary it is the next in order."""
    return next(iter(in_force(coverages, on)), None)
