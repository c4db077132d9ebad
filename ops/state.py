"""The state file: what a running system is made of. Written by the supervisor, read by others."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ops import private_files
from ops.processes import Mark

VERSION = 1


@dataclass(slots=True)
class ProcessState:
    """One process.

    state: starting, ready, waiting (to be started again) or stopped. probe: a URL that answers 200
    when it can be used; without one, listening on the port is enough.
    """

    name: str
    pid: int | None = None
    started: str = ""
    state: str = "stopped"
    port: int | None = None
    url: str | None = None
    probe: str | None = None
    restarts: int = 0
    last_end: str | None = None
    log: str | None = None

    @property
    def mark(self) -> Mark | None:
        """The process itself, or None when there is none."""
        return None if self.pid is None else Mark(self.pid, self.started)


@dataclass(slots=True)
class SystemState:
    """The whole system.

    phase: starting, ready or stopping. database: the URL of its Postgres, without a login. kafka:
    host:port of its broker, or None. facts: what was seeded.
    """

    supervisor: Mark
    bus: str
    issuer: str
    phase: str = "starting"
    database: str = ""
    kafka: str | None = None
    urls: dict[str, str] = field(default_factory=dict)
    processes: list[ProcessState] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


def write(path: Path, state: SystemState) -> None:
    """Keep the state; a reader never sees half of it."""
    private_files.write(path, json.dumps({"version": VERSION, **asdict(state)}, indent=1))


def read(path: Path) -> SystemState | None:
    """The state that was last written, or None when there is none that can be read."""
    try:
        found = json.loads(path.read_text())
        if found.pop("version") != VERSION:
            return None
        found["supervisor"] = Mark(**found["supervisor"])
        found["processes"] = [ProcessState(**entry) for entry in found["processes"]]
        return SystemState(**found)
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None
