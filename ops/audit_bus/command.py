"""The command: what it found, as lines or as JSON."""

import asyncio
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import typer

from ops import running
from ops.audit_bus.ledger import Problem
from ops.audit_bus.reading import Found, audit, figures
from ops.errors import CannotRun
from shared.bus.port import Bus, BusError
from shared.db.provision import SERVICES

CANNOT_READ = 2

app = typer.Typer(add_completion=False)


@app.command()
def audit_bus(
    service: Annotated[
        str | None, typer.Option(help="Only what this one said; effects are then not counted.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    data: Annotated[
        Path | None, typer.Option(help="The data folder; else .clinicbus here.")
    ] = None,
) -> None:
    """Show that each change was said once and took effect once in every service that hears of it.

    Exit code 0 when nothing is wrong, 1 with each exception named, 2 when something cannot be read.
    """
    if service is not None and service not in SERVICES:
        raise CannotRun(f"There is no service {service}: choose from {', '.join(SERVICES)}.")
    url = running.superuser_url(data)
    bus = running.bus_of(running.variables_of(data))
    begun = time.monotonic()
    try:
        found = asyncio.run(_audited(url, bus, SERVICES if service is None else (service,)))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, BusError) as error:
        typer.echo(
            f"It cannot be read ({type(error).__name__}): `clinicbus status` says what runs.",
            err=True,
        )
        raise typer.Exit(CANNOT_READ) from None
    told = as_dict(found, time.monotonic() - begun)
    typer.echo(json.dumps(told, indent=1) if as_json else "\n".join(lines_of(found, told)))
    raise typer.Exit(1 if found.problems.count else 0)


async def _audited(url: str, bus: Bus, services: tuple[str, ...]) -> Found:
    try:
        return await audit(url, bus, services)
    finally:
        await bus.close()


def as_dict(found: Found, seconds: float) -> dict[str, Any]:
    """For machines. Ids and numbers alone."""
    return {
        "ok": not found.problems.count,
        "seconds": round(seconds, 3),
        **figures(found),
        "topics": {topic.topic: topic.counts for topic in found.topics},
        "exceptions": found.problems.count,
        "named": [asdict(problem) for problem in found.problems.found],
        "told": found.told,
    }


def lines_of(found: Found, told: dict[str, Any]) -> list[str]:
    """For people: a line a topic, what is on its way, and each exception."""
    lines = [f"{'topic':<44}{'events':>8}{'on topic':>10}{'doubled':>9}  heard by"]
    for topic in found.topics:
        counts = topic.counts
        name = topic.topic.removeprefix("clinicbus.").removesuffix(".v1")
        lines.append(
            f"{name:<44}{counts.get('events', 0):>8}{counts.get('on_topic', 0):>10}"
            f"{counts.get('doubled', 0):>9}  {_heard_by(counts)}"
        )
    if told["waiting"] or told["flight"] or told["new"]:
        lines.append(
            f"On its way: {told['waiting']} to the bus, {told['flight']} to subscribers,"
            f" {told['new']} said since this began."
        )
    if told["doubled"]:
        lines.append(f"{told['doubled']} records are on a topic again; subscribers drop those.")
    if told["archived"]:
        lines.append(f"{told['archived']} records are older than the outbox: not compared.")
    lines += found.told
    lines += [line_of(problem) for problem in found.problems.found]
    unnamed = found.problems.count - len(found.problems.found)
    if unnamed:
        lines.append(f"... and {unnamed} more.")
    verdict = (
        f"{found.problems.count} exceptions."
        if found.problems.count
        else "One change, one event, one effect: no exception."
    )
    lines.append(
        f"{verdict} {told['events']} events, {told['applied']} deliveries applied,"
        f" {told['seconds']} s."
    )
    return lines


def _heard_by(counts: dict[str, int]) -> str:
    names = sorted({name.partition("/")[2] for name in counts if "/" in name})
    words = []
    for name in names:
        late = "".join(
            f", {counts[f'{word}/{name}']} {said}"
            for word, said in (("flight", "on their way"), ("parked", "parked"))
            if counts.get(f"{word}/{name}")
        )
        words.append(f"{name} {counts.get(f'applied/{name}', 0)}{late}")
    return "; ".join(words) or "nobody"


def line_of(problem: Problem) -> str:
    """An exception in a line: what, whose, which subject, number and event."""
    number = f" #{problem.seq}" if problem.seq is not None else ""
    event = f" event {problem.event_id}" if problem.event_id else ""
    what = problem.kind.replace("_", " ")
    return f"EXCEPTION {what}: {problem.service}: {problem.subject}{number}{event}: {problem.text}"
