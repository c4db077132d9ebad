"""A whole system of stand-ins: started, killed, and stopped."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import asyncpg
import pytest

from ops import leftovers, processes, state
from ops.errors import CannotRun
from ops.layout import Layout
from ops.ports import Ports
from ops.processes import Mark
from ops.state import ProcessState, SystemState
from ops.tests.systems import NAMES, Changes, get, python, read_until, system_of
from shared.values.ids import new_id

SUPERVISOR = """
import asyncio, json, sys
from pathlib import Path
from ops.ports import Ports
from ops.tests.systems import system_of
async def main():
    async with system_of(Path(sys.argv[1]), ports=Ports(json.loads(sys.argv[2]))):
        print("ready", flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


def marks_of(system: SystemState) -> list[Mark]:
    return [process.mark for process in system.processes if process.mark is not None]


async def test_everything_is_ready_and_then_everything_is_gone(tmp_path: Path) -> None:
    async with system_of(tmp_path / "d") as system:
        found = state.read(system.layout.state)
        assert found == system.state()
        assert found.phase == "ready"
        assert {p.name: p.state for p in found.processes} == dict.fromkeys(
            ("postgres", "issuer", *NAMES), "ready"
        )
        assert len(get(f"{system.issuer}/.well-known/jwks.json")["keys"]) == 1
        assert system.token("front_desk", new_id()).count(".") == 2
        connection = await asyncpg.connect(system.superuser_url)
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()
        marks = marks_of(found)
        assert len(marks) == 4
    assert not any(map(processes.is_running, marks))
    assert not system.layout.state.exists()


async def test_what_it_keeps_is_closed_to_others(tmp_path: Path) -> None:
    async with system_of(tmp_path / "d") as system:
        root = system.layout.root
        secret = [root / "secrets.json", root / "issuer/keys.json", root / "issuer/admin-secret"]
        for path in (*secret, root / "issuer/clients.json", root / "postgres/superuser"):
            assert path.stat().st_mode & 0o777 == 0o600, path
        for folder in (root, *(p for p in root.iterdir() if p.is_dir())):
            assert folder.stat().st_mode & 0o777 == 0o700, folder
        kept = system.layout.state.read_text()
        secrets = json.loads(system.layout.secrets.read_text())
        words = [*secrets["passwords"].values(), *secrets["services"].values()]
        assert len(words) > 10
        assert not [word for word in words if word in kept]


async def test_a_service_is_told_its_own_and_nothing_of_others(tmp_path: Path) -> None:
    async with system_of(tmp_path / "d") as system:
        told = get(f"{system.urls['patients']}/environment")
    assert told["CLINICBUS_PROFILE"] == "local"
    assert json.loads(told["CLINICBUS_URLS"]) == system.urls
    assert told["CLINICBUS_FAILPOINTS"] == "relay.after_append:exit:3"
    assert "patients_app:" in told["CLINICBUS_PATIENTS_APP_URL"]
    assert "patients_worker:" in told["CLINICBUS_PATIENTS_BUS_URL"]
    urls = [name for name in told if name.startswith("CLINICBUS_") and name.endswith("_URL")]
    assert not [name for name in urls if "PAYMENTS" in name or "OWNER" in name]


async def test_a_killed_process_is_started_again_within_five_seconds(tmp_path: Path) -> None:
    changes = Changes()
    async with system_of(tmp_path / "d", changes) as system:
        child = system.children["payments"]
        old = child.pid
        os.kill(old, signal.SIGKILL)
        await changes.until(lambda: child.state.restarts == 1 and child.state.state == "ready")
        assert child.pid != old
        assert child.state.last_end == "killed by SIGKILL"
        assert system.children["patients"].state.restarts == 0
        assert get(f"{system.urls['payments']}/readyz")


async def test_postgres_is_started_again_too_and_keeps_what_was_committed(tmp_path: Path) -> None:
    changes = Changes()
    async with system_of(tmp_path / "d", changes) as system:
        connection = await asyncpg.connect(system.superuser_url)
        await connection.execute("CREATE TABLE visit AS SELECT 7 AS id")
        postgres = system.state().processes[0]
        assert (postgres.name, postgres.restarts) == ("postgres", 0)
        assert postgres.pid
        os.kill(postgres.pid, signal.SIGKILL)
        await changes.until(lambda: postgres.restarts == 1 and postgres.state == "ready")
        connection.terminate()
        again = await asyncpg.connect(system.superuser_url)
        assert await again.fetchval("SELECT id FROM visit") == 7
        await again.close()


async def test_pauses_grow_for_what_dies_again_and_again(tmp_path: Path) -> None:
    changes = Changes()
    async with system_of(tmp_path / "d", changes) as system:
        child = system.children["payments"]
        took = []
        for _ in range(3):
            os.kill(child.pid, signal.SIGKILL)
            await changes.until(lambda: child.state.state == "waiting")
            begun = time.monotonic()
            await changes.until(lambda: child.state.state == "ready")
            took.append(time.monotonic() - begun)
    assert took[0] < took[1] < took[2]
    assert took[2] >= 1.0


async def test_a_service_that_ends_while_starting_is_named_with_its_last_words(
    tmp_path: Path,
) -> None:
    system = system_of(tmp_path / "d", payments="--die-before-ready")
    with pytest.raises(CannotRun, match=r"payments ended while starting .*told to die") as caught:
        await system.start()
    assert "\n" not in str(caught.value)
    assert (system.layout.log / "payments.log").exists()
    assert [child.state.pid for child in system.children.values()] == [None] * 3


async def test_a_process_that_ignores_the_end_is_ended_by_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.child.STOP_PATIENCE_S", 0.3)
    async with system_of(tmp_path / "d", payments="--stubborn") as system:
        marks = marks_of(system.state())
    assert not any(map(processes.is_running, marks))


async def test_a_taken_port_is_named_with_its_holder(tmp_path: Path) -> None:
    system = system_of(tmp_path / "d")
    port = system.ports.of["payments"]
    with socket.create_server(("127.0.0.1", port)):
        expected = rf"^Port {port} \(payments\) by \S+, process {os.getpid()} is taken: stop"
        with pytest.raises(CannotRun, match=expected):
            await system.start()
    assert not system.children


async def test_a_second_system_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    async with system_of(tmp_path / "d") as first:
        with pytest.raises(CannotRun, match="It runs already"):
            await system_of(tmp_path / "d").start()
        assert first.state() == state.read(first.layout.state)


async def test_the_next_run_takes_over_what_a_killed_supervisor_left(tmp_path: Path) -> None:
    ports = Ports.free()
    with python("-c", SUPERVISOR, str(tmp_path / "d"), json.dumps(ports.of)) as supervisor:
        read_until(supervisor, "ready")
        found = state.read(Layout(tmp_path / "d").state)
        assert found is not None
        marks = marks_of(found)
        assert len(marks) == 4
        assert all(map(processes.is_running, marks))
        supervisor.kill()
        supervisor.wait()
    # The next run begins at once, on the same ports, beside the dying ones.
    async with system_of(tmp_path / "d", ports=ports) as system:
        assert get(f"{system.urls['patients']}/readyz")
        assert not any(map(processes.is_running, marks))


async def test_children_stop_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    ports = Ports.free()
    with python("-c", SUPERVISOR, str(tmp_path / "d"), json.dumps(ports.of)) as supervisor:
        read_until(supervisor, "ready")
        found = state.read(Layout(tmp_path / "d").state)
        supervisor.kill()
        supervisor.wait()
    assert found is not None
    async with asyncio.timeout(10):
        await asyncio.gather(*map(processes.end_of, marks_of(found)))


def test_leftovers_are_ended_and_strangers_are_not() -> None:
    ours = subprocess.Popen(["sleep", "60"])
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        mark = processes.mark_of(ours.pid)
        assert mark is not None
        left = SystemState(
            supervisor=mark,
            bus="postgres",
            issuer="",
            processes=[
                ProcessState("patients", pid=mark.pid, started=mark.started),
                # The id now belongs to a process that started at another time.
                ProcessState("payments", pid=stranger.pid, started=mark.started + "0"),
            ],
        )
        assert leftovers.end(left) == ["patients"]
        assert ours.wait(5) == -signal.SIGTERM
        assert stranger.poll() is None
    finally:
        for process in (ours, stranger):
            process.kill()
            process.wait()
