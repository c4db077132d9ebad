"""Reading a JSON body strictly.

FastAPI's own body parsing takes `"5"` and `true` for numbers, the last of two equal keys and lone
surrogates; here each is refused (RFC 8259, sections 4, 8.1 and 8.2; RFC 7493, I-JSON).
"""

import json
import math
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request

from shared.values.errors import Malformed, TooLarge, Unsupported
from shared.web.card_numbers import LOOKED_THROUGH_BYTES, require_no_card_number
from shared.web.pointers import invalid_fields

Body = TypeVar("Body", bound=BaseModel)

BODY_BYTES_MAX = 1024 * 1024
DEPTH_MAX = 32
JSON_TYPES = frozenset({"application/json", "application/merge-patch+json"})


async def read_bytes(request: Request, limit: int = BODY_BYTES_MAX) -> bytes:
    """The body. Raises TooLarge as soon as it is over the limit, whatever its length claims."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise TooLarge("body.too_large", "The body is too large.", facts={"limit_bytes": limit})
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                facts = {"limit_bytes": limit}
                raise TooLarge("body.too_large", "The body is too large.", facts=facts)
            chunks.append(chunk)
    except ClientDisconnect:
        raise Malformed("body.incomplete", "The body ended before its end.") from None
    return b"".join(chunks)


def require_plain(request: Request) -> None:
    """Raise Unsupported for a body that is packed: what it becomes has no limit that can be told.

    Nothing here unpacks one (RFC 9110, section 8.4.1), so none can be a bomb either.
    """
    coding = request.headers.get("content-encoding", "identity")
    if coding.strip().lower() != "identity":
        raise Unsupported("body.content_encoding", "The body must not be compressed.")


def require_json(request: Request) -> None:
    """Raise Unsupported unless the content type is JSON."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in JSON_TYPES:
        raise Unsupported("body.media_type", "The content type must be application/json.")


def parsed(raw: bytes) -> Any:
    """The value of a JSON text. Raises Malformed for all that readers disagree about."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("body.encoding", "The body is not UTF-8.") from None
    if text.startswith("\ufeff"):
        raise Malformed("body.encoding", "The body starts with a byte order mark.")
    if "\x00" in text or "\\u0000" in text:
        raise Malformed("text.nul", "The body holds a NUL character.")
    _check_depth(text)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except (ValueError, RecursionError):
        # json's own message quotes the input.
        raise Malformed("body.not_json", "The body is not JSON.") from None
    if "\\u" in text:
        _check_surrogates(value)
    return value


def validated(raw: bytes, model: type[Body]) -> Body:
    """A body as its model. Raises Malformed (400), or InvalidFields (422) with pointers.

    Raises Invalid ``card_number.not_accepted`` for one that holds a card's number in a text.
    """
    value = parsed(raw)
    try:
        found = model.model_validate_json(raw, strict=True)
    except ValidationError as error:
        if len(raw) <= LOOKED_THROUGH_BYTES:
            require_no_card_number(value, model)
        raise invalid_fields(error, model) from None
    require_no_card_number(value, model)
    return found


def fingerprint(raw: bytes) -> bytes:
    """Canonical form of a JSON body: the same for another order of members."""
    return orjson.dumps(orjson.loads(raw), option=orjson.OPT_SORT_KEYS) if raw else b""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise Malformed("body.duplicate_key", "An object of the body names a member twice.")
    return result


def _refuse_constant(_text: str) -> Any:
    raise Malformed("number.not_finite", "A number of the body is not finite.")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise Malformed("number.not_finite", "A number of the body is out of range.")
    return value


def _check_depth(text: str) -> None:
    depth = deepest = 0
    inside = escaped = False
    if text.count("[") + text.count("{") <= DEPTH_MAX:
        return
    for character in text:
        if inside:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                inside = False
        elif character == '"':
            inside = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
            if deepest > DEPTH_MAX:
                raise Malformed("body.too_deep", "The body is nested too deeply.")
        elif character in "]}":
            depth -= 1


def _check_surrogates(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise Malformed("text.surrogate", "The body holds half of a surrogate pair.") from None
