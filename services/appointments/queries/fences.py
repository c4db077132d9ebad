"""Whether time that a visit leaves is a block's."""

from uuid import UUID

from shared.db.work import Work
from shared.values.interval import Interval


async def fenced(work: Work, provider_id: UUID, interval: Interval) -> bool:
    """Whether a fence stands in an interval of a provider for every type of visit.

    Where visits stay in a block there is one; what they leave then is free for nobody.
    """
    found = await work.raw.fetchval(
        "SELECT true FROM occupancies WHERE network_id = $1 AND active"
        " AND resource_kind = 'provider' AND resource_id = $2 AND lane < 0"
        " AND only_type_id IS NULL AND starts_at < $4 AND ends_at > $3"
        " AND starts_at > $3 - interval '24 h' LIMIT 1",
        work.network_id,
        provider_id,
        interval.start,
        interval.end,
    )
    return found is not None
