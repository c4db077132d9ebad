"""Multipart bodies: what is read, in whatever pieces it comes, and what is refused."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Annotated
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from shared.values.errors import (
    DomainError,
    Invalid,
    InvalidFields,
    Malformed,
    TooLarge,
    Unsupported,
)
from shared.web.routes import Upload
from shared.web.uploads import FIELD_BYTES_MAX, FIELDS_MAX, OVERHEAD_BYTES, read_upload

LIMIT = 100_000
MEDIA = b"multipart/form-data; boundary=boundary"
CONTENT = b"%PDF-1.7\r\n--bound\r\n--boun\r\n\r\n--" + bytes(range(256))


class Fields(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    source: str
    patient_id: UUID | None = None
    count: Annotated[int, Field(ge=0)] = 0


def part(name: str, value: bytes, more: bytes = b"") -> bytes:
    disposition = f'--boundary\r\nContent-Disposition: form-data; name="{name}"'.encode()
    return disposition + more + b"\r\n\r\n" + value + b"\r\n"


def file_part(
    content: bytes = CONTENT, name: bytes = b"a.pdf", kind: bytes = b"application/pdf"
) -> bytes:
    return part("file", content, b'; filename="' + name + b'"\r\nContent-Type: ' + kind)


END = b"--boundary--\r\n"
SOURCE = part("source", b"scan")
GOOD = SOURCE + file_part() + END


def request(
    pieces: Iterable[bytes],
    media: bytes = MEDIA,
    length: bytes | None = None,
) -> Request:
    left = list(pieces)

    async def receive() -> dict[str, object]:
        body = left.pop(0) if left else b""
        return {"type": "http.request", "body": body, "more_body": bool(left)}

    headers = [(b"content-type", media)]
    if length is not None:
        headers.append((b"content-length", length))
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
    return Request(scope, receive)


async def read(body: bytes, media: bytes = MEDIA) -> tuple[Upload, bytes]:
    return await read_upload(request([body], media), Fields, LIMIT)


async def test_a_file_and_its_fields_are_read() -> None:
    upload, _ = await read(SOURCE + part("count", b"7") + file_part() + END)
    assert (upload.content, upload.filename, upload.declared_type) == (
        CONTENT,
        "a.pdf",
        "application/pdf",
    )
    assert upload.fields == Fields(source="scan", count=7)


@settings(deadline=None, max_examples=60)
@given(cuts=st.lists(st.integers(0, len(GOOD)), max_size=12))
async def test_the_pieces_in_which_it_comes_make_no_difference(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(GOOD)]
    pieces = [GOOD[a:b] for a, b in pairwise(edges)]
    cut = await read_upload(request(pieces), Fields, LIMIT)
    assert cut == await read(GOOD)


async def test_each_byte_alone_makes_no_difference() -> None:
    cut = await read_upload(request([bytes([byte]) for byte in GOOD]), Fields, LIMIT)
    assert cut == await read(GOOD)


async def test_a_retry_is_known_by_file_name_type_and_fields_in_any_order() -> None:
    _, first = await read(SOURCE + part("count", b"7") + file_part() + END)
    _, again = await read(file_part() + part("count", b"7") + SOURCE + END)
    assert first == again
    for other in (
        SOURCE + part("count", b"8") + file_part() + END,
        SOURCE + part("count", b"7") + file_part(CONTENT + b"x") + END,
        SOURCE + part("count", b"7") + file_part(name=b"b.pdf") + END,
        SOURCE + part("count", b"7") + file_part(kind=b"image/png") + END,
    ):
        assert (await read(other))[1] != first


async def test_a_name_in_any_script_is_read_and_the_path_of_old_browsers_dropped() -> None:
    upload, _ = await read(SOURCE + file_part(name="Карта é.pdf".encode()) + END)
    assert upload.filename == "Карта é.pdf"
    upload, _ = await read(SOURCE + file_part(name=rb"C:\scans\a.pdf") + END)
    assert upload.filename == "a.pdf"


async def test_exactly_the_limit_is_taken() -> None:
    upload, _ = await read(SOURCE + file_part(bytes(LIMIT)) + END)
    assert len(upload.content) == LIMIT
    await refused(SOURCE + file_part(bytes(LIMIT + 1)) + END, TooLarge, "upload.too_large")


async def test_too_much_is_refused_before_it_is_read() -> None:
    read_so_far = 0

    async def receive() -> dict[str, object]:
        nonlocal read_so_far
        read_so_far += 50_000
        body = SOURCE + file_part()[:-2] if read_so_far == 50_000 else bytes(50_000)
        return {"type": "http.request", "body": body, "more_body": True}

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "headers": [(b"content-type", MEDIA)],
    }
    with pytest.raises(TooLarge):
        await read_upload(Request(scope, receive), Fields, LIMIT)
    assert read_so_far <= LIMIT + 2 * 50_000
    declared = str(LIMIT + OVERHEAD_BYTES + 1).encode()
    with pytest.raises(TooLarge):
        await read_upload(request([], length=declared), Fields, LIMIT)


async def refused(body: bytes, kind: type[DomainError], code: str, media: bytes = MEDIA) -> None:
    with pytest.raises(kind) as caught:
        await read(body, media)
    assert caught.value.code == code
    assert "secret" not in f"{caught.value.title}{caught.value.facts}"


BARE = b"--boundary\r\nContent-Disposition: "


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(b"", "body.multipart", id="nothing"),
        pytest.param(SOURCE + file_part()[:-40], "body.multipart", id="cut-off"),
        pytest.param(SOURCE + file_part(), "body.multipart", id="no-end"),
        pytest.param(b"secret" + GOOD, "body.multipart", id="preamble"),
        pytest.param(b"\r\n" * 20_000 + b"secret", "body.multipart", id="flood-D46"),
        pytest.param(BARE + b"form-data\r\n\r\nx\r\n" + END, "body.multipart", id="no-name"),
        pytest.param(
            BARE + b'attachment; name="source"\r\n\r\nx\r\n' + END, "body.multipart", id="not-form"
        ),
        pytest.param(
            BARE
            + b'form-data; name="a"\r\nContent-Disposition: form-data; name="b"\r\n\r\nx\r\n'
            + END,
            "body.multipart",
            id="disposition-twice",
        ),
        pytest.param(
            part("source", b"x", b"\r\nX: " + bytes(5000)) + END, "body.multipart", id="header-D45"
        ),
        pytest.param(
            part("source", b"x", b"\r\nX: y" * 50) + END, "body.multipart", id="many-headers"
        ),
        pytest.param(
            b"".join(part(f"f{n}", b"x") for n in range(FIELDS_MAX + 1)) + END,
            "body.too_many_fields",
            id="many-parts-D43",
        ),
        pytest.param(SOURCE + SOURCE + file_part() + END, "body.duplicate_key", id="field-twice"),
        pytest.param(part("source", b"\xff") + file_part() + END, "body.encoding", id="latin-1"),
        pytest.param(
            SOURCE + file_part(name=b"\xe9.pdf") + END, "body.encoding", id="name-latin-1"
        ),
        pytest.param(part("source", b"a\0b") + file_part() + END, "text.nul", id="nul"),
    ],
)
async def test_what_cannot_be_read_is_malformed(body: bytes, code: str) -> None:
    await refused(body, Malformed, code)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(SOURCE + END, "upload.no_file", id="none"),
        pytest.param(END, "upload.no_file", id="empty"),
        pytest.param(SOURCE + part("file", b"x") + END, "upload.no_file", id="a-field-named-file"),
        pytest.param(SOURCE + file_part() * 2 + END, "upload.several_files", id="two"),
        pytest.param(
            part("other", b"x", b'; filename="a.pdf"') + SOURCE + END,
            "upload.several_files",
            id="another-name",
        ),
    ],
)
async def test_there_is_one_file_in_the_part_named_file(body: bytes, code: str) -> None:
    await refused(body, Invalid, code)


async def test_a_large_field_is_refused_though_the_file_might_be_as_large() -> None:
    body = part("source", b"x" * (FIELD_BYTES_MAX + 1)) + file_part() + END
    await refused(body, TooLarge, "body.too_large")


@pytest.mark.parametrize(
    "media", [b"application/json", b"", b"multipart/mixed; boundary=boundary", b"text/plain"]
)
async def test_another_media_type_is_not_taken(media: bytes) -> None:
    await refused(GOOD, Unsupported, "body.media_type", media)


@pytest.mark.parametrize(
    "media",
    [
        b"multipart/form-data",
        b"multipart/form-data; boundary=",
        b"multipart/form-data; boundary=other",
        b"multipart/form-data; boundary=" + b"b" * 300,
    ],
)
async def test_a_boundary_that_is_not_there_is_malformed(media: bytes) -> None:
    await refused(GOOD, Malformed, "body.multipart", media)


async def test_fields_are_checked_by_the_routes_model() -> None:
    body = part("patient_id", b"secret") + part("colour", b"red") + file_part() + END
    with pytest.raises(InvalidFields) as caught:
        await read(body)
    assert sorted(caught.value.errors) == [
        ("", "extra_forbidden"),
        ("/patient_id", "uuid_parsing"),
        ("/source", "missing"),
    ]
    with pytest.raises(InvalidFields):
        await read(SOURCE + part("count", b"-1") + file_part() + END)


async def test_a_client_that_goes_away_is_malformed_and_no_error_of_ours() -> None:
    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    gone = Request(request([]).scope, receive)
    with pytest.raises(Malformed):
        await read_upload(gone, Fields, LIMIT)


CARD = b"4111-1111 1111.1111"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (part("source", b"with " + CARD) + file_part() + END, "/source"),
        (part("strange", CARD) + SOURCE + file_part() + END, ""),
        (part(CARD.decode(), b"x") + SOURCE + file_part() + END, ""),
        (SOURCE + file_part(name=CARD + b".pdf") + END, "/file"),
        (SOURCE + file_part(kind=b"text/" + CARD) + END, "/file"),
    ],
)
async def test_a_card_number_in_a_field_or_the_name_of_the_file_is_refused(
    body: bytes, pointer: str
) -> None:
    with pytest.raises(Invalid) as caught:
        await read(body)
    assert (caught.value.code, caught.value.pointer) == ("card_number.not_accepted", pointer)
