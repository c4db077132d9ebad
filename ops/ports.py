"""The ports of a local system, and who holds one that is taken."""

import random
import socket
from collections.abc import Mapping
from dataclasses import dataclass

import psutil  # type: ignore[import-untyped]

from ops.errors import CannotRun

SERVICES: tuple[str, ...] = ("appointments", "patients", "eligibility", "payments", "documents")
DEFAULT_BASE = 8100
OFFSETS: Mapping[str, int] = {
    **{name: number for number, name in enumerate(SERVICES, start=1)},
    "issuer": 10,
    "payer_simulator": 11,
    "postgres": 20,
    "kafka": 21,
}
CHOSEN_FROM = range(15_000, 32_000)
"""Below what Linux takes for the near end of outgoing connections (32,768 and on): of that range a
port may belong to some client by the time that a process which died wants it back, for good."""


@dataclass(frozen=True, slots=True)
class Ports:
    """A port on 127.0.0.1 for each part of a local system."""

    of: Mapping[str, int]

    @classmethod
    def from_base(cls, base: int = DEFAULT_BASE) -> "Ports":
        """The usual ports, shifted as a whole: appointments at base + 1, and so on."""
        if not 1024 <= base <= 65_535 - max(OFFSETS.values()):
            raise CannotRun(f"{base} is no base for ports: choose one from 1024 to 65000.")
        return cls({name: base + offset for name, offset in OFFSETS.items()})

    @classmethod
    def free(cls) -> "Ports":
        """Ports that nothing uses now."""
        return cls(dict(zip(OFFSETS, free_ports(len(OFFSETS)), strict=True)))

    def require_free(self, names: list[str]) -> None:
        """Raise CannotRun that names every taken port among these parts, and who holds it."""
        taken = sorted((n for n in names if not is_free(self.of[n])), key=self.of.__getitem__)
        if taken:
            found = ", ".join(f"{self.of[n]} ({n}){_by_whom(self.of[n])}" for n in taken)
            many = len(taken) > 1
            raise CannotRun(
                f"Port{'s' if many else ''} {found} {'are' if many else 'is'} taken: stop that"
                " program, or shift all ports with `make run PORT_BASE=9100`."
            )


def free_ports(many: int) -> list[int]:
    """So many ports that nothing uses now, and that the system gives to no outgoing connection."""
    dice = random.SystemRandom()
    found: set[int] = set()
    while len(found) < many:
        port = dice.choice(CHOSEN_FROM)
        if is_free(port):
            found.add(port)
    return list(found)


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a closing one is no holder
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return port > 0


def _by_whom(port: int) -> str:
    """Who holds it, as words to follow the port; nothing where this user may not know."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
                if connection.pid is None:
                    return " by another user's program"
                return f" by {psutil.Process(connection.pid).name()}, process {connection.pid}"
    except (psutil.Error, OSError):
        return ""
    return ""
