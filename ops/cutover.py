"""`clinicbus cutover`: move a running system from one bus to the other.

History is copied while everything goes on. Then each service in turn is stopped, what it said in
between is copied behind it, and it is started on the new bus: so every subject's order is the same
there. Subscribers read the new bus from its start, or from where they once left it, and know by its
number what they have applied. A move that was broken off is finished by the next start.
"""

import json
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import asyncpg
import typer

from ops import bus_choice, environment, layout, private_files, processes, state
from ops.bus_choice import Choice, Kind
from ops.errors import CannotRun
from ops.layout import Layout
from ops.running import bus_of
from shared.bus.port import BusError
from shared.bus.republish import republish
from shared.contracts.catalogue import topics_said_by
from shared.db.uncaught import place_of

if TYPE_CHECKING:
    from ops.local_system import LocalSystem  # which is made of this module

PATIENCE_S = 900.0
POLL_S = 0.2

app = typer.Typer(add_completion=False)


@dataclass(slots=True)
class Moved:
    """How many events were copied, by service."""

    events: dict[str, int] = field(default_factory=dict)


async def move(system: "LocalSystem", to: Kind, say: Callable[[str], None]) -> Moved:
    """Move a running system to another bus; nothing where it is there already.

    Raises CannotRun where the new bus cannot be used; it then runs on as it was. A move that fails
    later is gone on with when it is asked for again, or by the next start.
    """
    there, moved = bus_choice.kept(system.layout), Moved()
    if system.options.bus == to and (there is None or there.moving_to is None):
        return moved
    before = system.options.bus if there is None else there.bus
    if system.options.bus != to:
        await system.use_bus(to)
    bus_choice.keep(system.layout, Choice(before, moving_to=to))
    say(f"Copying what was said to {to}")
    names = [program.name for program in system.plan.services]
    await copy(system, names, moved)
    for program in system.plan.services:
        say(f"Starting {program.name} on {to}")
        await system.children[program.name].stop()
        await copy(system, [program.name], moved)
        child = await system.start_program(program)
        await child.wait_until_ready()
    await finish(system, to)
    return moved


async def copy(system: "LocalSystem", services: Sequence[str], moved: Moved) -> None:
    """Copy to the system's bus what it lacks of what services said. Raises CannotRun."""
    variables = environment.of_operator(system.layout)
    bus = bus_of(variables)
    try:
        for name in services:
            url = variables[f"CLINICBUS_{name.upper()}_WORKER_URL"]
            raw = await asyncpg.connect(url, timeout=10)
            try:
                found = await republish(raw, bus, name, topics_said_by(name))
            finally:
                await raw.close()
            moved.events[name] = moved.events.get(name, 0) + found.missing
    except (BusError, OSError, asyncpg.PostgresError) as error:
        raise CannotRun(f"The events could not be copied: {type(error).__name__}.") from error
    finally:
        await bus.close()


async def finish_broken_off(system: "LocalSystem", say: Callable[[str], None]) -> None:
    """While no service runs yet: copy what a move that was broken off left behind, if there is one,
    and keep which bus the events are on."""
    there = bus_choice.kept(system.layout)
    if there is not None and there.moving_to is not None:
        say(f"Finishing the move to {there.moving_to}")
        await copy(system, [program.name for program in system.plan.services], Moved())
    bus_choice.keep(system.layout, Choice(system.options.bus))


async def finish(system: "LocalSystem", to: Kind) -> None:
    """Nothing is on its way any more: keep that, and stop a broker that nobody needs."""
    bus_choice.keep(system.layout, Choice(to))
    await system.leave_other_bus()


# ── the request of another process ───────────────────────────────────────────────────────────────


def _request(layout_: Layout) -> Path:
    return layout_.run / "cutover.json"


async def on_request(system: "LocalSystem", say: Callable[[str], None]) -> None:
    """Do what was asked for in the request file, and write there what came of it."""
    path = _request(system.layout)
    try:
        to = bus_choice.known(json.loads(path.read_text())["to"])
        moved = await move(system, to, say)
        answer: dict[str, Any] = {"to": to, "state": "done", "events": moved.events}
        say(f"Everything is on {to} now.")
    except Exception as error:  # noqa: BLE001 - a move that fails must not end what runs
        why = str(error) if isinstance(error, CannotRun) else place_of(error)
        answer = {"to": None, "state": "failed", "error": why}
        say(f"The move failed: {why}")
    private_files.write(path, json.dumps(answer))


@app.command()
def cutover(
    to: Annotated[str, typer.Option(help="postgres or kafka.")],
    data: Annotated[
        Path | None, typer.Option(help="The data folder; else .clinicbus here.")
    ] = None,
) -> None:
    """Move the running system to another bus. Each service is away for a moment, in turn."""
    kind, chosen = bus_choice.known(to), layout.choose(data)
    running = state.read(chosen.state)
    if running is None or not processes.is_running(running.supervisor):
        raise CannotRun("ClinicBus is not running here: start it with `make run`.")
    if running.phase != "ready":
        raise CannotRun(f"It is {running.phase}: try again when it is ready.")
    private_files.write(_request(chosen), json.dumps({"to": kind, "state": "asked"}))
    processes.send(running.supervisor, signal.SIGUSR1)
    answer = _awaited(chosen)
    if answer["state"] == "failed":
        raise CannotRun(answer["error"])
    events = cast(dict[str, int], answer["events"])
    for name, count in events.items():
        typer.echo(f"{name}: {count} events copied")
    typer.echo(f"Everything is on {kind}; `clinicbus audit-bus` compares it with the databases.")


def _awaited(chosen: Layout) -> dict[str, Any]:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        answer: dict[str, Any] = json.loads(_request(chosen).read_text())
        if answer["state"] != "asked":
            return answer
        found = state.read(chosen.state)
        if found is None or not processes.is_running(found.supervisor):
            raise CannotRun("It has stopped meanwhile; the next `make run` finishes the move.")
        time.sleep(POLL_S)
    raise CannotRun("It is still at it: `clinicbus status` says what runs.")
