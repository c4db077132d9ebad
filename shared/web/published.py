"""What the issuer publishes: its public keys, and what it has taken back.

    GET {issuer}/.well-known/jwks.json    RFC 7517
    GET {issuer}/revocations              {"revocations": [{"network", "sub" or "jti", "role"?,
                                          "since"}]}, since in seconds of the epoch

A revocation refuses the tokens of its network that were issued at its moment or before: those of
a person, those of a person that name a role, or the one with an id.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import UUID

import httpx
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

log = structlog.get_logger(__name__)

LOOK_SECONDS = 20.0
"""From one look to the next: a revocation, or the end of a key, is to be felt within a minute."""
KNOWN_SECONDS = 300.0
"""How long a list says who may still come in, where no newer one can be had."""
PAUSE_SECONDS = 5.0
"""From one try to the next, whatever comes: an unknown key is no means to make the issuer work."""
FETCH_SECONDS = 5.0
BYTES_MAX = 4 * 1024 * 1024

Revoked = Mapping[tuple[UUID, str, str], float]
"""The moment by (network, "sub", "jti" or "role:NAME", id)."""


class Published:
    """Keys and revocations of one issuer, as last heard. Where it does not answer, they stay.

    generation: grows when the keys change; what was verified before must be verified again.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self.keys: KeySet | None = None
        self.generation = 0
        self._told: Any = None
        self._revoked: Revoked = {}
        self._list_at = float("-inf")

    @property
    def age_seconds(self) -> float:
        """How old the list of revocations is; infinite where there is none."""
        return self._monotonic() - self._list_at

    @property
    def heard(self) -> bool:
        """Whether there are keys and a list, of whatever age."""
        return self.keys is not None and self._list_at > float("-inf")

    @property
    def known(self) -> bool:
        """Whether it is known who may still come in."""
        return self.age_seconds <= KNOWN_SECONDS

    def revoked(
        self, network_id: UUID, sub: str, jti: str, roles: Iterable[str], issued: float
    ) -> bool:
        """Whether a token of these claims was taken back."""
        if not self._revoked:
            return False
        names = [("sub", sub), ("jti", jti), *((f"role:{role}", sub) for role in roles)]
        return any(
            issued <= self._revoked.get((network_id, kind, name), float("-inf"))
            for kind, name in names
        )

    def take_keys(self, told: Any) -> None:
        """Hear of keys (RFC 7517). Raises ValueError or JoseError where there are none."""
        if told != self._told:
            found = KeySet.import_key_set(told)
            if not found.keys:
                raise ValueError("no keys")
            self.keys, self._told = found, told
            self.generation += 1

    def take_list(self, told: Any) -> None:
        """Hear of revocations. Raises what `read_revocations` does."""
        self._revoked = read_revocations(told)
        self._list_at = self._monotonic()


class Watch:
    """Asks an issuer for what it publishes."""

    def __init__(
        self,
        published: Published,
        issuer: str,
        client: httpx.AsyncClient,
        *,
        revocations: str | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._published = published
        self._sources = (
            (f"{issuer}/.well-known/jwks.json", published.take_keys),
            (revocations or f"{issuer}/revocations", published.take_list),
        )
        self._client = client
        self._monotonic = monotonic
        self._tried_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def refresh(self) -> None:
        """Ask, unless it was tried a moment ago. Of several callers one asks, the others wait."""
        if self._fetching is None:
            if self._monotonic() - self._tried_at <= PAUSE_SECONDS:
                return
            self._tried_at = self._monotonic()
            self._fetching = asyncio.create_task(self._fetch())
        # One caller who goes away does not end it for the others.
        await asyncio.shield(self._fetching)

    async def run(self, observe: Callable[[float], None] = lambda _: None) -> None:
        """Keep it fresh until cancelled. observe: gets the age of the list, in seconds."""
        try:
            while True:
                await self.refresh()
                observe(self._published.age_seconds)
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            if self._fetching is not None:
                self._fetching.cancel()

    async def _fetch(self) -> None:
        try:
            await asyncio.gather(*(self._take(url, take) for url, take in self._sources))
        finally:
            self._fetching = None

    async def _take(self, url: str, take: Callable[[Any], None]) -> None:
        try:
            answer = await self._client.get(url, timeout=FETCH_SECONDS)
            answer.raise_for_status()
            take(_read(answer))
        except (httpx.HTTPError, ValueError, TypeError, KeyError, JoseError) as error:
            kind = url.rpartition("/")[2]
            log.warning("issuer.unheard", kind=kind, reason=type(error).__name__)


def _read(answer: httpx.Response) -> Any:
    if len(answer.content) > BYTES_MAX:
        raise ValueError("it is too long")
    return answer.json()


def read_revocations(told: Any) -> Revoked:
    """The revocations of a list, the newest of each. Raises ValueError, TypeError or KeyError for
    one that cannot be read: it is refused whole, as what was overlooked would let somebody in."""
    found: dict[tuple[UUID, str, str], float] = {}
    for entry in told["revocations"]:
        network_id, since = UUID(entry["network"]), float(entry["since"])
        if ("sub" in entry) == ("jti" in entry):
            raise ValueError("a revocation is of a person or of a token")
        kind, name = ("sub", entry["sub"]) if "sub" in entry else ("jti", entry["jti"])
        if "role" in entry:
            if kind != "sub":
                raise ValueError("a role is of a person")
            kind = f"role:{entry['role']}"
        if not isinstance(name, str) or not name:
            raise ValueError("an id is a text")
        key = network_id, kind, name
        found[key] = max(since, found.get(key, since))
    return found
