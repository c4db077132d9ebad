"""Routes of documents as rows: what they are, whose they are, which wait to be filed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.documents.api.routes import ROUTES
from services.documents.commands import filing
from services.documents.queries import documents as read
from services.documents.queries.alike import alike
from services.documents.schemas.documents import (
    ClassifyDocument,
    DocumentMinimum,
    DocumentPage,
    DocumentPageMinimum,
    DocumentView,
    EnterInError,
    IndexDocument,
    ListDocuments,
)
from services.documents.tables import Document
from shared.contracts.permissions import Permission as May
from shared.db.actor import at_clinic
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.values.errors import Invalid
from shared.web.calls import Call, Reply
from shared.web.minimum import Lesser
from shared.web.pages import PageQuery, read_cursor, sign_cursor

_MOVES = ("document.illegal_transition", "document.class_forbidden", "document.reason")


@ROUTES.get(
    "/v1/documents/{document_id}",
    may=May.DOCUMENT_READ,
    reply=DocumentView,
    refuses=("document.class_forbidden",),
    lesser=(Lesser(May.DOCUMENT_READ_CLAIMS, DocumentMinimum),),
)
async def read_document(work: Work, call: Call[None]) -> Reply:
    """One document: what it is and whose, not its content."""
    row = await read.document(work, call.id("document_id"))
    _concerns(call, row)
    read.require_seen(work.actor, row)
    return await _view(work, row)


@ROUTES.get(
    "/v1/documents",
    may=May.DOCUMENT_READ,
    query=ListDocuments,
    reply=DocumentPage,
    lesser=(Lesser(May.DOCUMENT_READ_CLAIMS, DocumentPageMinimum),),
)
async def list_documents(work: Work, call: Call[ListDocuments]) -> Reply:
    """The documents of a patient or a visit that the caller may know of, the newest first."""
    given = call.given
    if given.patient_id is None and given.appointment_id is None:
        raise Invalid("query.too_wide", "Name a patient or a visit.", pointer="/patient_id")
    if given.patient_id is not None:
        call.concerns(given.patient_id)
    if given.appointment_id is not None:
        visit = await read.one_visit(work, given.appointment_id)
        if visit and at_clinic(work.actor, visit.clinic_id, visit.patient_id):
            call.concerns(visit.patient_id)
    wanted = read.FiledWith(given.patient_id, given.appointment_id)
    rows = await read.filed(work, wanted, _position(call), given.limit + 1)
    return await _page(work, call, rows)


@ROUTES.get("/v1/index-queue", may=May.DOCUMENT_READ, query=PageQuery, reply=DocumentPage)
async def read_index_queue(work: Work, call: Call[PageQuery]) -> Reply:
    """The documents that nobody has filed yet, the oldest first."""
    rows = await read.index_queue(work, _position(call), call.given.limit + 1)
    return await _page(work, call, rows)


async def _filing_locks(work: Work, call: Call[Any]) -> Sequence[LockKey]:
    patient_id = call.given.patient_id if isinstance(call.given, IndexDocument) else None
    return await filing.filing_locks(work, call.id("document_id"), patient_id)


@ROUTES.post(
    "/v1/documents/{document_id}/classify",
    may=May.DOCUMENT_WRITE,
    body=ClassifyDocument,
    reply=DocumentView,
    versioned=True,
    refuses=_MOVES,
    locks_read=_filing_locks,
)
async def classify_document(work: Work, call: Call[ClassifyDocument]) -> Reply:
    """Say what a document is. To correct one that is filed needs a reason."""
    given = call.given
    row = await filing.classify(
        work, call.id("document_id"), given.document_class, call.if_match, given.reason
    )
    return await _saved(work, call, row)


@ROUTES.post(
    "/v1/documents/{document_id}/index",
    may=May.DOCUMENT_WRITE,
    body=IndexDocument,
    reply=DocumentView,
    versioned=True,
    refuses=(
        *_MOVES, "document.visit_of_another", "patient.not_found", "appointment.not_found",
    ),
    locks_read=_filing_locks,
)  # fmt: skip
async def index_document(work: Work, call: Call[IndexDocument]) -> Reply:
    """File a document with a patient and a visit of theirs. To move one needs a reason."""
    given = call.given
    before = await read.document(work, call.id("document_id"))
    _concerns(call, before)
    row = await filing.index(
        work,
        before.id,
        given.patient_id,
        given.appointment_id,
        call.if_match,
        given.reason,
    )
    return await _saved(work, call, row)


@ROUTES.post(
    "/v1/documents/{document_id}/enter-in-error",
    may=May.DOCUMENT_WRITE,
    body=EnterInError,
    reply=DocumentView,
    versioned=True,
    refuses=_MOVES,
    locks_read=_filing_locks,
)
async def enter_document_in_error(work: Work, call: Call[EnterInError]) -> Reply:
    """Say that a document should not be here. It is listed and opened no more, and kept."""
    row = await filing.mark_in_error(work, call.id("document_id"), call.if_match, call.given.reason)
    return await _saved(work, call, row)


async def _saved(work: Work, call: Call[Any], row: Document) -> Reply:
    await work.flush()
    _concerns(call, row)
    return await _view(work, row)


async def _view(work: Work, row: Document) -> Reply:
    (said,) = await alike(work, [row])
    return Reply(DocumentView.of(row, said), version=row.version)


def _concerns(call: Call[Any], *rows: Document) -> None:
    call.concerns(*(row.patient_id for row in rows if row.patient_id is not None))


async def _page(work: Work, call: Call[Any], rows: list[Document]) -> Reply:
    page = rows[: call.given.limit]
    _concerns(call, *page)
    said = await alike(work, page)
    last = page[-1] if len(rows) > len(page) else None
    position = f"{last.received_at.isoformat()}|{last.id}" if last else None
    return Reply(
        DocumentPage(
            items=[DocumentView.of(row, each) for row, each in zip(page, said, strict=True)],
            next=sign_cursor(call.cursor_secret, position) if position else None,
        )
    )


def _position(call: Call[Any]) -> read.Position | None:
    if call.given.cursor is None:
        return None
    moment, _, key = read_cursor(call.cursor_secret, call.given.cursor).partition("|")
    return datetime.fromisoformat(moment), UUID(key)
