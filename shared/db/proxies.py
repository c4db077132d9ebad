"""Whom a token's person may act for (45 CFR 164.502(g)): as the register of proxies backs it.

A token says who its person is and for whom they say they act (`acts_for`). Only whom a living entry
of the register backs, for what the route asks, counts. The service that owns people keeps the
register; every other keeps what it hears of it, in a table of the same name.
"""

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlmodel import SQLModel

from shared.contracts.patients import ProxyEnded, ProxyGranted
from shared.contracts.permissions import ABOUT_NOBODY, Permission
from shared.db.actor import Actor
from shared.db.work import Work
from shared.values.errors import Conflict

TABLE = """
CREATE TABLE proxies (
  network_id uuid NOT NULL,
  id uuid NOT NULL,
  patient_id uuid NOT NULL,
  proxy_key text,
  proxy_patient_id uuid,
  scope text[] NOT NULL,
  begins_at timestamptz NOT NULL,
  lapses_at timestamptz,
  ended_at timestamptz,
  PRIMARY KEY (network_id, id),
  CHECK (num_nonnulls(proxy_key, proxy_patient_id) = 1)
)
"""
"""As those keep it who hear of it."""
INDEX = "CREATE INDEX proxies_of ON proxies (network_id, patient_id)"

_LIVING = """
SELECT DISTINCT patient_id FROM proxies
WHERE network_id = $1 AND patient_id = ANY ($2) AND (proxy_key = $3 OR proxy_patient_id = $4)
  AND $5 = ANY (scope) AND begins_at <= $6 AND (lapses_at IS NULL OR lapses_at > $6)
  AND ended_at IS NULL
"""


def key_of(network_id: UUID, subject: str) -> str:
    """What stands for a subject of the issuer on the bus: that may be an e-mail address."""
    return sha256(f"{network_id}/{subject}".encode()).hexdigest()


def may_act(actor: Actor, may: Permission) -> bool:
    """Whether it matters for a request whom its caller acts for."""
    return bool(actor.acts_for) and may not in ABOUT_NOBODY


async def acting(work: Work, actor: Actor, own: UUID | None, may: Permission) -> Actor:
    """The actor bound to themselves and to whom they may act for now, in what a route asks.

    own: the patient that the actor is, if they are one.
    """
    key = key_of(work.network_id, actor.id)
    rows = await work.raw.fetch(
        _LIVING, work.network_id, list(actor.acts_for), key, own, may.value, work.now
    )
    backed = frozenset(row["patient_id"] for row in rows)
    mine = actor.patient_ids or frozenset()
    return replace(actor, acts_for=backed, patient_ids=mine | backed)


def note_granted(work: Work, model: type[SQLModel], event: ProxyGranted) -> None:
    """Keep an entry of the register. Codes of the bus have dots where permissions have colons."""
    values: dict[str, Any] = {
        "id": event.proxy_id,
        "network_id": work.network_id,
        "patient_id": event.patient_id,
        "proxy_key": event.proxy_key,
        "proxy_patient_id": event.proxy_patient_id,
        "scope": [code.replace(".", ":") for code in event.scope],
        "begins_at": event.begins_at,
        "lapses_at": event.until_at,
        "ended_at": None,
    }
    work.create(model, **values)


async def note_ended(work: Work, model: type[SQLModel], event: ProxyEnded) -> None:
    """An entry backs nobody any more. Raises Conflict where it was never heard of."""
    rows = await work.load_where(model, "id = $2", event.proxy_id)
    if not rows:
        raise Conflict("proxy.unheard", "The beginning of this was not heard.")
    setattr(rows[0], "ended_at", event.ended_at)
    work.save(rows[0])


def create(execute: Callable[[str], object]) -> None:
    """The table of who hears of it, for a migration; protecting it is the migration's."""
    execute(TABLE)
    execute(INDEX)
