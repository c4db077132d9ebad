"""What a service keeps of what it hears, as far as it can be made again from the topics."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Projection:
    """Tables that are made of what was heard: nobody but the handlers writes them.

    apart: columns that tell how a row came about and not what it says; they are not compared.
    counted: columns that the service's own commands count there, each with the SQL that counts it
    anew for a row `t` that was lost. They are not compared either.
    refused: why these tables are not made again, where they are more than what was heard.
    """

    tables: tuple[str, ...]
    apart: frozenset[str] = frozenset()
    counted: Mapping[str, str] = field(default_factory=dict)
    refused: str | None = None


Projections: TypeAlias = Mapping[str, Projection]
"""By name. Together they name every table that a handler of the service writes."""
