"""Payments, put together."""

from services.payments import handlers, tables, timers
from services.payments.api import ROUTES
from services.payments.commands.charges import already_charged
from services.payments.commands.days import already_closed
from services.payments.commands.drawers import open_already
from services.payments.commands.fees import overlap
from services.payments.errands import errands
from services.payments.queries.books import day_closed
from services.payments.settings import Settings, settings
from shared.web.service import Service


def service(given: Settings | None = None) -> Service:
    """The service, by the settings given or those of the environment."""
    found = given or settings()
    return Service(
        name="payments",
        summary="Charges, the ledger, money taken and given back, drawers and the day's close",
        chassis=found.chassis,
        urls=found.urls,
        refused=found.refused,
        routes=ROUTES,
        metadata=tables.metadata,
        subscriptions=handlers.SUBSCRIPTIONS,
        timers=timers.TIMERS,
        errands=lambda ports: errands(ports, found.processor()),
        constraints={
            "charges_one_a_visit": already_charged,
            "business_days_once": already_closed,
            "drawers_one_open": open_already,
            "fees_one_price_a_day": overlap,
            "ledger_day_open": day_closed,
        },
    )
