"""A whole system of stand-ins: started, killed, and stopped. Postgres and issuer are the real ones."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from ops import leftovers, processes, state
from ops.errors import CannotRun
from ops.layout import CHECKOUT, Layout
from ops.local_system import LocalSystem, Options
from ops.ports import Ports
from ops.programs import Plan, Program, usual_plan
from ops.state import ProcessState, SystemState
from shared.values.ids import new_id

NAMES = ("patients", "payments")


def standins(layout: Layout, ports: Ports, **flags: str) -> Plan:
    """The real issuer and two stand-ins; a flag for one by its name."""
    usual = usual_plan(ports, layout)
    return Plan(
        first=usual.first[:1],
        prepare=None,
        services=tuple(
            Program(
                name,
                (
                    *("ops.tests.standin", "--port", str(ports.of[name])),
                    *((flags[name],) if name in flags else ()),
                ),
                ports.of[name],
            )
            for name in NAMES
        ),
    )


def system_of(folder: Path, changes: list[ProcessState] | None = None, **flags: str) -> LocalSystem:
    layout, ports = Layout(folder), Ports.free()
    return LocalSystem(
        layout,
        ports,
        Options(durable=False, environment={"CLINICBUS_FAILPOINTS": "relay.after_append:exit:3"}),
        plan=standins(layout, ports, **flags),
        on_change=(changes if changes is not None else []).append,
    )


def get(url: str) -> dict[str, str]:
    with urllib.request.urlopen(url, timeout=5) as answer:
        found: dict[str, str] = json.load(answer)
    return found


def begin(*arguments: str) -> "subprocess.Popen[bytes]":
    """Another Python in the checkout."""
    return subprocess.Popen([sys.executable, *arguments], cwd=CHECKOUT)


async def until(what: str, condition: object, seconds: float) -> float:
    """How long it took until the condition held."""
    begun = time.monotonic()
    assert callable(condition)
    while not condition():
        assert time.monotonic() - begun < seconds, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.02)
    return time.monotonic() - begun


@asynccontextmanager
async def another_supervisor(
    folder: Path,
) -> AsyncIterator[tuple[subprocess.Popen[bytes], SystemState]]:
    """A supervisor in a process of its own, and the state that it wrote when it was ready."""
    script = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from ops.tests.test_local_system import system_of\n"
        "async def main():\n"
        "    async with system_of(Path(sys.argv[1])):\n"
        "        await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    process = begin("-c", script, str(folder))
    try:
        path = Layout(folder).state
        await until("ready", lambda: (s := state.read(path)) and s.phase == "ready", 30)
        found = state.read(path)
        assert found is not None
        yield process, found
    finally:
        process.kill()
        process.wait()


async def test_everything_is_ready_and_then_everything_is_gone(tmp_path: Path) -> None:
    network = new_id()
    async with system_of(tmp_path / "d") as system:
        found = state.read(system.layout.state)
        assert found is not None and found.phase == "ready"
        assert {p.name: p.state for p in found.processes} == dict.fromkeys(
            ("postgres", "issuer", *NAMES), "ready"
        )
        keys = get(f"{system.issuer}/.well-known/jwks.json")["keys"]
        assert len(keys) == 1
        assert system.token("front_desk", network).count(".") == 2
        connection = await asyncpg.connect(system.superuser_url)
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()
        marks = [p.mark for p in found.processes if p.mark]
        assert len(marks) == 4
    assert not any(map(processes.is_running, marks))
    assert not system.layout.state.exists()


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
    changes: list[ProcessState] = []
    async with system_of(tmp_path / "d", changes) as system:
        child = system.children["payments"]
        old = child.pid
        os.kill(old, signal.SIGKILL)
        await until("noticed", lambda: child.state.state != "ready", 5)
        await until("ready again", lambda: child.state.state == "ready", 5)
        assert child.pid != old
        assert (child.state.restarts, child.state.last_end) == (1, "killed by SIGKILL")
        assert system.children["patients"].state.restarts == 0
        assert get(f"{system.urls['payments']}/readyz")


async def test_postgres_is_started_again_too_and_keeps_what_was_committed(tmp_path: Path) -> None:
    async with system_of(tmp_path / "d") as system:
        connection = await asyncpg.connect(system.superuser_url)
        await connection.execute("CREATE TABLE visit AS SELECT 7 AS id")
        found = state.read(system.layout.state)
        assert found is not None
        postgres = next(p for p in found.processes if p.name == "postgres")
        assert postgres.pid
        os.kill(postgres.pid, signal.SIGKILL)

        def is_back() -> bool:
            now = state.read(system.layout.state)
            entry = next(p for p in now.processes if p.name == "postgres") if now else postgres
            return entry.restarts == 1 and entry.state == "ready"

        await until("Postgres is back", is_back, 5)
        await connection.close(timeout=1) if not connection.is_closed() else None
        again = await asyncpg.connect(system.superuser_url)
        assert await again.fetchval("SELECT id FROM visit") == 7
        await again.close()


async def test_pauses_grow_for_what_dies_again_and_again(tmp_path: Path) -> None:
    async with system_of(tmp_path / "d") as system:
        child = system.children["payments"]
        took = []
        for _ in range(3):
            os.kill(child.pid, signal.SIGKILL)
            await until("noticed", lambda: child.state.state == "waiting", 5)
            took.append(await until("started", lambda: child.state.state != "waiting", 5))
            await until("ready", lambda: child.state.state == "ready", 5)
    assert took[0] < took[1] < took[2]
    assert took[2] >= 0.9


async def test_a_service_that_ends_while_starting_is_named_with_its_last_words(
    tmp_path: Path,
) -> None:
    system = system_of(tmp_path / "d", payments="--die-before-ready")
    with pytest.raises(CannotRun, match=r"payments ended while starting .*told to die") as caught:
        await system.start()
    assert "\n" not in str(caught.value)
    assert Layout(tmp_path / "d").log.joinpath("payments.log").exists()
    assert not [c for c in system.children.values() if c.state.pid is not None]


async def test_a_taken_port_is_named_with_its_holder(tmp_path: Path) -> None:
    system = system_of(tmp_path / "d")
    holder = begin("-m", "ops.tests.standin", "--port", str(system.ports.of["payments"]))
    try:
        port = system.ports.of["payments"]
        await until("listens", lambda: _listens(port), 10)
        with pytest.raises(
            CannotRun, match=rf"Port {port} \(payments\) by \S+, process {holder.pid}"
        ):
            await system.start()
        assert holder.poll() is None
    finally:
        holder.kill()
        holder.wait()


async def test_a_second_system_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    async with system_of(tmp_path / "d"):
        with pytest.raises(CannotRun, match="It runs already"):
            await system_of(tmp_path / "d").start()


async def test_children_stop_when_the_supervisor_is_killed_and_the_next_run_works(
    tmp_path: Path,
) -> None:
    async with another_supervisor(tmp_path / "d") as (supervisor, found):
        marks = [p.mark for p in found.processes if p.mark]
        assert len(marks) == 4 and all(map(processes.is_running, marks))
        supervisor.kill()
        supervisor.wait()
        took = await until("all gone", lambda: not any(map(processes.is_running, marks)), 10)
    assert took < 10
    async with system_of(tmp_path / "d") as system:
        assert get(f"{system.urls['patients']}/readyz")


def test_leftovers_are_ended_and_strangers_are_not(tmp_path: Path) -> None:
    ours = subprocess.Popen(["sleep", "60"])
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        mark, other = processes.mark_of(ours.pid), processes.mark_of(stranger.pid)
        assert mark is not None and other is not None
        me = processes.mark_of(os.getpid())
        assert me is not None
        left = SystemState(
            supervisor=me,
            bus="postgres",
            issuer="",
            processes=[
                ProcessState("patients", pid=mark.pid, started=mark.started),
                # The id now belongs to a process that started at another time.
                ProcessState("payments", pid=other.pid, started=mark.started + "0"),
            ],
        )
        assert leftovers.end(left) == ["patients"]
        assert ours.wait(5) == -signal.SIGTERM
        assert stranger.poll() is None
    finally:
        for process in (ours, stranger):
            process.kill()
            process.wait()


def _listens(port: int) -> bool:
    try:
        get(f"http://127.0.0.1:{port}/readyz")
    except OSError:
        return False
    return True
