"""`clinicbus unreadable`: records that name no subject, set aside with their bytes."""

import getpass
from typing import Annotated

import asyncpg
import typer

from ops.errors import CannotRun
from ops.parked import Data, In, Of, Who, Why, chosen, of_service
from shared.bus import parked

app = typer.Typer(help="Records that name no subject.", no_args_is_help=True)

Record = Annotated[str, typer.Argument(help="As listed: topic/partition/offset.")]


@app.command("list")
def list_command(
    service: Of = None,
    dropped: Annotated[bool, typer.Option(help="Those that were dropped, too.")] = False,
    data: Data = None,
) -> None:
    """List the records that were set aside."""
    found = 0

    async def read(raw: asyncpg.Connection) -> list[parked.Unreadable]:
        return await parked.list_unreadable(raw, dropped=dropped)

    for name in chosen(service):
        for each in of_service(name, data, read):
            found += 1
            typer.echo(f"{name}  {_line(each)}")
    typer.echo("Nothing is unreadable." if not found else f"{found} unreadable.")


@app.command()
def show(record: Record, service: In, data: Data = None) -> None:
    """Show what is known of a record: its headers' names and sizes, never their texts."""
    topic, partition, offset = _place(record)

    async def read(
        raw: asyncpg.Connection,
    ) -> tuple[parked.Unreadable, tuple[tuple[str, int], ...]]:
        return await parked.find_unreadable(raw, topic, partition, offset)

    found, headers = of_service(service, data, read)
    typer.echo(_line(found))
    for name, size in headers:
        # A name may be anything as well, but is no use unseen: what is not plain is escaped.
        typer.echo(f"  {name[:80]!r}  {size} letters")


@app.command()
def drop(record: Record, service: In, why: Why, who: Who = "", data: Data = None) -> None:
    """Let the bytes of a record go. Who dropped it and why stays on record."""
    topic, partition, offset = _place(record)

    async def dropped(raw: asyncpg.Connection) -> bool:
        found, _ = await parked.find_unreadable(raw, topic, partition, offset)
        return await parked.drop_unreadable(raw, found, who=who or getpass.getuser(), why=why)

    done = of_service(service, data, dropped)
    typer.echo(f"{record}: {'dropped' if done else 'was dropped before'}.")


def _place(record: str) -> tuple[str, int, int]:
    topic, _, rest = record.partition("/")
    partition, _, offset = rest.partition("/")
    if not (topic and partition.isdecimal() and offset.isdecimal()):
        raise CannotRun(f"{record!r} is not topic/partition/offset, as `unreadable list` shows it.")
    return topic, int(partition), int(offset)


def _line(each: parked.Unreadable) -> str:
    line = (
        f"{each.topic}/{each.partition}/{each.offset}  {each.reason}  {each.bytes} bytes"
        f"  {each.recorded_at:%Y-%m-%d %H:%M:%S}Z  on {each.bus_id}"
    )
    if each.dropped_at is not None:
        line += f"  dropped by {each.dropped_by}: {each.dropped_why}"
    return line
