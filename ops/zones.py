"""`clinicbus zones`: what the rules of time zones that are installed here change of what is booked.

A visit is kept with the offset from UTC that its clinic had when it was booked, so its wall time is
known whatever the rules are now. Without `--apply` nothing is changed. With it visits and sessions
go to the instant that their wall time has by now, some at a time, each under its locks; what was
moved is not moved again, so a run that was cut off is begun anew.
"""

import asyncio
import getpass
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import asyncpg
import typer

from ops.audit.export import networks_of
from ops.errors import CannotRun
from ops.running import variables_of
from services.appointments.commands import zones
from services.appointments.commands.zones import Change, Survey, ToSee
from services.appointments.domain.zones import in_order, wall_time
from services.appointments.queries.zones import Kind, held_until
from shared.db.actor import Actor
from shared.db.database import Database, take_locks
from shared.db.locks import LockKey
from shared.db.pool import AWAY
from shared.db.work import Context, Work
from shared.values.clock import Clock
from shared.values.errors import Conflict
from shared.web.clocks import SharedClock, SystemClock

AT_ONCE = 16
"""Visits in one transaction: each takes a handful of the locks that one may hold."""
TRIES = 3
AGAIN = {"40001", "40P01", "55P03"}
"""Others held what was needed: serialization failure, deadlock, lock timeout."""
SHOWN = 50

app = typer.Typer(add_completion=False)


@dataclass(slots=True)
class Report:
    """Of one network: what changes or was moved, what a person must see to, and until when there
    are holds at these clinics, which end by themselves."""

    network: UUID
    changes: list[Change] = field(default_factory=list)
    moved: int = 0
    to_see: list[ToSee] = field(default_factory=list)
    held: datetime | None = None

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        return self.moved >= len(self.changes) and not self.to_see


@app.command()
def command(
    apply: Annotated[bool, typer.Option("--apply", help="Move visits and sessions.")] = False,
    network: Annotated[UUID | None, typer.Option(help="Only this network.")] = None,
    data: Annotated[Path | None, typer.Option(help="Data folder; else .clinicbus here.")] = None,
) -> None:
    """Say which visits are at another instant than their wall time has by the installed rules.

    Exit code 0 when there are none, or all were moved by --apply; 1 when something is left.
    """
    variables = variables_of(data)
    try:
        reports = asyncio.run(_every(variables, network, apply=apply))
    except asyncpg.PostgresError as error:
        raise CannotRun(
            f"The database of appointments refuses ({error.sqlstate}); what was moved stays moved:"
            " begin again."
        ) from None
    except AWAY as error:
        name = type(error).__name__
        raise CannotRun(f"The database of appointments does not answer ({name}).") from None
    for report in reports:
        for line in lines_of(report, applied=apply):
            typer.echo(line)
    if not any(report.changes or report.to_see for report in reports):
        typer.echo("Every wall time is where it was booked.")
    raise typer.Exit(0 if all(report.done for report in reports) else 1)


async def _every(variables: dict[str, str], network: UUID | None, *, apply: bool) -> list[Report]:
    app_url, worker = (variables[f"CLINICBUS_APPOINTMENTS_{p}_URL"] for p in ("APP", "WORKER"))
    file = variables.get("CLINICBUS_CLOCK_FILE") or os.environ.get("CLINICBUS_CLOCK_FILE")
    clock: Clock = SharedClock(Path(file)) if file else SystemClock()
    database = Database.connect("appointments", app_url, None)
    try:
        return [
            await of_network(database, each, clock, apply=apply)
            for each in await networks_of(worker, network)
        ]
    finally:
        await database.close()


async def of_network(database: Database, network: UUID, clock: Clock, *, apply: bool) -> Report:
    """Look at a network, and move what is to be moved where that is wished.

    What stands in another's way may move itself: as long as there is less to move, it is tried
    again.
    """
    report, found = Report(network), await _survey(database, network, clock)
    report.changes = found.changes
    while apply and found.changes:
        stuck: list[ToSee] = []
        for some in _batches(in_order(found.changes)):
            stuck += await _follow(database, network, clock, some)
        report.moved += len(found.changes) - len(stuck)
        before, found = len(found.changes), await _survey(database, network, clock)
        if len(found.changes) >= before:
            found.to_see += stuck
            break
    report.to_see = found.to_see
    async with _work(database, network, clock) as work:
        places = {c.what.clinic_id for c in report.changes if c.what.clinic_id}
        report.held = await held_until(work, sorted(places))
    return report


@asynccontextmanager
async def _work(database: Database, network: UUID, clock: Clock) -> AsyncIterator[Work]:
    context = Context(network, Actor("operator", getpass.getuser()), clock.now())
    async with database.work(context) as work:
        yield work


async def _survey(database: Database, network: UUID, clock: Clock) -> Survey:
    async with _work(database, network, clock) as work:
        return await zones.survey(work)


def _batches(changes: Sequence[Change]) -> list[list[Change]]:
    """Some visits at a time; a session by itself, for its seats have locks of their own."""
    found: list[list[Change]] = []
    for change in changes:
        alone = change.what.kind is Kind.SESSION
        full = not found or len(found[-1]) == AT_ONCE or found[-1][0].what.kind is Kind.SESSION
        if alone or full:
            found.append([change])
        else:
            found[-1].append(change)
    return found


async def _follow(
    database: Database, network: UUID, clock: Clock, some: Sequence[Change]
) -> list[ToSee]:
    """Move some in one transaction; what could not be moved."""
    for attempt in range(TRIES):
        try:
            async with _work(database, network, clock) as work:
                keys = [key for each in some for key in await zones.follow_locks(work, each)]
                await take_locks(work, keys)
                again = [key for each in some for key in await zones.follow_locks(work, each)]
                require_same(keys, again)
                outcomes = [await zones.follow(work, each) for each in some]
            return [outcome for outcome in outcomes if outcome is not None]
        except Conflict:
            if attempt == TRIES - 1:
                raise CannotRun(
                    "Visits keep changing; what was moved stays: begin again."
                ) from None
        except asyncpg.PostgresError as error:
            if attempt == TRIES - 1 or error.sqlstate not in AGAIN:
                raise
    raise AssertionError("unreachable")


def require_same(before: Sequence[LockKey], after: Sequence[LockKey]) -> None:
    """Raise Conflict where what the locks depend on changed while they were waited for."""
    if set(before) != set(after):
        raise Conflict("row.changed", "It changed at the same moment; try again.")


def lines_of(report: Report, *, applied: bool) -> list[str]:
    """What was found in a network: a line for each zone and shift, and for what is left."""
    groups: defaultdict[tuple[str, int, str], list[Change]] = defaultdict(list)
    for change in report.changes:
        by = int((change.to - change.at).total_seconds()) // 60
        groups[change.what.zone, by, change.what.kind.value].append(change)
    said = []
    for (name, by, kind), changes in sorted(groups.items()):
        days = [wall_time(each.at, each.what.offset).date() for each in changes]
        said.append(
            f"network {report.network}  {name}: {len(changes)} {kind}s by {by:+d} minutes,"
            f" {min(days)} to {max(days)}"
        )
    if applied and report.changes:
        said.append(f"  {report.moved} of {len(report.changes)} moved; the wall times are kept")
    for left in report.to_see[:SHOWN]:
        what = left.what
        wall = wall_time(what.at, what.offset).isoformat(timespec="minutes")
        beside = f" beside {left.beside}" if left.beside else ""
        said.append(f"  see to {what.kind.value} {what.id}, {wall} {what.zone}: {left.why}{beside}")
    if len(report.to_see) > SHOWN:
        said.append(f"  and {len(report.to_see) - SHOWN} more")
    if report.held is not None:
        said.append(f"  time is held there until {report.held:%Y-%m-%d %H:%M}Z: look again then")
    return said
