"""A real broker that speaks TLS alone: who is let in, by certificate or by password, and who not.

SSL       asks for a certificate of ours
SASL_SSL  asks for a user and a password: SCRAM-SHA-512, or PLAIN
"""

import os
import shutil
import signal
import ssl
import subprocess
import tempfile
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from secrets import token_bytes, token_urlsafe
from typing import Any

import pytest
from pydantic import ValidationError

from ops import kafka, kafka_jars, processes
from ops.errors import CannotRun
from ops.kafka_fixture import REQUIRE
from ops.ports import free_ports
from ops.tests.certificates import Authority
from shared.bus.kafka import KafkaBus
from shared.bus.kafka_access import KafkaAccess
from shared.bus.port import BusError, BusUnavailable, Producer
from shared.bus.tests.harness import Reader, fresh, message
from shared.contracts.envelope import PARTITIONS

pytestmark = pytest.mark.rule("45 CFR 164.312(e)(1)")

USER = "clinicbus"


@dataclass(frozen=True, slots=True)
class Secured:
    """A running broker, its listeners by their names, and what clients need."""

    ours: Authority
    others: Authority
    ports: dict[str, int]
    password: str

    def access(self, protocol: str, **changed: Any) -> KafkaAccess:
        """Who is let in at a listener, but for what is changed."""
        told: dict[str, Any] = {
            "security_protocol": protocol,
            "ca_file": self.ours.folder / "ca.crt",
        }
        if protocol == "SSL":
            told |= {
                "cert_file": self.ours.folder / "client.crt",
                "key_file": self.ours.folder / "client.key",
            }
        else:
            told |= {"sasl_user": USER, "sasl_password": self.password}
        return KafkaAccess.model_validate({**told, **changed})

    def bus(self, listener: str, access: KafkaAccess | None, host: str = "127.0.0.1") -> KafkaBus:
        return KafkaBus(f"{host}:{self.ports[listener]}", access, session_ms=6000)


def settings_of(folder: Path, made: Secured, controller: int) -> str:
    jaas = "org.apache.kafka.common.security"
    listeners = {**made.ports, "CONTROLLER": controller}
    told = kafka.SETTINGS | {
        "listeners": ",".join(f"{n}://127.0.0.1:{port}" for n, port in listeners.items()),
        "advertised.listeners": ",".join(f"{n}://127.0.0.1:{p}" for n, p in made.ports.items()),
        "listener.security.protocol.map": "SSL:SSL,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "SSL",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "log.dirs": str(folder / "data"),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(made.ours.folder / "broker.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(made.ours.folder / "ca.crt"),
        "listener.name.ssl.ssl.client.auth": "required",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": (
            f"{jaas}.scram.ScramLoginModule required;"
        ),
        "listener.name.sasl_ssl.plain.sasl.jaas.config": (
            f'{jaas}.plain.PlainLoginModule required user_{USER}="{made.password}";'
        ),
    }
    return "".join(f"{name}={value}\n" for name, value in told.items())


def formatted(base: list[str], settings: Path, password: str) -> None:
    cluster = urlsafe_b64encode(token_bytes(16)).decode().rstrip("=").replace("-", "A")
    scram = f"SCRAM-SHA-512=[name={USER},password={password}]"
    tool = [*base, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(settings)]
    done = subprocess.run(
        [*tool, "--add-scram", scram], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def secured() -> Iterator[Secured]:
    folder = Path(tempfile.mkdtemp(prefix="cb-tls-"))
    try:
        base = [kafka_jars.java(), *kafka.JVM, "-cp", kafka_jars.classpath(kafka.HERE, folder)]
    except CannotRun as error:
        if os.environ.get(REQUIRE) == "1":
            pytest.fail(f"{REQUIRE}=1, but there is no broker. {error}", pytrace=False)
        pytest.skip(f"no broker: {error}")
    by_certificate, by_password, controller = free_ports(3)
    ports = {"SSL": by_certificate, "SASL_SSL": by_password}
    ours, others = Authority.made(folder / "ours"), Authority.made(folder / "others")
    ours.issue("broker", "127.0.0.1")
    ours.issue("client")
    others.issue("client")
    made = Secured(ours, others, ports, token_urlsafe(24))
    settings = folder / "server.properties"
    settings.write_text(settings_of(folder, made, controller))
    formatted(base, settings, made.password)
    log = folder / "broker.log"
    with log.open("wb") as output:
        command = processes.tied([*base, "kafka.Kafka", str(settings)], signal.SIGTERM)
        process = processes.start(command, output=output, folder=folder)
    try:
        kafka._wait(kafka.Broker(f"127.0.0.1:{by_password}", "java"), process, log)
        yield made
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


LET_IN: dict[str, tuple[str, dict[str, Any]]] = {
    "a certificate": ("SSL", {}),
    "SCRAM": ("SASL_SSL", {"sasl_mechanism": "SCRAM-SHA-512"}),
    "PLAIN": ("SASL_SSL", {"sasl_mechanism": "PLAIN"}),
}


@pytest.mark.parametrize("how", LET_IN)
async def test_events_go_through(secured: Secured, how: str) -> None:
    """Topics are made, events are appended, read by a group and read again, by every client."""
    listener, changed = LET_IN[how]
    bus, topic = secured.bus(listener, secured.access(listener, **changed)), fresh("tls")
    try:
        await bus.create_topics([topic])
        sent = [message(topic, f"key-{n}", n) for n in range(20)]
        await bus.append(Producer("tls", 1), sent)
        reader = await Reader(bus, fresh("g"), [topic], {}).start()
        heard = await reader.read(20)
        await reader.close()
        assert sorted(r.value for r in heard) == sorted(m.value for m in sent)
        ends = await bus.log_ends([topic])
        assert (len(ends), sum(ends.values())) == (PARTITIONS, 20)
    finally:
        await bus.close()


async def test_a_password_is_read_anew_from_its_file(secured: Secured, tmp_path: Path) -> None:
    file = tmp_path / "password"
    access = secured.access("SASL_SSL", sasl_password=None, sasl_password_file=file)
    bus = secured.bus("SASL_SSL", access)
    with pytest.raises(BusUnavailable, match="FileNotFoundError"):
        await bus.bus_id()
    file.write_text("another\n")
    with pytest.raises(BusError):
        await bus.bus_id()
    file.write_text(f"{secured.password}\n")
    assert (await bus.bus_id()).startswith("kafka:")
    await bus.close()


SHUT_OUT: dict[str, tuple[str, dict[str, Any]]] = {
    "no certificate": ("SSL", {"cert_file": None, "key_file": None}),
    "the system's authorities": ("SSL", {"ca_file": None}),
    "another password": ("SASL_SSL", {"sasl_password": "another"}),
    "another user": ("SASL_SSL", {"sasl_user": "another"}),
}


@pytest.mark.parametrize("how", SHUT_OUT)
async def test_whom_the_broker_does_not_know_is_shut_out(secured: Secured, how: str) -> None:
    listener, changed = SHUT_OUT[how]
    bus = secured.bus(listener, secured.access(listener, **changed))
    with pytest.raises(BusError):
        await bus.create_topics([fresh("tls")])
    await bus.close()


@pytest.mark.parametrize("listener", ["SSL", "SASL_SSL"])
async def test_a_broker_of_another_authority_is_not_spoken_to(
    secured: Secured, listener: str
) -> None:
    """Nor one whose certificate is of another name; nor is a certificate of others let in."""
    theirs = secured.others.folder
    wrong = secured.bus(listener, secured.access(listener, ca_file=theirs / "ca.crt"))
    elsewhere = secured.bus(listener, secured.access(listener), host="localhost")
    buses = [wrong, elsewhere]
    if listener == "SSL":
        files = {"cert_file": theirs / "client.crt", "key_file": theirs / "client.key"}
        buses.append(secured.bus(listener, secured.access(listener, **files)))
    for bus in buses:
        with pytest.raises(BusError):
            await bus.bus_id()
        await bus.close()


@pytest.mark.parametrize("listener", ["SSL", "SASL_SSL"])
async def test_a_client_in_the_clear_is_shut_out(secured: Secured, listener: str) -> None:
    bus = secured.bus(listener, None)
    with pytest.raises(BusError):
        await bus.bus_id()
    await bus.close()


# ── settings ─────────────────────────────────────────────────────────────────────────────────────


def test_settings_are_read_from_their_variables() -> None:
    found = KafkaAccess.of(
        {
            "CLINICBUS_KAFKA": "b:9093",
            "CLINICBUS_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "CLINICBUS_KAFKA_SASL_USER": USER,
            "CLINICBUS_KAFKA_SASL_PASSWORD": "hunter2",
            "CLINICBUS_KAFKA_CA_FILE": "",
        }
    )
    told = found.client()
    assert told.pop("ssl_context").verify_mode is ssl.CERT_REQUIRED
    assert told == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": USER,
        "sasl_plain_password": "hunter2",
    }
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize(
    "wrong",
    [
        {"SECURITY_PROTOCOL": "SASL_PLAINTEXT"},
        {"SASL_MECHANISM": "GSSAPI"},
        {"CERT_FILE": "a"},
        {"SECURITY_PROTOCOL": "SASL_SSL"},
        {"SECURITY_PROTOCOL": "SASL_SSL", "SASL_USER": USER},
        {"SECURITY_PROTOCOL": "SASL_SSL", "SASL_PASSWORD": "hunter2"},
        {
            "SECURITY_PROTOCOL": "SASL_SSL",
            "SASL_USER": USER,
            "SASL_PASSWORD": "hunter2",
            "SASL_PASSWORD_FILE": "a",
        },
    ],
    ids=["in the clear", "mechanism", "half", "nobody", "no password", "no user", "two passwords"],
)
def test_settings_that_do_not_fit_are_refused_and_not_repeated(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as caught:
        KafkaAccess.of({f"CLINICBUS_KAFKA_{name}": value for name, value in wrong.items()})
    assert "hunter2" not in str(caught.value)
