"""Real processes in the production profile: each wrong setting ends them, what is right starts."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import httpx
import pytest

from ops import ports
from shared.db.anchors import fresh_key
from shared.db.provision import SERVICES
from shared.web.safety import TABLE

ROOT = Path(__file__).resolve().parents[2]
ROLES = ("api", "worker")
SECRET = "hunter2-hunter2"
PLAIN = f"postgresql://somebody:{SECRET}@127.0.0.1:1/nothing"
PATIENCE_SECONDS = 60.0

Change = Mapping[str, str]

WRONG: dict[str, Change] = {
    "CLINICBUS_ISSUER: the embedded issuer": {"CLINICBUS_ISSUER": "https://LocalHost.:8110"},
    "CLINICBUS_ISSUER: an issuer without TLS": {"CLINICBUS_ISSUER": "HTTP://login.example"},
    "CLINICBUS_REVOCATIONS": {"CLINICBUS_REVOCATIONS": f"http://u:{SECRET}@login.example"},
    "CLINICBUS_FAILPOINTS": {"CLINICBUS_FAILPOINTS": "route.received:raise"},
    "CLINICBUS_CLOCK_FILE": {"CLINICBUS_CLOCK_FILE": "/nowhere/clock"},
    "CLINICBUS_LOG_LEVEL": {"CLINICBUS_LOG_LEVEL": "DEBUG"},
    "CLINICBUS_CORS_ORIGINS": {"CLINICBUS_CORS_ORIGINS": "https://desk.example *"},
    "CLINICBUS_TRUSTED_PROXIES": {"CLINICBUS_TRUSTED_PROXIES": "10.0.0.1,*"},
    "CLINICBUS_SERVICE_SECRET: the default secret": {
        "CLINICBUS_SERVICE_SECRET": "local-development-only"
    },
    "CLINICBUS_SERVICE_SECRET: a secret of fewer": {"CLINICBUS_SERVICE_SECRET": SECRET},
    "CLINICBUS_STEP_UP_ACR": {"CLINICBUS_STEP_UP_ACR": " "},
    "CLINICBUS_AUDIT_KEY": {"CLINICBUS_AUDIT_KEY": ""},
    "CLINICBUS_RATES": {"CLINICBUS_RATES": "off"},
    "CLINICBUS_KAFKA_SECURITY_PROTOCOL": {
        "CLINICBUS_BUS": "kafka",
        "CLINICBUS_KAFKA": "127.0.0.1:1",
    },
    "CLINICBUS_URLS": {"CLINICBUS_URLS": '{"patients": "http://patients.example:8102"}'},
    "CLINICBUS_{}_APP_URL": {"CLINICBUS_{}_APP_URL": PLAIN},
    "CLINICBUS_{}_WORKER_URL": {"CLINICBUS_{}_WORKER_URL": f"{PLAIN}?sslmode=require"},
    "CLINICBUS_{}_BUS_URL": {"CLINICBUS_{}_BUS_URL": f"{PLAIN}?sslmode=verify-ca"},
}
OF_ONE: dict[str, dict[str, Change]] = {
    "payments": {"CLINICBUS_PAYMENTS_PROCESSOR": {"CLINICBUS_PAYMENTS_PROCESSOR": "simulated"}},
    "eligibility": {
        "CLINICBUS_PAYER_URL: the payer simulator": {
            "CLINICBUS_PAYER_URL": "https://127.0.0.1:8111/x12"
        },
        "CLINICBUS_PAYER_URL: a payer without": {"CLINICBUS_PAYER_URL": "http://payer.example"},
    },
}


def audit_key(data: Path) -> Path:
    """A key for anchors, made the first time."""
    path = data / "key.json"
    if not path.exists():
        path.write_text(fresh_key()[0])
    return path


def right(service: str, environment: Mapping[str, str], data: Path) -> dict[str, str]:
    """An environment of production: Postgres by its socket, as this machine's has no TLS."""
    prefix = f"CLINICBUS_{service.upper()}_"
    urls = {f"{prefix}{part}_URL": environment[f"{prefix}{part}_URL"] for part in
            ("APP", "WORKER", "BUS")}  # fmt: skip
    return {
        "PATH": os.defpath,
        "CLINICBUS_PROFILE": "production",
        "CLINICBUS_ISSUER": "https://login.clinic.example",
        "CLINICBUS_PAYER_URL": "https://payer.example/x12",
        "CLINICBUS_SERVICE_SECRET": "nobody else knows this one " * 2,
        "CLINICBUS_DATA": str(data),
        "CLINICBUS_AUDIT_KEY": str(audit_key(data)),
        "CLINICBUS_AUDIT_ANCHOR_FOLDER": str(data / "anchors"),
        **urls,
    }


def command(service: str, role: str, port: int) -> list[str]:
    target = f"services.{service}.app:service"
    return [sys.executable, "-m", "shared.web.run", target, "--role", role, "--port", str(port)]


def refused(arguments: list[str], told: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments, cwd=ROOT, env=told, capture_output=True, text=True, check=False, timeout=60
    )


def named(service: str, text: str) -> str:
    return text.format(service.upper())


def test_each_rule_is_tried() -> None:
    untried = [rule.setting for rule in TABLE if not any(w.startswith(rule.setting) for w in WRONG)]
    assert untried == []
    assert len(WRONG) == len(TABLE)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("service", "role"), list(product(SERVICES, ROLES)))
def test_one_wrong_setting_is_enough_not_to_start(
    environment: dict[str, str], tmp_path: Path, service: str, role: str
) -> None:
    told = right(service, environment, tmp_path)
    # Each setting with two of the places, and what is a service's own in each of its.
    turn = list(product(SERVICES, ROLES)).index((service, role))
    some = list(WRONG)[turn % 5 :: 5]
    wrong = {**{finding: WRONG[finding] for finding in some}, **OF_ONE.get(service, {})}

    def outcome(finding: str) -> str | None:
        change = {named(service, name): text for name, text in wrong[finding].items()}
        done = refused(command(service, role, 1), {**told, **change})
        expected = f"This production profile does not start: {named(service, finding)}"
        said = done.stderr + done.stdout
        values = [told["CLINICBUS_SERVICE_SECRET"], SECRET, f"test-{service}"]
        fine = done.returncode == 78 and done.stderr.startswith(expected)
        # One finding, one sentence, and no value of a secret.
        if fine and ";" not in done.stderr and not any(value in said for value in values):
            return None
        return f"{finding}: {done.returncode} {said[-300:]}"

    with ThreadPoolExecutor(2) as several:
        faults = [fault for fault in several.map(outcome, wrong) if fault]
    assert faults == []


def test_all_that_is_wrong_is_said_at_once(environment: dict[str, str], tmp_path: Path) -> None:
    told = right("payments", environment, tmp_path)
    wrong = {**WRONG, **OF_ONE["payments"]}
    changes = [
        {named("payments", name): text for name, text in change.items()}
        for finding, change in wrong.items()
        if finding not in {"CLINICBUS_SERVICE_SECRET: the default secret",
                           "CLINICBUS_ISSUER: the embedded issuer"}
    ]  # fmt: skip
    for change in changes:
        told |= change
    done = refused(command("payments", "worker", 1), told)
    assert done.returncode == 78
    assert done.stderr.count(": ") == len(changes) + 1
    assert SECRET not in done.stderr


def ready(process: "subprocess.Popen[str]", port: int) -> httpx.Response:
    until = time.monotonic() + PATIENCE_SECONDS
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as http:
        while time.monotonic() < until and process.poll() is None:
            try:
                answer = http.get("/readyz")
            except httpx.TransportError:
                continue
            if answer.status_code == 200:
                return answer
    process.kill()
    raise AssertionError(f"not ready: {process.communicate()[0][-2000:]}")


def raw(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(request)
        return b"".join(iter(lambda: line.recv(65536), b""))


@pytest.mark.parametrize(("service", "role"), list(product(SERVICES, ROLES)))
def test_what_is_right_starts_and_gets_ready(
    environment: dict[str, str], tmp_path: Path, service: str, role: str
) -> None:
    port = ports.Ports.free().of[service]
    told = right(service, environment, tmp_path)
    with subprocess.Popen(
        command(service, role, port), cwd=ROOT, env=told, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        try:
            answer = ready(process, port)
            assert answer.json()["ready"] is True
            assert answer.headers["strict-transport-security"].startswith("max-age=31536000")
            assert "server" not in answer.headers
            # What the server refuses by itself says the same.
            malformed = raw(port, b"nonsense\r\n\r\n").lower()
            assert malformed.startswith(b"http/1.1 400")
            for name in (b"strict-transport-security", b"cache-control: no-store", b"nosniff"):
                assert name in malformed
            assert b"\r\nserver:" not in malformed
        finally:
            process.terminate()
            process.communicate(timeout=30)


def test_migrations_honour_it_too(environment: dict[str, str]) -> None:
    arguments = [sys.executable, "-m", "shared.db.migrate", "patients", "documents"]
    mine, other = (f"CLINICBUS_{name}_OWNER_URL" for name in ("PATIENTS", "DOCUMENTS"))
    told = {"PATH": os.defpath, "CLINICBUS_PROFILE": "production", mine: environment[mine]}
    done = refused(arguments, {**told, other: PLAIN})
    assert done.returncode == 78
    assert done.stderr == (
        f"This production profile does not start: {other}: Postgres without TLS that knows the"
        " server (sslmode=verify-full).\n"
    )
    assert refused(arguments, told).returncode == 78
    assert refused(arguments, {**told, other: environment[other]}).returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["ops.cli", "run"],
        ["ops.cli", "day"],
        ["ops.cli", "kafka", "start"],
        ["ops.issuer", "--port", "1", "--folder", "unused", "--issuer", "http://127.0.0.1:1"],
        ["ops.payer_simulator", "--port", "1"],
    ],
    ids=["run", "day", "kafka", "issuer", "payer"],
)
def test_what_is_for_one_machine_is_not_for_production(
    arguments: list[str], tmp_path: Path
) -> None:
    told = {"PATH": os.environ["PATH"], "CLINICBUS_PROFILE": "production", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=tmp_path, env=told, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert re.search(r"is for one machine: CLINICBUS_PROFILE is not local", done.stderr)
    assert list(tmp_path.iterdir()) == []


def test_the_monitor_is_not_served_over_what_is_unsafe(tmp_path: Path) -> None:
    told = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "CLINICBUS_PROFILE": "production",
        "CLINICBUS_ISSUER": "http://login.example",
        "CLINICBUS_URLS": "{}",
        "CLINICBUS_BUS_OWNER_URL": PLAIN,
    }
    done = subprocess.run(
        [sys.executable, "-m", "ops.cli", "monitor"],
        cwd=tmp_path, env=told, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "CLINICBUS_ISSUER: an issuer without TLS" in done.stderr
    assert "CLINICBUS_BUS_OWNER_URL: Postgres without TLS" in done.stderr
    assert SECRET not in done.stderr + done.stdout
