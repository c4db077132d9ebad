"""Who does something: the person, service or timer behind a change."""

from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from uuid import UUID

from shared.values.errors import NotFound


@dataclass(frozen=True, slots=True)
class Actor:
    """Kind is `person`, `patient`, `service` or `timer`; roles are the token's, for the audit.

    clinic_ids: the clinics that the token is bound to. patient_ids: a patient who uses the portal,
    and those they may act for. None: all of the network. acts_for: those others, as the register
    of proxies backs it; as the token says it, until that was asked (`shared.db.proxies`).
    """

    kind: str
    id: str
    roles: tuple[str, ...] = field(default=())
    clinic_ids: frozenset[UUID] | None = None
    patient_ids: frozenset[UUID] | None = None
    on_behalf_of: str | None = None
    acts_for: frozenset[UUID] = frozenset()
    emergencies: frozenset[UUID] = frozenset()
    """Patients whom the actor may read at any clinic: break-glass, for an hour."""

    def __str__(self) -> str:
        return f"{self.kind}/{self.id}"


@lru_cache(maxsize=1024)
def parse_actor(text: str) -> Actor:
    """The actor that an event's `actor` attribute names."""
    kind, _, key = text.partition("/")
    return Actor(kind or "service", key or "unknown")


def at_clinic(actor: Actor, clinic_id: UUID, patient_id: UUID | None = None) -> bool:
    """Whether what is of a clinic is there for an actor, whose token may be bound to some.

    Who asks raises for one that is not there what they raise for one that does not exist: the
    answer must not tell them apart (nor how long it takes, where news is waited for).
    patient_id: whose it is that is read; one whom the actor reads in an emergency may be anywhere.
    """
    if actor.clinic_ids is None or clinic_id in actor.clinic_ids:
        return True
    return patient_id is not None and patient_id in actor.emergencies


def require_patients(actor: Actor, patient_ids: Iterable[UUID]) -> None:
    """Raise NotFound where the actor is bound to patients and one of these is another."""
    if actor.patient_ids is not None and not actor.patient_ids.issuperset(patient_ids):
        raise NotFound


def own_rows(
    actor: Actor, table: str, columns: Set[str], arguments: tuple[Any, ...]
) -> tuple[str, tuple[Any, ...]]:
    """What to select from, and the arguments, for an actor who may be bound to patients.

    Where a table says whose a row is, they are given no row of another patient, nor of none: to
    them it is not there, and what asks for it answers as for an id of nothing. It stands before
    the condition and not in it, which may have alternatives.
    """
    if actor.patient_ids is None or "patient_id" not in columns:
        return table, arguments
    mine = f"(SELECT * FROM {table} WHERE patient_id = ANY(${len(arguments) + 2})) AS {table}"
    return mine, (*arguments, list(actor.patient_ids))
