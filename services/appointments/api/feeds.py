"""Routes of calendar feeds."""

from services.appointments.api.routes import ROUTES, SECRET_ROUTES
from services.appointments.commands import feeds
from services.appointments.schemas.feeds import CreateFeed, FeedAddress, FeedView
from shared.contracts.permissions import Permission as May
from shared.db.work import Work
from shared.web.by_secret import Secret
from shared.web.calls import Call, Reply, created


@ROUTES.post(
    "/v1/calendar-feeds",
    may=May.CALENDAR_WRITE,
    body=CreateFeed,
    reply=FeedView,
    status=201,
    refuses=("feed.of_whom", "provider.not_found", "clinic.not_found"),
)
async def create_feed(work: Work, call: Call[CreateFeed]) -> Reply:
    """Enter a feed of a provider or a clinic; `/rotate` gives it its address."""
    row = await feeds.create_feed(work, call.given.provider_id, call.given.clinic_id)
    return created(FeedView.of(row), f"/v1/calendar-feeds/{row.id}")


@ROUTES.get("/v1/calendar-feeds/{feed_id}", may=May.CALENDAR_READ, reply=FeedView)
async def view_feed(work: Work, call: Call[None]) -> Reply:
    """One feed."""
    return Reply(FeedView.of(await feeds.feed(work, call.id("feed_id"))))


# Without a key: a reply that is kept for replays would keep the secret. One that is lost is of no
# use to anybody once there is another.
@ROUTES.post(
    "/v1/calendar-feeds/{feed_id}/rotate",
    may=May.CALENDAR_WRITE,
    reply=FeedAddress,
    keyed=False,
    refuses=("feed.revoked",),
)
async def rotate_feed(work: Work, call: Call[None]) -> Reply:
    """Give a feed an address: the first, or another for the one that it had."""
    opened = await feeds.rotate_feed(work, call.id("feed_id"))
    return Reply(FeedAddress(feed_id=opened.row.id, path=f"/v1/ics/{opened.secret}.ics"))


@ROUTES.post("/v1/calendar-feeds/{feed_id}/revoke", may=May.CALENDAR_WRITE, reply=FeedView)
async def revoke_feed(work: Work, call: Call[None]) -> Reply:
    """Take a feed back for good."""
    return Reply(FeedView.of(await feeds.revoke_feed(work, call.id("feed_id"))))


@SECRET_ROUTES.get("/v1/ics/{secret}.ics")
async def read_feed(work: Work, secret: Secret) -> Reply:
    """The visits of a provider or a clinic as a calendar that names nobody."""
    text = await feeds.read_feed(work, secret)
    return Reply(text, media_type="text/calendar; charset=utf-8")
