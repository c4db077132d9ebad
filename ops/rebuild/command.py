"""`clinicbus rebuild`: makes what a service heard again from the topics, and compares.

It runs beside the service, which goes on; only at the end nothing takes effect there for a moment.
Without `--swap` nothing is changed.
"""

import asyncio
import importlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from ops.errors import CannotRun
from ops.rebuild.run import Report, Service, rebuild
from ops.running import bus_of, variables_of
from shared.bus.port import BusError
from shared.db.pool import AWAY
from shared.db.provision import SERVICES

IDS_SHOWN = 20

app = typer.Typer(help="Make what a service heard again from the topics, and compare.")


@app.command()
def command(
    service: Annotated[str, typer.Argument(help=", ".join(SERVICES))],
    projection: Annotated[str | None, typer.Argument(help="Default: every one it has.")] = None,
    swap: Annotated[bool, typer.Option(help="Put the rebuilt rows in place.")] = False,
    network: Annotated[UUID | None, typer.Option(help="Only this network.")] = None,
    data: Annotated[Path | None, typer.Option(help="Data folder; else .clinicbus here.")] = None,
) -> None:
    """Rebuild a projection from the topics and compare it with the live copy.

    Exit code 0 when they are equal, or were made equal by --swap; 1 when they are not.
    """
    if service not in SERVICES:
        raise CannotRun(f"There is no service {service}: choose from {', '.join(SERVICES)}.")
    variables = variables_of(data)
    found = service_of(service, variables)
    names = [n for n, each in found.projections.items() if each.refused is None]
    if projection is not None:
        if projection not in found.projections:
            known = ", ".join(found.projections)
            raise CannotRun(f"{service} has no projection {projection}: choose from {known}.")
        names = [projection]
    bus = bus_of(variables)

    async def run() -> Report:
        try:
            return await rebuild(found, bus, names, swap=swap, network=network)
        finally:
            await bus.close()

    try:
        report = asyncio.run(run())
    except BusError as error:
        raise CannotRun(f"The bus refuses ({type(error).__name__}): {error}.") from None
    except AWAY as error:
        problem = getattr(error, "sqlstate", None) or type(error).__name__
        raise CannotRun(f"The database of {service} does not answer ({problem}).") from None
    for line in lines_of(service, names, report):
        typer.echo(line)
    raise typer.Exit(0 if report.equal or (report.swapped and not report.stopped) else 1)


def service_of(name: str, variables: Mapping[str, str]) -> Service:
    """A service's handlers and databases."""
    handlers = importlib.import_module(f"services.{name}.handlers")
    owner, app_url, worker = (
        variables[f"CLINICBUS_{name.upper()}_{part}_URL"] for part in ("OWNER", "APP", "WORKER")
    )
    return Service(name, owner, app_url, worker, handlers.SUBSCRIPTIONS, handlers.PROJECTIONS)


def lines_of(service: str, names: list[str], report: Report) -> list[str]:
    """What was found: a line a table, the ids of what differs, and the verdict."""
    said = [f"{service} {', '.join(names)}: {report.events} events of {report.networks} networks."]
    for table in dict.fromkeys(found.table for found in report.tables):
        of_it = [found for found in report.tables if found.table == table]
        rows = sum(found.live.rows for found in of_it)
        how = Counter(d.how for found in of_it for d in found.differences)
        verdict = ", ".join(f"{count} {word}" for word, count in sorted(how.items())) or "equal"
        said.append(f"  {table}: {rows} rows, {verdict}")
        ids = [f"    {d.how} {d.key}" for found in of_it for d in found.differences]
        said += ids[:IDS_SHOWN]
        if len(ids) > IDS_SHOWN:
            said.append(f"    and {len(ids) - IDS_SHOWN} more")
    for key, reason in report.parked.items():
        said.append(f"  parked in both: {key[2]} of network {key[0]} ({reason})")
    for key, reason in report.stopped.items():
        said.append(f"  cannot be heard again: {key[2]} of network {key[0]}, {reason}")
    said.append(_verdict(report))
    return said


def _verdict(report: Report) -> str:
    if report.stopped:
        return f"{len(report.stopped)} subjects cannot be heard again; nothing was changed."
    if report.swapped:
        return f"{report.swapped} rows were put right."
    if report.different:
        return f"{report.different} rows differ; --swap puts the rebuilt ones in place."
    return f"The rebuilt copy equals the live one: sha256 {report.sha256}"
