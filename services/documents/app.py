"""Documents, put together."""

from datetime import timedelta

from services.documents import errands, handlers, tables, timers
from services.documents.api import routes
from services.documents.clients import FolderStore
from services.documents.settings import Settings, settings
from shared.db.errands import Errands
from shared.web.clocks import SystemClock
from shared.web.service import Ports, Service
from shared.web.service_calls import ServiceCalls


def service(given: Settings | None = None) -> Service:
    """The service, by the settings given or those of the environment."""
    found = given or settings()
    store = FolderStore(found.objects)

    def background(ports: Ports) -> Errands:
        # By real time, as the age of a file is.
        store.sweep(SystemClock().now() - timedelta(days=1))
        return errands.errands(ServiceCalls(ports), store)

    return Service(
        name="documents",
        summary="Uploads and scans, the index queue, chart packets",
        chassis=found.chassis,
        urls=found.urls,
        routes=routes(store),
        metadata=tables.metadata,
        subscriptions=handlers.SUBSCRIPTIONS,
        timers=timers.TIMERS,
        errands=background,
    )
