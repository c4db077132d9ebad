"""Asks a process on this machine whether it is ready; the standard library alone."""

import asyncio
from urllib.parse import urlsplit

TIMEOUT_S = 3.0


async def status_of(url: str, timeout_s: float = TIMEOUT_S) -> int | None:
    """The HTTP status that a GET of `url` answers, or None when nothing answers in time."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            try:
                request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
                writer.write(f"{request}Connection: close\r\n\r\n".encode())
                line = await reader.readline()
            finally:
                writer.close()
    except (TimeoutError, OSError):
        return None
    words = line.split()
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else None


async def accepts(port: int, timeout_s: float = TIMEOUT_S, *, host: str = "127.0.0.1") -> bool:
    """Whether something listens on this port."""
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(host, port)
    except (TimeoutError, OSError):
        return False
    writer.close()
    return True
