"""`clinicbus import-fhir FILE`: FHIR R4 resources as patients, providers and visits.

Takes a Patient, a Practitioner, an Appointment, or a Bundle of them. Everything goes through the
public APIs, so what they refuse is refused here, with the same reason. An NPI whose check digit
fails is left out with a warning: a wrong identifier is worse than none. People are entered before
visits, whatever the order of the files.
"""

import asyncio
import json
from collections.abc import Mapping as Members
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import httpx
import typer

from ops import layout, state
from ops.errors import CannotRun
from ops.fhir_people import Refused, Resource, Sender, Token, key_of, resources, wanted
from ops.fhir_visits import Mapping, book
from ops.token_command import token_for
from shared.web.clocks import SharedClock

app = typer.Typer(add_completion=False)
PEOPLE = ("Patient", "Practitioner")


@app.command()
def import_fhir(
    files: Annotated[
        list[Path],
        typer.Argument(help="FHIR R4 JSON: Patient, Practitioner, Appointment, Bundle"),
    ],
    network: Annotated[UUID | None, typer.Option(help="Else the demo network.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="The data folder; else .clinicbus here.")
    ] = None,
    clinic: Annotated[
        str | None, typer.Option(help="Where visits are; opened if it is not there.")
    ] = None,
    zone: Annotated[
        str | None, typer.Option(help="The clinic's time zone, such as America/Denver.")
    ] = None,
    mapped: Annotated[
        list[str] | None,
        typer.Option(
            "--map", help="REFERENCE=ID or =REFERENCE; Patient=... for visits that name nobody."
        ),
    ] = None,
    clock: Annotated[
        Path | None,
        typer.Option(help="The clock of a run with --clock; set a week before each visit."),
    ] = None,
) -> None:
    """Enter what FHIR files hold, through the running services."""
    chosen = layout.choose(data)
    running = state.read(chosen.state)
    if running is None:
        raise CannotRun("ClinicBus is not running here: start it with `make run`.")
    mapping = Mapping(clinic, zone)
    for pair in mapped or ():
        _note(mapping, pair)
    if clock is not None:
        mapping.set_clock = SharedClock(clock).set
    refused = asyncio.run(
        _import(files, running.urls, lambda role: token_for(chosen, role, network), mapping)
    )
    if refused:
        raise CannotRun(f"{refused} could not be entered; the reasons are above.")


def _note(mapping: Mapping, pair: str) -> None:
    reference, _, meant = pair.partition("=")
    try:
        mapping.people[reference] = UUID(meant)
    except ValueError:
        if "/" not in meant:
            raise CannotRun("--map takes REFERENCE=ID or REFERENCE=REFERENCE.") from None
        mapping.same[reference] = meant


async def _import(
    files: list[Path], urls: Members[str, str], token: Token, mapping: Mapping
) -> int:
    """Enter what files hold, and say of each what came of it; how many were refused."""
    refused = 0
    found = [(path, resource) for path in files for resource in resources(_read(path))]
    found.sort(key=lambda each: each[1].get("resourceType") not in PEOPLE)
    async with httpx.AsyncClient(timeout=20) as http:
        for path, resource in found:
            said, entered = await enter(http, resource, urls, token, mapping)
            print(f"{path.name}: {said}")
            refused += not entered
    return refused


def _read(path: Path) -> Resource:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CannotRun(f"{path.name} cannot be read as JSON ({type(error).__name__}).") from error
    if not isinstance(found, dict) or "resourceType" not in found:
        raise CannotRun(f"{path.name} is not a FHIR resource.")
    return found


async def enter(
    http: httpx.AsyncClient,
    resource: Resource,
    urls: Members[str, str],
    token: Token,
    mapping: Mapping | None = None,
) -> tuple[str, bool]:
    """Enter one resource. One sentence of what came of it, and whether it is entered.

    token(role) gives a bearer token. mapping: where visits go; who is entered is noted in it.
    Raises CannotRun where the service is away.
    """
    kind = resource.get("resourceType", "resource")
    sender, where = Sender(http, urls, token), mapping or Mapping()
    notes = ""
    try:
        if kind == "Appointment":
            return f"{kind} booked as visit {await book(resource, where, sender)}.", True
        request = wanted(resource)
        if request is None:
            return f"{kind} is left out: it is no Patient, Practitioner or Appointment.", True
        notes = "".join(f" Warning: {warning}" for warning in request.warnings)
        body: dict[str, Any] = {n: v for n, v in request.body.items() if v is not None}
        key = key_of(resource)
        if kind == "Practitioner" and (clinic_id := await where.opened(sender)) is not None:
            body["clinic_ids"], key = [str(clinic_id)], f"{key}-{clinic_id}"
        made = await sender.post(request.service, request.path, request.role, body, key)
    except Refused as reason:
        return f"{kind} refused: {reason}{notes}", False
    except (AttributeError, IndexError, KeyError, TypeError):
        return f"{kind} refused: its members are not as FHIR R4 has them.", False
    where.people[f"{kind}/{resource.get('id')}"] = UUID(made["id"])
    return f"{kind} entered as {request.what} {made['id']}.{notes}", True
