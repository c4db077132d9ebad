"""`clinicbus token`: a token signed with the key of the local issuer, which need not be running."""

import json
from collections.abc import Sequence
from uuid import UUID

from ops import state
from ops.errors import CannotRun
from ops.layout import Layout
from ops.ports import Ports
from ops.tokens import KEYS_FILE, Minter


def token_for(
    layout: Layout,
    role: str,
    network: UUID | None,
    *,
    clinics: Sequence[UUID] | None = None,
    patient: UUID | None = None,
    person: UUID | None = None,
) -> str:
    """A token for a person in a role of a network, by default the demo network."""
    if not (layout.issuer / KEYS_FILE).exists():
        raise CannotRun(f"There is no issuer in {layout.root} yet: start it with `make run`.")
    running = state.read(layout.state)
    issuer = running.issuer if running else f"http://127.0.0.1:{Ports.from_base().of['issuer']}"
    minter = Minter.of(layout.issuer, issuer)
    chosen = network or _demo_network(layout)
    return minter.person(role, chosen, clinics=clinics or None, person=person, patient=patient)


def _demo_network(layout: Layout) -> UUID:
    try:
        return UUID(json.loads(layout.demo.read_text())["network"])
    except (FileNotFoundError, KeyError, ValueError) as error:
        raise CannotRun("No demo network was seeded: name a network with --network ID.") from error
