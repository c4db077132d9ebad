"""Appointments, put together."""

from services.appointments import handlers, tables, timers
from services.appointments.api import ROUTES, SECRET_ROUTES
from services.appointments.domain.booking import slot_taken
from services.appointments.domain.occupancy import ResourceKind
from services.appointments.settings import Settings, settings
from shared.values.errors import Conflict
from shared.web.service import Service


def service(given: Settings | None = None) -> Service:
    """The service, by the settings given or those of the environment."""
    found = given or settings()
    return Service(
        name="appointments",
        summary="Clinics, schedules, bookings and the flow of a visit",
        chassis=found.chassis,
        urls=found.urls,
        routes=ROUTES,
        secret_routes=SECRET_ROUTES,
        metadata=tables.metadata,
        subscriptions=handlers.SUBSCRIPTIONS,
        timers=timers.TIMERS,
        constraints={
            "occupancies_never_twice": lambda: slot_taken(ResourceKind.PROVIDER),
            "credentials_once": lambda: Conflict(
                "credential.known", "This credential is entered already."
            ),
            "on_call_one_at_a_time": lambda: Conflict(
                "on_call.overlaps", "Somebody else is on call then."
            ),
            "providers_network_id_npi_key": lambda: Conflict(
                "provider.npi_taken", "A provider with this NPI is entered already."
            ),
        },
    )
