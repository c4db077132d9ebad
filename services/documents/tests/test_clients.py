"""The object store's contract, on each of its implementations; and types by content."""

import asyncio
import hashlib
import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from services.documents.clients import (
    TAIL_BYTES,
    FolderStore,
    Measured,
    MemoryStore,
    ObjectStore,
    put,
    sniffed_type,
)
from shared.values.errors import TooLarge, Unavailable

NETWORK, OTHER_NETWORK = UUID(int=1), UUID(int=2)
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(64)
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(64)
TIFF = b"II*\x00\x08\x00\x00\x00" + bytes(64)


@pytest.fixture(params=["memory", "folder"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return MemoryStore() if request.param == "memory" else FolderStore(tmp_path)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def test_what_is_kept_is_given_back(store: ObjectStore) -> None:
    kept = await put(store, NETWORK, PDF)
    assert kept == Measured(sha256(PDF), len(PDF), "application/pdf")
    assert await store.get(NETWORK, kept.sha256) == PDF
    assert await store.has(NETWORK, kept.sha256)


async def test_a_file_comes_in_by_pieces_and_is_measured_as_a_whole(store: ObjectStore) -> None:
    content = PNG + os.urandom(3 * TAIL_BYTES)
    async with store.receiving(NETWORK) as incoming:
        for at in range(0, len(content), 1000):
            await incoming.write(content[at : at + 1000])
        assert incoming.measured() == Measured(sha256(content), len(content), "image/png")
        kept = await incoming.keep()
    assert await store.get(NETWORK, kept.sha256) == content


async def test_what_is_not_kept_is_not_there(store: ObjectStore) -> None:
    async with store.receiving(NETWORK) as incoming:
        await incoming.write(PDF)
    assert not await store.has(NETWORK, sha256(PDF))


async def test_what_fails_on_its_way_is_not_there(store: ObjectStore) -> None:
    async def failing() -> None:
        async with store.receiving(NETWORK) as incoming:
            await incoming.write(PDF)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await failing()
    assert not await store.has(NETWORK, sha256(PDF))


async def test_d37_and_d38_the_limit_is_taken_and_one_byte_more_is_not(
    store: ObjectStore,
) -> None:
    async with store.receiving(NETWORK, byte_count_max=10) as incoming:
        await incoming.write(bytes(9))
        await incoming.write(bytes(1))
        assert (await incoming.keep()).byte_count == 10
    async with store.receiving(NETWORK, byte_count_max=10) as incoming:
        await incoming.write(bytes(10))
        with pytest.raises(TooLarge, match=r"document\.too_large"):
            await incoming.write(b"x")
    assert not await store.has(NETWORK, sha256(bytes(10) + b"x"))


async def test_the_same_bytes_are_kept_once_however_many_send_them(store: ObjectStore) -> None:
    kept = await asyncio.gather(*(put(store, NETWORK, PDF) for _ in range(10)))
    assert len(set(kept)) == 1
    assert await store.get(NETWORK, sha256(PDF)) == PDF


async def test_d49_another_network_has_none_of_it(store: ObjectStore) -> None:
    await put(store, NETWORK, PDF)
    assert not await store.has(OTHER_NETWORK, sha256(PDF))
    with pytest.raises(Unavailable, match=r"document\.bytes_missing"):
        await store.get(OTHER_NETWORK, sha256(PDF))


async def test_an_empty_file_can_be_measured(store: ObjectStore) -> None:
    async with store.receiving(NETWORK) as incoming:
        assert incoming.measured() == Measured(sha256(b""), 0, None)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "a" * 63, "A" * 64, "a" * 64 + "\n"])
async def test_nothing_but_a_hash_becomes_a_path(store: ObjectStore, name: str) -> None:
    with pytest.raises(ValueError, match="not a SHA-256"):
        await store.get(NETWORK, name)
    with pytest.raises(ValueError, match="not a SHA-256"):
        await store.has(NETWORK, name)


def files(folder: Path) -> list[Path]:
    """Every file below a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_folder_holds_the_file_under_its_hash_for_us_alone(tmp_path: Path) -> None:
    asyncio.run(put(FolderStore(tmp_path), NETWORK, PDF))
    (path,) = files(tmp_path)
    assert path == tmp_path / str(NETWORK) / sha256(PDF)[:2] / sha256(PDF)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_another_process_finds_what_was_kept(tmp_path: Path) -> None:
    asyncio.run(put(FolderStore(tmp_path), NETWORK, PDF))
    assert asyncio.run(FolderStore(tmp_path).get(NETWORK, sha256(PDF))) == PDF


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.write_bytes(PDF[:-1] + b"!"),
        lambda path: path.write_bytes(PDF[:-1]),
        lambda path: path.write_bytes(b""),
    ],
)
def test_d53_a_byte_that_changed_at_rest_is_never_served(
    tmp_path: Path, harm: Callable[[Path], int]
) -> None:
    store = FolderStore(tmp_path)
    asyncio.run(put(store, NETWORK, PDF))
    (path,) = files(tmp_path)
    harm(path)
    with pytest.raises(Unavailable, match=r"document\.bytes_damaged"):
        asyncio.run(store.get(NETWORK, sha256(PDF)))
    asyncio.run(put(store, NETWORK, PDF))
    assert asyncio.run(store.get(NETWORK, sha256(PDF))) == PDF


@pytest.mark.parametrize("turns", range(12))
async def test_nothing_is_left_of_what_was_broken_off_at_any_point(
    tmp_path: Path, turns: int
) -> None:
    store = FolderStore(tmp_path)

    async def upload_for_ever() -> None:
        async with store.receiving(NETWORK) as incoming:
            for chunk in (PDF, PNG, JPEG):
                await incoming.write(chunk)
            await asyncio.Event().wait()

    task = asyncio.create_task(upload_for_ever())
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert files(tmp_path) == []


def test_what_dead_processes_left_is_swept_and_what_is_being_written_stays(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    assert store.sweep(datetime(2026, 11, 30, tzinfo=UTC)) == 0
    left = tmp_path / ".partial" / "left"
    left.parent.mkdir()
    left.write_bytes(PDF)
    begun = datetime(2026, 11, 30, tzinfo=UTC)
    os.utime(left, (begun.timestamp(), begun.timestamp()))
    assert store.sweep(begun - timedelta(days=1)) == 0
    assert store.sweep(begun + timedelta(days=1)) == 1
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (PDF, "application/pdf"),
        (PNG, "image/png"),
        (JPEG, "image/jpeg"),
        (b"\xff\xd8\xff\xe1\x00\x10Exif\x00" + bytes(64), "image/jpeg"),
        (TIFF, "image/tiff"),
        (b"MM\x00*\x00\x00\x00\x08" + bytes(64), "image/tiff"),
        (b"GIF89a" + bytes(64), "image/gif"),
        (b"<!DOCTYPE html><html><script>", "text/html"),
        (b"<html>%PDF-1.4", "text/html"),
    ],
)
def test_a_type_is_known_by_the_bytes(content: bytes, media_type: str) -> None:
    assert sniffed_type(content) == media_type


@pytest.mark.parametrize(
    "content", [b"", b"a plain text", b"junk\n%PDF-1.7\n", b"\x89PNG", bytes(100)]
)
def test_bytes_that_show_no_type_have_none(content: bytes) -> None:
    assert sniffed_type(content) is None


@pytest.mark.parametrize("content", [b"PK\x03\x04" + bytes(64), b"MZ\x90\x00" + bytes(64)])
def test_an_archive_or_a_program_is_never_one_of_the_types_that_are_taken(content: bytes) -> None:
    taken = {sniffed_type(each) for each in (PDF, PNG, JPEG, TIFF)}
    assert sniffed_type(content) not in taken


def test_d12_a_pdf_that_is_an_archive_too_is_neither() -> None:
    archive_end = b"PK\x05\x06" + bytes(18)
    assert sniffed_type(PDF, tail=PDF + bytes(1000) + archive_end) is None
