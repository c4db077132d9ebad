"""How often the issuer lets somebody prove who they are (ASVS 5.0, section 6.3).

Each name has ten wrong proofs at once, of one address, and then one in five seconds; while it waits
its proofs are not even looked at. Right ones are counted, too, but for our own services, which ask
for a token for each errand.
"""

import base64
import binascii
import math
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from ops.issuer_clients import Refused, read_body
from ops.ports import SERVICES
from shared.web.limits import Meter, Rate

Handler = Callable[[Request], Awaitable[JSONResponse]]
WRONG = Rate(0.2, 10)
LOGINS = Rate(5, 60)
NAME_MAX = 100


class TooOften(Refused):
    """The caller has tried too often. retry_after: seconds."""

    def __init__(self, wait: float) -> None:
        super().__init__(429, "slow_down", "Too many tries; try again after Retry-After.")
        self.retry_after = math.ceil(wait)


class Patience:
    """Counts the tries of each name from each address, for as long as the process lives."""

    def __init__(self) -> None:
        self._wrong = Meter("wrong", WRONG)
        self._logins = Meter("logins", LOGINS)

    def over(self, handler: Handler, of: str | None = None) -> Handler:
        """The handler, for who has not tried too often. It raises TooOften.

        of: whose secret it asks for; None where the request says who it is.
        """

        async def patient(request: Request) -> JSONResponse:
            name = of
            if name is None:
                given = await read_body(request)
                name = claimed(given, request.headers.get("authorization", ""))
            who = (request.client and request.client.host, request.url.path, name)
            wait = self._wrong.wait_of(who, monotonic())
            if not wait and name not in SERVICES:
                wait, _ = self._logins.take(who, monotonic())
            if wait:
                raise TooOften(wait)
            try:
                return await handler(request)
            except Refused as error:
                if error.status == 401:
                    self._wrong.take(who, monotonic())
                raise

        return patient


def claimed(given: Mapping[str, Any], authorization: str) -> str:
    """Who somebody says they are; nothing is proven yet, and nothing of the secret is in it."""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            rest = base64.b64decode(rest, validate=True).decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            return "basic"
        return rest.partition(":")[0][:NAME_MAX]
    return str(given.get("client_id", "nobody"))[:NAME_MAX]
