"""The local broker: what is started, from which jars, and what it says when it cannot."""

import json
import socket
from hashlib import sha256
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops import kafka, kafka_jars
from ops.errors import CannotRun


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with two jars and the list that confirms them."""
    jars = tmp_path / "target" / "jars"
    jars.mkdir(parents=True)
    lines = []
    for name in ("a.jar", "b.jar"):
        (jars / name).write_bytes(name.encode())
        lines.append(f"{sha256(name.encode()).hexdigest()}  {name}\n")
    (tmp_path / "jars.sha256").write_text("".join(lines))
    return tmp_path


def test_confirmed_jars_make_the_class_path(home: Path) -> None:
    """In the order of their names, and nothing else."""
    found = kafka_jars.classpath(home, home / "spare").split(":")
    assert [Path(part).name for part in found] == ["a.jar", "b.jar"]


@pytest.mark.parametrize("harm", ["changed", "missing", "added"])
def test_jars_that_differ_from_the_committed_list_are_refused(home: Path, harm: str) -> None:
    """One bit, one file less or one more."""
    jars = home / "target" / "jars"
    if harm == "changed":
        (jars / "a.jar").write_bytes(b"b.jar")
    elif harm == "missing":
        (jars / "b.jar").unlink()
    else:
        (jars / "c.jar").write_bytes(b"")
    with pytest.raises(CannotRun, match=r"jars\.sha256"):
        kafka_jars.classpath(home, home / "spare")


def test_the_committed_list_names_the_version_of_the_pom() -> None:
    """Changing one without the other is caught here and not at a start."""
    named = kafka_jars.expected(kafka.HERE)
    assert "<version>4.3.1</version>" in (kafka.HERE / "pom.xml").read_text()
    assert "kafka_2.13-4.3.1.jar" in named
    assert len(named) == 45
    assert all(len(digest) == 64 for digest in named.values())


def test_without_java_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one sentence."""
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(CannotRun, match="install them"):
        kafka_jars.java()


def test_a_given_broker_that_does_not_answer_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no other is started in its place."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(CannotRun, match="KAFKA_BOOTSTRAP_SERVERS"):
            kafka.start(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_given_broker_that_answers_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is started or written."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", address)
        assert kafka.start(tmp_path) == kafka.Broker(address, "given")
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    """Before anything is started."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotRun, match=f"Port {port}"):
            kafka._ports(tmp_path, port)


def test_a_dead_broker_is_not_taken_for_a_running_one(tmp_path: Path) -> None:
    """Its process id may belong to a stranger by now, who is left alone."""
    dead = {"bootstrap": "127.0.0.1:1", "how": "java", "pid": 1, "started": "long ago"}
    (tmp_path / "broker.json").write_text(json.dumps(dead))
    assert kafka.status(tmp_path) is None
    assert kafka.stop(tmp_path) is False


def test_the_settings_make_no_topic_by_themselves_and_listen_on_loopback(tmp_path: Path) -> None:
    """And clients are told the port of a proxy where one stands in between."""
    text = kafka._properties(tmp_path, 1001, 1002, 1003)
    assert "auto.create.topics.enable=false\n" in text
    assert "listeners=PLAINTEXT://127.0.0.1:1001,CONTROLLER://127.0.0.1:1003\n" in text
    assert "advertised.listeners=PLAINTEXT://127.0.0.1:1002\n" in text


def test_a_real_broker_is_found_again(kafka_bootstrap: str, kafka_folder: Path) -> None:
    """By whoever asks for the same folder; it is started once."""
    found = kafka.status(kafka_folder)
    if found is None:
        assert kafka.start(kafka_folder).how == "given"
        return
    assert found.bootstrap == kafka_bootstrap
    assert kafka.start(kafka_folder) == found
    said = CliRunner().invoke(kafka.app, ["status", "--folder", str(kafka_folder)])
    assert (said.exit_code, kafka_bootstrap in said.output) == (0, True)
