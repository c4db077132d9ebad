"""`clinicbus tail`: what it shows, what it leaves out, and that it outlives the bus's absence."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest

from ops import following
from ops.following import Follower, Wanted
from ops.layout import CHECKOUT
from ops.tail import line_of
from ops.tests.events import SECRET, TOPIC, booked
from shared.bus.port import Message, Producer, Record
from shared.bus.postgres import PostgresBus
from shared.contracts.catalogue import all_topics
from shared.testing.memory_bus import MemoryBus, MemoryLog
from shared.values.ids import new_id

P = Producer("hand", 1)
NETWORK, CLINIC = new_id(), new_id()


def record(message: Message, offset: int = 0) -> Record:
    return Record(
        message.topic, message.partition, offset, message.key, tuple(message.headers), message.value
    )


def shown(message: Message, wanted: Wanted | None = None, *, as_json: bool = False) -> str | None:
    return line_of(record(message), wanted or Wanted(), as_json=as_json)


def test_a_line_tells_when_what_whose_and_who_and_nothing_of_the_value() -> None:
    flow, key = new_id(), new_id()
    message = booked(3, network=NETWORK, clinic=CLINIC, key=key, correlation_id=flow)
    assert shown(message) == (
        f"2026-11-05 17:00:03.250Z  {'appointments.appointment.booked':<38}"
        f"  appointment/{key} #3  clinic {CLINIC}  by person/dana  of {flow}"
    )
    told = json.loads(shown(message, as_json=True) or "")
    assert told["sequence"] == 3
    assert told["network"] == str(NETWORK)
    assert set(told) == {
        *("topic", "partition", "offset", "id", "type", "time", "subject", "sequence"),
        *("network", "clinic", "actor", "correlation", "causation"),
    }


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        ("appointment.booked", True),
        ("appointment", True),
        ("appointments.appointment.*", True),
        ("clinicbus.appointments.", True),
        ("*.booked.v1", True),
        ("clinicbus.appointments.appointment.booked.v1", True),
        ("appointment.cancelled", False),
        ("payments", False),
        ("booked", False),
        ("*.v2", False),
    ],
)
def test_a_type_is_a_beginning_or_a_glob(wanted: str, fits: bool) -> None:
    assert (shown(booked(network=NETWORK), Wanted(type=wanted)) is not None) == fits


def test_each_filter_lets_its_own_through_and_nothing_else() -> None:
    key, flow = new_id(), new_id()
    message = booked(network=NETWORK, clinic=CLINIC, key=key, correlation_id=flow)
    for own in (
        Wanted(clinic=CLINIC),
        Wanted(network=NETWORK),
        Wanted(correlation=flow),
        Wanted(subject=str(key)),
        Wanted(subject=f"appointment/{key}"),
        Wanted("appointment", CLINIC, str(key), flow, NETWORK),
    ):
        assert shown(message, own) is not None, own
    other = new_id()
    for strange in (
        Wanted(clinic=other),
        Wanted(network=other),
        Wanted(correlation=other),
        Wanted(subject=str(other)),
        Wanted(subject=f"patient/{key}"),
        Wanted("appointment", CLINIC, str(key), flow, other),
    ):
        assert shown(message, strange) is None, strange


def test_a_record_that_is_no_event_is_told_by_its_place_where_nothing_is_filtered() -> None:
    junk = Message(TOPIC, "?", 4, (("ce_id", "x"),), SECRET)
    assert shown(junk) == f"{'(unreadable)':<24}  {TOPIC}/4 offset 0"
    assert json.loads(shown(junk, as_json=True) or "") == {
        "topic": TOPIC,
        "partition": 4,
        "offset": 0,
        "unreadable": True,
    }
    assert shown(junk, Wanted(network=NETWORK)) is None


def test_a_header_that_would_move_the_cursor_is_made_harmless() -> None:
    line = shown(booked(network=NETWORK, actor="person/\x1b[2Jdana\n"))
    assert line is not None
    assert "person/?[2Jdana?" in line


async def test_it_goes_on_when_the_bus_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "PAUSE_SECONDS", 0.01)
    log, said = MemoryLog(), list[str]()
    bus = MemoryBus(log)
    await bus.create_topics([TOPIC])
    log.down = True
    follower = Follower(bus, [TOPIC], said.append)
    starting = asyncio.create_task(follower.at_end())
    while not said:
        await asyncio.sleep(0)
    log.down = False
    await starting
    await bus.append(P, [booked(1, network=NETWORK)])
    log.down = True
    assert await follower.read() == []
    log.down = False
    assert [r.offset for r in await follower.read()] == [0]
    away = "The bus does not answer (BusUnavailable); waiting for it."
    assert said == [away, "The bus is back.", away, "The bus is back."]


async def test_the_last_few_come_in_the_order_of_time_and_then_what_is_new() -> None:
    bus = MemoryBus(MemoryLog())
    await bus.create_topics([TOPIC])
    await bus.append(P, [booked(n, network=NETWORK) for n in (5, 4, 3, 2, 1)])
    follower = Follower(bus, [TOPIC])
    last = await follower.last(3)
    assert [dict(r.headers)["ce_subjectseq"] for r in last] == ["3", "4", "5"]
    await bus.append(P, [booked(6, network=NETWORK)])
    assert [dict(r.headers)["ce_subjectseq"] for r in await follower.read()] == ["6"]
    none = Follower(bus, [TOPIC])
    assert await none.last(0) == []


async def test_where_history_is_gone_it_says_so_and_goes_on() -> None:
    log, said = MemoryLog(), list[str]()
    bus = MemoryBus(log)
    await bus.create_topics([TOPIC])
    key = new_id()
    await bus.append(P, [booked(n, network=NETWORK, key=key) for n in (1, 2, 3)])
    follower = Follower(bus, [TOPIC], said.append)
    await follower.at_start()
    (place,) = [k for k, end in (await bus.log_ends([TOPIC])).items() if end]
    log.trim(place, 2)
    assert await follower.read() == []
    assert [r.offset for r in await follower.read()] == [2]
    assert said == [f"{TOPIC}/{place[1]} has no offset 0: going on at 2."]


@contextmanager
def tailing(
    environment: dict[str, str], *words: str, out: int = subprocess.PIPE
) -> Iterator["subprocess.Popen[str]"]:
    """The command as a process, on the bus of these tests."""
    with subprocess.Popen(
        [sys.executable, "-m", "ops.cli", "tail", *words],
        cwd=CHECKOUT,
        stdout=out,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        # Tests that run in the background of a shell ignore Ctrl-C, and hand that down.
        preexec_fn=_heed_ctrl_c,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _heed_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def shell(environment: dict[str, str]) -> dict[str, str]:
    """The variables of a shell that knows the bus of these tests."""
    return {**os.environ, **environment, "CLINICBUS_BUS": "postgres"}


async def append(shell: dict[str, str], *messages: Message) -> None:
    bus = PostgresBus(shell["CLINICBUS_BUS_OWNER_URL"])
    await bus.create_topics(all_topics())
    await bus.append(Producer("hand", 1), messages)
    await bus.close()


async def test_the_command_follows_and_ends_quietly_on_ctrl_c(
    shell: dict[str, str], network_id: UUID
) -> None:
    await append(shell, booked(1, network=network_id))
    words = ("--network", str(network_id), "--since", "start")
    with tailing(shell, *words) as process:
        assert process.stdout is not None
        first = await asyncio.to_thread(process.stdout.readline)
        await append(shell, booked(2, network=network_id), booked(3, network=new_id()))
        second = await asyncio.to_thread(process.stdout.readline)
        process.send_signal(signal.SIGINT)
        rest, trouble = await asyncio.to_thread(process.communicate, timeout=30)
    assert [" #1 " in first, " #2 " in second, rest] == [True, True, ""]
    assert (process.returncode, trouble) == (130, "")
    assert "8f14e45f" not in first + second


async def test_the_command_ends_quietly_when_its_reader_has_gone(
    shell: dict[str, str], network_id: UUID
) -> None:
    await append(shell, booked(1, network=network_id))
    words = ("--network", str(network_id), "--since", "start", "--json")
    with tailing(shell, *words) as process:
        assert process.stdout is not None
        assert json.loads(await asyncio.to_thread(process.stdout.readline))["sequence"] == 1
        process.stdout.close()
        await append(shell, booked(2, network=network_id))
        assert process.stderr is not None
        trouble = await asyncio.to_thread(process.stderr.read)
        assert await asyncio.to_thread(process.wait, 30) == 0
    assert trouble == ""


@pytest.mark.parametrize("words", [("--since", "ever"), ("--service", "kitchen")])
def test_what_is_not_understood_ends_in_a_sentence(
    shell: dict[str, str], words: tuple[str, str]
) -> None:
    with tailing(shell, *words) as process:
        said, trouble = process.communicate(timeout=60)
    assert process.returncode == 1
    assert words[1] in trouble
    assert "Traceback" not in trouble + said
