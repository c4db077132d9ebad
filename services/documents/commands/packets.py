"""Chart packets: when one is due, what it is made from, and what happens once it is made."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.documents import events
from services.documents.domain.classification import DocumentClass
from services.documents.domain.status import Status
from services.documents.queries.documents import one_visit, upcoming
from services.documents.queries.packet_facts import (
    SAID_OF_A_VISIT,
    PacketFacts,
    facts_for,
    packet_of,
)
from services.documents.tables import ChartPacket, Document, DocumentChange, KnownVisit
from shared.db.locks import LockKey, lock_key
from shared.db.together import load_together
from shared.db.work import Work
from shared.values.ids import derived_id

CHART_PACKET = "chart_packet"
"""The kind of the timer. It is set again whenever something that a packet says has changed: so
many changes at once make one packet."""
ASSEMBLE = "assemble_packet"
"""The kind of the intent."""
LEAD = timedelta(hours=24)
"""How long before the visit its packet is made."""
AGAIN = timedelta(minutes=5)
"""How long after one that could not be made the next is tried."""


def visit_lock(appointment_id: UUID) -> Sequence[LockKey]:
    """The one visit and its packet."""
    return (lock_key("visit", appointment_id),)


def due_at(starts_at: datetime, changes: Iterable[datetime | None]) -> datetime:
    """When the packet of a visit is due: 24 hours before it, or once something changed after that.

    The same for the same changes, in whatever order they were heard. A change after the visit's
    start counts for nothing.
    """
    return max([starts_at - LEAD, *(at for at in changes if at is not None and at < starts_at)])


async def plan(work: Work, visit: KnownVisit, *changes: datetime) -> None:
    """Set the timer of a visit's packet. What was written before must be flushed."""
    if visit.state != "booked":
        return
    covers, estimates, patients = await load_together(
        work, SAID_OF_A_VISIT, visit.appointment_id, visit.patient_id
    )
    heard = (
        visit.heard_at,
        *(cover.decided_at for cover in covers),
        *(estimate.created_at for estimate in estimates),
        *(patient.heard_at for patient in patients),
    )
    work.timer(CHART_PACKET, visit.appointment_id, due_at(visit.starts_at, (*heard, *changes)))


async def plan_for_patient(work: Work, patient_id: UUID | None, *changes: datetime) -> None:
    """Set the timers of a patient's visits to come; nothing where there is no patient.

    changes: when what is not heard but done here changed; in a command that is now.
    """
    if patient_id is None:
        return
    await work.flush()
    for visit in await upcoming(work, patient_id):
        await plan(work, visit, *changes)


async def expect(work: Work, visit: KnownVisit) -> None:
    """A visit was heard for the first time: its packet is planned."""
    work.add(
        ChartPacket(
            network_id=work.network_id,
            appointment_id=visit.appointment_id,
            id=derived_id(visit.appointment_id, CHART_PACKET),
        )
    )
    await plan(work, visit)


async def expect_again(work: Work, visit: KnownVisit) -> None:
    """A visit moved: what was made, or is being made, is of a time that no longer counts."""
    packet = await packet_of(work, visit.appointment_id)
    if packet is not None:
        packet.state, packet.asked, packet.asked_again = "planned", None, False
        work.save(packet)
    await work.flush()
    await plan(work, visit)


async def want_again(work: Work, visit: KnownVisit) -> None:
    """A visit that was given up is held after all: the packet that was made serves again."""
    packet = await packet_of(work, visit.appointment_id)
    if packet is not None:
        packet.state = "ready" if packet.revision else "planned"
        work.save(packet)
    await work.flush()
    await plan(work, visit)


async def withdraw(work: Work, appointment_id: UUID) -> None:
    """A visit will not be: no packet is made any more. One that was made stays on file."""
    packet = await packet_of(work, appointment_id)
    if packet is not None:
        packet.state, packet.asked, packet.asked_again = "withdrawn", None, False
        work.save(packet)
    work.cancel_timer(CHART_PACKET, appointment_id)


async def assemble_if_due(work: Work, appointment_id: UUID) -> None:
    """What the timer does: ask for a packet, unless nothing has changed since the last one.

    While one is being made it only notes that another is wanted. The first packet is made until the
    visit is over, a later one only until the visit begins.
    """
    visit = await one_visit(work, appointment_id)
    packet = await packet_of(work, appointment_id)
    if visit is None or packet is None or visit.state != "booked":
        return
    if packet.asked is not None:
        packet.asked_again = True
        work.save(packet)
        return
    if work.now >= (visit.starts_at if packet.revision else visit.ends_at):
        return
    if packet.state == "ready":
        facts = await facts_for(work, visit)
        if packet.facts_hash == facts.digest():
            return
    packet.asked = work.intent(ASSEMBLE, appointment_id)
    packet.state, packet.problem = "assembling", None
    work.save(packet)


@dataclass(frozen=True, slots=True)
class ToPrint:
    """What one packet is made from. cause, actor: the visit's latest event and who was behind it,
    on whose account names are asked for."""

    facts: PacketFacts
    revision: int
    made_at: datetime
    cause: UUID
    actor: str


async def to_print(work: Work, appointment_id: UUID, intent_id: UUID) -> ToPrint | None:
    """What is known by now; None where the packet is no longer wanted."""
    visit = await one_visit(work, appointment_id)
    packet = await packet_of(work, appointment_id)
    if visit is None or packet is None or packet.asked != intent_id:
        return None
    facts = await facts_for(work, visit)
    revision = packet.revision + 1
    return ToPrint(facts, revision, work.now, visit.heard_event, visit.heard_actor)


@dataclass(frozen=True, slots=True)
class Made:
    """A packet that is printed and kept. missing: the codes of what it says is missing."""

    sha256: str
    byte_count: int
    filename: str
    missing: tuple[str, ...]
    facts_hash: str


async def settle(work: Work, appointment_id: UUID, intent_id: UUID, made: Made) -> None:
    """A packet is made: it is filed with the patient and the visit, and replaces the last one.

    Nothing where it was asked for before the visit moved or was called off.
    """
    visit = await one_visit(work, appointment_id)
    packet = await packet_of(work, appointment_id)
    if visit is None or packet is None or packet.asked != intent_id:
        return
    row = _document(work, visit, made)
    if packet.document_id is not None:
        last = await work.load(Document, packet.document_id)
        if last is not None:
            last.superseded_by = row.id
            work.save(last)
    work.add(row, _filed_at_once(work, row))
    work.say(events.received(row), of=row)
    work.say(events.indexed(row), of=row)
    packet.document_id, packet.revision = row.id, packet.revision + 1
    packet.missing, packet.facts_hash = list(made.missing), made.facts_hash
    packet.ready_at = work.now
    work.say(events.packet_ready(packet, visit, row), of=packet)
    _asked_no_more(work, packet, "ready", work.now if packet.asked_again else None)
    work.audit(ASSEMBLE, f"/v1/visits/{appointment_id}/chart-packet", patients=[visit.patient_id])


async def give_up(work: Work, appointment_id: UUID, intent_id: UUID, reason: str) -> None:
    """A packet could not be made. It is tried again in a while, until the visit begins."""
    packet = await packet_of(work, appointment_id)
    if packet is None or packet.asked != intent_id:
        return
    packet.problem = reason
    _asked_no_more(work, packet, "failed", work.now + AGAIN)


def _asked_no_more(work: Work, packet: ChartPacket, state: str, again_at: datetime | None) -> None:
    packet.state, packet.asked, packet.asked_again = state, None, False
    work.save(packet)
    if again_at is not None:
        work.timer(CHART_PACKET, packet.appointment_id, again_at)


def _document(work: Work, visit: KnownVisit, made: Made) -> Document:
    return Document(
        id=work.new_id("packet"),
        network_id=work.network_id,
        state=Status.INDEXED.value,
        source="generated",
        document_class=DocumentClass.CHART_PACKET.value,
        filename=made.filename,
        declared_type="application/pdf",
        content_type="application/pdf",
        byte_count=made.byte_count,
        sha256=made.sha256,
        patient_id=visit.patient_id,
        appointment_id=visit.appointment_id,
        changes=1,
        received_at=work.now,
        received_by=str(work.actor),
        indexed_at=work.now,
    )


def _filed_at_once(work: Work, row: Document) -> DocumentChange:
    return DocumentChange(
        network_id=work.network_id,
        document_id=row.id,
        change=1,
        id=work.new_id("packet/change"),
        move="index",
        to_class=row.document_class,
        to_patient_id=row.patient_id,
        to_appointment_id=row.appointment_id,
        changed_at=work.now,
        changed_by=str(work.actor),
    )
