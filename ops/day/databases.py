"""Looking into the databases of a system as a superuser: for checks alone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import asyncpg

from shared.db.provision import BUS_DATABASE


@asynccontextmanager
async def opened(superuser_url: str, service: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a service's database; `bus` is the bus's."""
    name = BUS_DATABASE if service == "bus" else f"clinicbus_{service}"
    url = urlsplit(superuser_url)._replace(path=f"/{name}").geturl()
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()
