"""Reading who may act for a patient."""

from uuid import UUID

from services.patients.domain.proxies import MAJORITY_AGE_DEFAULT, State, state_at
from services.patients.tables import ProxyEntry, ProxyPolicy
from shared.db.work import Work
from shared.values.errors import NotFound


async def policy(work: Work) -> ProxyPolicy | None:
    """What the network has said; None where it has said nothing."""
    rows = await work.load_where(ProxyPolicy, "true")
    return rows[0] if rows else None


async def majority_age(work: Work) -> int:
    """The age, in years, at which a patient of the network comes of age."""
    found = await policy(work)
    return MAJORITY_AGE_DEFAULT if found is None else found.majority_age


async def proxy(work: Work, patient_id: UUID, proxy_id: UUID) -> ProxyEntry:
    """One entry of a patient. Raises NotFound."""
    rows = await work.load_where(ProxyEntry, "id = $2 AND patient_id = $3", proxy_id, patient_id)
    if not rows:
        raise NotFound("proxy.not_found", "There is no such proxy.")
    return rows[0]


async def proxies(work: Work, patient_id: UUID) -> list[ProxyEntry]:
    """All entries of a patient, ended or not, in the order in which they were made."""
    return await work.load_where(ProxyEntry, "patient_id = $2 ORDER BY id", patient_id)


async def standing(work: Work, patient_id: UUID) -> list[ProxyEntry]:
    """Those that nobody and nothing has ended."""
    where = "patient_id = $2 AND ended_at IS NULL ORDER BY id"
    return await work.load_where(ProxyEntry, where, patient_id)


def state_of(work: Work, row: ProxyEntry) -> State:
    """How an entry stands now."""
    return state_at(work.now, row.begins_at, row.lapses_at, row.ended_at)
