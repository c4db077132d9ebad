"""The payer port: a 270 goes out, bytes come back, or nothing does.

Whatever the transport does is told as a value (`NoAnswer`), never raised, and never holds a part of
what was sent or received. Whether the bytes are an answer at all is for `domain.answers` to judge:
a gateway's HTML page with status 200 is a bad response, not a missing one.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Protocol

import httpx

from services.eligibility.domain.answers import NoAnswer

ANSWER_BYTES_MAX = 1_000_000
DEADLINE_SECONDS = 25.0
"""CAQH CORE wants 20 s for 90 % of a month's answers; after 25 s nothing is waited for."""
CONNECT_SECONDS = 5.0
CONTENT_TYPE = "application/edi-x12"
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class PayerGateway(Protocol):
    """Where a 270 is sent."""

    async def ask(self, request: bytes, *, key: str) -> bytes | NoAnswer:
        """Send a 270 and wait for what comes back.

        key: our id of the check; the same on a repeat, so that a gateway can tell.
        NoAnswer reasons: ``no_answer`` (deadline), ``unreachable``, ``certificate``, ``cut_off``,
        ``redirected``, ``http_status``, ``too_large``.
        """
        ...


class HttpPayer:
    """A gateway that takes raw X12 in an HTTP POST and answers in the same exchange.

    url: https, or http on loopback. No redirect is followed, for the request names a person. No
    compression is asked for, so that the limit on size is one on what is read.
    transport: another way to the gateway than a socket.
    """

    def __init__(
        self,
        url: str,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        bytes_max: int = ANSWER_BYTES_MAX,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        target = httpx.URL(url)
        if target.scheme != "https" and (target.scheme != "http" or target.host not in _LOOPBACK):
            raise ValueError("the payer's address must be https, or http on loopback")
        self._url = target
        self._deadline_seconds = deadline_seconds
        self._bytes_max = bytes_max
        self._client = httpx.AsyncClient(
            follow_redirects=False,
            trust_env=False,
            transport=transport,
            timeout=httpx.Timeout(deadline_seconds, connect=CONNECT_SECONDS),
        )

    async def close(self) -> None:
        """Close the connections that are kept."""
        await self._client.aclose()

    async def ask(self, request: bytes, *, key: str) -> bytes | NoAnswer:
        """See `PayerGateway.ask`. The deadline is one on the whole exchange, drip by drip."""
        try:
            async with asyncio.timeout(self._deadline_seconds):
                return await self._exchange(request, key)
        except (TimeoutError, httpx.ReadTimeout, httpx.WriteTimeout, httpx.PoolTimeout):
            return NoAnswer("no_answer")
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            return NoAnswer("certificate" if _is_certificate(error) else "unreachable")
        except httpx.TransportError:
            return NoAnswer("cut_off")

    async def _exchange(self, request: bytes, key: str) -> bytes | NoAnswer:
        headers = {
            "content-type": CONTENT_TYPE,
            "accept": CONTENT_TYPE,
            "accept-encoding": "identity",
            "idempotency-key": key,
        }
        async with self._client.stream(
            "POST", self._url, content=request, headers=headers
        ) as response:
            if response.is_redirect:
                return NoAnswer("redirected")
            if response.status_code != httpx.codes.OK:
                return NoAnswer("http_status")
            received = bytearray()
            async for chunk in response.aiter_raw():
                received += chunk
                if len(received) > self._bytes_max:
                    return NoAnswer("too_large")
            return bytes(received)


def _is_certificate(error: BaseException) -> bool:
    """Whether a failed connection failed on the other side's certificate."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


class FakePayer:
    """A payer without a wire, for tests: it keeps what it was asked and answers by a function.

    answer: the request's bytes to the answer's; None is silence until the deadline, which takes no
    time here; a NoAnswer is what the wire would have done (status, redirect, cut).
    """

    def __init__(
        self,
        answer: Callable[[bytes], bytes | NoAnswer | None],
        *,
        bytes_max: int = ANSWER_BYTES_MAX,
    ) -> None:
        self._answer = answer
        self._bytes_max = bytes_max
        self.asked: list[tuple[str, bytes]] = []

    async def ask(self, request: bytes, *, key: str) -> bytes | NoAnswer:
        """See `PayerGateway.ask`."""
        self.asked.append((key, request))
        answer = self._answer(request)
        if answer is None:
            return NoAnswer("no_answer")
        if isinstance(answer, bytes) and len(answer) > self._bytes_max:
            return NoAnswer("too_large")
        return answer
