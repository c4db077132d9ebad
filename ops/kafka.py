"""A real Apache Kafka for this machine.

What KAFKA_BOOTSTRAP_SERVERS names, if it is set; else a container, where an engine answers; else a
single KRaft node run by Java 17 from jars that Maven fetches and a committed list of SHA-256 sums
confirms. It listens on loopback alone and makes no topic by itself.

    broker = start(folder)       # its data stays in the folder
    broker.bootstrap             # 127.0.0.1:PORT
    stop(folder)
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from ops import kafka_jars, processes, profile
from ops.errors import CannotRun
from ops.ports import free_ports, is_free
from ops.processes import Mark

HERE = Path(__file__).resolve().parents[1] / "deploy" / "local" / "kafka"
DEFAULT_FOLDER = Path(".clinicbus/kafka")
READY_TIMEOUT_S = 60.0
STOP_STEPS = ((signal.SIGTERM, 20.0), (signal.SIGKILL, 5.0))
# One node on one machine starts often and does little: with the second compiler, and a collector
# that has threads of its own, it takes 7.1 s of a processor to format and start, without 4.4 s.
JVM = (
    *("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC"),
    *("-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true"),
)

SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "5",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "log.retention.ms": "-1",
    "log.index.size.max.bytes": "1048576",
}

# Children of this process, by id: kept so that they can be waited for.
_children: dict[int, "subprocess.Popen[bytes]"] = {}


@dataclass(frozen=True, slots=True)
class Broker:
    """A running broker. `pid` and `started` are set where this machine's Java runs it."""

    bootstrap: str
    how: Literal["given", "compose", "java"]
    pid: int = 0
    started: str = ""
    controller_port: int = 0

    @property
    def mark(self) -> Mark:
        """The process, for signals in fault tests."""
        return Mark(self.pid, self.started)


def start(
    folder: Path, *, port: int | None = None, advertised: int | None = None, stays: bool = False
) -> Broker:
    """Start a broker and wait until it listens, or find the one that runs already.

    folder: holds its data, settings and log; made when it is not there.
    port: on 127.0.0.1; by default the one it had before, or a free one.
    advertised: the port that clients are told, where a proxy stands in between.
    stays: it outlives this process; otherwise it ends when this process ends.
    Raises CannotRun with one sentence that says what to do.
    """
    profile.refuse_outside_local("The local Kafka")
    given = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    if given:
        if not _listens(given.split(",")[0]):
            raise CannotRun(f"KAFKA_BOOTSTRAP_SERVERS names {given}, where nothing answers.")
        return Broker(given, "given")
    folder = folder.absolute()
    running = status(folder)
    if running is not None:
        return running
    if _engine_answers():
        return _compose_up(folder, port or free_ports(1)[0])
    return _java_up(folder, port, advertised, stays)


def status(folder: Path) -> Broker | None:
    """The broker that runs on a folder, or None."""
    state = folder.absolute() / "broker.json"
    if not state.exists():
        return None
    broker = Broker(**json.loads(state.read_text()))
    if broker.how == "java" and not processes.is_running(broker.mark):
        return None
    return broker if _listens(broker.bootstrap) else None


def stop(folder: Path) -> bool:
    """Stop the broker that was started on a folder; False where none runs. Its data stays."""
    state = folder.absolute() / "broker.json"
    if not state.exists():
        return False
    broker = Broker(**json.loads(state.read_text()))
    if broker.how == "compose":
        return _compose("down", port=_port_of(broker.bootstrap)).returncode == 0
    ended = processes.is_running(broker.mark) and processes.end(broker.mark, STOP_STEPS)
    child = _children.pop(broker.pid, None)
    if child is not None:
        child.wait()
    return ended


def forget(folder: Path) -> None:
    """Stop the broker of a folder and delete its data."""
    stop(folder)
    if folder.exists():
        shutil.rmtree(folder)


def _java_up(folder: Path, port: int | None, advertised: int | None, stays: bool) -> Broker:
    java = kafka_jars.java()
    classpath = kafka_jars.classpath(HERE, folder)
    folder.mkdir(parents=True, exist_ok=True)
    own, controller = _ports(folder, port)
    settings = folder / "server.properties"
    settings.write_text(_properties(folder, own, advertised or own, controller))
    base = [java, *JVM, "-cp", classpath]
    if not (folder / "data" / "meta.properties").exists():
        kafka_jars.format_storage(base, settings)
    command = [*base, "kafka.Kafka", str(settings)]
    tied = command if stays else processes.tied(command, signal.SIGTERM)
    log = folder / "broker.log"
    with log.open("wb") as output:
        process = processes.start(tied, output=output, folder=folder)
    _children[process.pid] = process
    found = processes.mark_of(process.pid)
    broker = Broker(
        f"127.0.0.1:{own}", "java", process.pid, found.started if found else "", controller
    )
    (folder / "broker.json").write_text(json.dumps(asdict(broker)))
    _wait(broker, process, log)
    return broker


def _wait(broker: Broker, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + READY_TIMEOUT_S
    while not _listens(broker.bootstrap):
        if process.poll() is not None:
            raise CannotRun(f"Kafka ended with code {process.returncode} as it started: see {log}.")
        if time.monotonic() > until:
            processes.kill_session(process)
            raise CannotRun(f"Kafka did not listen within {READY_TIMEOUT_S:.0f} s: see {log}.")
        time.sleep(processes.POLL_S)


def _properties(folder: Path, port: int, advertised: int, controller: int) -> str:
    settings = SETTINGS | {
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{advertised}",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "log.dirs": str(folder / "data"),
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def _ports(folder: Path, wanted: int | None) -> tuple[int, int]:
    """The broker's port and the controller's: as before where they are free."""
    state = folder / "broker.json"
    before = Broker(**json.loads(state.read_text())) if state.exists() else None
    own, controller = free_ports(2)
    if before is not None and is_free(before.controller_port):
        controller = before.controller_port
    if wanted is not None:
        if not is_free(wanted):
            raise CannotRun(
                f"Port {wanted} (kafka) is taken: stop what uses it, or choose other ports."
            )
        return wanted, controller
    if before is not None and is_free(_port_of(before.bootstrap)):
        own = _port_of(before.bootstrap)
    return own, controller


def _engine_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    for asked in (("docker", "info"), ("docker", "compose", "version")):
        try:
            answer = subprocess.run(asked, check=False, capture_output=True, timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            return False
        if answer.returncode != 0:
            return False
    return True


def _compose_up(folder: Path, port: int) -> Broker:
    answer = _compose("up", "--detach", "--wait", port=port)
    if answer.returncode != 0:
        raise CannotRun(
            "docker compose could not start Kafka: run it by hand in deploy/local/kafka to see why."
        )
    folder.mkdir(parents=True, exist_ok=True)
    broker = Broker(f"127.0.0.1:{port}", "compose")
    (folder / "broker.json").write_text(json.dumps(asdict(broker)))
    return broker


def _compose(*arguments: str, port: int) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        ("docker", "compose", "--file", str(HERE / "compose.yaml"), *arguments),
        check=False,
        capture_output=True,
        env=os.environ | {"KAFKA_PORT": str(port)},
    )


def _port_of(bootstrap: str) -> int:
    return int(bootstrap.rpartition(":")[2])


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=1):
            return True
    except OSError:
        return False


app = typer.Typer(help="A real Apache Kafka for this machine.", no_args_is_help=True)
Folder = Annotated[Path, typer.Option(help="Where its data, settings and log are.")]


@app.command("start")
def start_command(folder: Folder = DEFAULT_FOLDER, port: int | None = None) -> None:
    """Start a broker that stays, and print where it listens."""
    _said(
        lambda: (
            f"Kafka listens on {(b := start(folder, port=port, stays=True)).bootstrap} ({b.how})."
        )
    )


@app.command("stop")
def stop_command(folder: Folder = DEFAULT_FOLDER) -> None:
    """Stop the broker; its data stays."""
    _said(lambda: "Kafka is stopped." if stop(folder) else "Kafka was not running.")


@app.command("status")
def status_command(folder: Folder = DEFAULT_FOLDER) -> None:
    """Say whether a broker runs. Exit code 1 where none does."""
    broker = status(folder)
    typer.echo(f"Kafka listens on {broker.bootstrap}." if broker else "Kafka is not running.")
    raise typer.Exit(0 if broker else 1)


def _said(sentence: Callable[[], str]) -> None:
    try:
        typer.echo(sentence())
    except CannotRun as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


if __name__ == "__main__":
    app()
