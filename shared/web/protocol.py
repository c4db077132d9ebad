"""HTTP/1.1 as it comes in: the parser is uvicorn's, the limits on what it may be fed are ours.

A head of 64 KB and no more (RFC 6585, section 5), one Host that is one (RFC 9112, section 3.2), and
heads and bodies that come within a time (RFC 9110, section 15.5.9). Whoever is refused here is told
so in a problem document, and their connection ends.
"""

import asyncio
import re
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from shared.web.problems import plain_problem

HEAD_BYTES_MAX = 64 * 1024
HEAD_SECONDS = 10.0
"""From the connection, or the first byte of a later request, to the end of the head."""
BODY_SECONDS = 30.0
BODY_BYTES_A_SECOND = 8 * 1024
"""A body may take longer as long as it comes as fast as this on the whole."""
DISCARDED_BYTES_MAX = 32 * 1024 * 1024
"""How much of a body is read to no purpose, when it was answered before its end."""
LINGER_SECONDS = 1.0
"""How long to go on reading what a refused client still sends: it would not see its answer."""

# RFC 3986, section 3.2.2: a name or an IPv4 address, or an IP literal in brackets; and a port.
_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")


class StrictHttp(HttpToolsProtocol):
    """See the module."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._reading: str | None = None
        self._head_bytes = 0
        self._body_bytes = 0
        self._refused = False
        self._timer: asyncio.TimerHandle | None = None
        self._since = 0.0

    # ── what the loop calls ──────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody has connected, and should say something."""
        super().connection_made(transport)
        self._wait(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over."""
        self._wait(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came; then see whether it is too much, or should go on coming."""
        if self._refused:
            return
        super().data_received(data)
        if self._refused or self.transport.is_closing():
            return
        if self._reading == "head":
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self._refuse(431, "request.head_too_large", "The head of the request is too large.")
                return
        if self._reading is None:
            self._wait(None)
        elif self._timer is None:
            self._wait(HEAD_SECONDS if self._reading == "head" else BODY_SECONDS)

    # ── what the parser calls ────────────────────────────────────────────────────────────────

    def on_message_begin(self) -> None:
        """A request begins."""
        self._reading, self._head_bytes = "head", 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head is whole: it is served, or it is refused before anything looks at it."""
        if self._refused:
            return
        self._reading, self._body_bytes = "body", 0
        self._wait(None)
        size, hosts = len(self.url), []
        for name, value in self.headers:
            size += len(name) + len(value) + 4
            if name == b"host":
                hosts.append(value)
        if size > HEAD_BYTES_MAX:
            self._refuse(431, "request.head_too_large", "The head of the request is too large.")
        elif len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
            self._refuse(400, "request.host", "The request needs one Host that is a host.")
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of a body."""
        if not self._refused:
            self._body_bytes += len(body)
            super().on_body(body)
            if self._body_bytes > DISCARDED_BYTES_MAX and self.cycle.response_complete:
                self.transport.close()

    def on_message_complete(self) -> None:
        """A request is whole."""
        if not self._refused:
            self._reading = None
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - what uvicorn would say
        """What the parser cannot make a request of."""
        if not self._refused:
            self._refuse(400, "request.malformed", "This is not a request of HTTP/1.1.")

    # ── time ─────────────────────────────────────────────────────────────────────────────────

    def _wait(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds is not None:
            self._since = self.loop.time()
            self._timer = self.loop.call_later(seconds, self._late)

    def _late(self) -> None:
        self._timer = None
        if self._reading == "body":
            may_take = BODY_SECONDS + self._body_bytes / BODY_BYTES_A_SECOND
            left = self._since + may_take - self.loop.time()
            if left > 0:
                self._timer = self.loop.call_later(left, self._late)
                return
        if self._reading is None or (self.cycle is not None and self.cycle.response_started):
            self.transport.close()
        else:
            self._refuse(408, "request.too_slow", "The request did not come in time.")

    # ── refusing ─────────────────────────────────────────────────────────────────────────────

    def _refuse(self, status: int, code: str, title: str) -> None:
        """Answer here and end the connection."""
        self._refused = True
        self._wait(None)
        cycle, own = self.cycle, self._reading == "body" and self.cycle is not None
        if cycle is not None and not cycle.response_complete:
            if not (own and cycle.scope is self.scope):
                # Another request of the connection is being answered: its reply is the last one.
                cycle.keep_alive = False
                self.pipeline.clear()
                return
            cycle.disconnected = True
            cycle.message_event.set()
        answer = plain_problem(status, code, title, {"Connection": "close"})
        head = b"".join(b"%s: %s\r\n" % pair for pair in answer.raw_headers)
        self.transport.write(STATUS_LINE[status] + head + b"\r\n" + bytes(answer.body))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)
