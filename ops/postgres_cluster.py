"""The files of the embedded Postgres: made, checked, and cleared of what a killed run left."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from ops import private_files, processes
from ops.errors import CannotRun
from ops.postgres_account import MAJOR, Account

SOCKET_PATH_MAX = 103  # sun_path holds 108 bytes on Linux and 104 on macOS, the last one NUL
LONGEST_SOCKET_NAME = "/.s.PGSQL.65535"
LOG_MAX_BYTES = 5_000_000
LEFTOVER_STEPS = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 6.0), (signal.SIGKILL, 5.0))

HBA = """# Written by ops/postgres_cluster.py
local all all              scram-sha-256
host  all all 127.0.0.1/32 scram-sha-256
"""

# What the server says, and what a person can do about it.
CAUSES = {
    r"No space left on device": "The disk is full: free some space, then start again.",
    r"Address already in use": (
        "The port for Postgres is taken: stop what uses it, or choose other ports."
    ),
    r"initialized by PostgreSQL version|incompatible with server": (
        "The data is of another version of Postgres: take it over with pg_dump of that version,"
        " or forget it with `make reset`."
    ),
    r"Cannot allocate memory|could not (create|map) .*shared memory": (
        "There is not enough memory for Postgres: close other programs, then start again."
    ),
    r"[Pp]ermission denied|Operation not permitted": (
        "Postgres may not use its own folder: give it back to your account (chown), or forget it"
        " with `make reset`."
    ),
}


def environment() -> dict[str, str]:
    """A plain environment: no setting of the user's shell reaches the server."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"} | kept


def check_version(pgdata: Path) -> None:
    """Refuse the data of another major version."""
    try:
        version = (pgdata / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        return
    if version != MAJOR:
        raise CannotRun(
            f"The data in {pgdata} is of Postgres {version} and this program brings {MAJOR}:"
            " take it over with pg_dump of the old version, or forget it with `make reset`."
        )


def make(account: Account, password: str, *, sync: bool) -> None:
    """Run initdb. It works on a folder beside, so that a kill leaves nothing half-made."""
    half = account.home / "pgdata.new"
    shutil.rmtree(half, ignore_errors=True)
    word = account.home / "pwfile"
    private_files.write(word, password)
    account.give(word)
    options = ["-D", str(half), "-U", "postgres", "--pwfile", str(word), "--auth=scram-sha-256"]
    options += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin"]
    options += ["--builtin-locale=C.UTF-8", "--data-checksums", "--no-instructions"]
    options += [] if sync else ["--no-sync"]
    command = [*account.prefix, str(account.programs / "initdb"), *options]
    try:
        made = subprocess.run(
            processes.tied(command, signal.SIGKILL, account.user),
            check=False,
            capture_output=True,
            text=True,
            env=environment(),
            cwd="/",
        )
    finally:
        word.unlink(missing_ok=True)
    if made.returncode != 0:
        shutil.rmtree(half, ignore_errors=True)
        raise explain(made.stderr + made.stdout, None)
    (half / "pg_hba.conf").write_text(HBA)
    half.rename(account.pgdata)


def explain(output: str, log: Path | None) -> CannotRun:
    """The one sentence for what a program of Postgres said as it failed."""
    for pattern, sentence in CAUSES.items():
        if re.search(pattern, output):
            return CannotRun(sentence)
    lines = [line for line in output.splitlines() if re.search(r"FATAL|PANIC|error:", line)]
    last = (lines or output.splitlines() or ["it said nothing"])[-1].strip()
    where = f" (the rest is in {log})" if log else ""
    return CannotRun(f"Postgres did not start: {last}{where}.")


def clear_leftovers(pgdata: Path) -> None:
    """End the server that a killed run left on this data, and its stale lock files.

    The caller holds the folder's lock, so no living program of ours is using that server.
    """
    for process in _users_of(pgdata):
        mark = processes.mark_of(process)
        if mark is not None and not processes.end(mark, LEFTOVER_STEPS):
            raise CannotRun(
                f"An old Postgres (process {process}) does not stop: end it with"
                f" `kill -9 {process}`, then start again."
            )
    (pgdata / "postmaster.pid").unlink(missing_ok=True)


def _users_of(pgdata: Path) -> list[int]:
    """The server processes that work in the data folder, the postmaster first.

    Every process of a server is called postgres and has its data folder as its working folder.
    """
    if not pgdata.exists():
        return []
    here = pgdata.resolve()
    found = []
    for process in psutil.process_iter():
        try:
            if process.name() == "postgres" and Path(process.cwd()) == here:
                found.append((process.create_time(), process.pid))
        except (psutil.Error, OSError):
            continue  # gone meanwhile, or another user's
    return [pid for _, pid in sorted(found)]


def socket_dir(data_dir: Path, account: Account) -> Path:
    """A private folder for the socket: beside the data when that path is short enough."""
    beside = account.home / "s"
    note = data_dir / "socket-dir"
    if note.exists():
        shutil.rmtree(note.read_text(), ignore_errors=True)  # of a killed run
        note.unlink()
    shutil.rmtree(beside, ignore_errors=True)
    if len(os.fsencode(beside)) + len(LONGEST_SOCKET_NAME) <= SOCKET_PATH_MAX:
        beside.mkdir(mode=0o700)
        account.give(beside)
        return beside
    elsewhere = Path(tempfile.mkdtemp(prefix="clinicbus-"))  # 0700
    account.give(elsewhere)
    note.write_text(str(elsewhere))
    return elsewhere


def drop_socket_dir(data_dir: Path, folder: Path) -> None:
    """Remove the socket's folder."""
    shutil.rmtree(folder, ignore_errors=True)
    (data_dir / "socket-dir").unlink(missing_ok=True)


def keep_small(log: Path) -> None:
    """Keep one older log, so that logs never fill the disk."""
    if log.exists() and log.stat().st_size > LOG_MAX_BYTES:
        log.replace(log.with_suffix(".old.log"))
    if not log.exists():
        os.close(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
