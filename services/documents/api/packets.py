"""The route of chart packets."""

from services.documents.api.routes import ROUTES
from services.documents.queries import documents as read
from services.documents.queries.packet_facts import packet_of
from services.documents.schemas.documents import ChartPacketView
from shared.contracts.permissions import Permission as May
from shared.db.work import Work
from shared.values.errors import NotFound
from shared.web.calls import Call, Reply


@ROUTES.get(
    "/v1/visits/{appointment_id}/chart-packet", may=May.DOCUMENT_READ, reply=ChartPacketView
)
async def read_chart_packet(work: Work, call: Call[None]) -> Reply:
    """The latest chart packet of a visit: where it stands and which document it is."""
    visit = await read.visit(work, call.id("appointment_id"))
    call.concerns(visit.patient_id)
    packet = await packet_of(work, visit.appointment_id)
    if packet is None:
        raise NotFound("packet.not_found", "There is no chart packet for this visit.")
    return Reply(ChartPacketView.of(packet), version=packet.version)
