"""`clinicbus parked`: events that a service could not take, and what to do about them.

A key is parked with all its later events, in order, while other keys flow. `retry` after the cause
is mended; `edit` where it is the event that is wrong; `skip` gives the first event up, or the one
that never came. The service's own worker does it; who asked and why stays on record. The rows are
the truth: `export` prints them for other tools.
"""

import asyncio
import getpass
import json
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import asyncpg
import httpx
import typer

from ops import environment, layout
from ops.errors import CannotRun
from ops.monitor.gate import Refused, may_see
from ops.monitor.looks import record_look
from shared.bus import parked
from shared.contracts.envelope import envelope_of
from shared.contracts.permissions import Permission
from shared.db.provision import SERVICES
from shared.values.errors import DomainError
from shared.web.tokens import BadToken, watched

T = TypeVar("T")
PATIENCE_S = 15.0
POLL_S = 0.1

app = typer.Typer(help="Events that a service could not take.", no_args_is_help=True)

Data = Annotated[Path | None, typer.Option(help="The data folder; else .clinicbus here.")]
Of = Annotated[str | None, typer.Option("--service", help="Only this service.")]
In = Annotated[str, typer.Option("--service", help="The service that parked it.")]
Subject = Annotated[str, typer.Argument(help="As listed, e.g. appointment/0190a1b2-...")]
Who = Annotated[str, typer.Option(help="Who asks for it.")]
Why = Annotated[str, typer.Option(help="Why; it stays on record.")]


@app.command("list")
def list_command(service: Of = None, data: Data = None) -> None:
    """List the parked keys of all services."""
    found = 0
    for name in chosen(service):
        for key in of_service(name, data, parked.list_parked):
            found += 1
            typer.echo(
                f"{name}  {key.subject}  {key.kind}  {key.problem}  {key.held} waiting from"
                f" {key.first_seq}  since {key.since:%Y-%m-%d %H:%M:%S}Z  network {key.network_id}"
            )
    typer.echo("Nothing is parked." if not found else f"{found} parked.")


@app.command()
def show(
    subject: Subject,
    service: In,
    values: Annotated[
        bool, typer.Option(help="What they say, for the auditor whose token is CLINICBUS_TOKEN.")
    ] = False,
    data: Data = None,
) -> None:
    """Show the events of a parked key, without their values, and what was done before."""

    async def read(
        raw: asyncpg.Connection,
    ) -> tuple[parked.ParkedKey, list[parked.ParkedEvent], list[parked.Action], dict[int, bytes]]:
        key = await parked.find(raw, subject)
        events, actions = await parked.show(raw, key)
        said = await parked.values(raw, key) if values else {}
        if values:
            await seen_by_auditor(service, data, events, said)
        return key, events, actions, said

    key, events, actions, said = of_service(service, data, read)
    typer.echo(f"{key.subject} of {key.topic}: {key.kind}, {key.problem}, tried {key.tries} times")
    for event in events:
        headers = dict(event.headers)
        typer.echo(
            f"  {event.seq}  {headers.get('ce_type')}  {headers.get('ce_id')}"
            f"  {headers.get('ce_time')}  by {headers.get('ce_actor')}"
            f"  at {event.partition}/{event.offset}  {event.bytes} bytes"
            f" of {', '.join(event.members) or 'what is not JSON'}"
        )
        if event.seq in said:
            typer.echo(f"     {said[event.seq].decode(errors='replace')!r}")
    for action in actions:
        typer.echo(
            f"  {action.asked_at:%Y-%m-%d %H:%M:%S}Z  {action.verb} by {action.who}:"
            f" {action.why} -> {action.outcome or 'not done yet'}"
        )


@app.command()
def retry(subject: Subject, service: In, why: Why, who: Who = "", data: Data = None) -> None:
    """Apply a key's events again, in order, as far as they go."""
    _do(subject, service, "retry", who, why, data)


@app.command()
def skip(subject: Subject, service: In, why: Why, who: Who = "", data: Data = None) -> None:
    """Give up a key's first event (or the one that never came) and apply the rest."""
    _do(subject, service, "skip", who, why, data)


@app.command()
def edit(
    subject: Subject,
    service: In,
    value: Annotated[typer.FileText, typer.Option(help="The event's data as JSON; - is stdin.")],
    why: Why,
    who: Who = "",
    data: Data = None,
) -> None:
    """Give a key's failing event other data, and apply it and those behind it.

    It gets an id of its own; its cause, its number and its subject stay, and what it was is kept.
    """
    _do(subject, service, "edit", who, why, data, edited=value.read().encode())


@app.command()
def export(service: Of = None, data: Data = None) -> None:
    """Print the parked events of all services as lines of JSON, without their values."""

    async def read(raw: asyncpg.Connection) -> list[dict[str, Any]]:
        return [
            {
                "network": str(key.network_id),
                "topic": key.topic,
                "subject": key.subject,
                "kind": key.kind,
                "problem": key.problem,
                "sequence": event.seq,
                "partition": event.partition,
                "offset": event.offset,
                "headers": dict(event.headers),
                "bytes": event.bytes,
                "parked_at": event.parked_at.isoformat(),
            }
            for key in await parked.list_parked(raw)
            for event in (await parked.show(raw, key))[0]
        ]

    for name in chosen(service):
        for line in of_service(name, data, read):
            typer.echo(json.dumps({"service": name, **line}))


def _do(
    subject: str,
    service: str,
    verb: parked.Verb,
    who: str,
    why: str,
    data: Path | None,
    edited: bytes | None = None,
) -> None:
    async def ask_and_wait(raw: asyncpg.Connection) -> str | None:
        key = await parked.find(raw, subject)
        who_asks = who or getpass.getuser()
        action_id = await parked.ask(raw, key, verb, who=who_asks, why=why, edited=edited)
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            done = await parked.outcome(raw, key.network_id, action_id)
            if done is not None:
                return done
            await asyncio.sleep(POLL_S)
        return None

    done = of_service(service, data, ask_and_wait)
    if done is None:
        raise CannotRun(f"It is recorded; {service} does it when its worker runs.")
    typer.echo(f"{subject}: {done}.")
    if "fails" in done or "refused" in done:
        raise typer.Exit(1)


async def seen_by_auditor(
    service: str,
    data: Path | None,
    events: Sequence[parked.ParkedEvent],
    said: Mapping[int, bytes],
) -> None:
    """Record that the holder of CLINICBUS_TOKEN sees these events. Raises Refused, CannotRun."""
    token = os.environ.get("CLINICBUS_TOKEN")
    if token is None:
        raise CannotRun("Values are for auditors: put a token of yours into CLINICBUS_TOKEN.")
    variables = environment.of_operator(layout.choose(data))
    async with httpx.AsyncClient(timeout=5) as http:
        verifier, _ = watched(variables["CLINICBUS_ISSUER"], http)
        try:
            principal = await verifier.verify(token)
        except BadToken:
            raise Refused(401, "token.refused", "The token is not accepted.") from None
    if not verifier.published.known:
        raise Refused(503, "revocations.unknown", "Who may still come in is not known now.")
    if Permission.EVENT_VALUES_READ not in principal.permissions:
        raise Refused(403, "role.denied", "This role may not see what events say.")
    for event in events:
        envelope = envelope_of(event.headers)
        if not may_see(principal, envelope):
            raise Refused(404, "event.unknown", "This subject is not parked in this service.")
        url = variables[f"CLINICBUS_{service.upper()}_APP_URL"]
        await record_look(url, principal, envelope, _read(said[event.seq]))


def _read(value: bytes) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return None


def chosen(service: str | None) -> tuple[str, ...]:
    """All services, or the one that was named. Raises CannotRun."""
    return SERVICES if service is None else (_known(service),)


def _known(service: str) -> str:
    if service not in SERVICES:
        raise CannotRun(f"There is no service {service}: choose from {', '.join(SERVICES)}.")
    return service


def of_service(
    service: str, data: Path | None, question: Callable[[asyncpg.Connection], Awaitable[T]]
) -> T:
    """The answer to a question asked in a service's database, as its worker. Raises CannotRun."""
    name = f"CLINICBUS_{_known(service).upper()}_WORKER_URL"
    url = os.environ.get(name) or environment.of_operator(layout.choose(data))[name]

    async def connected() -> T:
        connection = await asyncpg.connect(url, timeout=5)
        try:
            return await question(connection)
        finally:
            await connection.close()

    try:
        return asyncio.run(connected())
    except (DomainError, Refused) as error:
        raise CannotRun(error.title) from None
    except (OSError, asyncpg.PostgresError) as error:
        raise CannotRun(
            f"The database of {service} does not answer ({type(error).__name__}):"
            " `clinicbus status` says what runs."
        ) from None
