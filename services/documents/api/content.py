"""Routes of the bytes themselves: a file comes in, a file goes out. No transaction waits for them.

What comes in is on the disk before the transaction begins; where that is then refused, or the
process dies, an object is left that no row names. What goes out is read once the access is
committed with its audit row.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import structlog
from prometheus_client import Counter

from services.documents.clients import ObjectStore
from services.documents.commands import filing
from services.documents.domain import content
from services.documents.domain.classification import may_file
from services.documents.queries import documents as read
from services.documents.queries.alike import alike
from services.documents.schemas.documents import DocumentView, ReceiveDocument
from shared.contracts.permissions import Permission as May
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.values.errors import Unavailable
from shared.web.calls import Call, Reply, created
from shared.web.minimum import Lesser
from shared.web.routes import UPLOAD_BYTES_MAX, After, Before, Routes, Upload

log = structlog.get_logger(__name__)

DAMAGED = Counter(
    "clinicbus_documents_damaged_total", "Stored files found missing or not as kept", ["why"]
)
REFUSALS = (
    "document.empty", "document.type", "document.type_missing", "document.type_mismatch",
    "document.checksum", "document.class_forbidden", "document.patient_missing",
    "document.visit_of_another", "filename.empty", "filename.character", "filename.too_long",
    "filename.reserved", "filename.ending", "filename.extension", "upload.no_file",
    "upload.several_files", "upload.too_large", "patient.not_found", "appointment.not_found",
)  # fmt: skip


def with_store(routes: Routes, store: ObjectStore) -> None:
    """Declare the routes that take and give bytes."""
    routes.post(
        "/v1/documents",
        may=May.DOCUMENT_WRITE,
        upload=ReceiveDocument,
        reply=DocumentView,
        status=201,
        refuses=REFUSALS,
        limit_bytes=UPLOAD_BYTES_MAX,
        before=keep_in(store),
        locks=_arrival_locks,
    )(receive_document)
    routes.get(
        "/v1/documents/{document_id}/content",
        may=May.DOCUMENT_READ,
        media_type=" ".join(content.EXTENSIONS),
        refuses=(
            "document.class_forbidden", "document.entered_in_error", "document.bytes_damaged",
            "document.bytes_missing",
        ),
        after=read_from(store),
        lesser=(Lesser(May.DOCUMENT_READ_CLAIMS),),
    )(read_content)  # fmt: skip


def keep_in(store: ObjectStore) -> Before:
    """What happens to a file before the transaction: it is judged, and kept if it may be."""

    async def keep(call: Call[Upload]) -> None:
        said: ReceiveDocument = call.given.fields
        if said.document_class is not None:
            may_file(call.principal.actor.roles, said.document_class)
        try:
            async with store.receiving(
                call.principal.network_id, byte_count_max=UPLOAD_BYTES_MAX
            ) as incoming:
                await incoming.write(call.given.content)
                measured = incoming.measured()
                file = content.accepted(
                    content.Upload(
                        call.given.filename,
                        call.given.declared_type,
                        measured.sniffed,
                        measured.byte_count,
                        measured.sha256,
                        said.sha256,
                    ),
                    byte_count_max=UPLOAD_BYTES_MAX,
                )
                await incoming.keep()
        except OSError:
            log.exception("store.unavailable")
            raise Unavailable("store.unavailable", "The file could not be kept.") from None
        call.carried = filing.Arrival(
            file=file,
            declared_type=call.given.declared_type.partition(";")[0].strip().lower(),
            **said.model_dump(exclude={"sha256"}),
        )

    return keep


def _arrival_locks(call: Call[Any]) -> Sequence[LockKey]:
    return filing.arrival_locks(call.carried)


async def receive_document(work: Work, call: Call[Upload]) -> Reply:
    """Take a document in.

    A PDF, JPEG, PNG or TIFF of at most 20 MB; its content must be what it is declared as. The same
    bytes again are taken as a document of their own, with `duplicate_of`.
    """
    arrival: filing.Arrival = call.carried
    if arrival.patient_id is not None:
        call.concerns(arrival.patient_id)
    row = await filing.receive(work, arrival)
    await work.flush()
    (said,) = await alike(work, [row])
    return created(DocumentView.of(row, said), f"/v1/documents/{row.id}", row.version)


async def read_content(work: Work, call: Call[None]) -> Reply:
    """The file itself, as it came in.

    It is checked against its SHA-256 on the way out: a damaged one is never given.
    """
    row = await read.document(work, call.id("document_id"))
    if row.patient_id is not None:
        call.concerns(row.patient_id)
    read.require_opened(work.actor, row)
    call.carried = row.sha256
    headers = {
        "Content-Disposition": disposition(row.filename),
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Accept-Ranges": "none",
    }
    return Reply(None, headers=headers, media_type=row.content_type)


def read_from(store: ObjectStore) -> After:
    """What happens after the access is committed: the bytes are read and checked."""

    async def bytes_of(call: Call[None], reply: Reply) -> Reply:
        try:
            found = await store.get(call.principal.network_id, call.carried)
        except Unavailable as error:
            DAMAGED.labels(error.code).inc()
            log.exception(error.code, subject=f"document/{call.id('document_id')}")
            raise
        except OSError:
            log.exception("store.unavailable")
            raise Unavailable("store.unavailable", "The file could not be read.") from None
        return replace(reply, body=found)

    return bytes_of


def disposition(filename: str) -> str:
    """A Content-Disposition that saves and never shows (RFC 6266, section 4; RFC 8187)."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in " ._-()") else "_" for c in filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"
