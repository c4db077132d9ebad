"""Eligibility, put together."""

from services.eligibility import handlers, tables, timers
from services.eligibility.api import ROUTES
from services.eligibility.clients import HttpPayer, PayerGateway
from services.eligibility.errands import errands
from services.eligibility.settings import Settings, settings
from shared.db.errands import Errands
from shared.values.errors import Conflict
from shared.web.service import Ports, Service


def service(given: Settings | None = None, gateway: PayerGateway | None = None) -> Service:
    """The service, by the settings given or those of the environment.

    gateway: where 270s go; over HTTP to the address of the settings where there is none.
    """
    found = given or settings()
    payers = found.gateway

    def asking(_: Ports) -> Errands:
        return errands(
            gateway or HttpPayer(payers.url, deadline_seconds=payers.timeout_seconds),
            payers.attempts,
        )

    return Service(
        name="eligibility",
        summary="Payers, coverages, checks with payers, verdicts on cover, estimates",
        chassis=found.chassis,
        urls=found.urls,
        refused=found.refused,
        routes=ROUTES,
        metadata=tables.metadata,
        subscriptions=handlers.SUBSCRIPTIONS,
        timers=timers.TIMERS,
        errands=asking,
        constraints={
            "payers_known_once": lambda: Conflict(
                "payer.known", "This payer is entered already for this provider."
            ),
            "coverages_one_a_place": lambda: Conflict(
                "coverage.order_taken", "Another coverage has this order on some of these days."
            ),
        },
    )
