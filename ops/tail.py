"""`clinicbus tail`: the events of the running system as they come, never their values."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn
from uuid import UUID

import typer

from ops import running
from ops.errors import CannotRun
from ops.following import Follower, Wanted, described, envelope_or_none
from shared.bus.port import Bus, Record
from shared.contracts.catalogue import PRODUCERS, all_topics, topics_said_by

INTERRUPTED = 130

app = typer.Typer(add_completion=False)


@app.command()
def tail(
    kind: Annotated[
        str | None, typer.Option("--type", help="appointment.booked, payments.*, visit ...")
    ] = None,
    clinic: Annotated[UUID | None, typer.Option(help="Only of this clinic.")] = None,
    subject: Annotated[str | None, typer.Option(help="appointment/ID, or the id.")] = None,
    correlation: Annotated[UUID | None, typer.Option(help="Only of this request.")] = None,
    network: Annotated[UUID | None, typer.Option(help="Only of this network.")] = None,
    service: Annotated[str | None, typer.Option(help="Only what this one says.")] = None,
    since: Annotated[str, typer.Option(help="now, start, or how many of the last.")] = "now",
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object a line.")] = False,
    data: Annotated[
        Path | None, typer.Option(help="The data folder; else .clinicbus here.")
    ] = None,
) -> None:
    """Follow the events of the running system; Ctrl-C ends it."""
    if service is not None and service not in PRODUCERS:
        raise CannotRun(f"There is no service {service}: choose from {', '.join(PRODUCERS)}.")
    if since not in ("now", "start") and not (since.isdecimal() and len(since) <= 6):
        raise CannotRun(f"--since is now, start or a number of events, and not {since!r}.")
    wanted = Wanted(kind, clinic, subject, correlation, network)
    topics = all_topics() if service is None else topics_said_by(service)
    bus = running.bus_of(running.variables_of(data))
    try:
        asyncio.run(_follow(bus, topics, since, wanted, as_json=as_json))
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        _fall_silent()


async def _follow(
    bus: Bus, topics: tuple[str, ...], since: str, wanted: Wanted, *, as_json: bool
) -> None:
    follower = Follower(bus, topics, _say)
    try:
        if since == "now":
            await follower.at_end()
        elif since == "start":
            await follower.at_start()
        else:
            _print(await follower.last(int(since)), wanted, as_json=as_json)
        async for records in follower.batches():
            _print(records, wanted, as_json=as_json)
    finally:
        await bus.close()


def _print(records: list[Record], wanted: Wanted, *, as_json: bool) -> None:
    lines = [line for record in records if (line := line_of(record, wanted, as_json=as_json))]
    if lines:
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()


def line_of(record: Record, wanted: Wanted, *, as_json: bool) -> str | None:
    """A line for a record, or None where it is not wanted. Nothing of its value."""
    event = envelope_or_none(record)
    place = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
    if event is None:
        if not wanted.everything:
            return None
        if as_json:
            return json.dumps({**place, "unreadable": True})
        return f"{'(unreadable)':<24}  {record.topic}/{record.partition} offset {record.offset}"
    if not wanted.fits(event):
        return None
    if as_json:
        return json.dumps(described(record, event))
    name = event.type.removeprefix("clinicbus.").removesuffix(".v1")
    made = (
        f"{event.time:%Y-%m-%d %H:%M:%S}.{event.time.microsecond // 1000:03d}Z  {name:<38}"
        f"  {event.subject} #{event.subject_seq}  clinic {event.clinic_id or '-'}"
        f"  by {event.actor}  of {event.correlation_id}"
    )
    # A stranger's header may hold what moves a terminal's cursor.
    return "".join(letter if letter.isprintable() else "?" for letter in made)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _fall_silent() -> NoReturn:
    """Whoever read has gone: end without a word, also at the interpreter's last flush."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    raise typer.Exit(0)
