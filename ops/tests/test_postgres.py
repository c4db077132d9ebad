"""The embedded Postgres: started, killed in every way, and started again. Real servers."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from ops import postgres, postgres_account, postgres_cluster, processes
from ops.errors import CannotRun
from ops.postgres import Server

ROOT = Path(__file__).parents[2]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to change the user")

HOLDER = """
import sys, time
from pathlib import Path
from ops import postgres
server = postgres.start(Path(sys.argv[1]), durable=False)
print(server.pid, server.superuser_url, flush=True)
sys.stdin.read()
server.stop()
"""


@pytest.fixture(name="open_dir")
def folder_that_all_can_enter() -> Iterator[Path]:
    """Unlike tmp_path, which is closed to other accounts."""
    folder = Path(tempfile.mkdtemp(prefix="cb-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


async def query(server_or_url: Server | str, text: str) -> object:
    url = server_or_url if isinstance(server_or_url, str) else server_or_url.superuser_url
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return await connection.fetchval(text)
    finally:
        await connection.close()


def open_to_others(path: Path) -> bool:
    """Whether another user can go to a file: through every folder above it."""
    found = path.resolve()
    return all(folder.stat().st_mode & 0o001 for folder in found.parents)


def for_others() -> tuple[str, dict[str, str]]:
    """An interpreter with this environment's packages that another user can start.

    This one may stand below somebody's closed home; then the system's is taken.
    """
    packages = sysconfig.get_path("purelib")
    if not (open_to_others(ROOT / "ops") and open_to_others(Path(packages) / "x")):
        pytest.skip(f"the checkout {ROOT} lies where other users cannot go")
    if open_to_others(Path(sys.executable)):
        return sys.executable, dict(os.environ)
    system = Path("/usr/bin/python3.11")
    if not system.exists():
        pytest.skip("no Python 3.11 here that another user can start")
    return str(system), {**os.environ, "PYTHONPATH": f"{packages}:{ROOT}"}


def holder(data_dir: Path, uid: int | None = None) -> "subprocess.Popen[str]":
    """Another process, of another user perhaps, that starts the server and holds it."""
    program, environment = (sys.executable, dict(os.environ)) if uid is None else for_others()
    return subprocess.Popen(
        [program, "-c", HOLDER, str(data_dir)],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        user=uid,
        group=uid,
        extra_groups=None if uid is None else [],
    )


async def test_it_has_the_settings_that_the_design_asks_for(tmp_path: Path) -> None:
    server = postgres.start(tmp_path / "pg", durable=True)
    try:
        for name, value in {
            "fsync": "on",
            "data_checksums": "on",
            "max_locks_per_transaction": "256",
            "max_connections": "100",
            "timezone": "UTC",
            "server_encoding": "UTF8",
        }.items():
            assert await query(server, f"SHOW {name}") == value
        assert await query(server, "SELECT lower('ÄÖ')") == "äö"
    finally:
        server.stop()


async def test_data_is_kept_from_one_start_to_the_next(tmp_path: Path) -> None:
    for expected in (1, 2):
        server = postgres.start(tmp_path / "pg", durable=False)
        try:
            await query(server, "CREATE TABLE IF NOT EXISTS visit (id serial)")
            await query(server, "INSERT INTO visit DEFAULT VALUES")
            assert await query(server, "SELECT count(*) FROM visit") == expected
        finally:
            server.stop()
    assert not (tmp_path / "pg" / "s").exists()


async def test_a_killed_server_is_recovered(tmp_path: Path) -> None:
    first = postgres.start(tmp_path / "pg", durable=True)
    await query(first, "CREATE TABLE visit AS SELECT 7 AS id")
    os.kill(first.pid, signal.SIGKILL)
    first.process.wait()
    first.cluster.lock.release()  # as the kernel does when the supervisor is killed as well
    second = postgres.start(tmp_path / "pg", durable=True)
    try:
        assert await query(second, "SELECT id FROM visit") == 7
    finally:
        second.stop()


async def test_it_ends_when_its_supervisor_is_killed_and_the_next_run_takes_over(
    tmp_path: Path,
) -> None:
    supervisor = holder(tmp_path / "pg")
    assert supervisor.stdout
    assert supervisor.stdin
    pid, url = supervisor.stdout.readline().split()
    mark = processes.mark_of(int(pid))
    assert mark is not None
    await query(url, "CREATE TABLE visit AS SELECT 7 AS id")
    supervisor.kill()
    supervisor.wait()
    server = postgres.start(tmp_path / "pg", durable=False)  # at once, beside the dying one
    try:
        async with asyncio.timeout(10):
            await processes.end_of(mark)
        assert await query(server, "SELECT id FROM visit") == 7
    finally:
        server.stop()
        supervisor.stdin.close()
        supervisor.stdout.close()


def test_a_second_user_of_the_same_folder_is_refused(tmp_path: Path) -> None:
    server = postgres.start(tmp_path / "pg", durable=False)
    try:
        with pytest.raises(CannotRun, match="Another running program uses the database"):
            postgres.start(tmp_path / "pg", durable=False)
        assert server.process.poll() is None
    finally:
        server.stop()


def test_a_lock_file_that_names_a_stranger_does_not_hurt_the_stranger(tmp_path: Path) -> None:
    server = postgres.start(tmp_path / "pg", durable=False)
    text = (server.cluster.account.pgdata / "postmaster.pid").read_text()
    server.stop()
    stranger = subprocess.Popen(["sleep", "60"], cwd=tmp_path)
    try:
        (tmp_path / "pg" / "pgdata" / "postmaster.pid").write_text(
            text.replace(str(server.pid), str(stranger.pid), 1)
        )
        postgres.start(tmp_path / "pg", durable=False).stop()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_data_of_another_major_version_is_named(tmp_path: Path) -> None:
    (tmp_path / "pg" / "pgdata").mkdir(parents=True)
    (tmp_path / "pg" / "pgdata" / "PG_VERSION").write_text("16\n")
    with pytest.raises(CannotRun, match=r"is of Postgres 16 and this program brings 18"):
        postgres.start(tmp_path / "pg")


async def test_it_listens_on_a_port_when_asked_and_says_when_it_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotRun, match=rf"Port {port} \(postgres\) is taken"):
            postgres.start(tmp_path / "pg", port, durable=False)
    server = postgres.start(tmp_path / "pg", port, durable=False)
    try:
        url = server.tcp_url("postgres", server.cluster.password, "postgres")
        assert await query(url, "SELECT 1") == 1
        with pytest.raises(asyncpg.InvalidPasswordError):
            await query(server.tcp_url("postgres", "wrong", "postgres"), "SELECT 1")
    finally:
        server.stop()


async def test_a_path_too_long_for_a_socket_gets_a_short_one(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 25) / "pg"
    server = postgres.start(folder, durable=False)
    try:
        assert await query(server, "SELECT 1") == 1
        socket_dir = server.cluster.socket_dir
        assert not socket_dir.is_relative_to(folder)
        assert socket_dir.stat().st_mode & 0o777 == 0o700
    finally:
        server.stop()
    assert not socket_dir.exists()


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    script = (
        f"mount -t tmpfs -o size=30m none {tmp_path} && exec {sys.executable} -c '"
        "import sys; from pathlib import Path; from ops import postgres\n"
        f'try: postgres.start(Path("{tmp_path}/pg"))\n'
        "except Exception as error: print(type(error).__name__, error)'"
    )
    room = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if "mount:" in room.stderr or "unshare:" in room.stderr:
        pytest.skip("no small disk can be mounted here")
    assert room.stdout.startswith("CannotRun The disk is full"), room.stderr


@needs_root
async def test_where_namespaces_are_refused_another_account_runs_it(
    open_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_account, "SHARED_PLACE", open_dir)
    for _ in range(2):  # the second time the data is there, and decides
        cluster = postgres.prepare(tmp_path / "pg", durable=False, namespaces=False)
        server = postgres.launch(cluster)
        try:
            postgres.wait_until_ready(server)
            assert await query(server, "SELECT 1") == 1
            assert Path(f"/proc/{server.pid}").stat().st_uid == cluster.account.pgdata.stat().st_uid
            assert cluster.account.pgdata.stat().st_uid != 0
        finally:
            server.stop()
    postgres.forget(tmp_path / "pg")
    assert not postgres_account.shared_home(tmp_path / "pg").exists()


@needs_root
def test_data_made_in_a_namespace_is_not_left_aside(tmp_path: Path) -> None:
    postgres.start(tmp_path / "pg", durable=False).stop()
    with pytest.raises(CannotRun, match="made in a user namespace"):
        postgres.prepare(tmp_path / "pg", namespaces=False)


@needs_root
def test_an_ordinary_user_runs_it_after_root_did(open_dir: Path, tmp_path: Path) -> None:
    postgres.start(tmp_path / "pg", durable=False).stop()
    os.chown(open_dir, 65534, 65534)
    other = holder(open_dir / "pg", uid=65534)
    assert other.stdout
    assert other.stdin
    line = other.stdout.readline()
    other.stdin.close()
    assert other.wait(20) == 0
    other.stdout.close()
    assert "postgresql://" in line


def test_what_postgres_says_becomes_advice() -> None:
    said = 'LOG: starting\nFATAL:  lock file "postmaster.pid" is empty\nHINT: none'
    problem = postgres_cluster.explain(said, Path("pg.log"))
    assert "lock file" in str(problem)
    assert "pg.log" in str(problem)
    problem = postgres_cluster.explain("FATAL: could not write: No space left on device", None)
    assert "disk is full" in str(problem)
