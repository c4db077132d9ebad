"""Routes of visitors who are no patients."""

from datetime import datetime
from uuid import UUID

from services.appointments.api.routes import ROUTES
from services.appointments.commands import setup, visitors
from services.appointments.queries.visitors import list_visitors as found_visitors
from services.appointments.schemas.visitors import LetIn, ListVisitors, VisitorPage, VisitorView
from shared.contracts.permissions import Permission as May
from shared.db.work import Work
from shared.values.zones import day_bounds, zone
from shared.web.calls import Call, Reply, created
from shared.web.pages import read_cursor, sign_cursor


@ROUTES.post(
    "/v1/clinics/{clinic_id}/visitors",
    may=May.VISITOR_WRITE,
    body=LetIn,
    reply=VisitorView,
    status=201,
    refuses=("visitor.badge_taken",),
)
async def let_visitor_in(work: Work, call: Call[LetIn]) -> Reply:
    """Let somebody in who is no patient, with a badge."""
    arrival = visitors.Arrival(**call.given.model_dump())
    row = await visitors.let_in(work, call.id("clinic_id"), arrival)
    return created(VisitorView.of(row), f"/v1/visitors/{row.id}")


@ROUTES.post("/v1/visitors/{visitor_id}/leave", may=May.VISITOR_WRITE, reply=VisitorView)
async def let_visitor_out(work: Work, call: Call[None]) -> Reply:
    """Take a visitor's badge back."""
    return Reply(VisitorView.of(await visitors.let_out(work, call.id("visitor_id"))))


@ROUTES.get(
    "/v1/clinics/{clinic_id}/visitors",
    may=May.VISITOR_READ,
    query=ListVisitors,
    reply=VisitorPage,
)
async def list_visitors(work: Work, call: Call[ListVisitors]) -> Reply:
    """Who was in the building and no patient, by when they came."""
    place = await setup.clinic(work, call.id("clinic_id"))
    given = call.given
    bounds = day_bounds(given.day, zone(place.time_zone)) if given.day is not None else None
    after = None
    if given.cursor is not None:
        after = _position(read_cursor(call.cursor_secret, given.cursor))
    rows = await found_visitors(work, place.id, bounds, after, given.limit + 1)
    page = rows[: given.limit]
    last = page[-1] if len(rows) > given.limit else None
    position = f"{last.came_at.isoformat()}|{last.id}" if last else None
    return Reply(
        VisitorPage(
            items=[VisitorView.of(row) for row in page],
            next=sign_cursor(call.cursor_secret, position) if position else None,
        )
    )


def _position(text: str) -> tuple[datetime, UUID]:
    moment, _, key = text.partition("|")
    return datetime.fromisoformat(moment), UUID(key)
