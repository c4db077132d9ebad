"""Reading documents, as far as the caller may know of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.documents.domain.classification import DocumentClass, may_know, may_open
from services.documents.domain.content import Known
from services.documents.domain.status import Status
from services.documents.tables import Document, KnownPatient, KnownVisit
from shared.db.actor import Actor, at_clinic
from shared.db.work import Work
from shared.values.errors import Conflict, Forbidden, NotFound, NotYetHeard

Position = tuple[datetime, UUID]
"""Where a page ends: when that document came in, and which it is."""

_NOT_IN_ERROR = f"state <> '{Status.ENTERED_IN_ERROR.value}'"
_UNFILED = f"state IN ('{Status.RECEIVED.value}', '{Status.CLASSIFIED.value}')"


async def document(work: Work, document_id: UUID) -> Document:
    """A document of the network and of the caller's clinics. Raises NotFound."""
    row = await work.load(Document, document_id)
    if row is None:
        raise NotFound("document.not_found", "There is no such document.")
    if row.appointment_id is not None and work.actor.clinic_ids is not None:
        visit = await one_visit(work, row.appointment_id)
        # Of one that is not known nobody can say yet of which clinic it is.
        if visit is None or not at_clinic(work.actor, visit.clinic_id, visit.patient_id):
            raise NotFound("document.not_found", "There is no such document.")
    return row


def require_seen(actor: Actor, row: Document) -> None:
    """Raise Forbidden ``document.class_forbidden`` unless the caller may know of such a document.

    One that nobody has classified waits to be filed: see `may_know`.
    """
    if not may_know(actor.roles, kind_of(row)):
        raise _class_forbidden()


def require_opened(actor: Actor, row: Document) -> None:
    """Raise Forbidden unless the caller may open the file; Conflict where it was a mistake."""
    by_caller = row.received_by == str(actor)
    if not may_open(actor.roles, kind_of(row), received_by_caller=by_caller):
        raise _class_forbidden()
    if row.state == Status.ENTERED_IN_ERROR:
        raise Conflict("document.entered_in_error", "The document was entered in error.")


def kind_of(row: Document) -> DocumentClass | None:
    """What a document is, None while nobody has said so."""
    return None if row.document_class is None else DocumentClass(row.document_class)


async def same_content(work: Work, sha256: str) -> list[Known]:
    """Every document of the network with these bytes that is not a mistake."""
    rows = await work.raw.fetch(
        f"SELECT id, patient_id FROM documents"
        f" WHERE network_id = $1 AND sha256 = $2 AND {_NOT_IN_ERROR}",
        work.network_id,
        sha256,
    )
    return [Known(row["id"], row["patient_id"]) for row in rows]


@dataclass(frozen=True, slots=True)
class FiledWith:
    """Whose documents are listed: a patient's, a visit's, or both."""

    patient_id: UUID | None
    appointment_id: UUID | None


async def filed(
    work: Work, wanted: FiledWith, after: Position | None, limit: int
) -> list[Document]:
    """Documents for a patient or a visit, the newest first, after a position."""
    where = [_NOT_IN_ERROR]
    arguments: list[object] = []
    for column in ("patient_id", "appointment_id"):
        value = getattr(wanted, column)
        if value is not None:
            arguments.append(value)
            where.append(f"{column} = ${len(arguments) + 1}")
    if after is not None:
        arguments.extend(after)
        where.append(f"(received_at, id) < (${len(arguments)}, ${len(arguments) + 1})")
    return await _page(work, where, arguments, "received_at DESC, id DESC", limit)


async def index_queue(work: Work, after: Position | None, limit: int) -> list[Document]:
    """Documents that nobody has filed yet, the oldest first, after a position."""
    where = [_UNFILED]
    arguments: list[object] = []
    if after is not None:
        arguments.extend(after)
        where.append("(received_at, id) > ($2, $3)")
    return await _page(work, where, arguments, "received_at, id", limit)


async def _page(
    work: Work, where: list[str], arguments: list[object], order: str, limit: int
) -> list[Document]:
    seen, arguments = seen_by(work.actor, arguments)
    condition = f"{' AND '.join([*where, *seen])} ORDER BY {order} LIMIT {int(limit)}"
    return await work.load_where(Document, condition, *arguments)


def seen_by(actor: Actor, arguments: Sequence[object]) -> tuple[list[str], list[object]]:
    """Conditions for the documents that an actor may know of, and the arguments with theirs.

    arguments: those that stand before them, from `$2` on.
    """
    roles = actor.roles
    given = [*arguments, [kind.value for kind in DocumentClass if may_know(roles, kind)]]
    known = f"document_class = ANY(${len(given) + 1})"
    where = [f"(document_class IS NULL OR {known})" if may_know(roles, None) else known]
    if actor.clinic_ids is not None:
        given += [list(actor.clinic_ids), list(actor.emergencies)]
        where.append(
            "(appointment_id IS NULL OR appointment_id IN (SELECT appointment_id FROM known_visits"
            f" WHERE network_id = $1 AND clinic_id = ANY(${len(given)}))"
            f" OR patient_id = ANY(${len(given) + 1}))"
        )
    return where, given


async def one_visit(work: Work, appointment_id: UUID) -> KnownVisit | None:
    """What is known of a visit, None before anything was heard."""
    rows = await work.load_where(KnownVisit, "appointment_id = $2", appointment_id)
    return rows[0] if rows else None


async def visit(work: Work, appointment_id: UUID) -> KnownVisit:
    """A visit of the network and of the caller's clinics. Raises NotYetHeard."""
    row = await one_visit(work, appointment_id)
    if row is None or not at_clinic(work.actor, row.clinic_id, row.patient_id):
        raise NotYetHeard("appointment.not_found", "There is no such appointment.")
    return row


async def one_known_patient(work: Work, patient_id: UUID) -> KnownPatient | None:
    """What is known of a patient, None before anything was heard."""
    rows = await work.load_where(KnownPatient, "patient_id = $2", patient_id)
    return rows[0] if rows else None


async def require_patient(work: Work, patient_id: UUID) -> None:
    """Raise NotYetHeard unless the patient is one of the network."""
    row = await one_known_patient(work, patient_id)
    if row is None or not row.registered:
        raise NotYetHeard("patient.not_found", "There is no such patient.")


async def upcoming(work: Work, patient_id: UUID) -> Sequence[KnownVisit]:
    """The visits of a patient that are still to come."""
    where = "patient_id = $2 AND state = 'booked' AND starts_at > $3 ORDER BY starts_at"
    return await work.load_where(KnownVisit, where, patient_id, work.now)


def _class_forbidden() -> Forbidden:
    return Forbidden("document.class_forbidden", "You may not open this kind of document.")
