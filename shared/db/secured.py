"""Whether a Postgres URL is encrypted, and the server known, as asyncpg reads it."""

from collections.abc import Mapping
from urllib.parse import parse_qs, unquote, urlsplit

VERIFIED = "verify-full"
"""The one mode that checks the certificate and the name in it (libpq, 32.19.1)."""


def is_exposed(url: str, environ: Mapping[str, str]) -> bool:
    """Whether somebody on the way could read or answer.

    A socket of this machine is not exposed. The mode is that of the URL, else PGSSLMODE's; a URL
    that says no host, or has it from a service file, is not understood here and counts as exposed.
    """
    try:
        parts = urlsplit(url)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    except ValueError:
        return True
    # asyncpg takes the first @ for the end of the login; what is left must not be read otherwise.
    if parts.netloc.count("@") > 1:
        return True
    given = unquote(parts.netloc.rpartition("@")[2]) or query.get("host", "")
    hosts = [host for host in given.split(",") if host]
    if not hosts:
        return True
    if all(host.startswith("/") for host in hosts):
        return False
    from_a_file = "service" in query or "PGSERVICE" in environ
    mode = query.get("sslmode") or ("" if from_a_file else environ.get("PGSSLMODE", ""))
    return mode != VERIFIED
