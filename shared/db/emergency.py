"""Break-glass (45 CFR 164.312(a)(2)(ii)): whom an actor may read beyond the clinics of their token.

A service that keeps what it hears of emergencies in a table `emergency_access` opens its reads to
them; one that does not, such as payments, knows none. Who opened one, why, and who looked at it
afterwards is the matter of the service that owns people.
"""

from collections.abc import Callable
from dataclasses import replace

from shared.contracts.permissions import IN_EMERGENCY, Permission
from shared.db.actor import Actor
from shared.db.work import Work

TABLE = """
CREATE TABLE emergency_access (
  network_id uuid NOT NULL,
  id uuid NOT NULL,
  patient_id uuid NOT NULL,
  person text NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (network_id, id)
)
"""
"""As those keep it who hear of it."""
INDEX = "CREATE INDEX emergency_of ON emergency_access (network_id, person, expires_at)"

_OPEN = """
SELECT patient_id FROM emergency_access WHERE network_id = $1 AND person = $2 AND expires_at > $3
"""


def may_be_one(actor: Actor, may: Permission, method: str) -> bool:
    """Whether a request could need one: a read of somebody whose token is bound to clinics."""
    return (
        actor.kind == "person"
        and actor.clinic_ids is not None
        and may in IN_EMERGENCY
        and method == "GET"
    )


async def in_emergency(work: Work, actor: Actor) -> Actor:
    """The actor with the patients whom they may read anywhere, at the instant of the work."""
    rows = await work.raw.fetch(_OPEN, work.network_id, str(actor), work.now)
    return replace(actor, emergencies=frozenset(row["patient_id"] for row in rows))


def create(execute: Callable[[str], object]) -> None:
    """The table of who hears of it, for a migration; protecting it is the migration's."""
    execute(TABLE)
    execute(INDEX)
