"""`clinicbus token` and `clinicbus revoke`, by the local issuer's files; it need not be running."""

import getpass
import json
from collections.abc import Sequence
from uuid import UUID

from ops import state
from ops.errors import CannotRun
from ops.layout import Layout
from ops.ports import Ports
from ops.tokens import KEYS_FILE, PERSON_ROLES, Minter
from shared.contracts.permissions import Role


def token_for(
    layout: Layout,
    role: str,
    network: UUID | None,
    *,
    clinics: Sequence[UUID] | None = None,
    patient: UUID | None = None,
    acts_for: Sequence[UUID] = (),
    person: UUID | None = None,
    proven: bool = False,
    acting_for: str | None = None,
) -> str:
    """A token for a person in a role of a network, by default the demo network.

    acting_for: who has it made, for the audit.
    """
    minter = minter_of(layout)
    chosen = network or demo_network(layout)
    return minter.person(
        role,
        chosen,
        clinics=clinics or None,
        person=person,
        patient=patient,
        acts_for=acts_for,
        proven=proven,
        acting_for=acting_for,
    )


def minter_of(layout: Layout) -> Minter:
    """The local issuer's minter. Raises CannotRun where there is none yet."""
    if not (layout.issuer / KEYS_FILE).exists():
        raise CannotRun(f"There is no issuer in {layout.root} yet: start it with `make run`.")
    running = state.read(layout.state)
    issuer = running.issuer if running else f"http://127.0.0.1:{Ports.from_base().of['issuer']}"
    return Minter.of(layout.issuer, issuer)


def demo_network(layout: Layout) -> UUID:
    """The network that was seeded. Raises CannotRun where none was."""
    try:
        return UUID(json.loads(layout.demo.read_text())["network"])
    except (FileNotFoundError, KeyError, ValueError) as error:
        raise CannotRun("No demo network was seeded: name a network with --network ID.") from error


def revoke(
    layout: Layout,
    target: str,
    *,
    role: str | None = None,
    network: UUID | None = None,
    lift: bool = False,
) -> str:
    """Take back a person's tokens, those in a role, or one token, or let new ones be made again;
    what was done, in a sentence. Raises CannotRun for a role nobody knows."""
    if role is not None and role not in {known.value for known in Role}:
        raise CannotRun(f"There is no role {role!r}: choose one of {', '.join(PERSON_ROLES)}.")
    kept = minter_of(layout).revocations
    by, chosen = f"operator/{getpass.getuser()}", network or demo_network(layout)
    whose = f"{target}{f' as {role}' if role else ''}"
    if lift:
        done = kept.lift(by, chosen, target, role)
        return f"{whose}: may have new tokens." if done else f"{whose}: nothing was taken back."
    kept.revoke(by, chosen, target, role)
    return f"{whose}: taken back; every service refuses it within a minute."
