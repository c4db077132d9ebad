"""The clock port: what the business decides by.

Leases, tokens and timeouts go by real time instead.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time of the business."""

    def now(self) -> datetime:
        """The current instant, aware, in UTC."""
        ...


@dataclass(slots=True)
class FixedClock:
    """A clock that stands still until it is moved; for tests and simulations."""

    at: datetime

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise ValueError("an instant needs a zone")
        self.at = self.at.astimezone(UTC)

    def now(self) -> datetime:
        """Where the clock stands."""
        return self.at

    def move(self, by: timedelta) -> datetime:
        """Move the clock and say where it now stands."""
        self.at += by
        return self.at
