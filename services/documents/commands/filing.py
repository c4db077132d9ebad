"""Take a document in, say what it is, file it, take it back."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from services.documents import events
from services.documents.commands.packets import plan_for_patient
from services.documents.domain.classification import DocumentClass, may_file
from services.documents.domain.content import Accepted, Sameness, sameness
from services.documents.domain.status import Move, Status, next_status
from services.documents.queries import documents as read
from services.documents.tables import Document, DocumentChange
from shared.db.locks import LockKey, lock_key
from shared.db.work import Work, match_version
from shared.values.errors import Invalid


@dataclass(frozen=True, slots=True)
class Arrival:
    """A file that is kept already, and what its sender says of it."""

    file: Accepted
    declared_type: str
    source: str
    document_class: DocumentClass | None = None
    patient_id: UUID | None = None
    appointment_id: UUID | None = None


def arrival_locks(arrival: Arrival) -> Sequence[LockKey]:
    """The bytes, so that of two at once one is the first; and the patient it is for."""
    keys = [lock_key("content", arrival.file.sha256)]
    if arrival.patient_id is not None:
        keys.append(lock_key("patient", arrival.patient_id))
    return keys


async def receive(work: Work, arrival: Arrival) -> Document:
    """Take a document in. With a kind and a patient it is filed at once.

    The same bytes again are a document of their own that says which it repeats. Raises Forbidden
    for a kind that the caller may not file, NotYetHeard for an unknown patient or visit.
    """
    await _check_place(work, arrival.patient_id, arrival.appointment_id)
    known = await read.same_content(work, arrival.file.sha256)
    how, found = sameness(known, arrival.patient_id)
    row = Document(
        id=work.new_id("document"),
        network_id=work.network_id,
        source=arrival.source,
        filename=arrival.file.name,
        declared_type=arrival.declared_type,
        content_type=arrival.file.content_type,
        byte_count=arrival.file.byte_count,
        sha256=arrival.file.sha256,
        patient_id=arrival.patient_id,
        appointment_id=arrival.appointment_id,
        duplicate_of=found[0] if how is Sameness.SAME else None,
        elsewhere=how is Sameness.ELSEWHERE,
        received_at=work.now,
        received_by=str(work.actor),
    )
    work.add(row)
    work.say(events.received(row), of=row)
    if arrival.document_class is not None:
        may_file(work.actor.roles, arrival.document_class)
        _moved(work, row, Move.CLASSIFY, None, document_class=arrival.document_class)
        if arrival.patient_id is not None:
            await _file(work, row, Move.INDEX, arrival.patient_id, arrival.appointment_id, None)
    return row


async def classify(
    work: Work, document_id: UUID, kind: DocumentClass, version: int | None, reason: str | None
) -> Document:
    """Say what a document is. To say otherwise of one that is filed needs a reason."""
    row = await read.document(work, document_id)
    match_version(version, row.version)
    may_file(work.actor.roles, kind)
    _may_correct(work, row)
    filed = row.state == Status.INDEXED
    move = Move.RECLASSIFY if filed else Move.CLASSIFY
    _moved(work, row, move, reason, document_class=kind)
    if filed:
        work.say(events.indexed(row), of=row)
    work.save(row)
    await plan_for_patient(work, row.patient_id if filed else None, work.now)
    return row


async def filing_locks(work: Work, document_id: UUID, patient_id: UUID | None) -> list[LockKey]:
    """The document, the patient whose it was, and the one whose it becomes."""
    row = await read.document(work, document_id)
    people = {row.patient_id, patient_id} - {None}
    return [lock_key("document", row.id), *(lock_key("patient", p) for p in people if p)]


async def index(
    work: Work,
    document_id: UUID,
    patient_id: UUID,
    appointment_id: UUID | None,
    version: int | None,
    reason: str | None,
) -> Document:
    """File a document with a patient, and with a visit of theirs. To move one needs a reason."""
    row = await read.document(work, document_id)
    match_version(version, row.version)
    _may_correct(work, row)
    await _check_place(work, patient_id, appointment_id)
    before = row.patient_id if row.state == Status.INDEXED else None
    move = Move.INDEX if before is None else Move.MOVE
    await _file(work, row, move, patient_id, appointment_id, reason)
    work.save(row)
    if before != patient_id:
        await plan_for_patient(work, before, work.now)
    return row


async def mark_in_error(
    work: Work, document_id: UUID, version: int | None, reason: str
) -> Document:
    """Say that a document should not be here. It stays, with who said so and why."""
    row = await read.document(work, document_id)
    match_version(version, row.version)
    _may_correct(work, row)
    filed = row.state == Status.INDEXED
    _moved(work, row, Move.MARK_IN_ERROR, reason)
    work.say(events.entered_in_error(row, work.now), of=row)
    work.save(row)
    await plan_for_patient(work, row.patient_id if filed else None, work.now)
    return row


def _may_correct(work: Work, row: Document) -> None:
    """Raise Forbidden unless the caller may file what the document is now."""
    kind = read.kind_of(row)
    if kind is not None:
        may_file(work.actor.roles, kind)


async def _check_place(work: Work, patient_id: UUID | None, appointment_id: UUID | None) -> None:
    """Raise unless the patient is known, and the visit is one of theirs."""
    if appointment_id is not None and patient_id is None:
        raise Invalid(
            "document.patient_missing", "A visit needs its patient.", pointer="/patient_id"
        )
    if patient_id is not None:
        await read.require_patient(work, patient_id)
    if appointment_id is not None:
        visit = await read.visit(work, appointment_id)
        if visit.patient_id != patient_id:
            raise Invalid(
                "document.visit_of_another",
                "The visit is another patient's.",
                pointer="/appointment_id",
            )


async def _file(
    work: Work,
    row: Document,
    move: Move,
    patient_id: UUID,
    appointment_id: UUID | None,
    reason: str | None,
) -> None:
    _moved(work, row, move, reason, patient_id=patient_id, appointment_id=appointment_id)
    row.indexed_at = work.now
    work.say(events.indexed(row), of=row)
    await plan_for_patient(work, patient_id, work.now)


def _moved(
    work: Work,
    row: Document,
    move: Move,
    reason: str | None,
    *,
    document_class: DocumentClass | None = None,
    patient_id: UUID | None = None,
    appointment_id: UUID | None = None,
) -> None:
    """Make one move of the closed table and keep what it changed. Raises IllegalTransition."""
    status = next_status(Status(row.state), move, reason=reason)
    row.changes += 1
    change = DocumentChange(
        network_id=work.network_id,
        document_id=row.id,
        change=row.changes,
        id=work.new_id(f"change/{row.id}/{row.changes}"),
        move=move.value,
        from_class=row.document_class,
        from_patient_id=row.patient_id,
        from_appointment_id=row.appointment_id,
        reason=reason,
        changed_at=work.now,
        changed_by=str(work.actor),
    )
    row.state = status.value
    if document_class is not None:
        row.document_class = document_class.value
    if patient_id is not None:
        row.patient_id, row.appointment_id = patient_id, appointment_id
    change.to_class = row.document_class
    change.to_patient_id = row.patient_id
    change.to_appointment_id = row.appointment_id
    work.add(change)
