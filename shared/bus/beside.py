"""Two things at once, of which neither outlives the other."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")


@asynccontextmanager
async def beside(doing: Coroutine[Any, Any, T]) -> AsyncIterator[asyncio.Task[T]]:
    """Do something while something else is done; both have ended afterwards. Raises what either
    does, and then the other is cancelled."""
    task = asyncio.create_task(doing)
    try:
        yield task
        await task
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # it was raised above, or something else was
