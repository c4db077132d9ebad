"""Who may ask the local issuer for tokens with a secret: services of ours, and machines."""

import base64
import binascii
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote_plus
from uuid import UUID

from starlette.requests import Request

from ops import private_files
from shared.contracts.permissions import Role

BODY_BYTES_MAX = 16 * 1024
CLIENTS_FILE = "clients.json"
ADMIN_FILE = "admin-secret"


class Refused(Exception):
    """A refusal as RFC 6749, section 5.2 has it."""

    def __init__(self, status: int, code: str, description: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.description = description


@dataclass(frozen=True, slots=True)
class Client:
    """A program with a secret. Only the secret's hash is kept; it is random, so SHA-256 is enough.

    network: the one it is bound to; empty for a service of ours, which names one each time.
    """

    client_id: str
    secret_sha256: str
    roles: list[str]
    network: str = ""
    clinics: list[str] | None = None


class Clients:
    """The list of clients, kept in one private file."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / CLIENTS_FILE
        kept = json.loads(private_files.kept(self._path, lambda: "[]"))
        self._known = {entry["client_id"]: Client(**entry) for entry in kept}

    def proven(self, given: Mapping[str, Any], authorization: str | None) -> Client:
        """The client whose secret this is. Raises Refused."""
        client_id, secret = str(given.get("client_id")), str(given.get("client_secret"))
        if authorization is not None:
            client_id, secret = _basic(authorization)
        client = self._known.get(client_id)
        # An unknown client takes as long as a wrong secret.
        expected = client.secret_sha256 if client else _hash("")
        if not hmac.compare_digest(_hash(secret), expected) or client is None:
            raise Refused(401, "invalid_client", "The client or its secret is not known.")
        return client

    def add(self, given: Mapping[str, Any]) -> dict[str, str]:
        """Add or replace a machine client; answers its id and its secret."""
        roles = given.get("roles")
        allowed = {role.value for role in Role} - {Role.SERVICE, Role.PORTAL}
        if not isinstance(roles, list) or not roles or not set(map(str, roles)) <= allowed:
            raise Refused(400, "invalid_request", f"roles are some of {', '.join(sorted(allowed))}")
        try:
            network = str(UUID(str(given["network"])))
            found = given.get("clinics")
            clinics = None if found is None else [str(UUID(str(clinic))) for clinic in found]
            client_id = str(given["client_id"])
        except (KeyError, TypeError, ValueError) as error:
            raise Refused(400, "invalid_request", "client_id and network are needed.") from error
        if Role.SERVICE in getattr(self._known.get(client_id), "roles", ()):
            raise Refused(400, "invalid_request", "That name is a service's.")
        secret = secrets.token_urlsafe(32)
        self._known[client_id] = Client(client_id, _hash(secret), roles, network, clinics)
        write_clients(self._path.parent, list(self._known.values()))
        return {"client_id": client_id, "client_secret": secret}


def set_services(folder: Path, secrets_of: Mapping[str, str]) -> None:
    """Make the services the issuer's clients; other clients stay as they are."""
    kept = json.loads(private_files.kept(folder / CLIENTS_FILE, lambda: "[]"))
    others = [Client(**entry) for entry in kept if entry["client_id"] not in secrets_of]
    ours = [
        Client(name, _hash(secret), [Role.SERVICE.value]) for name, secret in secrets_of.items()
    ]
    write_clients(folder, ours + others)


def write_clients(folder: Path, clients: list[Client]) -> None:
    """Keep the list of clients."""
    text = json.dumps([asdict(client) for client in clients], indent=1)
    private_files.write(folder / CLIENTS_FILE, text)


def admin_secret(folder: Path) -> str:
    """The secret of whoever owns this system: in a file that only its user can read."""
    return private_files.kept(folder / ADMIN_FILE, lambda: secrets.token_urlsafe(32))


def same(given: str, expected: str) -> bool:
    """Compare in a time that tells nothing."""
    return hmac.compare_digest(given.encode(), expected.encode())


async def read_body(request: Request) -> dict[str, Any]:
    """The members of a JSON object or of a form, 16 KB at most. Raises Refused."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > BODY_BYTES_MAX:
            raise Refused(413, "invalid_request", "The body is too large.")
    try:
        if request.headers.get("content-type", "").startswith("application/json"):
            found = json.loads(body)
        else:
            found = dict(parse_qsl(body.decode(), strict_parsing=True, max_num_fields=20))
    except (ValueError, RecursionError) as error:
        raise Refused(400, "invalid_request", "Send a JSON object or a form.") from error
    if not isinstance(found, dict):
        raise Refused(400, "invalid_request", "Send a JSON object or a form.")
    return found


def _basic(authorization: str) -> tuple[str, str]:
    scheme, _, text = authorization.partition(" ")
    try:
        name, colon, secret = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        colon = ""
    if scheme.lower() != "basic" or not colon:
        raise Refused(401, "invalid_client", "Use HTTP Basic, or send the secret in the body.")
    return unquote_plus(name), unquote_plus(secret)


def _hash(secret: str) -> str:
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
