"""Cursor pages: `items` and `next`, a signed position in a fixed order. At most 200 items."""

import base64
import hmac
from hashlib import sha256
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from shared.values.errors import Malformed

LIMIT_MAX = 200
LIMIT = 50


class PageQuery(BaseModel):
    """The query of a list."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX)] = LIMIT
    cursor: Annotated[str | None, Field(max_length=512)] = None


def sign_cursor(secret: bytes, position: str) -> str:
    """The cursor for the position after an item: opaque, and useless when altered."""
    body = base64.urlsafe_b64encode(position.encode()).rstrip(b"=")
    return (body + b"." + _tag(secret, body)).decode()


def read_cursor(secret: bytes, cursor: str) -> str:
    """The position in a cursor of ours. Raises Malformed for any other text."""
    body, _, tag = cursor.encode("utf-8", "replace").partition(b".")
    # Text against text: the last letter of unpadded base64 has bits that decoding ignores.
    if not hmac.compare_digest(tag, _tag(secret, body)):
        raise Malformed("cursor.invalid", "The cursor is not one that was handed out here.")
    return base64.urlsafe_b64decode(body + b"=" * (-len(body) % 4)).decode()


def _tag(secret: bytes, body: bytes) -> bytes:
    digest = hmac.new(secret, body, sha256).digest()[:16]
    return base64.urlsafe_b64encode(digest).rstrip(b"=")
