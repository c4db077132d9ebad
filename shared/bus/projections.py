"""What a service keeps of what it hears, as far as it can be made again from the topics."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Projection:
    """Tables that nobody writes but the handlers.

    apart: columns that tell how a row came about and not what it says; they are not compared.
    refused: why these tables are not made again, where handlers are not alone in writing them.
    """

    tables: tuple[str, ...]
    apart: frozenset[str] = frozenset({"version"})
    refused: str | None = None


Projections: TypeAlias = Mapping[str, Projection]
"""By name. Together they name every table that a handler of the service writes."""
