"""The days and zones by which people are judged: those of the network's clinics."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID
from zoneinfo import ZoneInfo

from services.patients.tables import KnownClinic
from shared.db.actor import at_clinic
from shared.db.work import Work
from shared.values.errors import NotYetHeard
from shared.values.zones import zone


async def known_clinic(work: Work, clinic_id: UUID) -> KnownClinic | None:
    """What was heard of a clinic."""
    rows = await work.load_where(KnownClinic, "clinic_id = $2", clinic_id)
    return rows[0] if rows else None


async def latest_date(work: Work) -> date:
    """The latest date that the clocks of the network's clinics show; that of UTC without any.

    Nobody at any of them has been born on a later one.
    """
    clinics = await _clinics(work)
    days = [work.now.astimezone(zone(clinic.time_zone)).date() for clinic in clinics]
    return max(days, default=work.now.date())


async def zones(work: Work) -> list[ZoneInfo]:
    """The zones of the network's clinics."""
    return [zone(clinic.time_zone) for clinic in await _clinics(work)]


async def zone_at(work: Work, clinic_id: UUID | None) -> str:
    """The IANA zone of a clinic. Without one: of the first that the caller works at, else UTC.

    Raises NotYetHeard for a clinic that is not known, or not the caller's.
    """
    if clinic_id is not None:
        found = await known_clinic(work, clinic_id)
        if found is None or not at_clinic(work.actor, clinic_id):
            raise NotYetHeard("clinic.not_found", "There is no such clinic.")
        return found.time_zone
    mine = work.actor.clinic_ids
    clinics = [c for c in await _clinics(work) if mine is None or c.clinic_id in mine]
    return clinics[0].time_zone if clinics else "UTC"


async def _clinics(work: Work) -> Sequence[KnownClinic]:
    return await work.load_where(KnownClinic, "true ORDER BY clinic_id")
