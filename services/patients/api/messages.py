"""Routes of what messages may come by."""

from services.patients.api.people import patient_lock
from services.patients.api.routes import ROUTES
from services.patients.commands import messages as commands
from services.patients.queries import messages as queries
from services.patients.queries.people import person
from services.patients.schemas.messages import (
    AskContactPoint,
    ContactPointView,
    PreferenceView,
    PreferMessages,
)
from shared.contracts.permissions import Permission as May
from shared.db.work import Work
from shared.web.calls import Call, Reply


@ROUTES.put(
    "/v1/patients/{patient_id}/message-preference",
    may=May.CONSENT_WRITE,
    body=PreferMessages,
    reply=PreferenceView,
    refuses=("channels.repeated", "time.zone_unknown"),
    locks=patient_lock,
)
async def prefer_messages(work: Work, call: Call[PreferMessages]) -> Reply:
    """Keep which channels messages may come by, in order. The last word counts."""
    call.concerns(call.id("patient_id"))
    given = call.given
    row = await commands.prefer(work, call.id("patient_id"), given.channels, given.time_zone)
    return Reply(PreferenceView.of(row.patient_id, row))


@ROUTES.get(
    "/v1/patients/{patient_id}/message-preference", may=May.PATIENT_READ, reply=PreferenceView
)
async def read_message_preference(work: Work, call: Call[None]) -> Reply:
    """Which channels messages may come by."""
    row = await person(work, call.id("patient_id"))
    call.concerns(row.id)
    return Reply(PreferenceView.of(row.id, await queries.preference(work, row.id)))


@ROUTES.post(
    "/v1/contact-points/lookup",
    may=May.CONTACT_POINT_READ,
    body=AskContactPoint,
    reply=ContactPointView,
    keyed=False,
)
async def look_up_contact_point(work: Work, call: Call[AskContactPoint]) -> Reply:
    """The one address or number that a message of ours needs: for the service that sends it, when
    it sends it. A read by POST; the audit keeps whom it showed and by which channel."""
    row = await person(work, call.given.patient_id)
    call.concerns(row.id)
    channel = call.given.channel
    call.detail["channel"] = channel.value
    address = await queries.contact_point(work, row, channel)
    return Reply(ContactPointView(channel=channel.value, address=address))
