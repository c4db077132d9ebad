"""What the processes of a local system are told: the CLINICBUS_... variables."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from ops import secrets_kept, state
from ops.errors import CannotRun
from ops.layout import Layout
from ops.ports import SERVICES
from ops.secrets_kept import Secrets
from shared.db import provision

OWN = "CLINICBUS_"
KEPT = ("CLINICBUS_LOG_LEVEL", "CLINICBUS_FAILPOINTS", "CLINICBUS_RATES")


def of_all(
    *,
    issuer: str,
    urls: Mapping[str, str],
    payer_url: str,
    bus: str,
    kafka: str | None,
    clock_file: Path | None,
    more: Mapping[str, str],
) -> dict[str, str]:
    """What every process gets. Settings that a shell still holds from elsewhere do not leak in."""
    found = {k: v for k, v in os.environ.items() if not k.startswith(OWN) or k in KEPT}
    found |= {
        "CLINICBUS_PROFILE": "local",
        "CLINICBUS_ISSUER": issuer,
        "CLINICBUS_URLS": json.dumps(dict(urls)),
        "CLINICBUS_PAYER_URL": payer_url,
        "CLINICBUS_BUS": bus,
    }
    if kafka is not None:
        found["CLINICBUS_KAFKA"] = kafka
    if clock_file is not None:
        found["CLINICBUS_CLOCK_FILE"] = str(clock_file)
    return found | dict(more)


def of_service(service: str, superuser_url: str, secrets: Secrets, objects: Path) -> dict[str, str]:
    """What one service gets besides: its own databases (not as their owner), secret and folder."""
    if service not in SERVICES:
        return {}
    urls = provision.service_environment(superuser_url, secrets.passwords, [service])
    found = {name: url for name, url in urls.items() if not name.endswith("_OWNER_URL")}
    found["CLINICBUS_SERVICE_SECRET"] = secrets.services[service]
    found["CLINICBUS_DATA"] = str(objects / service)
    return found


def of_operator(layout: Layout, services: Sequence[str] = SERVICES) -> dict[str, str]:
    """Every variable of the system that runs on a data folder, for operators' commands.

    Raises CannotRun when none runs there.
    """
    found = state.read(layout.state)
    if found is None or not layout.secrets.exists() or not found.database:
        raise CannotRun(f"No system runs on {layout.root}: start it with `make run`.")
    secrets = secrets_kept.kept(layout.secrets, provision.roles_of(), services)
    urls = provision.service_environment(found.database, secrets.passwords, services)
    shared = {
        "CLINICBUS_ISSUER": found.issuer,
        "CLINICBUS_URLS": json.dumps(found.urls),
        "CLINICBUS_BUS": found.bus,
    }
    if found.kafka is not None:
        shared["CLINICBUS_KAFKA"] = found.kafka
    return urls | shared


def without_login(url: str) -> str:
    """A database URL without its user and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc="@" + parts.netloc.rpartition("@")[2]))
