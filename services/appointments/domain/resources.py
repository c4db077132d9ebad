"""What a visit needs: its type, a provider, a room."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from uuid import UUID

from shared.values.errors import Invalid

_NONE = timedelta(0)
_MINUTE = timedelta(minutes=1)
LENGTH_MAX = timedelta(hours=12)
PROVIDERS_MAX = 4
BUFFER_MAX = timedelta(hours=2)


class Modality(StrEnum):
    """How patient and provider meet."""

    IN_PERSON = "in_person"
    VIDEO = "video"
    PHONE = "phone"


@dataclass(frozen=True, slots=True)
class AppointmentType:
    """A kind of visit.

    length_new, length_known: for a patient who is new to the network, and for one who is known.
    buffer_before, buffer_after: time of the provider on either side that nobody else can book.
    room_kind: which rooms do; None: any. equipment: how many units of which kinds.
    providers: how many take part, the one whose visit it is included.
    lead_time, horizon: how soon and how far ahead it is offered and may be booked by oneself.
    """

    id: UUID
    length_new: timedelta
    length_known: timedelta
    buffer_before: timedelta = _NONE
    buffer_after: timedelta = _NONE
    needs_room: bool = False
    room_kind: str | None = None
    equipment: tuple[tuple[str, int], ...] = ()
    providers: int = 1
    lead_time: timedelta = _NONE
    horizon: timedelta = timedelta(days=366)
    modalities: frozenset[Modality] = frozenset({Modality.IN_PERSON})

    def __post_init__(self) -> None:
        for length in (self.length_new, self.length_known):
            if not _NONE < length <= LENGTH_MAX or length % _MINUTE:
                raise Invalid("type.length", "A visit lasts whole minutes, 12 hours at most.")
        for buffer in (self.buffer_before, self.buffer_after):
            if not _NONE <= buffer <= BUFFER_MAX or buffer % _MINUTE:
                raise Invalid("type.buffer", "A buffer lasts whole minutes, 2 hours at most.")
        kinds = [kind for kind, _ in self.equipment]
        if len(set(kinds)) < len(kinds) or any(count < 1 for _, count in self.equipment):
            raise Invalid("type.equipment", "Each kind of equipment is named once, with a count.")
        if not 1 <= self.providers <= PROVIDERS_MAX:
            raise Invalid("type.providers", "One to four providers take part in a visit.")
        if not _NONE <= self.lead_time < self.horizon:
            raise Invalid("type.lead_time", "The lead time must be shorter than the horizon.")
        if not self.modalities:
            raise Invalid("type.modalities", "A visit takes place in some way.")

    def length_for(self, *, known: bool) -> timedelta:
        """How long the visit lasts for a known or a new patient."""
        return self.length_known if known else self.length_new

    def met(self, modality: Modality) -> "AppointmentType":
        """The type as far as a visit takes it: by video or telephone nobody comes.

        So such a visit needs no room and no equipment of the clinic; providers it needs as ever.
        """
        if modality is Modality.IN_PERSON:
            return self
        return replace(self, needs_room=False, room_kind=None, equipment=())

    def check_modality(self, modality: Modality) -> None:
        """Raise Invalid ``modality.not_offered`` where this visit does not take place so."""
        if modality not in self.modalities:
            title = "This kind of visit does not take place in this way."
            offered = {"offered": sorted(self.modalities)}
            raise Invalid("modality.not_offered", title, pointer="/modality", facts=offered)


@dataclass(frozen=True, slots=True)
class Provider:
    """Who sees patients, where, and from when until when (both days included; None is open).

    capacity: how many visits at once are normal. overbook_quota: how many more with permission.
    """

    id: UUID
    clinic_ids: frozenset[UUID]
    active_from: date | None = None
    active_until: date | None = None
    capacity: int = 1
    overbook_quota: int = 1

    def active_on(self, day: date) -> bool:
        """Whether the provider works for the network on a local day of the clinic."""
        begun = self.active_from is None or self.active_from <= day
        return begun and (self.active_until is None or day <= self.active_until)


@dataclass(frozen=True, slots=True)
class Room:
    """A place of a clinic that takes `capacity` visits at once."""

    id: UUID
    clinic_id: UUID
    capacity: int = 1
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Equipment:
    """An item of a clinic that serves `capacity` visits at once.

    out_from, out_until: the local days on which it is out of service, both included; an end that is
    None is not known yet, a beginning that is None means that it is in service.
    """

    id: UUID
    clinic_id: UUID
    kind: str
    capacity: int = 1
    out_from: date | None = None
    out_until: date | None = None

    def in_service(self, first: date, last: date) -> bool:
        """Whether it can be used on every local day from `first` to `last`."""
        if self.out_from is None or last < self.out_from:
            return True
        return self.out_until is not None and self.out_until < first
