"""What the system itself says of a process we know."""

import os
import subprocess
import sys
from collections.abc import Iterator

import asyncpg
import pytest

from bench.footprint import TICKS_A_SECOND, connections, cpu_seconds, pss_bytes, tree

HOLDS = 50_000_000
CHILD = f"held = bytearray({HOLDS}); print('ready', flush=True); input()"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CHILD!r}])"


@pytest.fixture
def parent() -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    yield process
    process.communicate(b"\n", timeout=20)


def test_a_tree_holds_the_children_and_their_memory(parent: "subprocess.Popen[bytes]") -> None:
    pids = tree([parent.pid])
    assert len(pids) == 2
    assert pids[0] == parent.pid
    assert HOLDS < pss_bytes(pids) < HOLDS + 60_000_000


def test_what_has_ended_takes_nothing() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait(20)
    assert tree([process.pid]) == []
    assert (pss_bytes([process.pid]), cpu_seconds([process.pid])) == (0, 0)


def test_the_time_of_a_child_that_ended_is_its_parents() -> None:
    before = cpu_seconds([os.getpid()])
    busy = "import time; [0 for _ in iter(lambda: time.process_time() < 0.2, False)]"
    subprocess.run([sys.executable, "-c", busy], check=True, timeout=60)
    assert cpu_seconds([os.getpid()]) - before >= 0.19 - 1 / TICKS_A_SECOND


async def test_connections_are_counted_without_the_one_that_asks(
    postgres_superuser_url: str,
) -> None:
    server = await asyncpg.connect(postgres_superuser_url)
    await server.execute("CREATE DATABASE counted")
    url = postgres_superuser_url.replace("/postgres?", "/counted?")
    held = await asyncpg.connect(url)
    try:
        assert (await connections(url))["counted"] == 1
    finally:
        await held.close()
        await server.execute("DROP DATABASE counted WITH (FORCE)")
        await server.close()
