"""Who may ask the local issuer for tokens: services of ours, and machines.

A service has a secret; so has a machine that works as a person does. An EHR has keys and scopes.
"""

import base64
import binascii
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote_plus
from uuid import UUID

import structlog
from starlette.requests import Request

from ops import private_files
from ops.issuer_assertions import (
    ASSERTION_TYPE,
    Assertions,
    BadAssertion,
    known_scopes,
    named_client,
    public_keys,
)
from shared.contracts.permissions import Role

log = structlog.get_logger(__name__)

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
    jwks: public keys instead of a secret, of one that proves itself by assertions; then `scopes`
    are those that it may ask for.
    """

    client_id: str
    secret_sha256: str
    roles: list[str]
    network: str = ""
    clinics: list[str] | None = None
    jwks: dict[str, Any] | None = None
    scopes: list[str] = field(default_factory=list)


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

    def asserted(self, given: Mapping[str, Any], assertions: Assertions) -> Client:
        """The client that an assertion proves (`private_key_jwt`). Raises Refused."""
        try:
            return self._asserted(str(given["client_assertion"]), given, assertions)
        except BadAssertion as error:
            log.warning("assertion.refused", reason=str(error))
            raise Refused(401, "invalid_client", "The assertion is not accepted.") from None

    def _asserted(self, text: str, given: Mapping[str, Any], assertions: Assertions) -> Client:
        name = named_client(text)
        client = self._known.get(name)
        if given.get("client_assertion_type") != ASSERTION_TYPE:
            raise BadAssertion("type")
        if str(given.get("client_id", name)) != name or "client_secret" in given:
            raise BadAssertion("two_proofs")
        if client is None or client.jwks is None:
            raise BadAssertion("unknown")
        assertions.take(text, name, client.jwks)
        return client

    def add(self, given: Mapping[str, Any]) -> dict[str, str]:
        """Add or replace a machine client; answers its id, and its secret where it has one."""
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
        if Role.EHR_CLIENT in roles:
            return self._add_keyed(client_id, given, network, clinics)
        secret = secrets.token_urlsafe(32)
        self._known[client_id] = Client(client_id, _hash(secret), roles, network, clinics)
        write_clients(self._path.parent, list(self._known.values()))
        return {"client_id": client_id, "client_secret": secret}

    def _add_keyed(
        self, client_id: str, given: Mapping[str, Any], network: str, clinics: list[str] | None
    ) -> dict[str, str]:
        """An EHR has no role beside its own, and neither scopes of people nor a secret."""
        if given["roles"] != [Role.EHR_CLIENT.value]:
            raise Refused(400, "invalid_request", "An EHR client has no other role.")
        try:
            jwks, scopes = public_keys(given.get("jwks")), known_scopes(given.get("scopes"))
        except ValueError as error:
            raise Refused(
                400, "invalid_request",
                "jwks are public keys, each with a kid, scopes a list such as system/Patient.rs.",
            ) from error  # fmt: skip
        self._known[client_id] = Client(
            client_id, "", [Role.EHR_CLIENT.value], network, clinics, jwks, scopes
        )
        write_clients(self._path.parent, list(self._known.values()))
        return {"client_id": client_id}


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
    """The members of a JSON object or of a form, 16 KB at most; read once. Raises Refused."""
    if hasattr(request.state, "given"):
        kept: dict[str, Any] = request.state.given
        return kept
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
    request.state.given = found
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
