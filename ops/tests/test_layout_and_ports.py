"""Where the files go, and which ports are used."""

import os
import socket
from pathlib import Path

import pytest

from ops import layout
from ops.errors import CannotRun
from ops.layout import Layout
from ops.ports import OFFSETS, Ports, free_ports


def test_data_goes_into_the_checkout(tmp_path: Path) -> None:
    assert layout.choose(checkout=tmp_path, environment={}).root == tmp_path / ".clinicbus"


def test_a_folder_that_was_named_comes_first(tmp_path: Path) -> None:
    environment = {"CLINICBUS_HOME": str(tmp_path / "h")}
    found = layout.choose(checkout=tmp_path, environment=environment)
    assert found.root == tmp_path / "h"
    given = layout.choose(tmp_path / "g", checkout=tmp_path, environment=environment)
    assert given.root == tmp_path / "g"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to change the owner")
def test_another_users_folder_is_left_alone(tmp_path: Path) -> None:
    theirs = tmp_path / ".clinicbus"
    theirs.mkdir()
    os.chown(theirs, 65534, 65534)
    found = layout.choose(checkout=tmp_path, environment={})
    assert found.root == tmp_path / ".clinicbus-root"
    with pytest.raises(CannotRun, match="belongs to another user"):
        Layout(theirs).make()


def test_ones_own_folder_is_found_again_beside_a_new_one(tmp_path: Path) -> None:
    own = tmp_path / "state" / "clinicbus"
    state = {"XDG_STATE_HOME": str(tmp_path / "state")}
    first = layout.choose(checkout=tmp_path / "gone", environment=state)
    assert first.root.parent == own  # the checkout cannot be written: it is not there
    first.make()
    (tmp_path / "gone").mkdir()
    assert layout.choose(checkout=tmp_path / "gone", environment=state) == first


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotRun, match="cannot be written") as caught:
        Layout(tmp_path / "file" / "below").make()
    assert "\n" not in str(caught.value)


def test_git_does_not_see_the_data(tmp_path: Path) -> None:
    Layout(tmp_path / "d").make()
    assert (tmp_path / "d" / ".gitignore").read_text() == "*\n"


def test_ports_shift_as_a_whole() -> None:
    usual, shifted = Ports.from_base(), Ports.from_base(9100)
    assert usual.of["appointments"] == 8101
    assert usual.of["issuer"] == 8110
    assert usual.of["postgres"] == 8120
    assert {shifted.of[name] - usual.of[name] for name in OFFSETS} == {1000}


@pytest.mark.parametrize("base", [0, 80, 65_530, 70_000])
def test_a_base_that_leaves_no_room_is_refused(base: int) -> None:
    with pytest.raises(CannotRun):
        Ports.from_base(base)


def test_no_outgoing_connection_gets_a_port_that_was_chosen() -> None:
    """A process that died would not get it back while such a connection lasts."""
    given = Path("/proc/sys/net/ipv4/ip_local_port_range")
    first = int(given.read_text().split()[0]) if given.exists() else 32_768
    found = free_ports(50)
    assert len(set(found)) == 50
    assert max(found) < first
    assert max(Ports.free().of.values()) < first


def test_every_taken_port_is_named_at_once() -> None:
    ports = Ports.free()
    names = ["issuer", "payments"]
    with (
        socket.create_server(("127.0.0.1", ports.of["issuer"])),
        socket.create_server(("127.0.0.1", ports.of["payments"])),
        pytest.raises(CannotRun) as caught,
    ):
        ports.require_free([*names, "patients"])
    for name in names:
        assert f"{ports.of[name]} ({name})" in str(caught.value)
    assert "(patients)" not in str(caught.value)
    assert "PORT_BASE" in str(caught.value)
