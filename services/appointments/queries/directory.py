"""Reading what a network has entered."""

from collections import defaultdict
from uuid import UUID

from services.appointments.tables import AppointmentType, Clinic, Provider, ProviderClinic
from shared.db.work import Work

LIMIT = 500


async def clinics(work: Work) -> list[Clinic]:
    """The clinics of the network that the caller's token is not kept from, by name."""
    rows = await work.load_where(Clinic, f"true ORDER BY name, id LIMIT {LIMIT}")
    mine = work.actor.clinic_ids
    return [row for row in rows if mine is None or row.id in mine]


async def providers(work: Work) -> list[tuple[Provider, list[UUID]]]:
    """The providers of the network and where they work, by name."""
    rows = await work.load_where(Provider, f"true ORDER BY family_name, id LIMIT {LIMIT}")
    places: defaultdict[UUID, list[UUID]] = defaultdict(list)
    for link in await work.load_where(ProviderClinic, "true ORDER BY clinic_id"):
        places[link.provider_id].append(link.clinic_id)
    return [(row, places[row.id]) for row in rows]


async def types(work: Work) -> list[AppointmentType]:
    """The kinds of visit of the network, by name."""
    return await work.load_where(AppointmentType, f"true ORDER BY name, id LIMIT {LIMIT}")
