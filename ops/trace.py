"""`clinicbus trace ID`: what happened to a visit, service by service, with times and actors."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import httpx
import typer

from ops import layout, state
from ops.errors import CannotRun
from ops.token_command import token_for
from shared.db.provision import SERVICES


async def traces(
    http: httpx.AsyncClient, urls: Mapping[str, str], token: str, subject_id: UUID
) -> tuple[list[dict[str, Any]], list[str]]:
    """The entries of every service in the order of time, and who could not be asked.

    An entry has at, service, kind, what, actor, subject, sequence, outcome.
    """
    found: list[dict[str, Any]] = []
    away: list[str] = []
    for service, url in urls.items():
        try:
            answer = await http.get(
                f"{url}/v1/traces/{subject_id}", headers={"Authorization": f"Bearer {token}"}
            )
            answer.raise_for_status()
        except httpx.HTTPError as error:
            away.append(f"{service} ({type(error).__name__})")
            continue
        found += [{**entry, "service": service} for entry in answer.json()["entries"]]
    # By the instant and not by its text, which has no fraction at a whole second.
    found.sort(key=lambda entry: (datetime.fromisoformat(entry["at"]), entry["kind"] == "audit"))
    return found, away


async def _asked(
    urls: Mapping[str, str], token: str, subject_id: UUID
) -> tuple[list[dict[str, Any]], list[str]]:
    async with httpx.AsyncClient(timeout=10) as http:
        return await traces(http, urls, token, subject_id)


def lines(entries: list[dict[str, Any]]) -> list[str]:
    """A line an entry: time, service, what, sequence, actor."""
    made = []
    for entry in entries:
        what = entry["what"].removeprefix("clinicbus.")
        number = f"#{entry['sequence']}" if entry["sequence"] else ""
        outcome = "" if entry["outcome"] in ("said", "ok") else f" ({entry['outcome']})"
        made.append(
            f"{entry['at'][:23]:<23}  {entry['service']:<12}  {entry['kind']:<5}  "
            f"{what + outcome:<52} {number:<4} {entry['actor']}"
        )
    return made


app = typer.Typer(add_completion=False)


@app.command()
def trace(
    subject: Annotated[UUID, typer.Argument(help="The id of an appointment, patient, document …")],
    network: Annotated[
        UUID | None, typer.Option(help="Its network; else the demo network.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="The data folder; else .clinicbus here.")
    ] = None,
) -> None:
    """What happened to a thing, service by service, with times and actors."""
    chosen = layout.choose(data)
    running = state.read(chosen.state)
    if running is None:
        raise CannotRun("ClinicBus is not running here: start it with `make run`.")
    token = token_for(chosen, "ops", network)
    urls = {p.name: p.url for p in running.processes if p.name in SERVICES and p.url}
    found, away = asyncio.run(_asked(urls, token, subject))
    for line in lines(found):
        print(line)
    if away:
        raise CannotRun(f"These could not be asked: {', '.join(away)}.")
    if not found:
        raise CannotRun("Nothing is known of this id in this network.")
