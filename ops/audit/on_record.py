"""An export of the audit is itself on record: a row in each audit that it takes, before its first
byte. Where a row cannot be written nothing is exported.

The rows are written as the service's own role writes them, and are sealed like any other.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import UUID

from ops.audit.export import export, networks_of
from ops.audit.rows import write_rows
from shared.db.actor import Actor
from shared.db.context import Context
from shared.db.mechanism_writes import audit_row
from shared.db.pool import AWAY
from shared.db.provision import SERVICES
from shared.values.ids import new_id
from shared.web.clocks import SystemClock

RESOURCE = "audit"


class CannotRecord(Exception):
    """That somebody exports cannot be written down; the message names the service."""


async def export_on_record(
    variables: Mapping[str, str],
    folder: Path,
    *,
    who: str,
    action: str,
    network: UUID | None = None,
    services: Sequence[str] = SERVICES,
) -> dict[str, int]:
    """Record that an operator exports, in every service and network, and then export these; how
    many rows of each service.

    variables: the CLINICBUS_ variables of the system. who: the operator. action: what for. network:
    that one alone; else all there are. Raises CannotRecord, and then nothing was written out;
    LookupError for a network that no service has a row of; FileExistsError as `export`.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty")
    workers = {name: variables[f"CLINICBUS_{name.upper()}_WORKER_URL"] for name in services}
    apps = {name: variables[f"CLINICBUS_{name.upper()}_APP_URL"] for name in services}
    try:
        found = {name: await networks_of(url, network) for name, url in workers.items()}
    except AWAY as error:
        raise CannotRecord(f"Not every service can be asked ({type(error).__name__}).") from error
    if network is not None:
        found = {name: networks for name, networks in found.items() if networks}
        if not found:
            raise LookupError(network)
    now = SystemClock().now()
    detail = {"networks": "all" if network is None else "one", "until": now.isoformat()}
    actor, flow = Actor("operator", who), new_id()
    for name, networks in found.items():
        contexts = [Context(each, actor, now, flow) for each in networks]
        rows = [audit_row(each, action, RESOURCE, (), "ok", detail) for each in contexts]
        try:
            await write_rows(apps[name], list(zip(networks, rows, strict=True)))
        except AWAY as error:
            raise CannotRecord(
                f"{name} cannot record it ({type(error).__name__}), so nothing is exported."
            ) from error
    return await export(workers, folder, found, whole=network is None)
