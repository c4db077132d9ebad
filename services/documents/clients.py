"""Where the bytes of documents lie: the object store port, a folder, and a fake in memory.

Bytes are kept under their SHA-256, apart for each network: the same file twice is one object, and
no object is ever changed or removed. What comes in is measured on its way (hash, size, type by
content) and kept only when asked: a refused upload leaves nothing behind.
"""

import asyncio
import hashlib
import os
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Protocol
from uuid import UUID

import puremagic

from services.documents.domain.content import BYTES_MAX, EXTENSIONS, within_limit
from shared.values.errors import Unavailable

HEAD_BYTES = 8 * 1024
TAIL_BYTES = 66 * 1024
"""Where a ZIP archive ends: its last record, of 22 bytes and a comment of up to 64 KiB."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_ZIP_END = b"PK\x05\x06"


def sniffed_type(head: bytes, tail: bytes = b"") -> str | None:
    """The media type that the bytes themselves show; None where they show none.

    head, tail: the first and the last bytes of the file. A file that is also a ZIP archive is
    what it begins as to one reader and an archive to another, and is taken for neither.
    """
    if not head or _ZIP_END in tail:
        return None
    try:
        matches = puremagic.magic_string(head)
    except puremagic.PureError:
        return None
    best = max(match.confidence for match in matches)
    types = [match.mime_type for match in matches if match.confidence == best and match.mime_type]
    return next((each for each in types if each in EXTENSIONS), types[0] if types else None)


@dataclass(frozen=True, slots=True)
class Measured:
    """What came in, as the bytes show it."""

    sha256: str
    byte_count: int
    sniffed: str | None


class Meter:
    """Measures bytes as they pass. Raises TooLarge ``document.too_large`` at the first too many."""

    def __init__(self, byte_count_max: int) -> None:
        self._byte_count_max = byte_count_max
        self._hash = hashlib.sha256()
        self._byte_count = 0
        self._head = b""
        self._tail = b""

    def pass_on(self, chunk: bytes) -> bytes:
        """The chunk itself, measured."""
        within_limit(self._byte_count + len(chunk), self._byte_count_max)
        self._byte_count += len(chunk)
        self._hash.update(chunk)
        if len(self._head) < HEAD_BYTES:
            self._head += chunk[: HEAD_BYTES - len(self._head)]
        self._tail = (self._tail + chunk[-TAIL_BYTES:])[-TAIL_BYTES:]
        return chunk

    def measured(self) -> Measured:
        """All that has passed so far."""
        sniffed = sniffed_type(self._head, self._tail)
        return Measured(self._hash.hexdigest(), self._byte_count, sniffed)


class Incoming(Protocol):
    """A file on its way in. Leaving it without `keep` leaves nothing behind."""

    async def write(self, chunk: bytes) -> None:
        """The next bytes. Raises TooLarge."""
        ...

    def measured(self) -> Measured:
        """What has come in so far."""
        ...

    async def keep(self) -> Measured:
        """Keep it: whole and durable when this returns. Kept before, it is kept once."""
        ...


class ObjectStore(Protocol):
    """Keeps bytes by network and hash."""

    def receiving(
        self, network_id: UUID, *, byte_count_max: int = BYTES_MAX
    ) -> AbstractAsyncContextManager[Incoming]:
        """Begin to take a file in."""
        ...

    async def get(self, network_id: UUID, sha256: str) -> bytes:
        """The bytes of a hash, checked against it.

        Raises Unavailable: ``document.bytes_missing`` where that network has none, and
        ``document.bytes_damaged`` where they are not what was kept. Neither is ever served.
        """
        ...

    async def has(self, network_id: UUID, sha256: str) -> bool:
        """Whether that network has bytes of this hash."""
        ...


async def put(store: ObjectStore, network_id: UUID, content: bytes) -> Measured:
    """Keep bytes that are in hand."""
    async with store.receiving(network_id, byte_count_max=len(content)) as incoming:
        await incoming.write(content)
        return await incoming.keep()


def _whole(content: bytes | None, sha256: str) -> bytes:
    if content is None:
        raise Unavailable("document.bytes_missing", "The stored file is not there.")
    if hashlib.sha256(content).hexdigest() != sha256:
        raise Unavailable("document.bytes_damaged", "The stored file is damaged.")
    return content


class FolderStore:
    """Objects as files below one folder: ``<network>/<two digits>/<hash>``, readable by us alone.

    A file comes to its place by one rename, after it and before its folder are on the disk: a
    reader, or a machine that lost power, finds all of it or none.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._partial = folder / ".partial"

    @asynccontextmanager
    async def receiving(
        self, network_id: UUID, *, byte_count_max: int = BYTES_MAX
    ) -> AsyncIterator[Incoming]:
        """As `ObjectStore.receiving`."""
        _make_folder(self._partial)
        # Not in a thread: a cancellation while one makes the file would leave it behind.
        handle, name = tempfile.mkstemp(dir=self._partial)
        file = os.fdopen(handle, "wb")
        try:
            yield _IncomingFile(file, Path(name), self._folder / str(network_id), byte_count_max)
        finally:
            _drop(file, Path(name))

    async def get(self, network_id: UUID, sha256: str) -> bytes:
        """As `ObjectStore.get`."""
        return _whole(await asyncio.to_thread(self._read, network_id, sha256), sha256)

    async def has(self, network_id: UUID, sha256: str) -> bool:
        """As `ObjectStore.has`."""
        path = _place(self._folder / str(network_id), sha256)
        return await asyncio.to_thread(path.is_file)

    def sweep(self, before: datetime) -> int:
        """Remove what processes left half-written when they died; answers how many files.

        before: files last written earlier than this. Take a day ago: nothing takes that long.
        """
        if not self._partial.is_dir():
            return 0
        stale = [p for p in self._partial.iterdir() if p.stat().st_mtime < before.timestamp()]
        for path in stale:
            path.unlink(missing_ok=True)
        return len(stale)

    def _read(self, network_id: UUID, sha256: str) -> bytes | None:
        try:
            return _place(self._folder / str(network_id), sha256).read_bytes()
        except FileNotFoundError:
            return None


def _drop(file: IO[bytes], path: Path) -> None:
    """Remove what was not kept; what was has left this path already."""
    file.close()
    path.unlink(missing_ok=True)


class _IncomingFile:
    """A file that is written beside its place and moved there when it is kept."""

    def __init__(self, file: IO[bytes], path: Path, folder: Path, byte_count_max: int) -> None:
        self._file = file
        self._path = path
        self._folder = folder
        self._meter = Meter(byte_count_max)
        self._kept = False

    async def write(self, chunk: bytes) -> None:
        await asyncio.to_thread(self._file.write, self._meter.pass_on(chunk))

    def measured(self) -> Measured:
        return self._meter.measured()

    async def keep(self) -> Measured:
        measured = self._meter.measured()
        if not self._kept:
            await asyncio.to_thread(self._move, _place(self._folder, measured.sha256))
            self._kept = True
        return measured

    def _move(self, place: Path) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        _make_folder(place.parent)
        self._path.replace(place)
        _sync_folder(place.parent)


class MemoryStore:
    """A store for tests: the same behaviour, gone with the process."""

    def __init__(self) -> None:
        self._objects: dict[tuple[UUID, str], bytes] = {}

    @asynccontextmanager
    async def receiving(
        self, network_id: UUID, *, byte_count_max: int = BYTES_MAX
    ) -> AsyncIterator[Incoming]:
        """As `ObjectStore.receiving`."""
        yield _IncomingBytes(self._objects, network_id, byte_count_max)

    async def get(self, network_id: UUID, sha256: str) -> bytes:
        """As `ObjectStore.get`."""
        return _whole(self._objects.get((network_id, _hash(sha256))), sha256)

    async def has(self, network_id: UUID, sha256: str) -> bool:
        """As `ObjectStore.has`."""
        return (network_id, _hash(sha256)) in self._objects


class _IncomingBytes:
    """Bytes that are collected until they are kept."""

    def __init__(
        self, objects: dict[tuple[UUID, str], bytes], network_id: UUID, byte_count_max: int
    ) -> None:
        self._objects = objects
        self._network_id = network_id
        self._meter = Meter(byte_count_max)
        self._content = bytearray()

    async def write(self, chunk: bytes) -> None:
        self._content += self._meter.pass_on(chunk)

    def measured(self) -> Measured:
        return self._meter.measured()

    async def keep(self) -> Measured:
        measured = self._meter.measured()
        self._objects[self._network_id, measured.sha256] = bytes(self._content)
        return measured


def _hash(sha256: str) -> str:
    """The hash itself. Nothing else becomes part of a path."""
    if not _SHA256.fullmatch(sha256):
        raise ValueError("not a SHA-256 in lower-case hexadecimal")
    return sha256


def _place(folder: Path, sha256: str) -> Path:
    return folder / _hash(sha256)[:2] / sha256


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it, each durable in the one above."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
