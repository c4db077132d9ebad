"""The bus and the databases of the system that runs here, for operators' commands."""

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from ops import environment, layout, state
from ops.errors import CannotRun
from ops.layout import Layout
from shared.bus.port import Bus

SUPERUSER = "postgres"
FETCH_WAIT_MS = 50
"""Commands look at one topic after the other: with Kafka's half second each of them took two."""


def variables_of(data: Path | None) -> dict[str, str]:
    """The CLINICBUS_... variables: of the shell where it has a bus owner's URL, else of the system
    on the data folder. Raises CannotRun when none runs there."""
    if "CLINICBUS_BUS_OWNER_URL" in os.environ:
        return {k: v for k, v in os.environ.items() if k.startswith(environment.OWN)}
    return environment.of_operator(layout.choose(data))


def bus_of(variables: Mapping[str, str]) -> Bus:
    """The bus, seen as its owner, who may read every topic. Nothing is opened yet."""
    if variables.get("CLINICBUS_BUS", "postgres") == "kafka":
        from shared.bus.kafka import KafkaBus  # takes half a second to import
        from shared.bus.kafka_access import KafkaAccess

        if "CLINICBUS_KAFKA" not in variables:
            raise CannotRun("The bus is Kafka, and CLINICBUS_KAFKA does not say where it is.")
        return KafkaBus(
            variables["CLINICBUS_KAFKA"], KafkaAccess.of(variables), fetch_wait_ms=FETCH_WAIT_MS
        )
    from shared.bus.postgres import PostgresBus

    return PostgresBus(variables["CLINICBUS_BUS_OWNER_URL"])


def superuser_url(data: Path | None) -> str:
    """A superuser's URL of the Postgres of the system on a data folder.

    It is CLINICBUS_POSTGRES_URL where that is set. Raises CannotRun when nothing runs there.
    """
    given = os.environ.get("CLINICBUS_POSTGRES_URL")
    return given or _embedded(layout.choose(data))


def _embedded(where: Layout) -> str:
    found = state.read(where.state)
    if found is None or not found.database:
        raise CannotRun(f"No system runs on {where.root}: start it with `make run`.")
    try:
        password = (where.postgres / "superuser").read_text().strip()
    except FileNotFoundError:
        raise CannotRun(
            "This system uses a Postgres of your own: name a superuser of it in"
            " CLINICBUS_POSTGRES_URL."
        ) from None
    parts = urlsplit(found.database)
    host = parts.netloc.rpartition("@")[2]
    login = f"{SUPERUSER}:{quote(password, safe='')}"
    return urlunsplit(parts._replace(netloc=f"{login}@{host}"))
