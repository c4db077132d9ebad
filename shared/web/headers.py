"""What every answer of ours says to a browser, whoever made it: a route, FastAPI, a probe, a fault.

Answers are for programs and hold what is of somebody: they are not kept, not guessed at, not shown
in a frame, and load nothing (RFC 9111, 5.2.2.5; Fetch, 3.6 and 3.8; CSP Level 3; RFC 6797).
"""

from collections.abc import Sequence

from fastapi.middleware.cors import CORSMiddleware
from starlette.applications import Starlette
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Header = tuple[bytes, bytes]

POLICY = b"content-security-policy"
NOTHING: Header = (POLICY, b"default-src 'none'; frame-ancestors 'none'")
"""The policy of all but pages, which bring their own."""
ALWAYS: tuple[Header, ...] = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
BY_TLS_ALONE: Header = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
"""In production, where a gateway ends TLS: a browser comes by https for a year."""

LOOPBACK_ORIGIN = r"http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?"


DROPPED = frozenset(name for name, _ in (*ALWAYS, BY_TLS_ALONE)) | {b"server"}
"""What an answer's maker does not say for itself."""


def headed(given: Sequence[Header], *, production: bool) -> list[Header]:
    """The headers of an answer, from those that its maker gave it."""
    kept, policy = [], NOTHING
    for header in given:
        name = header[0].lower()
        if name == POLICY:
            policy = header
        elif name not in DROPPED:
            kept.append(header)
    kept += ALWAYS
    if production:
        kept.append(BY_TLS_ALONE)
    kept.append(policy)
    return kept


class Headed:
    """An ASGI application whose answers all have these headers, and none that tells of a server."""

    def __init__(self, app: ASGIApp, *, production: bool = False) -> None:
        self._app, self._production = app, production

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, and add the headers to what is sent."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message.get("headers", ())
                message["headers"] = headed(given, production=self._production)
            await send(message)

        await self._app(scope, receive, sent)


def head(app: Starlette, *, production: bool = False) -> None:
    """Give every answer of an app its headers, those of its outermost fault handler too."""
    build = app.build_middleware_stack
    setattr(app, "build_middleware_stack", lambda: Headed(build(), production=production))


def let_in(app: Starlette, origins: Sequence[str], *, loopback: bool) -> None:
    """Let pages of other origins read answers: those that are named, and this machine's own."""
    if not origins and not loopback:
        return
    app.add_middleware(
        CORSMiddleware,
        allow_origins=list(origins),
        allow_origin_regex=LOOPBACK_ORIGIN if loopback else None,
        # Named one by one: "*" answers with whatever was asked for.
        allow_methods=["GET", "POST", "PUT", "PATCH"],
        allow_headers=[
            *("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "Traceparent"),
        ],
        expose_headers=[
            *("ETag", "Location", "X-Request-Id", "Idempotency-Replayed", "Retry-After"),
            *("RateLimit", "RateLimit-Policy"),
        ],
    )
