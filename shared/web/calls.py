"""What a route gets and gives: a call, and a reply."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from uuid import UUID

import orjson
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from shared.db.actor import require_patients
from shared.values.errors import DomainError, Malformed
from shared.web.card_numbers import require_no_card_number
from shared.web.minimum import Lesser
from shared.web.problems import MEDIA_TYPE, problem
from shared.web.tokens import Principal

Given = TypeVar("Given")
KEY_LENGTH_MAX = 255
_VISIBLE = re.compile(r"[!-~]+")
_ETAG = re.compile(r'"([0-9]{1,18})"')
_REPLAYED = frozenset({b"content-type", b"etag", b"location", b"retry-after"})


@dataclass(slots=True)
class Call(Generic[Given]):
    """One request: who asks, the ids of its path, and what was given (the body, or the query).

    carried: what a route's `before` brings it, or what it hands to its `after`. lesser: by which
    lesser permission the caller is answered, where they have not the route's own.
    """

    principal: Principal
    path: Mapping[str, UUID]
    given: Given
    if_match: int | None
    correlation_id: UUID
    traceparent: str
    cursor_secret: bytes
    patients: list[UUID] = field(default_factory=list)
    detail: dict[str, Any] = field(default_factory=dict)
    if_none_match: str | None = None
    carried: Any = None
    lesser: Lesser | None = None

    def id(self, name: str) -> UUID:
        """An id of the path."""
        return self.path[name]

    def concerns(self, *patient_ids: UUID) -> None:
        """Name the patients whose data this call reads or writes, for the audit.

        Raises NotFound where the caller is a patient and may not act for one of them.
        """
        require_patients(self.principal.actor, patient_ids)
        self.patients.extend(p for p in patient_ids if p not in self.patients)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a route answers. `version` becomes a strong ETag (RFC 9110, section 8.8.3)."""

    body: BaseModel | bytes | None = None
    status: int = 200
    version: int | None = None
    location: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/json"


def unless_known(reply: Reply, tag: str, if_none_match: str | None) -> Reply:
    """The reply under an entity tag; 304 without a body to who has it already (RFC 9110, 13.1.2).

    tag: what tells one state of the resource from another; letters and digits.
    """
    etag = f'"{tag}"'
    known = {one.strip() for one in (if_none_match or "").split(",")}
    headers = {**reply.headers, "ETag": etag}
    if known & {etag, f"W/{etag}", "*"}:
        return Reply(None, 304, headers=headers)
    return Reply(reply.body, reply.status, headers=headers, media_type=reply.media_type)


def created(body: BaseModel, location: str, version: int = 1) -> Reply:
    """201 with where the new thing is."""
    return Reply(body, 201, version, location)


def accepted(body: BaseModel, location: str, version: int | None = None) -> Reply:
    """202: committed to; `Location` tells how it went."""
    return Reply(body, 202, version, location, {"Retry-After": "1"})


def refused(error: DomainError) -> Reply:
    """A refusal whose transaction is kept: for one that tells of patients, and so is audited."""
    answer = problem(error)
    return Reply(bytes(answer.body), answer.status_code, media_type=MEDIA_TYPE)


def rendered(reply: Reply) -> Response:
    """The response of a reply."""
    if isinstance(reply.body, BaseModel):
        content = reply.body.model_dump_json().encode()
    else:
        content = reply.body or b""
    headers = dict(reply.headers)
    if reply.version is not None:
        headers["ETag"] = f'"{reply.version}"'
    if reply.location is not None:
        headers["Location"] = reply.location
    return Response(content, reply.status, headers=headers, media_type=reply.media_type)


def stored_headers(response: Response) -> str:
    """The headers of a reply that a replay needs, as JSON."""
    kept = {k.decode(): v.decode("latin-1") for k, v in response.raw_headers if k in _REPLAYED}
    return orjson.dumps(kept).decode()


def read_if_match(header: str | None) -> int | None:
    """The version in an If-Match header: one strong entity tag of ours. Raises Malformed."""
    if header is None:
        return None
    found = _ETAG.fullmatch(header.strip())
    if found is None:
        raise Malformed("version.malformed", "If-Match takes one entity tag from an ETag header.")
    return int(found[1])


def read_key(request: Request) -> str:
    """The Idempotency-Key of a request: 1 to 255 visible ASCII characters, none a card's number.

    Raises Malformed; Invalid.
    """
    given = request.headers.getlist("idempotency-key")
    if not given:
        raise Malformed("idempotency.missing", "This request needs an Idempotency-Key header.")
    key = given[0]
    if len(given) > 1 or not 1 <= len(key) <= KEY_LENGTH_MAX:
        raise Malformed("idempotency.malformed", "The Idempotency-Key is not acceptable.")
    if not _VISIBLE.fullmatch(key):
        raise Malformed("idempotency.malformed", "The Idempotency-Key is not acceptable.")
    require_no_card_number(key, at=("header", "Idempotency-Key"))
    return key
