"""Which bus the events of a data folder are on, kept beside the data.

Started on another one, a system would send new events where nobody has the older ones. So it is
refused, and `clinicbus cutover` moves them.
"""

import json
from dataclasses import asdict, dataclass
from typing import Literal, get_args

from ops import private_files
from ops.errors import CannotRun
from ops.layout import Layout

Kind = Literal["postgres", "kafka"]


@dataclass(frozen=True, slots=True)
class Choice:
    """bus: where the events are. moving_to: where a move that was not finished takes them."""

    bus: Kind
    moving_to: Kind | None = None


def kept(layout: Layout) -> Choice | None:
    """What is kept of a folder; None where nothing ever ran on it."""
    try:
        return Choice(**json.loads(layout.bus.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def keep(layout: Layout, choice: Choice) -> None:
    """Keep it; a reader never sees half of it."""
    private_files.write(layout.bus, json.dumps(asdict(choice)))


def known(word: str) -> Kind:
    """The bus that a word names. Raises CannotRun."""
    for kind in get_args(Kind):
        if word == kind:
            found: Kind = kind
            return found
    raise CannotRun(f"There is no bus called {word!r}: choose postgres or kafka.")


def to_run_on(layout: Layout, asked: str | None) -> Kind:
    """The bus to run on: the one that was asked for, else the folder's, else Postgres.

    Raises CannotRun where the folder's events are on another one.
    """
    there = kept(layout)
    wanted = None if asked is None else known(asked)
    if there is None:
        return wanted or "postgres"
    must = there.moving_to or there.bus
    if wanted not in (None, must):
        how = "are being moved to" if there.moving_to else "are on"
        raise CannotRun(
            f"The events of this data {how} {must}: run it with BUS={must}, or move them to"
            f" {wanted} with `clinicbus cutover --to {wanted}` while it runs."
        )
    return must
