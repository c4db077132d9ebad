"""The token issuer of a local system: on loopback, with keys of its own.

    GET  /.well-known/jwks.json             the public keys
    GET  /.well-known/openid-configuration  where the rest is
    POST /token        client_credentials (RFC 6749, section 4.4): our services, and machines
    POST /dev/token    a token for a person in a role; needs the administrator's secret
    POST /dev/clients  a new machine client; needs the administrator's secret
    GET  /revocations  what was taken back; changing it: see `ops.issuer_revocations`
    GET  /livez /readyz

Run: python -m ops.issuer --port 8110 --folder DIR --issuer http://127.0.0.1:8110
It is for one machine: a production profile refuses to start it.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from ops.errors import CannotRun
from ops.issuer_assertions import ALGORITHMS, Assertions, granted_scopes
from ops.issuer_clients import Client, Clients, Refused, admin_secret, read_body, same
from ops.issuer_patience import Patience, TooOften
from ops.issuer_revocations import RevocationRoutes
from ops.tokens import PERSON_LIFETIME, SERVICE_LIFETIME, Minter
from shared.contracts.permissions import Role
from shared.web.logs import configure_from

ADMINISTRATOR = "the administrator"
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Issuer:
    """The routes, over one minter and one list of clients."""

    def __init__(
        self, minter: Minter, clients: Clients, assertions: Assertions, admin: str
    ) -> None:
        self._minter = minter
        self._clients = clients
        self._assertions = assertions
        self._admin = admin

    async def jwks(self, _: Request) -> JSONResponse:
        """The public keys."""
        return JSONResponse(self._minter.published())

    async def configuration(self, _: Request) -> JSONResponse:
        """OpenID Connect Discovery 1.0, section 3: the part that applies."""
        issuer = self._minter.issuer
        return JSONResponse(
            {
                "issuer": issuer,
                "jwks_uri": f"{issuer}/.well-known/jwks.json",
                "token_endpoint": f"{issuer}/token",
                "grant_types_supported": ["client_credentials"],
                "token_endpoint_auth_methods_supported": [
                    "client_secret_post",
                    "client_secret_basic",
                    "private_key_jwt",
                ],
                "token_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
                "id_token_signing_alg_values_supported": ["ES256"],
            }
        )

    async def ready(self, _: Request) -> JSONResponse:
        """It needs nothing else, so it is ready once it answers."""
        return JSONResponse({"status": "ready"})

    async def token(self, request: Request) -> JSONResponse:
        """A token for the client that proves its secret or its key.

        A service names the network it works in and may name whom it acts for (`act`), why
        (`purpose`) and the event that caused it (`event`). A machine gets its own network alone,
        and an EHR those of the scopes it asks for that it is registered with.
        """
        given = await read_body(request)
        if given.get("grant_type") != "client_credentials":
            raise Refused(400, "unsupported_grant_type", "Only client_credentials is offered.")
        client = self._proven(given, request.headers.get("authorization"))
        more: dict[str, Any] = {
            name: given[name] for name in ("purpose", "event") if isinstance(given.get(name), str)
        }
        if Role.SERVICE in client.roles:
            network = _uuid(given, "network")
            if act := given.get("act"):
                more["act"] = act if isinstance(act, dict) else {"sub": str(act)}
        else:
            network = _uuid({"network": client.network}, "network")
            more = {}
        if client.jwks is not None:
            more["scope"] = granted_scopes(str(given.get("scope", "")), client.scopes)
            if not more["scope"]:
                raise Refused(400, "invalid_scope", "None of these scopes can be granted.")
        if client.clinics is not None:
            more["clinics"] = client.clinics
        try:
            token = self._minter.client(client.client_id, client.roles, network, more)
        except CannotRun as error:
            raise Refused(400, "unauthorized_client", str(error)) from error
        return _granted(token, int(SERVICE_LIFETIME.total_seconds()), more.get("scope"))

    def _proven(self, given: dict[str, Any], authorization: str | None) -> Client:
        if "client_assertion" not in given:
            return self._clients.proven(given, authorization)
        if authorization is not None:
            raise Refused(400, "invalid_request", "Prove it in one way (RFC 6749, section 2.3).")
        return self._clients.asserted(given, self._assertions)

    async def dev_token(self, request: Request) -> JSONResponse:
        """A token for a person: {role, network, clinics?, person?, patient?, acts_for?,
        proven?}."""
        self._require_admin(request)
        given = await read_body(request)
        clinics = given.get("clinics")
        try:
            token = self._minter.person(
                str(given.get("role")),
                _uuid(given, "network"),
                clinics=None if clinics is None else [UUID(str(clinic)) for clinic in clinics],
                person=_uuid(given, "person") if "person" in given else None,
                patient=_uuid(given, "patient") if "patient" in given else None,
                acts_for=[UUID(str(other)) for other in given.get("acts_for", ())],
                proven=given.get("proven") is True,
            )
        except CannotRun as error:
            raise Refused(400, "invalid_request", str(error)) from error
        except (TypeError, ValueError) as error:
            raise Refused(
                400, "invalid_request", "clinics and acts_for are lists of UUIDs."
            ) from error
        return _granted(token, int(PERSON_LIFETIME.total_seconds()))

    async def dev_clients(self, request: Request) -> JSONResponse:
        """A new machine client: {client_id, network, roles, clinics?}; its secret, once.

        An EHR ({roles: ["ehr_client"], jwks, scopes}) gets no secret: it signs with its own key.
        """
        self._require_admin(request)
        given = await read_body(request)
        return JSONResponse(self._clients.add(given), 201, headers={"Cache-Control": "no-store"})

    def _require_admin(self, request: Request) -> None:
        from_here = request.client is not None and request.client.host in LOOPBACK
        # The Host header too: a page in a browser may have bound its own name to 127.0.0.1.
        if not from_here or request.url.hostname not in LOOPBACK:
            raise Refused(403, "access_denied", "Only from this machine.")
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not same(secret, self._admin):
            raise Refused(401, "invalid_token", "The administrator's secret is needed.")


async def _refused(_: Request, error: Exception) -> JSONResponse:
    """An error as RFC 6749, section 5.2 writes it."""
    if not isinstance(error, Refused):
        raise error
    body = {"error": error.code, "error_description": error.description}
    headers = {"WWW-Authenticate": 'Basic realm="clinicbus"'} if error.status == 401 else {}
    if isinstance(error, TooOften):
        headers["Retry-After"] = str(error.retry_after)
    return JSONResponse(body, error.status, headers={"Cache-Control": "no-store", **headers})


def _granted(token: str, seconds: int, scope: str | None = None) -> JSONResponse:
    body = {"access_token": token, "token_type": "Bearer", "expires_in": seconds}
    if scope is not None:
        body["scope"] = scope
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


def _uuid(given: dict[str, Any], name: str) -> UUID:
    try:
        return UUID(str(given[name]))
    except (KeyError, ValueError) as error:
        raise Refused(400, "invalid_request", f"{name} must be a UUID.") from error


def app_of(folder: Path, issuer: str) -> Starlette:
    """The issuer's application; `folder` keeps its keys, its clients and the admin's secret."""
    minter = Minter.of(folder, issuer)
    assertions = Assertions(folder, f"{issuer}/token", minter.clock)
    routes = Issuer(minter, Clients(folder), assertions, admin_secret(folder))
    patience = Patience()
    return Starlette(
        routes=[
            Route("/.well-known/jwks.json", routes.jwks),
            Route("/.well-known/openid-configuration", routes.configuration),
            Route("/livez", routes.ready),
            Route("/readyz", routes.ready),
            Route("/token", patience.over(routes.token), methods=["POST"]),
            Route("/dev/token", patience.over(routes.dev_token, ADMINISTRATOR), methods=["POST"]),
            Route(
                "/dev/clients", patience.over(routes.dev_clients, ADMINISTRATOR), methods=["POST"]
            ),
            *RevocationRoutes(minter).routes(),
        ],
        exception_handlers={Refused: _refused},
    )


def main() -> None:
    """Serve on loopback until told to stop."""
    configure_from(os.environ)
    parser = argparse.ArgumentParser(prog="python -m ops.issuer")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--issuer", required=True)
    chosen = parser.parse_args()
    if os.environ.get("CLINICBUS_PROFILE") == "production":
        sys.exit("The built-in issuer is for one machine: name your own in CLINICBUS_ISSUER.")
    uvicorn.run(
        app_of(chosen.folder, chosen.issuer),
        host="127.0.0.1",
        port=chosen.port,
        log_level="warning",
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=3,
    )


if __name__ == "__main__":
    main()
