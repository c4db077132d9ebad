"""`clinicbus audit`: export it, verify it, and ask who saw a patient."""

import asyncio
import getpass
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import httpx
import typer

from ops import layout, private_files, state
from ops.audit import verify as verifier
from ops.audit.on_record import CannotRecord, export_on_record
from ops.environment import of_operator
from ops.errors import CannotRun
from ops.layout import Layout
from ops.token_command import token_for
from shared.db.anchors import fresh_key
from shared.db.provision import SERVICES

app = typer.Typer(add_completion=False, no_args_is_help=True)

Data = Annotated[Path | None, typer.Option(help="The data folder; else .clinicbus here.")]


@app.callback()
def audit() -> None:
    """Export the audit, verify that nobody altered it, and ask who saw a patient."""


def exported(
    chosen: Layout, folder: Path, action: str, network: UUID | None = None
) -> dict[str, int]:
    """Export the audit of the running system, which is on record in it before; how many rows of
    each service. action: what for."""
    variables, who = of_operator(chosen), getpass.getuser()
    try:
        return asyncio.run(
            export_on_record(variables, folder, who=who, action=action, network=network)
        )
    except FileExistsError as error:
        raise CannotRun(f"{error}: choose a new folder.") from error
    except LookupError as error:
        raise CannotRun("No service has a row of this network.") from error
    except CannotRecord as error:
        raise CannotRun(str(error)) from error


@app.command(name="export")
def export_command(
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
    network: Annotated[UUID | None, typer.Option(help="This one alone; else all.")] = None,
    data: Data = None,
) -> None:
    """Write rows and seals of all services into a folder, as this moment has them.

    That it is done, by whom and when, is a row in each audit that is exported.
    """
    chosen = layout.choose(data)
    for service, count in exported(chosen, folder, "export_audit", network).items():
        print(f"{service}: {count} rows")


@app.command()
def key(folder: Annotated[Path, typer.Argument(help="A new folder.")]) -> None:
    """Make a key that signs anchors: key.json for workers, keys.json for whoever verifies."""
    if folder.exists() and any(folder.iterdir()):
        raise CannotRun(f"{folder} is not empty: choose a new folder.")
    private_files.make_folder(folder)
    private, public = fresh_key()
    private_files.write(folder / "key.json", private)
    private_files.write(folder / "keys.json", public)
    print(f"{folder}/key.json signs; {folder}/keys.json verifies.")


@app.command()
def verify(
    folder: Annotated[
        Path | None, typer.Argument(help="An export; else one of the running system is made.")
    ] = None,
    anchors: Annotated[Path | None, typer.Option(help="Else those of the data folder.")] = None,
    keys: Annotated[Path | None, typer.Option(help="Else those of the data folder.")] = None,
    data: Data = None,
) -> None:
    """Verify that no row was altered, put in or taken out. Exit code 1 when one was.

    Without an export one is made, and is on record as `audit export` is.
    """
    chosen = layout.choose(data)
    with tempfile.TemporaryDirectory(prefix="clinicbus-audit-") as made:
        if folder is None:
            folder = Path(made) / "export"
            exported(chosen, folder, "verify_audit")
        try:
            report = verifier.verify(
                folder,
                anchors or chosen.audit / "anchors",
                keys or chosen.audit / "keys.json",
            )
        except (OSError, ValueError, KeyError) as error:
            raise CannotRun(f"It could not be read: {error}.") from error
    for sentence in report.sentences():
        print(sentence)
    if not report.holds:
        raise typer.Exit(1)


@app.command(name="who-saw")
def who_saw(
    patient: Annotated[UUID, typer.Argument(help="Whose record.")],
    since: Annotated[str | None, typer.Option(help="From this instant on, RFC 3339.")] = None,
    until: Annotated[str | None, typer.Option(help="Before this instant, RFC 3339.")] = None,
    network: Annotated[UUID | None, typer.Option(help="Else the demo network.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    data: Data = None,
) -> None:
    """Who saw, changed or was refused a patient's record, in all services, the newest first.

    That it is asked, by whom and of which time, is a row in each service before it answers.
    """
    chosen = layout.choose(data)
    running = state.read(chosen.state)
    if running is None:
        raise CannotRun("ClinicBus is not running here: start it with `make run`.")
    token = token_for(chosen, "auditor", network, acting_for=f"operator/{getpass.getuser()}")
    urls = {p.name: p.url for p in running.processes if p.name in SERVICES and p.url}
    query = {"patient_id": str(patient)}
    query |= {name: at for name, at in (("since", since), ("until", until)) if at}
    found = [entry for name, url in urls.items() for entry in entries(name, url, token, query)]
    found.sort(key=lambda entry: (entry["at"], entry["id"]), reverse=True)
    for entry in found:
        print(json.dumps(entry) if as_json else line(entry))
    if not found:
        raise CannotRun("Nobody touched this patient's record in that time, as far as is known.")


def entries(service: str, url: str, token: str, query: dict[str, str]) -> Iterator[dict[str, Any]]:
    """All pages of a service. Raises CannotRun where it cannot be asked, or refuses."""
    more: dict[str, str] = {"limit": "200"}
    with httpx.Client(timeout=30, headers={"Authorization": f"Bearer {token}"}) as http:
        while True:
            try:
                answer = http.get(f"{url}/v1/audit-entries", params={**query, **more})
            except httpx.HTTPError as error:
                raise CannotRun(f"{service} cannot be asked ({type(error).__name__}).") from error
            if answer.status_code != 200:
                raise CannotRun(f"{service} refuses: {answer.json()['title']}")
            page = answer.json()
            for item in page["items"]:
                yield {"service": service, **item}
            if page["next"] is None:
                return
            more["cursor"] = page["next"]


def line(entry: dict[str, Any]) -> str:
    """An entry as a line: time, service, who in which roles, what, and whether it was let."""
    who = entry["actor"] + (f" for {entry['on_behalf_of']}" if entry["on_behalf_of"] else "")
    roles = ",".join(entry["roles"])
    outcome = "" if entry["outcome"] == "ok" else f" ({entry['outcome']})"
    glass = " [emergency]" if entry["emergency"] else ""
    return (
        f"{entry['at'][:23]:<23}  {entry['service']:<12}  {entry['action'] + outcome + glass:<36}"
        f"  {who} [{roles}]"
    )
