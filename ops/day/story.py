"""What the player keeps of the day while it is played."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from ops.day.plan import Day, Visit

ZONES = (ZoneInfo("America/Denver"), ZoneInfo("America/New_York"))
DATE = date(2026, 12, 2)
"""A Wednesday with nothing special about it."""
OPENS, CLOSES = 8, 18
FLOAT_CENTS = 20_000


@dataclass(slots=True)
class Place:
    """A clinic of the day."""

    clinic_id: str
    zone: ZoneInfo
    provider_ids: list[str]
    drawer_id: str = ""
    cash_cents: int = FLOAT_CENTS
    checks: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Played:
    """A visit as it has gone so far."""

    visit: Visit
    patient_id: str = ""
    coverage_id: str | None = None
    appointment_id: str = ""
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    outcome: str = "planned"
    version: int = 1
    waited_for_no_show: bool = False
    payments: list[tuple[str, str, int]] = field(default_factory=list)
    """(id, method, cents) of what was taken."""


@dataclass(slots=True)
class Story:
    """The day: its plan, its places, its visits, and the money that the player counted."""

    day: Day
    network: UUID
    type_id: str
    payer_id: str
    places: list[Place]
    played: list[Played] = field(default_factory=list)
    money: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    ahead: int = 0
    """How many visits were booked for later days."""

    def place_of(self, played: Played) -> Place:
        """The clinic of a visit."""
        return self.places[played.visit.clinic]

    def provider_of(self, played: Played) -> str:
        """The provider of a visit."""
        return self.place_of(played).provider_ids[played.visit.provider]


def local(place: Place, hour: int, minute: int = 0, days: int = 0) -> datetime:
    """An instant of the day on the clocks of a clinic."""
    start = datetime(DATE.year, DATE.month, DATE.day, hour, minute, tzinfo=place.zone)
    return start + timedelta(days=days)
