"""The bytes of documents: what is refused, what is kept when something fails, what is served."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from prometheus_client import REGISTRY

from services.documents.api import routes
from services.documents.clients import FolderStore
from services.documents.tests.scenes import PDF, PNG, Scene
from shared.db import failpoints
from shared.values.ids import new_id
from shared.web.routes import UPLOAD_BYTES_MAX
from shared.web.service import app_of

HTML = b"<!DOCTYPE html><html><script>alert(1)</script></html>"
GIF = b"GIF89a/*" + bytes(64) + b"*/=0;alert(1)"
ZIP_END = b"PK\x05\x06" + bytes(18)


def objects(folder: Path) -> list[Path]:
    """Every file below a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("content", "name", "declared", "status", "code"),
    [
        pytest.param(GIF, "a.gif", "image/gif", 415, "document.type", id="D11"),
        pytest.param(PDF + ZIP_END, "a.pdf", "application/pdf", 415, "document.type", id="D12"),
        pytest.param(HTML, "a.pdf", "application/pdf", 415, "document.type", id="D19"),
        pytest.param(PNG, "a.pdf", "application/pdf", 415, "document.type_mismatch", id="D27"),
        pytest.param(PDF, "a.pdf", "", 415, "document.type_missing", id="D28"),
        pytest.param(PDF, "a.pdf.exe", "application/pdf", 422, "filename.extension", id="D29"),
        pytest.param(PDF, "a\u202efdp.pdf", "application/pdf", 422, "filename.character", id="D30"),
        pytest.param(
            PDF, "a" * 300 + ".pdf", "application/pdf", 422, "filename.too_long", id="D33"
        ),
        pytest.param(PDF, "CON.pdf", "application/pdf", 422, "filename.reserved", id="D35"),
        pytest.param(b"", "a.pdf", "application/pdf", 422, "document.empty", id="D36"),
        pytest.param(PDF, "../a.pdf", "application/pdf", 422, "filename.character", id="D5"),
        pytest.param(bytes(64), "a.pdf", "application/pdf", 415, "document.type", id="unknown"),
    ],
)
async def test_what_may_not_be_kept_leaves_nothing(
    at: Scene, content: bytes, name: str, declared: str, status: int, code: str
) -> None:
    refused = await at.upload(content, name=name, declared=declared)
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert name not in refused.text
    assert objects(at.folder) == []
    assert await at.rows("SELECT id FROM documents WHERE network_id = $1") == []


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        pytest.param(b"a\x00.pdf", 422, "filename.character", id="D31"),
        pytest.param(b"a\rb.pdf", 400, "body.multipart", id="D32"),
        pytest.param(b"", 422, "filename.empty", id="D34"),
        pytest.param(b"\xff.pdf", 400, "body.encoding", id="not-utf-8"),
    ],
)
async def test_a_name_that_no_client_sends_is_refused(
    at: Scene, name: bytes, status: int, code: str
) -> None:
    refused = await raw_upload(at, name, PDF)
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert objects(at.folder) == []


async def raw_upload(at: Scene, name: bytes, content: bytes, length: str | None = None) -> Any:
    """POST a multipart body that is written by hand."""
    body = (
        b'--b\r\ncontent-disposition: form-data; name="source"\r\n\r\nscan\r\n'
        b'--b\r\ncontent-disposition: form-data; name="file"; filename="' + name + b'"\r\n'
        b"content-type: application/pdf\r\n\r\n" + content + b"\r\n--b--\r\n"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    if length is not None:
        headers["Content-Length"] = length

    async def pieces() -> Any:
        for start in range(0, len(body), 1 << 20):
            yield body[start : start + (1 << 20)]

    return await at.desk.post("/v1/documents", headers=headers, content=pieces())


async def test_a_checksum_that_does_not_fit_is_refused(at: Scene) -> None:
    right = hashlib.sha256(PDF).hexdigest()
    wrong = await at.upload(sha256=hashlib.sha256(PNG).hexdigest())
    assert (wrong.status_code, wrong.json()["code"]) == (422, "document.checksum")
    assert (await at.upload(sha256=right.upper())).status_code == 201


async def test_the_limit_is_taken_and_a_byte_more_is_not(at: Scene) -> None:
    largest = PDF + bytes(UPLOAD_BYTES_MAX - len(PDF))
    taken = await at.upload(largest)
    assert (taken.status_code, taken.json()["byte_count"]) == (201, UPLOAD_BYTES_MAX)
    over = await at.upload(largest + b"\0")
    assert (over.status_code, over.json()["code"]) == (413, "upload.too_large")
    # Without a length, and with one that lies (D40, D41).
    for length in (None, "10"):
        cut = await raw_upload(at, b"a.pdf", largest + b"\0", length)
        assert cut.status_code == 413
    assert len(objects(at.folder)) == 1


@pytest.mark.rule("45 CFR 164.312(c)(1)")
async def test_a_file_that_changed_on_the_disk_is_never_served(at: Scene) -> None:
    made = await at.upload()
    path = f"{made.headers['location']}/content"
    place = objects(at.folder)[0]
    place.write_bytes(place.read_bytes().replace(b"Catalog", b"Katalog"))
    before = damaged()
    got = await at.desk.get(path)
    assert (got.status_code, got.json()["code"]) == (503, "document.bytes_damaged")
    assert damaged() == before + 1
    place.unlink()
    assert (await at.desk.get(path)).json()["code"] == "document.bytes_missing"
    assert (await at.upload()).status_code == 201
    assert (await at.desk.get(path)).content == PDF


def damaged() -> float:
    """How many damaged files were counted."""
    labels = {"why": "document.bytes_damaged"}
    return REGISTRY.get_sample_value("clinicbus_documents_damaged_total", labels) or 0.0


async def test_ranges_are_not_served(at: Scene) -> None:
    made = await at.upload()
    desk = at.desk
    desk.headers["Range"] = "bytes=" + ",".join("0-1" for _ in range(10_000))
    got = await desk.get(f"{made.headers['location']}/content")
    assert (got.status_code, got.content) == (200, PDF)
    assert got.headers["accept-ranges"] == "none"


async def test_a_process_that_dies_before_the_commit_leaves_an_object_and_no_row(
    at: Scene,
) -> None:
    failpoints.arm("route.after_command:raise")
    try:
        died = await at.upload(key="once")
    finally:
        failpoints.arm("")
    assert died.status_code == 500
    assert len(objects(at.folder)) == 1
    assert await at.rows("SELECT id FROM documents WHERE network_id = $1") == []
    assert await at.said() == []
    assert (await at.upload(key="once")).status_code == 201
    assert len(objects(at.folder)) == 1


async def test_a_full_disk_is_a_refusal_and_keeps_no_row(at: Scene) -> None:
    at.folder.parent.mkdir(exist_ok=True)
    at.folder.write_text("a file where the folder should be")
    refused = await at.upload()
    assert (refused.status_code, refused.json()["code"]) == (503, "store.unavailable")
    assert await at.rows("SELECT id FROM documents WHERE network_id = $1") == []


async def test_no_transaction_is_open_while_bytes_are_written_or_read(
    at: Scene, postgres_superuser_url: str
) -> None:
    watch = Watched(at.store, postgres_superuser_url)
    at.made.routes = routes(watch)
    await at.office.start("watched", app_of(at.made, "api"))
    desk = at.office.desk("watched", at.network_id, "front_desk")
    made = await at.upload(by=desk)
    got = await desk.get(f"{made.headers['location']}/content")
    assert (made.status_code, got.content) == (201, PDF)
    assert watch.open == [0, 0]


class Watched:
    """A store that counts, while it is at work, the transactions that the API has open."""

    def __init__(self, store: FolderStore, superuser_url: str) -> None:
        self._store = store
        self._url = superuser_url
        self.open: list[int] = []

    def receiving(self, *arguments: Any, **more: Any) -> Any:
        return _WatchedIncoming(self, self._store.receiving(*arguments, **more))

    async def get(self, *arguments: Any) -> bytes:
        await self.count()
        return await self._store.get(*arguments)

    async def has(self, *arguments: Any) -> bool:
        return await self._store.has(*arguments)

    async def count(self) -> None:
        connection = await asyncpg.connect(self._url)
        try:
            self.open.append(
                await connection.fetchval(
                    "SELECT count(*) FROM pg_stat_activity WHERE usename = 'documents_app'"
                    # The bell's NOTIFY after an earlier commit is a transaction of its own.
                    " AND xact_start IS NOT NULL AND query NOT LIKE '%pg_notify%'"
                )
            )
        finally:
            await connection.close()


class _WatchedIncoming:
    def __init__(self, watch: Watched, inner: Any) -> None:
        self._watch, self._inner = watch, inner

    async def __aenter__(self) -> Any:
        await self._watch.count()
        return await self._inner.__aenter__()

    async def __aexit__(self, *error: Any) -> Any:
        return await self._inner.__aexit__(*error)


async def test_the_same_file_at_once_in_two_networks_is_kept_apart(at: Scene) -> None:
    other = at.office.desk("documents", new_id(), "front_desk")
    answers = await asyncio.gather(at.upload(), at.upload(by=other))
    assert [answer.json()["duplicate_of"] for answer in answers] == [None, None]
    assert len(objects(at.folder)) == 2
