"""Patients, put together."""

from services.patients import handlers, tables, timers
from services.patients.api import ROUTES
from services.patients.commands.proxies import exists
from services.patients.settings import Settings, settings
from shared.web.service import Service


def service(given: Settings | None = None) -> Service:
    """The service, by the settings given or those of the environment."""
    found = given or settings()
    return Service(
        name="patients",
        summary="People: who they are, how they are reached, what they consented to",
        chassis=found.chassis,
        urls=found.urls,
        routes=ROUTES,
        metadata=tables.metadata,
        subscriptions=handlers.SUBSCRIPTIONS,
        timers=timers.TIMERS,
        constraints={"proxies_once_by_subject": exists, "proxies_once_by_patient": exists},
    )
