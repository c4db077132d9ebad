"""How a local system is run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Options:
    """How a system is run.

    clock_file: the business clock that all processes share (see shared.web.clocks).
    durable: False skips flushes to disk (tests, demonstrations).
    keep: start a process again when it dies.
    environment: what every process gets besides; failpoints, for instance.
    postgres_url: a superuser's URL of a Postgres of your own, instead of the embedded one.
    """

    bus: Literal["postgres", "kafka"] = "postgres"
    clock_file: Path | None = None
    durable: bool = True
    keep: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)
    postgres_url: str | None = None
