"""For whom, by whom, why and when a transaction runs."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from shared.db.actor import Actor
from shared.values.errors import Stale, VersionMissing
from shared.values.ids import new_id


@dataclass(frozen=True, slots=True)
class Context:
    """For whom, by whom and why a transaction runs, and the instant it takes for now."""

    network_id: UUID
    actor: Actor
    now: datetime
    correlation_id: UUID = field(default_factory=new_id)
    causation_id: UUID | None = None
    traceparent: str | None = None


def match_version(given: int | None, current: int) -> None:
    """Raise VersionMissing (428) or Stale (412) unless the caller's version is the current one.

    RFC 9110, section 13.1.1 (If-Match), and RFC 6585, section 3 (428).
    """
    if given is None:
        raise VersionMissing("version.missing", "This change needs an If-Match header.")
    if given != current:
        raise Stale("version.stale", "It has changed since; read it again.")
