"""The SSE stream of one caller (HTML standard, section 9.2).

Events are called `event`; their data is the event without its value, their id the place after it.
`gap` says that history is gone, `again` that the place given is of another bus, `ended` why the
stream ends. A comment and the place come every BEAT_SECONDS, so that a dead connection is noticed.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ops.following import Follower
from ops.monitor.feed import Feed, Fits, Item, Listener, item_of
from ops.monitor.positions import Places
from shared.bus.port import BusError

BEAT_SECONDS = 15.0
SEND_SECONDS = 30.0
PAUSE_MS = 1000

HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"x-accel-buffering", b"no"),
]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a caller asks for: the place to go on at, how many of the last, and which events."""

    fits: Fits
    place: str | None = None
    last: int = 0


class EventStream(Response):
    """One caller's stream. `still_admitted` is asked at each beat; when it says no, it ends."""

    def __init__(
        self,
        feed: Feed,
        wish: Wish,
        still_admitted: Callable[[], Awaitable[bool]],
        beat_seconds: float = BEAT_SECONDS,
    ) -> None:
        super().__init__()
        self._feed, self._wish, self._admitted = feed, wish, still_admitted
        self._beat = beat_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write until the caller goes, is too slow, or may not listen any more."""
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        writing = asyncio.create_task(self._write(send))
        leaving = asyncio.create_task(_gone(Request(scope, receive)))
        try:
            await asyncio.wait((writing, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (writing, leaving):
                task.cancel()
            await asyncio.wait((writing, leaving))
        if writing.cancelled():
            return
        with contextlib.suppress(TimeoutError, OSError):  # it takes nothing: it is cut off
            writing.result()

    async def _write(self, send: Send) -> None:
        async def out(text: str, *, more: bool = True) -> None:
            body = text.encode()
            async with asyncio.timeout(SEND_SECONDS):
                await send({"type": "http.response.body", "body": body, "more_body": more})

        # A browser shows that it is connected once something has come.
        await out(f"retry: {PAUSE_MS}\n\n")
        async with self._feed.listening(), contextlib.aclosing(self._texts()) as texts:
            async for text in texts:
                await out(text)
        await out("", more=False)

    async def _texts(self) -> AsyncGenerator[str, None]:
        try:
            places = await self._feed.places()
        except BusError:
            yield message("ended", {"why": "the bus does not answer"})
            return
        start = dict(self._feed.positions)
        if self._wish.place is not None:
            found = places.read(self._wish.place)
            if found is None:
                yield message("again", {"why": "the place is of another bus; going on at now"})
            start = found or start
        elif self._wish.last:
            for old in await self._last(start):
                yield message("event", old.text)
        listener = Listener(self._feed, self._wish.fits, start)
        yield f"id: {places.written(start)}\n: ready\n\n"
        async with contextlib.aclosing(listener.items(self._beat)) as items:
            async for item in items:
                for lost in listener.lost:
                    yield message("gap", {"partition": lost})
                listener.lost.clear()
                if item is not None:
                    yield message("event", item.text, places.written(listener.positions))
                    continue
                if not await self._admitted():
                    yield message("ended", {"why": "the token is not accepted any more"})
                    return
                yield beat(places, listener)
        yield message("ended", {"why": "too slow: resume"})

    async def _last(self, ends: dict[tuple[str, int], int]) -> list[Item]:
        """The last events before a place that fit, in the order of their times."""
        async with self._feed.catching:
            follower = Follower(self._feed.past, self._feed.topics)
            records = await follower.before(ends, self._wish.last)
        items = [item for record in records if (item := item_of(record)) is not None]
        fitting = [item for item in items if self._wish.fits(item.event)]
        return fitting[-self._wish.last :]


def message(name: str, data: str | dict[str, str], place: str | None = None) -> str:
    """One SSE event. The data is JSON in one line."""
    text = data if isinstance(data, str) else orjson.dumps(data).decode()
    number = "" if place is None else f"id: {place}\n"
    return f"{number}event: {name}\ndata: {text}\n\n"


def beat(places: Places, listener: Listener) -> str:
    """A comment, and the place: what did not fit is then not read again after a resume."""
    return f"id: {places.written(listener.positions)}\n: beat\n\n"


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
