"""Where a local system keeps its files.

.clinicbus/                 in the checkout; another user of the same checkout gets a folder of
  postgres/                 their own: .clinicbus-NAME, or below their home
  audit/                    key and anchors of the audit
  issuer/                   keys, clients, the administrator's secret
  secrets.json              passwords of the database roles, secrets of the services
  demo.json                 what was seeded
  bus.json                  which bus the events are on
  objects/SERVICE/          files of a service
  log/NAME.log              one for each process
  run/lock, run/state.json  who runs, and what `clinicbus status` reads
"""

import hashlib
import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ops import private_files

CHECKOUT = Path(__file__).resolve().parents[1]
VARIABLE = "CLINICBUS_HOME"


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders and files below one data folder."""

    root: Path

    @property
    def postgres(self) -> Path:
        """The embedded server."""
        return self.root / "postgres"

    @property
    def kafka(self) -> Path:
        """The broker, where one is run here."""
        return self.root / "kafka"

    @property
    def issuer(self) -> Path:
        """Keys, clients, the administrator's secret."""
        return self.root / "issuer"

    @property
    def audit(self) -> Path:
        """The key that signs anchors of the audit, the public ones, and the anchors."""
        return self.root / "audit"

    @property
    def secrets(self) -> Path:
        """Passwords of roles and secrets of services."""
        return self.root / "secrets.json"

    @property
    def demo(self) -> Path:
        """What was seeded."""
        return self.root / "demo.json"

    @property
    def bus(self) -> Path:
        """Which bus the events are on."""
        return self.root / "bus.json"

    @property
    def objects(self) -> Path:
        """Files of the services."""
        return self.root / "objects"

    @property
    def log(self) -> Path:
        """A log for each process."""
        return self.root / "log"

    @property
    def run(self) -> Path:
        """What is true only while it runs."""
        return self.root / "run"

    @property
    def lock(self) -> Path:
        """Held by the supervisor."""
        return self.run / "lock"

    @property
    def state(self) -> Path:
        """What `clinicbus status` reads."""
        return self.run / "state.json"

    def make(self) -> None:
        """Make the folders, closed to others; CannotRun when that is not possible."""
        for folder in (self.root, self.issuer, self.objects, self.log, self.run):
            private_files.make_folder(folder)
        private_files.write(self.root / ".gitignore", "*\n")


def choose(
    given: Path | None = None,
    *,
    checkout: Path = CHECKOUT,
    environment: Mapping[str, str] = os.environ,
) -> Layout:
    """The layout for this user: what was given, else $CLINICBUS_HOME, else in the checkout.

    A folder in the checkout that belongs to somebody else is left alone.
    """
    if given is None and environment.get(VARIABLE):
        given = Path(environment[VARIABLE])
    if given is not None:
        return Layout(given.absolute())
    candidates = [checkout / ".clinicbus", checkout / f".clinicbus-{_user_name()}"]
    state = Path(environment.get("XDG_STATE_HOME") or Path("~/.local/state").expanduser())
    mark = hashlib.sha256(os.fsencode(checkout)).hexdigest()[:12]
    candidates.append(state / "clinicbus" / mark)
    for folder in candidates:
        if _is_ours(folder):
            return Layout(folder)
    for folder in candidates[:2]:
        if not folder.exists() and os.access(checkout, os.W_OK):
            return Layout(folder)
    return Layout(candidates[2])


def _is_ours(folder: Path) -> bool:
    try:
        return folder.stat().st_uid == os.geteuid()
    except OSError:
        return False


def _user_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
