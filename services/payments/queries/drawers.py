"""Reading drawers: the sessions, and what must lie in one."""

from uuid import UUID

from services.payments.domain.drawer import Tally, expected
from services.payments.tables import Drawer
from shared.db.actor import at_clinic
from shared.db.work import Work
from shared.values.errors import NotFound

_INSIDE = """
SELECT
 (SELECT coalesce(sum(amount_cents), 0) FROM payments WHERE network_id = $1 AND drawer_id = $2
  AND method = 'cash' AND posted_at IS NOT NULL)::bigint,
 (SELECT coalesce(sum(amount_cents), 0) FROM refunds WHERE network_id = $1 AND drawer_id = $2
  AND method = 'cash' AND posted_at IS NOT NULL)::bigint,
 (SELECT count(*) FROM payments WHERE network_id = $1 AND drawer_id = $2
  AND method = 'check' AND posted_at IS NOT NULL)::bigint,
 (SELECT coalesce(sum(amount_cents), 0) FROM payments WHERE network_id = $1 AND drawer_id = $2
  AND method = 'check' AND posted_at IS NOT NULL)::bigint
"""


async def drawer_of(work: Work, drawer_id: UUID) -> Drawer:
    """A drawer session of one of the caller's clinics. Raises NotFound."""
    row = await work.load(Drawer, drawer_id)
    if row is None or not at_clinic(work.actor, row.clinic_id):
        raise NotFound("drawer.not_found", "There is no such drawer.")
    return row


async def expected_in(work: Work, drawer: Drawer) -> Tally:
    """What must lie in the drawer now. Read under the drawer's lock."""
    cash_in, cash_out, check_count, check_cents = await work.raw.fetchrow(
        _INSIDE, work.network_id, drawer.id
    )
    return expected(
        drawer.float_cents,
        cash_in_cents=cash_in,
        cash_out_cents=cash_out,
        check_count=check_count,
        check_cents=check_cents,
    )
