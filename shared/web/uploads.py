"""Reading a multipart body (RFC 7578): one file, a few text fields, all within limits.

The file stays in memory: what comes in is somebody's paper, and a temporary file would leave it on
a disk that nobody looks after. Names and fields are UTF-8 (RFC 7578, section 5.1) or refused, and
no field is given twice: readers disagree about which of the two counts.
"""

from collections.abc import AsyncIterator
from hashlib import sha256

import orjson
from pydantic import BaseModel, ValidationError
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from shared.values.errors import Invalid, Malformed, TooLarge, Unsupported
from shared.web.card_numbers import LOOKED_THROUGH_BYTES, require_no_card_number
from shared.web.pointers import invalid_fields
from shared.web.routes import Upload

FILE_PART = "file"
"""The name of the part that holds the file."""

FIELDS_MAX = 20
FIELD_BYTES_MAX = 16 * 1024
OVERHEAD_BYTES = 64 * 1024
"""What boundaries, headers and fields may take besides the file."""


async def read_upload(
    request: Request, fields_model: type[BaseModel], limit: int
) -> tuple[Upload, bytes]:
    """The upload, its fields as the model, and what identifies it for a retry.

    limit: bytes of the file; exactly as many are taken. Raises Unsupported ``body.media_type``;
    Malformed ``body.multipart``, ``body.encoding``, ``body.duplicate_key``, ``text.nul``; TooLarge
    ``upload.too_large``, ``body.too_large``; Invalid ``upload.no_file``, ``upload.several_files``;
    InvalidFields; Invalid ``card_number.not_accepted`` for one in a field, or in the file's name.
    """
    media, options = parse_options_header(request.headers.get("content-type", ""))
    if media != b"multipart/form-data":
        raise Unsupported("body.media_type", "The content type must be multipart/form-data.")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit + OVERHEAD_BYTES:
        raise _too_large(limit)
    parts = _Parts(limit)
    try:
        await parts.read(options.get(b"boundary", b""), request.stream())
    except (FormParserError, ClientDisconnect):
        raise _unreadable() from None
    if parts.file is None:
        raise Invalid(
            "upload.no_file",
            "The body must hold one file, in the part named file.",
            pointer="/file",
        )
    try:
        fields = fields_model.model_validate_strings(parts.fields)
    except ValidationError as error:
        if sum(map(len, parts.fields.values())) <= LOOKED_THROUGH_BYTES:
            _require_no_card_number(parts, fields_model)
        raise invalid_fields(error, fields_model) from None
    _require_no_card_number(parts, fields_model)
    content = bytes(parts.file)
    identity = orjson.dumps(
        [parts.fields, parts.filename, parts.declared_type, sha256(content).hexdigest()],
        option=orjson.OPT_SORT_KEYS,
    )
    return Upload(content, parts.filename, parts.declared_type, fields), identity


def _require_no_card_number(parts: "_Parts", model: type[BaseModel]) -> None:
    """Raise Invalid for one in a field, in its name, or in what is said of the file."""
    require_no_card_number(parts.fields, model)
    for text in (parts.filename, parts.declared_type):
        require_no_card_number(text, at=(FILE_PART,))


class _Parts:
    """Takes the parts of a body in as they come, and stops at the first that is too much."""

    def __init__(self, limit: int) -> None:
        self.file: bytearray | None = None
        self.filename = ""
        self.declared_type = ""
        self.fields: dict[str, str] = {}
        self._limit = limit
        self._size = 0
        self._part = bytearray()
        self._name = ""
        self._is_file = False
        self._headers: dict[bytes, bytes] = {}
        self._header: tuple[bytearray, bytearray] = (bytearray(), bytearray())
        self._ended = False

    async def read(self, boundary: bytes, stream: AsyncIterator[bytes]) -> None:
        """Read a whole body. Raises FormParserError besides what the module says."""
        if not boundary:
            raise _unreadable()
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_end": self._all,
            },
        )
        async for chunk in stream:
            self._size += len(chunk)
            if self._size > self._limit + OVERHEAD_BYTES:
                raise _too_large(self._limit)
            parser.write(chunk)
        if not self._ended:
            raise _unreadable()

    def _begin(self) -> None:
        self._part = bytearray()
        self._headers = {}

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def _header_end(self) -> None:
        name, value = bytes(self._header[0]).lower(), bytes(self._header[1]).strip()
        self._header = (bytearray(), bytearray())
        if name in self._headers:
            raise _unreadable()
        self._headers[name] = value

    def _headers_finished(self) -> None:
        kind, options = parse_options_header(self._headers.get(b"content-disposition"))
        if kind != b"form-data" or b"name" not in options:
            raise _unreadable()
        self._name = _text(options[b"name"])
        self._is_file = b"filename" in options
        if self._is_file:
            if self._name != FILE_PART or self.file is not None:
                raise Invalid(
                    "upload.several_files",
                    "The body may hold one file, in the part named file.",
                    pointer="/file",
                )
            self.filename = _text(options[b"filename"])
            self.declared_type = _text(self._headers.get(b"content-type", b""))
            self.file = self._part
        elif self._name in self.fields:
            raise Malformed("body.duplicate_key", "The body names a field twice.")
        elif len(self.fields) == FIELDS_MAX:
            raise Malformed("body.too_many_fields", "The body has too many fields.")

    def _data(self, data: bytes, start: int, end: int) -> None:
        size = len(self._part) + end - start
        if self._is_file and size > self._limit:
            raise _too_large(self._limit)
        if not self._is_file and size > FIELD_BYTES_MAX:
            facts = {"limit_bytes": FIELD_BYTES_MAX}
            raise TooLarge("body.too_large", "A field of the body is too large.", facts=facts)
        self._part.extend(data[start:end])

    def _end(self) -> None:
        if self._is_file:
            return
        text = _text(bytes(self._part))
        if "\x00" in text:
            raise Malformed("text.nul", "The body holds a NUL character.")
        self.fields[self._name] = text

    def _all(self) -> None:
        self._ended = True


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("body.encoding", "The body is not UTF-8.") from None


def _unreadable() -> Malformed:
    return Malformed("body.multipart", "The multipart body could not be read.")


def _too_large(limit: int) -> TooLarge:
    return TooLarge("upload.too_large", "The file is too large.", facts={"limit_bytes": limit})
