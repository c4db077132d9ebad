"""The `clinicbus` command: what operators run.

Modules are imported when their command is: `status` and `token` answer at once, whatever else
there is.
"""

import errno
import importlib.util
import os
import sys
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from typer.core import TyperGroup

from ops.errors import CannotRun
from shared.db.uncaught import install, place_of

# Commands of other modules: each module has a Typer application called `app`.
ELSEWHERE = {
    "parked": "ops.parked",
    "unreadable": "ops.unreadable",
    "bus": "ops.bus",
    "cutover": "ops.cutover",
    "kafka": "ops.kafka",
    "read-271": "ops.read_271",
    "import-fhir": "ops.import_fhir",
    "day": "ops.day",
    "trace": "ops.trace",
    "rebuild": "ops.rebuild",
    "audit": "ops.audit.command",
    "audit-bus": "ops.audit_bus",
    "tail": "ops.tail",
    "monitor": "ops.monitor",
    "zones": "ops.zones",
}


class Commands(TyperGroup):
    """The commands of this module, and of others, which are imported when they are asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Every command whose module is there."""
        others = [name for name, module in ELSEWHERE.items() if importlib.util.find_spec(module)]
        return [*super().list_commands(ctx), *others]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name; what cannot be imported says so when it is called."""
        module = ELSEWHERE.get(cmd_name)
        if module is None or not importlib.util.find_spec(module):
            return super().get_command(ctx, cmd_name)
        try:
            found = importlib.import_module(module)
            _let_speak()
        except ImportError as error:
            return _unavailable(cmd_name, error)
        command = typer.main.get_command(found.app)
        command.name = cmd_name
        return command


def _let_speak() -> None:
    """Warnings of the mechanism, which a command may use, come out as in a service's log."""
    from shared.web.logs import configure_from

    configure_from(os.environ, "WARNING")


def _unavailable(name: str, error: ImportError) -> Any:
    broken = typer.Typer()

    @broken.command(name, help="(cannot be loaded)")
    def say() -> None:
        raise CannotRun(f"`clinicbus {name}` cannot be loaded: {error}.")

    return typer.main.get_command(broken)


app = typer.Typer(
    cls=Commands,
    help="ClinicBus on this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Data = Annotated[Path | None, typer.Option(help="The data folder; else .clinicbus here.")]


@app.command()
def run(
    bus: Annotated[
        str | None, typer.Option(help="postgres or kafka; else where its events are.")
    ] = None,
    data: Data = None,
    port_base: Annotated[int, typer.Option(help="appointments listens at this + 1.")] = 8100,
    seed: Annotated[bool, typer.Option(help="Seed a demo network in new data.")] = True,
    clock: Annotated[
        Path | None,
        typer.Option(help="A file with the business clock, for `import-fhir --clock` to set."),
    ] = None,
) -> None:
    """Run everything on this machine, in the foreground."""
    from ops import bus_choice, layout, supervisor
    from ops.options import Options
    from ops.ports import Ports
    from ops.profile import refuse_outside_local

    refuse_outside_local("`clinicbus run`")
    _let_speak()
    chosen = layout.choose(data)
    options = Options(
        bus=bus_choice.to_run_on(chosen, bus),
        postgres_url=os.environ.get("CLINICBUS_POSTGRES_URL"),
        clock_file=None if clock is None else clock.absolute(),
    )
    code = supervisor.run(chosen, Ports.from_base(port_base), options, seed=seed)
    raise typer.Exit(code)


@app.command()
def status(
    data: Data = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Show what runs: URLs, process ids, bus, restarts. Exit code 0 when all is ready, else 1."""
    import asyncio

    from ops import layout
    from ops.status import ask, lines_of

    found = asyncio.run(ask(layout.choose(data)))
    typer.echo(found.as_json() if as_json else "\n".join(lines_of(found)))
    raise typer.Exit(0 if found.ready else 1)


@app.command()
def token(
    role: Annotated[str, typer.Argument(help="front_desk, biller, nurse, provider, admin ...")],
    network: Annotated[UUID | None, typer.Option(help="Default: the demo network.")] = None,
    clinic: Annotated[list[UUID] | None, typer.Option(help="Only these; repeat it.")] = None,
    patient: Annotated[UUID | None, typer.Option(help="For the portal: whose it is.")] = None,
    acts_for: Annotated[
        list[UUID] | None, typer.Option(help="For the portal: another patient; repeat it.")
    ] = None,
    person: Annotated[UUID | None, typer.Option(help="Who it is.")] = None,
    proven: Annotated[
        bool, typer.Option(help="Who has just proven it by two factors, as refunds ask.")
    ] = False,
    data: Data = None,
) -> None:
    """Print a bearer token for a person in a role, and nothing else."""
    from ops import layout, token_command

    typer.echo(
        token_command.token_for(
            layout.choose(data),
            role,
            network,
            clinics=clinic,
            patient=patient,
            acts_for=acts_for or (),
            person=person,
            proven=proven,
        )
    )


@app.command()
def revoke(
    target: Annotated[str, typer.Argument(help="A person's id (sub), or a token's (jti).")],
    role: Annotated[str | None, typer.Option(help="This role of the person alone.")] = None,
    network: Annotated[UUID | None, typer.Option(help="Default: the demo network.")] = None,
    lift: Annotated[bool, typer.Option("--lift", help="Let new tokens be made again.")] = False,
    data: Data = None,
) -> None:
    """End a person's tokens, or one token, within a minute, and make no new ones."""
    from ops import layout, token_command

    typer.echo(
        token_command.revoke(layout.choose(data), target, role=role, network=network, lift=lift)
    )


@app.command()
def stop(data: Data = None) -> None:
    """Stop the running system and wait until it has stopped. Its data is kept."""
    from ops import layout, supervisor

    stopped = supervisor.stop(layout.choose(data))
    typer.echo("Stopped; the data is kept." if stopped else "It was not running.")


@app.command()
def reset(data: Data = None) -> None:
    """Forget all data of a system that is stopped."""
    from ops import layout, resetting

    typer.echo(resetting.reset(layout.choose(data)))


@app.command()
def doctor(
    data: Data = None,
    port_base: Annotated[int, typer.Option(help="As for run.")] = 8100,
) -> None:
    """Explain what is wrong with this machine or a setting. Exit code 1 when something is."""
    import asyncio

    from ops import doctor as checks
    from ops import layout
    from ops.ports import Ports

    findings = asyncio.run(checks.examine(layout.choose(data), Ports.from_base(port_base)))
    for finding in findings:
        typer.echo(f"{finding.word:<5}{finding.text}")
    raise typer.Exit(1 if any(finding.word == "NO" for finding in findings) else 0)


def main() -> None:
    """Run the command line; every failure ends in one sentence and exit code 1."""
    if sys.version_info[:2] != (3, 11):
        sys.exit(f"ClinicBus needs Python 3.11, and this is {sys.version.split()[0]}.")
    install()
    try:
        app(prog_name="clinicbus")
    except CannotRun as error:
        sys.exit(str(error))
    except OSError as error:
        if error.errno == errno.ENOSPC:
            sys.exit("The disk is full: free some space, then start again.")
        where = f" ({error.filename})" if error.filename else ""
        sys.exit(f"The system refuses: {error.strerror}{where}; `clinicbus doctor` says more.")
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # noqa: BLE001 - a traceback would end in a value
        sys.exit(f"A fault of ours: {place_of(error)}.")


if __name__ == "__main__":
    main()
