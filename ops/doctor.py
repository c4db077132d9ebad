"""`clinicbus doctor`: says what is wrong with this machine or a setting, and what to do."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import psutil  # type: ignore[import-untyped]

from ops import ports, postgres_account, postgres_cluster, probe, processes, state
from ops.errors import CannotRun
from ops.layout import CHECKOUT, Layout
from ops.ports import OFFSETS, SERVICES, Ports

DISK_NEEDED_MB = 1000
MEMORY_NEEDED_MB = 1500
JAVA_NEEDED = 17

# Every setting that something here reads; another CLINICBUS_ name is likely a slip.
SETTINGS = {
    *("BUS", "CLOCK_FILE", "DATA", "FAILPOINTS", "HOME", "ISSUER", "KAFKA", "LOG_LEVEL"),
    *("PAYER_ATTEMPTS", "PAYER_TIMEOUT_SECONDS", "PAYMENTS_PROCESSOR"),
    *("PAYER_URL", "POSTGRES_URL", "PROFILE", "SERVICE_SECRET", "URLS", "BUS_OWNER_URL"),
    *(f"{s.upper()}_{part}_URL" for s in SERVICES for part in ("OWNER", "APP", "WORKER", "BUS")),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: ok, a note, or NO with what to do."""

    word: Literal["ok", "note", "NO"]
    text: str


async def examine(layout: Layout, wanted: Ports) -> list[Finding]:
    """Everything there is to say about this machine for a system on this folder and these ports."""
    running = state.read(layout.state)
    if running is not None and not processes.is_running(running.supervisor):
        running = None
    return [
        *_python(),
        *_postgres(layout),
        *_folder(layout),
        *_room(),
        *(_ports(wanted) if running is None else [_runs(running.supervisor.pid)]),
        *await _settings(),
        *await _kafka(),
    ]


def _runs(pid: int) -> Finding:
    return Finding("ok", f"ClinicBus runs already, process {pid}")


def _python() -> Iterator[Finding]:
    version = sys.version.split()[0]
    if sys.version_info[:2] == (3, 11):
        yield Finding("ok", f"Python {version} at {sys.executable}")
    else:
        yield Finding("NO", f"Python {version} runs this: make the environment with Python 3.11")
    if sys.platform != "linux":
        yield Finding(
            "note",
            f"{sys.platform}: when the supervisor is killed, its processes end at the next start",
        )


def _postgres(layout: Layout) -> Iterator[Finding]:
    try:
        programs = postgres_account.installed_programs()
        version = subprocess.run(
            [programs / "postgres", "--version"], check=True, capture_output=True, text=True
        )
        yield Finding("ok", f"embedded {version.stdout.strip()}")
        account = postgres_account.choose(layout.postgres)
        postgres_cluster.check_version(account.pgdata)
    except CannotRun as error:
        yield Finding("NO", str(error))
    except (OSError, subprocess.CalledProcessError) as error:
        yield Finding("NO", f"The embedded Postgres does not run here ({error}): `make install`")
    else:
        how = "as your account"
        if account.prefix:
            how = "in a user namespace"
        elif account.user:
            how = f"as the account {account.user[0]}, with its files below {account.home}"
        yield Finding("ok", f"Postgres will run {how}")


def _folder(layout: Layout) -> Iterator[Finding]:
    there = layout.root
    while not there.exists():
        there = there.parent
    if layout.root.exists() and layout.root.stat().st_uid != os.geteuid():
        yield Finding("NO", f"{layout.root} belongs to another user: choose another with --data")
    elif not os.access(there, os.W_OK):
        yield Finding("NO", f"{there} cannot be written: choose another folder with --data")
    else:
        yield Finding("ok", f"data folder {layout.root}")
    if not os.access(CHECKOUT, os.W_OK):
        yield Finding("note", f"{CHECKOUT} cannot be written, so your data lies elsewhere")
    free = shutil.disk_usage(there).free // 1_000_000
    word: Literal["ok", "NO"] = "ok" if free >= DISK_NEEDED_MB else "NO"
    advice = "" if word == "ok" else f": free {DISK_NEEDED_MB} MB at least"
    yield Finding(word, f"{free} MB free on the disk of {there}{advice}")


def _room() -> Iterator[Finding]:
    free = psutil.virtual_memory().available // 1_000_000
    word: Literal["ok", "NO"] = "ok" if free >= MEMORY_NEEDED_MB else "NO"
    advice = "" if word == "ok" else f": close other programs, {MEMORY_NEEDED_MB} MB are needed"
    yield Finding(word, f"{free} MB of memory available{advice}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if cores is not None and cores < 2:
        yield Finding("note", "one processor: the start takes longer than 20 s")


def _ports(wanted: Ports) -> Iterator[Finding]:
    try:
        wanted.require_free([name for name in OFFSETS if name != "kafka"])
    except CannotRun as error:
        yield Finding("NO", str(error))
    else:
        numbers = sorted(wanted.of.values())
        yield Finding("ok", f"ports {numbers[0]} to {numbers[-1]} are free")
    if not ports.is_free(wanted.of["kafka"]):
        yield Finding("note", f"port {wanted.of['kafka']} (kafka) is taken; BUS=kafka needs it")


async def _settings() -> list[Finding]:
    found = []
    for name in sorted(os.environ):
        if name.startswith("CLINICBUS_") and name.removeprefix("CLINICBUS_") not in SETTINGS:
            found.append(Finding("NO", f"{name} is not a setting: correct or unset it"))
    given = os.environ.get("CLINICBUS_POSTGRES_URL")
    if given:
        found.append(await _reaches("CLINICBUS_POSTGRES_URL", given, 5432))
    if os.environ.get("CLINICBUS_PROFILE") == "production":
        found.append(Finding("note", "CLINICBUS_PROFILE=production: `run` is for one machine"))
    return found


async def _reaches(name: str, url: str, usual_port: int) -> Finding:
    """Whether the server that a setting names answers; the URL's password is never shown."""
    try:
        parts = urlsplit(url if "//" in url else f"//{url}")
        host, port = parts.hostname, parts.port or usual_port
    except ValueError:
        return Finding("NO", f"{name} is not an address: write host:port or a URL")
    if not host:
        return Finding("note", f"{name} names no host; it is not checked")
    if await probe.accepts(port, host=host):
        return Finding("ok", f"{name}: {host}:{port} answers")
    return Finding("NO", f"{name}: nothing answers at {host}:{port}")


async def _kafka() -> list[Finding]:
    given = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    if given:
        return [await _reaches("KAFKA_BOOTSTRAP_SERVERS", given.split(",")[0], 9092)]
    if _says("docker", "info"):
        return [Finding("ok", "Kafka: a container engine answers")]
    java, maven = _java_version(), shutil.which("mvn")
    if java is not None and java >= JAVA_NEEDED and maven:
        return [Finding("ok", f"Kafka: java {java} and mvn are here")]
    jars = Path(CHECKOUT / "deploy" / "local" / "kafka" / "target").exists()
    if java is not None and java >= JAVA_NEEDED and jars:
        return [Finding("ok", f"Kafka: java {java} is here and the jars are fetched")]
    advice = f"Docker, or java {JAVA_NEEDED} and mvn, or KAFKA_BOOTSTRAP_SERVERS"
    return [Finding("note", f"no Kafka can be had here (BUS=kafka needs {advice})")]


def _java_version() -> int | None:
    words = _says("java", "-version")
    digits = words.partition('version "')[2].partition(".")[0] if words else ""
    return int(digits) if digits.isdigit() else None


def _says(*command: str) -> str | None:
    """What a program prints, or None when it is missing, fails or is silent for 5 s."""
    try:
        answer = subprocess.run(command, check=True, capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout + answer.stderr
