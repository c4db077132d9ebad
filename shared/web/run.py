"""Start a service: `python -m shared.web.run services.appointments.app:service --port 8101`."""

import gc

if __name__ == "__main__":
    gc.disable()  # until what stays is there, see `_settle_memory`: a tenth of the start

import argparse
import asyncio
import importlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any

import uvicorn
from pydantic import ValidationError

from shared.db import uncaught
from shared.web.logs import configure
from shared.web.protocol import ProductionHttp, StrictHttp
from shared.web.service import Service, UnsafeSettings, app_of
from shared.web.settings import Chassis

COLLECTOR = "OTEL_EXPORTER_OTLP_ENDPOINT"


DRAIN_SECONDS = 0.3
"""From the end of listening to the end of idle connections."""
FIRST_REQUEST_SECONDS = 2.0
"""How much longer a connection is kept on which nothing has been asked yet."""
LOOK_SECONDS = 0.02


class Server(uvicorn.Server):
    """Ends without cutting off who has connected a moment ago and whose request is on its way."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen no more, serve those who are connected for a moment, then end as uvicorn does."""
        loop = asyncio.get_running_loop()
        for client in [client for server in self.servers for client in _closed(server)]:
            await loop.connect_accepted_socket(self._connection, client)
        await asyncio.sleep(DRAIN_SECONDS)
        end = loop.time() + FIRST_REQUEST_SECONDS
        while self._unasked() and loop.time() < end:  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(LOOK_SECONDS)
        await super().shutdown(sockets)

    def _connection(self) -> asyncio.Protocol:
        # As uvicorn makes one for a connection that it accepts.
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made

    def _unasked(self) -> bool:
        return any(each.cycle is None for each in self.server_state.connections)  # type: ignore[union-attr]


def _closed(server: asyncio.Server) -> list[socket.socket]:
    """Let a server listen no more; who is connected and was not accepted yet.

    The system takes connections, and what is sent on them, for a loop that is busy. They would be
    reset with the listening socket, so it is closed right after the last of them was accepted.
    """
    found: list[socket.socket] = []
    listening = [each.dup() for each in server.sockets]
    server.close()
    for each in listening:
        with each:
            each.setblocking(False)
            while True:
                try:
                    client, _ = each.accept()
                except ConnectionAbortedError:
                    continue
                except OSError:
                    break
                client.setblocking(False)
                found.append(client)
    return found


def server_of(
    app: Any, host: str, port: int, trusted_proxies: str = "", *, production: bool = False
) -> Server:
    """The server of an app, with our limits on what it is sent.

    trusted_proxies: addresses, with commas, whose X-Forwarded headers tell who asks; of nobody
    else they are believed.
    """
    return Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            loop="uvloop" if sys.platform != "win32" else "asyncio",
            http=ProductionHttp if production else StrictHttp,
            ws="none",
            access_log=False,
            log_config=None,  # its own handlers would print tracebacks
            log_level="warning",
            server_header=False,
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=trusted_proxies,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=15,
        )
    )


def load(target: str) -> Service:
    """The service that `package.module:function` builds from the environment."""
    module, _, name = target.partition(":")
    made = getattr(importlib.import_module(module), name)()
    if not isinstance(made, Service):
        raise TypeError(f"{target} is not a service")
    return made


def main(arguments: Sequence[str]) -> int:
    """Run one service in one role until it is told to stop."""
    parser = argparse.ArgumentParser(prog="shared.web.run")
    parser.add_argument("target")
    parser.add_argument("--role", choices=("api", "worker", "all"), default="all")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args(arguments)
    uncaught.install()
    try:
        configure(Chassis().log_level)
        service = load(given.target)
        app = app_of(service, given.role, lambda: signal.raise_signal(signal.SIGTERM))
    except UnsafeSettings as error:
        sys.stderr.write(f"This production profile does not start: {error}.\n")
        return 78
    except ValidationError as error:
        # Its own message repeats what was set, passwords in URLs among it.
        found = ", ".join(
            f"{'.'.join(map(str, e['loc'])) or 'together'} ({e['type']})" for e in error.errors()
        )
        sys.stderr.write(f"Settings are missing or cannot be read: {found}.\n")
        return 78
    try:
        end_spans = _spans(service.name)
    except ImportError:
        sys.stderr.write(f"{COLLECTOR} is set, but the packages of the extra `otel` are missing.\n")
        return 78
    chassis = service.chassis
    production = chassis.profile == "production"
    server = server_of(app, given.host, given.port, chassis.trusted_proxies, production=production)
    _settle_memory()
    try:
        server.run()
    finally:
        end_spans()
    return 0 if server.started else 1


def _spans(name: str) -> Callable[[], None]:
    """Send spans where a collector is named; how to end it. Raises ImportError."""
    if not os.environ.get(COLLECTOR):
        return lambda: None
    from shared.bus.exporting import start  # 8 MB that a process without a collector spares

    return start(name)


def _settle_memory() -> None:
    """Leave what was imported out of garbage collection, and collect the rest less often.

    A process holds 150,000 objects before its first request, and they stay: looking through them
    took a tenth to a fifth of the time of a booking.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    gc.enable()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
