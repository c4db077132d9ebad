"""Time that is kept free for somebody for some minutes.

A hold occupies what a booking of the same wish would. It ends in one of three ways: a visit takes
its place, somebody gives it back, or its time runs out by the server's clock.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from shared.values.errors import Conflict, Invalid

TTL_DEFAULT = timedelta(minutes=5)
TTL_MAX = timedelta(minutes=30)
HOLDS_OF_A_PATIENT = 1
"""How many living holds somebody has who books for themselves."""
HOLDS_OF_A_PERSON = 20
"""How many living holds one person of the staff, or one system, has."""


class HoldState(StrEnum):
    """How a hold stands. The last three are ends, and exclude each other."""

    HELD = "held"
    TAKEN = "taken"
    RELEASED = "released"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold as it is now. patient_id: whom it is for, None for nobody yet. held_by: whose it is.

    intact: whether its time is still occupied; who wanted the time of one that ran out took it.
    """

    state: HoldState
    held_by: str
    expires_at: datetime
    patient_id: UUID | None = None
    appointment_id: UUID | None = None
    extended: bool = False
    intact: bool = True

    def stands_at(self, now: datetime) -> HoldState:
        """How it stands: one whose time is over has expired, whether or not that is noted."""
        over = self.state is HoldState.HELD and now >= self.expires_at
        return HoldState.EXPIRED if over else self.state


def lifetime(ttl: timedelta) -> timedelta:
    """How long a hold may last. Raises Invalid ``hold.ttl`` unless above 0 and up to 30 minutes."""
    if not timedelta(0) < ttl <= TTL_MAX:
        title = "A hold lasts a minute at least and 30 minutes at most."
        most = {"minutes_max": TTL_MAX // timedelta(minutes=1)}
        raise Invalid("hold.ttl", title, pointer="/ttl_minutes", facts=most)
    return ttl


def require_below_cap(living: int, limit: int) -> None:
    """Raise Conflict ``hold.too_many`` where somebody has as many living holds as they may."""
    if living >= limit:
        title = "You hold as many times as you may; book or release one first."
        raise Conflict("hold.too_many", title, facts={"limit": limit})


def taken_already(hold: Hold, patient_id: UUID) -> UUID | None:
    """The visit that a hold became for this patient: asking twice is not an error."""
    if hold.state is HoldState.TAKEN and hold.patient_id == patient_id:
        return hold.appointment_id
    return None


def require_takeable(hold: Hold, patient_id: UUID, by: str, now: datetime) -> None:
    """Raise unless a visit of this patient may take the hold's place.

    Conflict: ``hold.anothers`` (for another patient, or for nobody and of another person),
    ``hold.expired``, ``hold.released``, ``hold.taken``.
    """
    mine = hold.held_by == by if hold.patient_id is None else hold.patient_id == patient_id
    if not mine:
        raise Conflict("hold.anothers", "This time is held for somebody else.")
    _require_living(hold, now)


def extended_until(hold: Hold, by: str, now: datetime, ttl: timedelta) -> datetime:
    """Until when a hold lasts that is extended now, by `ttl` from now on; once at the most.

    Raises Conflict: ``hold.anothers``, ``hold.extended_already``, and as `require_takeable`;
    Invalid ``hold.ttl``.
    """
    if hold.held_by != by:
        raise Conflict("hold.anothers", "This time is held for somebody else.")
    _require_living(hold, now)
    if hold.extended:
        raise Conflict("hold.extended_already", "A hold is extended once at the most.")
    return max(hold.expires_at, now + lifetime(ttl))


def release_ends(hold: Hold, now: datetime) -> bool:
    """Whether giving a hold back changes anything: one that is over stays as it ended.

    Raises Conflict ``hold.taken`` for one that is a visit by now: the visit is to be cancelled.
    """
    if hold.state is HoldState.TAKEN:
        _require_living(hold, now)
    return hold.state is HoldState.HELD


def _require_living(hold: Hold, now: datetime) -> None:
    stands = hold.stands_at(now)
    if stands is HoldState.HELD and not hold.intact:
        stands = HoldState.EXPIRED
    if stands is not HoldState.HELD:
        raise Conflict(f"hold.{stands.value}", _ENDED[stands])


_ENDED = {
    HoldState.TAKEN: "This hold has become a visit.",
    HoldState.RELEASED: "This hold was given back.",
    HoldState.EXPIRED: "This hold has run out.",
}
