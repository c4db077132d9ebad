"""The command: one process on loopback, while somebody wants to look."""

import json
import os
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from ops import running
from ops.errors import CannotRun
from ops.ports import is_free
from ops.profile import require_safe

AFTER_THE_ISSUER = 2

app = typer.Typer(add_completion=False)


@app.command()
def monitor(
    port: Annotated[
        int | None, typer.Option(help="Where it listens; else two above the issuer's port.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="The data folder; else .clinicbus here.")
    ] = None,
) -> None:
    """Serve the event monitor of the running system on loopback; Ctrl-C ends it."""
    variables = running.variables_of(data)
    require_safe(variables)
    running.bus_of(variables)  # says now what is missing
    if "CLINICBUS_ISSUER" not in variables or "CLINICBUS_URLS" not in variables:
        raise CannotRun("CLINICBUS_ISSUER and CLINICBUS_URLS do not say where the system is.")
    issuer = variables["CLINICBUS_ISSUER"]
    chosen = port or (urlsplit(issuer).port or 443) + AFTER_THE_ISSUER
    if not is_free(chosen):
        raise CannotRun(f"Port {chosen} is taken: choose another with --port.")
    import httpx
    import uvicorn

    from ops.monitor.site import Site
    from shared.web.logs import configure_from

    configure_from(os.environ)

    site = Site(
        lambda: running.bus_of(variables),
        variables,
        json.loads(variables["CLINICBUS_URLS"]),
        issuer,
        httpx.AsyncClient(timeout=10),
    )
    print(f"The event monitor: http://127.0.0.1:{chosen}/", flush=True)
    print("It asks for a token: ./clinicbus token ops (or auditor, who may see values)", flush=True)
    uvicorn.run(
        site.app(),
        host="127.0.0.1",
        port=chosen,
        log_level="warning",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
