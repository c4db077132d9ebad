"""What documents says: from rows to contract events, pure."""

from datetime import datetime

from services.documents.tables import ChartPacket, Document, KnownVisit
from shared.contracts.documents import (
    DocumentEnteredInError,
    DocumentIndexed,
    DocumentReceived,
    PacketReady,
)


def received(row: Document) -> DocumentReceived:
    """A file came in and is kept."""
    return DocumentReceived(
        document_id=row.id,
        source=row.source,
        byte_count=row.byte_count,
        received_at=row.received_at,
    )


def indexed(row: Document) -> DocumentIndexed:
    """A document is filed. Raises ValueError for one that is not."""
    if row.patient_id is None or row.document_class is None or row.indexed_at is None:
        raise ValueError("the document is not filed")
    return DocumentIndexed(
        document_id=row.id,
        patient_id=row.patient_id,
        appointment_id=row.appointment_id,
        document_class=row.document_class,
        indexed_at=row.indexed_at,
    )


def entered_in_error(row: Document, at: datetime) -> DocumentEnteredInError:
    """A document should not be there."""
    return DocumentEnteredInError(document_id=row.id, patient_id=row.patient_id, marked_at=at)


def packet_ready(packet: ChartPacket, visit: KnownVisit, row: Document) -> PacketReady:
    """The chart packet of a visit is there."""
    return PacketReady(
        packet_id=packet.id,
        appointment_id=packet.appointment_id,
        patient_id=visit.patient_id,
        document_id=row.id,
        revision=packet.revision,
        ready_at=row.received_at,
    )
