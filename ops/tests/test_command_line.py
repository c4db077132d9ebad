"""`clinicbus` as a person types it, over systems of stand-ins."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ops import state, supervisor
from ops.layout import CHECKOUT, Layout
from ops.tests.systems import Changes, python, read_until, system_of
from shared.values.ids import new_id

RUN = """
import sys
from pathlib import Path
from ops import supervisor
from ops.layout import Layout
from ops.options import Options
from ops.ports import Ports
from ops.tests.systems import standins
layout, ports = Layout(Path(sys.argv[1])), Ports.free()
plan = standins(layout, ports)
sys.exit(supervisor.run(layout, ports, Options(durable=False), seed=False, plan=plan))
"""


async def clinicbus(*arguments: str, **variables: str) -> tuple[int, str, str]:
    """Exit code, output and error output of the command."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ops.cli", *arguments),
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | variables,
    )
    output, errors = await process.communicate()
    return process.returncode or 0, output.decode(), errors.decode()


async def test_status_token_and_doctor_of_a_running_system(tmp_path: Path) -> None:
    changes = Changes()
    async with system_of(tmp_path / "d", changes) as system:
        data = ("--data", str(tmp_path / "d"))
        code, output, _ = await clinicbus("status", "--json", *data)
        found = json.loads(output)
        assert code == 0
        assert found["ready"] is True
        assert found["bus"] == "postgres"
        assert found["urls"] == system.urls
        pids = {p["name"]: p["pid"] for p in found["processes"]}
        assert pids["payments"] == system.children["payments"].pid

        network = new_id()
        code, output, _ = await clinicbus("token", "biller", "--network", str(network), *data)
        assert code == 0
        assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", output)

        code, output, _ = await clinicbus("doctor", *data)
        assert "ClinicBus runs already" in output

        os.kill(system.children["payments"].pid, signal.SIGSTOP)
        code, output, _ = await clinicbus("status", *data)
        os.kill(system.children["payments"].pid, signal.SIGCONT)
        assert code == 1
        assert re.search(r"payments +silent", output)

        os.kill(system.children["payments"].pid, signal.SIGKILL)
        payments = system.children["payments"].state
        await changes.until(lambda: payments.restarts == 1 and payments.state == "ready")
        code, output, _ = await clinicbus("status", *data)
        assert code == 0
        assert re.search(r"payments +ready +\d+ +1 .*killed by SIGKILL", output)

        code, _, errors = await clinicbus("reset", *data)
        assert code == 1
        assert "It is running" in errors


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("token", "front_desk"), "There is no issuer"),
        (("run", "--bus", "rabbit"), "There is no bus called 'rabbit'"),
        (("run", "--port-base", "80"), "80 is no base for ports"),
    ],
)
async def test_a_failure_is_one_sentence(
    tmp_path: Path, arguments: tuple[str, ...], expected: str
) -> None:
    code, output, errors = await clinicbus(*arguments, "--data", str(tmp_path / "d"))
    assert (code, output) == (1, "")
    assert errors.startswith(expected)
    assert errors.count("\n") == 1


async def test_what_does_not_run_says_so(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "d"))
    code, output, _ = await clinicbus("status", *data)
    assert (code, output.count("\n")) == (1, 1)
    assert "make run" in output
    code, output, _ = await clinicbus("status", "--json", *data)
    assert (code, json.loads(output)["phase"]) == (1, "stopped")
    code, output, _ = await clinicbus("stop", *data)
    assert (code, output) == (0, "It was not running.\n")
    assert not (tmp_path / "d").exists()


async def test_a_token_for_the_demo_network_needs_no_network(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "d")
    async with system_of(layout.root):
        pass
    data = ("--data", str(layout.root))
    code, _, errors = await clinicbus("token", "nurse", *data)
    assert code == 1
    assert "--network" in errors
    layout.demo.write_text(json.dumps({"network": str(new_id())}))
    code, output, _ = await clinicbus("token", "nurse", *data)
    assert (code, output.count(".")) == (0, 2)


async def test_reset_forgets_and_leaves_other_folders_alone(tmp_path: Path) -> None:
    async with system_of(tmp_path / "d"):
        pass
    code, output, _ = await clinicbus("reset", "--data", str(tmp_path / "d"))
    assert code == 0
    assert "forgotten" in output
    assert not (tmp_path / "d").exists()
    (tmp_path / "other").mkdir()
    code, _, errors = await clinicbus("reset", "--data", str(tmp_path / "other"))
    assert code == 1
    assert "left alone" in errors
    assert (tmp_path / "other").exists()


async def test_a_command_that_cannot_be_loaded_does_not_break_the_others(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import no_such_module\n")
    start = "from ops import cli; cli.ELSEWHERE['broken'] = 'broken'; cli.main()"
    for arguments, expected in (
        (["status", "--data", str(tmp_path / "d")], b"does not run"),
        (["broken"], b"`clinicbus broken` cannot be loaded: No module named 'no_such_module'."),
    ):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", start, *arguments),
            env=os.environ | {"PYTHONPATH": f"{CHECKOUT}{os.pathsep}{tmp_path}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        assert expected in output
        assert process.returncode == 1


def test_a_run_shows_one_screen_and_stops_cleanly(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "d")
    with python("-c", RUN, str(layout.root)) as first:
        assert first.stdout
        said = read_until(first, "make reset")
        assert "ClinicBus is ready after" in said
        found = state.read(layout.state)
        assert found is not None
        for url in found.urls.values():
            assert f"{url}/docs" in said
        assert "./clinicbus token" in said

        with python("-c", RUN, str(layout.root)) as second:
            output, _ = second.communicate(timeout=30)
        assert second.returncode == 0
        assert f"runs already (process {first.pid}, ready)" in output
        assert found.urls["patients"] in output

        payments = next(p for p in found.processes if p.name == "payments")
        assert payments.pid
        os.kill(payments.pid, signal.SIGKILL)
        said = read_until(first, "payments is ready again")
        assert "payments stopped (killed by SIGKILL); it is started again (restart 1)" in said

        assert supervisor.stop(layout)
        assert "the data is kept" in first.stdout.read()
        assert first.wait(30) == 0
    assert not supervisor.stop(layout)


async def test_a_run_goes_on_when_nobody_reads_its_screen(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "d")
    with python("-c", RUN, str(layout.root)) as run:
        assert run.stdout
        read_until(run, "Starting the services")
        run.stdout.close()
        code = 1
        async with asyncio.timeout(20):
            while code:  # each asks every process, so this is no idle waiting
                code, _, _ = await clinicbus("status", "--data", str(layout.root))
        assert run.poll() is None
        assert supervisor.stop(layout)
        assert run.wait(30) == 0


def test_a_stop_while_starting_leaves_nothing(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "d")
    with python("-c", RUN, str(layout.root)) as run:
        assert run.stdout
        read_until(run, "Starting Postgres")
        run.send_signal(signal.SIGINT)
        assert "Stopped" in run.stdout.read()
        assert run.wait(30) == 0
    assert not layout.state.exists()


def install(venv: Path, python_name: str) -> tuple[int, str]:
    """Exit code and error output of the script behind `make install`."""
    answer = subprocess.run(
        ["sh", "ops/install.sh", str(venv), "requirements.lock"],
        check=False,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHON": python_name},
    )
    return answer.returncode, answer.stderr


@pytest.mark.parametrize(
    ("python_name", "expected"),
    [("no-such-python", "is not there: install it"), ("/bin/false", "is not that")],
)
def test_install_says_what_is_missing(tmp_path: Path, python_name: str, expected: str) -> None:
    code, said = install(tmp_path / "venv", python_name)
    assert code == 1
    assert expected in said
    assert said.count("\n") == 1


def test_install_overwrites_no_folder_that_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("")
    code, said = install(tmp_path, sys.executable)
    assert code == 1
    assert "is no Python environment" in said
    assert (tmp_path / "kept").exists()
