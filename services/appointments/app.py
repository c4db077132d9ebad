"""Appointments, put together."""

from services.appointments import handlers, tables, timers
from services.appointments.api import ROUTES, SECRET_ROUTES
from services.appointments.commands.visitors import badge_taken
from services.appointments.commands.waiting import already_waiting
from services.appointments.domain.explain import named
from services.appointments.domain.occupancy import ResourceKind, slot_taken
from services.appointments.domain.requests import asked_already
from services.appointments.domain.rooming import room_dirty, room_full
from services.appointments.errands import errands
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
        refused=found.refused,
        routes=ROUTES,
        secret_routes=SECRET_ROUTES,
        metadata=tables.metadata,
        subscriptions=handlers.SUBSCRIPTIONS,
        timers=timers.TIMERS,
        errands=lambda ports: errands(ports, found.messengers()),
        constraints={
            "occupancies_never_twice": lambda: named(slot_taken(ResourceKind.PROVIDER)),
            "queue_entries_once": already_waiting,
            "room_stays_one_each": room_full,
            "room_stays_clean": room_dirty,
            "visitors_badge": badge_taken,
            "appointment_requests_one_open": asked_already,
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
