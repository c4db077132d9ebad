"""A service that is told to stop cuts off nobody who is about to ask."""

import asyncio
import socket
from typing import Any

import pytest

from shared.web import run
from shared.web.run import Server, server_of

ASKED = b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"


async def _app(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


@pytest.fixture
async def server() -> Server:
    """A server that listens."""
    found = server_of(_app, "127.0.0.1", 0)
    found.config.lifespan = "off"
    found.config.load()
    found.lifespan = found.config.lifespan_class(found.config)
    await found.startup()
    return found


def _address(server: Server) -> tuple[str, int]:
    address: tuple[str, int] = server.servers[0].sockets[0].getsockname()
    return address


async def _answer(client: socket.socket) -> bytes:
    async with asyncio.timeout(5):
        return await asyncio.to_thread(client.recv, 100)


async def test_who_is_connected_and_not_yet_looked_at_is_answered(server: Server) -> None:
    """The system has taken their connections and their requests; the loop was busy meanwhile."""
    clients = [socket.create_connection(_address(server)) for _ in range(20)]
    for client in clients:
        client.sendall(ASKED)
    await server.shutdown()
    for client in clients:
        with client:
            assert (await _answer(client)).startswith(b"HTTP/1.1 204")


async def test_who_is_connected_has_time_to_ask(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine a request comes later after its connection than an idle one is kept."""
    monkeypatch.setattr(run, "DRAIN_SECONDS", 0.0)
    address = _address(server)
    with socket.create_connection(address) as client:
        ending = asyncio.create_task(server.shutdown())
        # uvicorn sleeps for a tenth of a second once it has ended the idle connections.
        await asyncio.wait([ending], timeout=0.3)
        client.sendall(ASKED)
        assert (await _answer(client)).startswith(b"HTTP/1.1 204")
        await ending
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


async def test_who_never_asks_keeps_nobody_from_ending(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "FIRST_REQUEST_SECONDS", 0.1)
    with socket.create_connection(_address(server)) as client:
        async with asyncio.timeout(5):
            await server.shutdown()
        assert await _answer(client) == b""


async def test_who_has_been_answered_and_keeps_the_connection_is_not_waited_for(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "FIRST_REQUEST_SECONDS", 60.0)
    with socket.create_connection(_address(server)) as client:
        client.sendall(ASKED.replace(b"close", b"keep-alive"))
        assert (await _answer(client)).startswith(b"HTTP/1.1 204")
        async with asyncio.timeout(5):
            await server.shutdown()
