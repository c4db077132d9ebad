"""The secrets of a local system: made once, kept in one private file."""

import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ops import private_files


@dataclass(frozen=True, slots=True)
class Secrets:
    """passwords: of database roles, by role. services: of services at the issuer, by service."""

    passwords: dict[str, str]
    services: dict[str, str]


def kept(path: Path, roles: Sequence[str], services: Sequence[str]) -> Secrets:
    """The secrets in the file; what is missing there is made and added."""
    found = json.loads(path.read_text()) if path.exists() else {}
    secret = Secrets(
        _filled(found.get("passwords", {}), roles), _filled(found.get("services", {}), services)
    )
    if asdict(secret) != found:
        private_files.write(path, json.dumps(asdict(secret), indent=1))
    return secret


def _filled(found: dict[str, str], names: Sequence[str]) -> dict[str, str]:
    return found | {name: secrets.token_urlsafe(24) for name in names if name not in found}
