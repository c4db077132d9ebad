"""Who does something: the person, service or timer behind a change."""

from dataclasses import dataclass, field
from functools import lru_cache
from uuid import UUID

from shared.values.errors import NotFound


@dataclass(frozen=True, slots=True)
class Actor:
    """Kind is `person`, `patient`, `service` or `timer`; roles are the token's, for the audit."""

    kind: str
    id: str
    roles: tuple[str, ...] = field(default=())
    clinic_ids: frozenset[UUID] | None = None
    on_behalf_of: str | None = None

    def __str__(self) -> str:
        return f"{self.kind}/{self.id}"


@lru_cache(maxsize=1024)
def parse_actor(text: str) -> Actor:
    """The actor that an event's `actor` attribute names."""
    kind, _, key = text.partition("/")
    return Actor(kind or "service", key or "unknown")


def require_clinic(actor: Actor, clinic_id: UUID) -> None:
    """Raise NotFound where the actor's token is bound to other clinics of the network."""
    if actor.clinic_ids is not None and clinic_id not in actor.clinic_ids:
        raise NotFound
