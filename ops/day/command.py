"""The command: a system of its own, the day, the checks, the table."""

import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from ops import seed as seeding
from ops.day import ahead, checks, eve, floor, money, report
from ops.day.desk import DayFailed, Desk
from ops.day.plan import planned
from ops.day.story import ZONES, Place, Played, Story, local
from ops.errors import CannotRun
from ops.layout import Layout
from ops.local_system import LocalSystem
from ops.options import Options
from ops.ports import Ports
from ops.profile import refuse_outside_local
from shared.values.ids import new_id
from shared.web.clocks import SharedClock

VISITS = 120
app = typer.Typer(add_completion=False)


@app.command()
def day(
    visits: Annotated[int, typer.Option(help="How many visits.", min=12, max=130)] = VISITS,
    seed: Annotated[int, typer.Option(help="Another number is another day.")] = 1,
    bus: Annotated[str, typer.Option(help="postgres or kafka.")] = "postgres",
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Play a working day on data and ports of its own, and check it. Exit code 0 or 1."""
    refuse_outside_local("`clinicbus day`")
    if bus not in ("postgres", "kafka"):
        raise CannotRun(f"There is no bus called {bus!r}: choose postgres or kafka.")
    kind: Any = bus
    tell = (lambda _: None) if as_json else print
    with tempfile.TemporaryDirectory(prefix="clinicbus-day-") as folder:
        try:
            outcome = asyncio.run(_run(Path(folder), visits, seed, kind, tell))
        except (DayFailed, seeding.SeedFailed, httpx.HTTPError) as error:
            raise CannotRun(f"The day could not be played to its end: {error}.") from error
    print(json.dumps(outcome, default=str) if as_json else report.table(outcome))
    raise typer.Exit(0 if outcome["ok"] else 1)


async def _run(folder: Path, visits: int, seed: int, bus: Any, tell: Any) -> dict[str, Any]:
    clock = SharedClock(folder / "clock")
    options = Options(
        bus=bus,
        clock_file=folder / "clock",
        durable=False,
        environment={
            "CLINICBUS_PAYER_TIMEOUT_SECONDS": "1",
            "CLINICBUS_PAYER_ATTEMPTS": "2",
            # A day in a minute: more is asked in a second than at a desk in an hour.
            "CLINICBUS_RATES": "off",
        },
    )
    started = time.monotonic()
    async with LocalSystem(Layout(folder / "data"), Ports.free(), options, progress=tell) as system:
        ready = time.monotonic()
        tell(f"Ready after {ready - started:.1f} s. Playing {visits} visits, seed {seed}.")
        async with httpx.AsyncClient(timeout=30) as http:
            story, desk, reports = await play(system, http, clock, visits, seed)
        played = time.monotonic()
        found = await checks.all_of(system.superuser_url, story, reports)
        return {
            "ok": checks.exit_code(found) == 0,
            "visits": visits,
            "seed": seed,
            "bus": bus,
            "seconds": {
                "start": ready - started,
                "play": played - ready,
                "check": time.monotonic() - played,
            },
            **await report.figures(system.superuser_url, story, reports, desk.steps),
            "checks": [check.as_dict() for check in found],
        }


async def play(
    system: LocalSystem, http: httpx.AsyncClient, clock: SharedClock, visits: int, seed: int
) -> tuple[Story, Desk, list[dict[str, Any]]]:
    """Play the whole day on a system; the story, the desk, and the reports of the day's close."""
    network = new_id()
    desk = Desk(http, system.urls, system.token, network, clock)
    places = [Place("", zone, []) for zone in ZONES]
    desk.at(local(places[1], 14, days=-1))
    facts = await seeding.seed(system.urls, system.token, network)
    for place, clinic_id in zip(places, facts["clinics"], strict=True):
        place.clinic_id, place.provider_ids = clinic_id, facts["providers"][clinic_id]
    (payer_id,) = facts["payers"].values()
    plan = planned(visits, seed)
    type_id = facts["types"]["Office visit"]
    story = Story(plan, network, type_id, payer_id, places, [Played(v) for v in plan.visits])
    await ahead.enter_holidays(desk, story)
    await eve.play(desk, story)
    desk.at(min(local(place, 7, 30) for place in places))
    await money.open_drawers(desk, story)
    await floor.play(desk, story)
    await ahead.play(desk, story)
    desk.at(max(local(place, 19, 30) for place in places))
    reports = await money.close(desk, story)
    return story, desk, reports
