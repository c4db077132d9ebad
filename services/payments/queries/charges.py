"""Reading charges and what is known of the money of a visit."""

from uuid import UUID

from services.payments.tables import Charge, ChargeLine, NoCharge
from shared.db.actor import at_clinic
from shared.db.work import Work
from shared.values.errors import NotFound


async def charge_of(work: Work, charge_id: UUID) -> Charge:
    """A charge of one of the caller's clinics. Raises NotFound."""
    row = await work.load(Charge, charge_id)
    if row is None or not at_clinic(work.actor, row.clinic_id):
        raise NotFound("charge.not_found", "There is no such charge.")
    return row


async def lines_of(work: Work, charge_id: UUID) -> list[ChargeLine]:
    """The lines of a charge, in their order."""
    return await work.load_where(ChargeLine, "charge_id = $2 ORDER BY line", charge_id)


async def open_cents(work: Work, charge: Charge) -> int:
    """What of a charge nothing has met yet."""
    met = await work.raw.fetchval(
        "SELECT coalesce(sum(cents), 0)::bigint FROM allocations"
        " WHERE network_id = $1 AND charge_id = $2",
        work.network_id,
        charge.id,
    )
    return charge.amount_cents - int(met)


async def standing_charge(work: Work, appointment_id: UUID) -> Charge | None:
    """The charge of a visit that stands; None where there is none, or it was corrected."""
    where = "appointment_id = $2 AND status = 'captured'"
    rows = await work.load_where(Charge, where, appointment_id)
    return rows[0] if rows else None


async def no_charge_of(work: Work, appointment_id: UUID) -> NoCharge | None:
    """Why a visit costs nothing, if somebody said so."""
    rows = await work.load_where(NoCharge, "appointment_id = $2", appointment_id)
    return rows[0] if rows else None
