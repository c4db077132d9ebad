"""How many visits there are already, as caps count them: by the local day, or by the hour."""

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Counted:
    """A visit that takes place: booked, checked in or over; not one that was called off."""

    appointment_id: UUID
    starts_at: datetime
    clinic_id: UUID
    type_id: UUID
    provider_id: UUID
    patient_id: UUID
    overbooked: bool = False


class Tally:
    """Counts of visits by local days of one zone."""

    __slots__ = ("_counts", "_zone")

    def __init__(
        self, visits: Iterable[Counted], in_zone: ZoneInfo, *, ignoring: UUID | None = None
    ) -> None:
        """`ignoring` leaves one visit out: the one that is being moved."""
        self._zone = in_zone
        self._counts: Counter[Hashable] = Counter()
        for visit in {v.appointment_id: v for v in visits}.values():
            if visit.appointment_id == ignoring:
                continue
            day = visit.starts_at.astimezone(in_zone).date()
            self._counts["type", visit.clinic_id, visit.type_id, day] += 1
            self._counts["provider", visit.provider_id, day] += 1
            self._counts["patient", visit.patient_id, day] += 1
            if visit.overbooked:
                hour = hour_of(visit.starts_at, in_zone)
                self._counts["overbooked", visit.provider_id, hour] += 1

    def of_type(self, clinic_id: UUID, type_id: UUID, day: date) -> int:
        """Visits of a kind at a clinic on a day."""
        return self._counts["type", clinic_id, type_id, day]

    def of_provider(self, provider_id: UUID, day: date) -> int:
        """Visits of a provider on a day, of every kind, at every clinic."""
        return self._counts["provider", provider_id, day]

    def of_patient(self, patient_id: UUID, day: date) -> int:
        """Visits of a patient on a day, wherever in the network."""
        return self._counts["patient", patient_id, day]

    def overbooked(self, provider_id: UUID, moment: datetime) -> int:
        """Visits above a provider's capacity that begin in the hour of a moment."""
        return self._counts["overbooked", provider_id, hour_of(moment, self._zone)]


def hour_of(moment: datetime, in_zone: ZoneInfo) -> datetime:
    """The instant (UTC) at which the wall-clock hour of a moment began."""
    local = moment.astimezone(in_zone)
    return local.replace(minute=0, second=0, microsecond=0).astimezone(UTC)
