"""`clinicbus bus`: what a bus lost is sent again, and subscribers are sent back to its start.

A broker that was wiped, or lost its newest records, is healed by the two: `republish` brings back
what a topic lacks from the outbox of the service that said it, and `reset-offsets` lets subscribers
read from the start. What they have applied already they know by its number.
"""

import asyncio
import importlib
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import asyncpg
import typer

from ops.errors import CannotRun
from ops.parked import chosen
from ops.running import bus_of, variables_of
from shared.bus.port import Bus, BusError
from shared.bus.republish import Republished, reset
from shared.bus.republish import republish as republish_to
from shared.contracts.catalogue import topics_said_by

T = TypeVar("T")

app = typer.Typer(help="Bring back what a bus lost.", no_args_is_help=True)

Data = Annotated[Path | None, typer.Option(help="The data folder; else .clinicbus here.")]
Service = Annotated[str | None, typer.Argument(help="A service; else all of them.")]


@app.command()
def republish(
    service: Service = None,
    dry_run: Annotated[bool, typer.Option(help="Count, and send nothing.")] = False,
    data: Data = None,
) -> None:
    """Send again what the topics of a service lack of what it said."""

    for name in chosen(service):
        found = with_bus(
            name,
            data,
            partial(_republish, service=name, dry_run=dry_run),
        )
        verb = "would be sent again" if dry_run else "sent again"
        typer.echo(f"{name}: {found.said} said, {found.missing} missing on the bus, {verb}.")
        for topic, count in sorted(found.by_topic.items()):
            typer.echo(f"  {topic}  {count}")


@app.command("reset-offsets")
def reset_offsets(
    to: Annotated[str, typer.Option(help="start: the oldest record of each partition.")],
    service: Service = None,
    data: Data = None,
) -> None:
    """Let a subscriber read its topics again from their start; what it applied stays applied."""
    if to != "start":
        raise CannotRun(f"Offsets go to the start, not to {to!r}: say --to start.")
    for name in chosen(service):
        moved = with_bus(name, data, partial(_to_start, service=name))
        typer.echo(f"{name}: {moved} partitions are read from their start.")


async def _republish(
    raw: asyncpg.Connection, bus: Bus, *, service: str, dry_run: bool
) -> Republished:
    return await republish_to(raw, bus, service, topics_said_by(service), dry_run=dry_run)


async def _to_start(raw: asyncpg.Connection, bus: Bus, *, service: str) -> int:
    handlers = importlib.import_module(f"services.{service}.handlers")
    return await reset(raw, bus, handlers.SUBSCRIPTIONS.topics)


def with_bus(
    service: str, data: Path | None, deed: Callable[[asyncpg.Connection, Bus], Awaitable[T]]
) -> T:
    """Do something with a service's database, as its worker, and the bus. Raises CannotRun."""
    variables = variables_of(data)

    async def connected() -> T:
        bus = bus_of(variables)
        try:
            url = variables[f"CLINICBUS_{service.upper()}_WORKER_URL"]
            connection = await asyncpg.connect(url, timeout=5)
            try:
                return await deed(connection, bus)
            finally:
                await connection.close()
        finally:
            await bus.close()

    try:
        return asyncio.run(connected())
    except BusError as error:
        raise CannotRun(f"The bus does not do it: {type(error).__name__} ({error}).") from None
    except (OSError, asyncpg.PostgresError) as error:
        raise CannotRun(
            f"The database of {service} does not answer ({type(error).__name__}):"
            " `clinicbus status` says what runs."
        ) from None
