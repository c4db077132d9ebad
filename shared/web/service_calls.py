"""One service asking another, for what it must print, send or transmit and does not keep.

The token is the service's own, bound to the network, the purpose, and the actor and event that
caused the call; the owner audits it.
"""

import time
from typing import Any
from uuid import UUID

import httpx

from shared.db.errands import TryLater
from shared.web.service import Ports


class ServiceCalls:
    """Calls of one service process. A token is used again until a minute before it ends."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._tokens: dict[tuple[str, str, str, str], tuple[float, str]] = {}

    async def post(
        self,
        service: str,
        path: str,
        *,
        network_id: UUID,
        actor: str,
        purpose: str,
        event: UUID | None,
        body: dict[str, Any],
    ) -> httpx.Response:
        """POST JSON to another service. Raises TryLater where it or the issuer is away."""
        return await self._ask("POST", service, path, network_id, actor, purpose, event, body)

    async def get(
        self,
        service: str,
        path: str,
        *,
        network_id: UUID,
        actor: str,
        purpose: str,
        event: UUID | None,
    ) -> httpx.Response:
        """GET from another service. Raises TryLater where it or the issuer is away."""
        return await self._ask("GET", service, path, network_id, actor, purpose, event, None)

    async def _ask(
        self,
        method: str,
        service: str,
        path: str,
        network_id: UUID,
        actor: str,
        purpose: str,
        event: UUID | None,
        body: dict[str, Any] | None,
    ) -> httpx.Response:
        url = self._ports.chassis.urls.get(service)
        if url is None:
            raise TryLater(f"{service}.unknown_url", 5.0)
        token = await self._token(network_id, actor, purpose, event)
        headers = {"Authorization": f"Bearer {token}"}
        try:
            answer = await self._ports.http.request(method, url + path, headers=headers, json=body)
        except httpx.HTTPError as error:
            raise TryLater(f"{service}.away:{type(error).__name__}") from None
        if answer.status_code in (429, 502, 503, 504):
            raise TryLater(f"{service}.busy")
        return answer

    async def _token(self, network_id: UUID, actor: str, purpose: str, event: UUID | None) -> str:
        key = (str(network_id), actor, purpose, str(event))
        found = self._tokens.get(key)
        now = time.monotonic()
        if found is not None and found[0] > now:
            return found[1]
        wish = {
            "grant_type": "client_credentials",
            "client_id": self._ports.service,
            "client_secret": self._ports.chassis.service_secret,
            "network": str(network_id),
            "act": actor,
            "purpose": purpose,
            "event": str(event) if event else "",
        }
        issuer = self._ports.chassis.issuer
        try:
            answer = await self._ports.http.post(f"{issuer}/token", data=wish)
            answer.raise_for_status()
            members = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise TryLater(f"issuer.away:{type(error).__name__}") from None
        until = now + max(0.0, float(members["expires_in"]) - 60)
        self._tokens = {k: v for k, v in self._tokens.items() if v[0] > now}
        self._tokens[key] = (until, members["access_token"])
        return str(members["access_token"])
