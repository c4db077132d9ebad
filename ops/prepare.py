"""Makes the databases what the code expects; a program of its own, to give its memory back.

    python -m ops.prepare

Reads from its standard input a JSON object {"superuser_url", "passwords"}: creates what is
missing of roles and databases, installs the bus, and runs the migrations of the five services.
Running it again changes nothing.
"""

import asyncio
import importlib
import json
import os
import sys
from collections.abc import Mapping

from shared.bus import postgres_schema
from shared.contracts import catalogue
from shared.db import migrate, provision
from shared.web.logs import configure_from


def prepare(superuser_url: str, passwords: Mapping[str, str]) -> None:
    """Bring a Postgres to what this code expects."""
    asyncio.run(provision.provision(superuser_url, passwords))
    urls = provision.service_environment(superuser_url, passwords)
    asyncio.run(install_bus(urls["CLINICBUS_BUS_OWNER_URL"]))
    for service in provision.SERVICES:
        migrate.upgrade(service, urls[f"CLINICBUS_{service.upper()}_OWNER_URL"])


async def install_bus(owner_url: str) -> None:
    """Install the bus, and let each service append to its own topics and read what it hears."""
    await postgres_schema.install(owner_url)
    for service in provision.SERVICES:
        await postgres_schema.grant(
            owner_url,
            f"{service}_worker",
            service=service,
            appends=catalogue.topics_said_by(service),
            reads=topics_heard_by(service),
        )


def topics_heard_by(service: str) -> tuple[str, ...]:
    """The topics of the events that a service's handlers name, sorted."""
    handlers = importlib.import_module(f"services.{service}.handlers")
    heard: tuple[str, ...] = handlers.SUBSCRIPTIONS.topics
    return heard


def main() -> None:
    """Prepare what the standard input names."""
    configure_from(os.environ)
    given = json.load(sys.stdin)
    prepare(given["superuser_url"], given["passwords"])


if __name__ == "__main__":
    main()
