"""Reading a multipart body (RFC 7578): one file, a few text fields, all within limits."""

from hashlib import sha256
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from shared.values.errors import Invalid, Malformed, TooLarge, Unsupported
from shared.web.body import invalid_fields
from shared.web.routes import Upload

FIELDS_MAX = 20
FIELD_BYTES_MAX = 16 * 1024
OVERHEAD_BYTES = 64 * 1024


async def read_upload(
    request: Request, fields_model: type[BaseModel], limit: int
) -> tuple[Any, bytes]:
    """The upload (its `fields` checked against the model) and what identifies it for a retry.

    Raises Unsupported, Malformed, TooLarge, or InvalidFields.
    """
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "multipart/form-data":
        raise Unsupported("body.media_type", "The content type must be multipart/form-data.")
    parser = MultiPartParser(
        request.headers,
        _limited(request, limit + OVERHEAD_BYTES),
        max_files=1,
        max_fields=FIELDS_MAX,
        max_part_size=FIELD_BYTES_MAX,
    )
    try:
        form = await parser.parse()
    except MultiPartException:
        raise Malformed("body.multipart", "The multipart body could not be read.") from None
    try:
        files = [value for value in form.values() if isinstance(value, UploadFile)]
        if len(files) != 1:
            raise Invalid("upload.no_file", "The body must hold exactly one file.")
        content = await files[0].read(limit + 1)
    finally:
        await form.close()
    if len(content) > limit:
        raise TooLarge("upload.too_large", "The file is too large.", facts={"limit_bytes": limit})
    fields = {name: value for name, value in form.items() if isinstance(value, str)}
    try:
        fields_model.model_validate_strings(fields)
    except ValidationError as error:
        raise invalid_fields(error) from None
    upload = Upload(content, files[0].filename or "", files[0].content_type or "", fields)
    identity = orjson.dumps(
        [fields, upload.filename, upload.declared_type, sha256(content).hexdigest()],
        option=orjson.OPT_SORT_KEYS,
    )
    return upload, identity


async def _limited(request: Request, limit: int) -> Any:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise TooLarge("body.too_large", "The body is too large.", facts={"limit_bytes": limit})
        yield chunk
