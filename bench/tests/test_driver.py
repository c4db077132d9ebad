"""The driver counts what came back, and what did not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from bench.driver import Result, drive, percentile, request

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(answer: Answer) -> AsyncIterator[int]:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()


async def test_every_client_sends_its_requests_one_after_the_other() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(4):
            await reader.readuntil(b"}")
            writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}")
        await closed(writer)

    body = request("POST", "/x", {}, b"{}")
    async with listening(answer) as port:
        result = await drive(port, 3, lambda _, n: body if n < 4 else None, 30)
    assert sorted(result.answered) == [(c, n) for c in range(3) for n in range(4)]
    assert result.statuses() == {"201": 12}
    assert len(result.latencies) == 12
    assert result.broken == 0


async def test_a_connection_that_ends_is_counted_and_what_was_answered_stays() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        await closed(writer)

    async with listening(answer) as port:
        result = await drive(port, 2, lambda *_: request("GET", "/x", {}), 30)
    assert result.statuses() == {"200": 2}
    assert result.broken == 2


async def test_nobody_listening_is_broken_and_no_error() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await closed(writer)

    async with listening(answer) as port:
        pass
    result = await drive(port, 2, lambda *_: b"", 30)
    assert (result.answered, result.broken) == ({}, 2)


@pytest.mark.parametrize(("share", "found"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_a_percentile_is_the_nearest_rank(share: float, found: int) -> None:
    assert percentile(list(range(100, 0, -1)), share) == found


def test_there_is_no_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="nothing"):
        Result().milliseconds(0.5)
