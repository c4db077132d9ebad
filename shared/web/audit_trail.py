"""Who saw a patient, as one service has it: every service answers `GET /v1/audit-entries`."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

from shared.contracts.permissions import Permission
from shared.db.work import Work
from shared.web.calls import Call, Reply
from shared.web.pages import PageQuery, read_cursor, sign_cursor
from shared.web.routes import Routes

# What is sealed is found by patient and time. The last rows are not sealed yet: few, and looked
# through. `xid` is compared by a function that tells nothing, so that its index may be used; with a
# number that stands in the text, as otherwise a third of all rows is expected behind it.
_CURSOR = "SELECT coalesce((SELECT cursor_xid::text FROM audit_sealer), '0')"
_ENTRIES = """
WITH found AS (
  (SELECT audit_id AS id FROM audit_patient
   WHERE network_id = $1 AND patient_id = $2 AND at >= $3 AND at < $4
     AND (at, audit_id) < ($5, $6)
   ORDER BY at DESC, audit_id DESC LIMIT $7)
  UNION
  (SELECT id FROM audit
   WHERE network_id = $1 AND xid >= '{cursor}'::xid8
     AND $2 = ANY (patient_ids) AND at >= $3 AND at < $4 AND (at, id) < ($5, $6)
   ORDER BY at DESC, id DESC LIMIT $7))
SELECT a.id, a.at, a.actor, a.roles, a.on_behalf_of, a.action, a.resource, a.outcome,
  a.correlation_id, coalesce((a.detail ->> 'emergency')::boolean, false) AS emergency
FROM audit a JOIN found ON found.id = a.id WHERE a.network_id = $1
ORDER BY a.at DESC, a.id DESC LIMIT $7
"""
EVER, NEVER = (
    datetime.fromisoformat("0001-01-02T00:00Z"),
    datetime.fromisoformat("9999-12-30T00:00Z"),
)
LAST = UUID(int=2**128 - 1)


async def entries(
    work: Work,
    patient_id: UUID,
    bounds: tuple[datetime, datetime],
    before: tuple[datetime, UUID],
    limit: int,
) -> list[Any]:
    """Rows about a patient from the one bound to before the other, the newest first, and all older
    than `before` (time and id)."""
    cursor = int(await work.raw.fetchval(_CURSOR))
    text = _ENTRIES.format(cursor=cursor)
    found: list[Any] = await work.raw.fetch(
        text, work.network_id, patient_id, *bounds, *before, limit
    )
    return found


class AuditQuery(PageQuery):
    """Whose record, and when it was touched: from `since`, before `until`."""

    patient_id: UUID
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


class AuditEntry(BaseModel):
    """One access: who, when, what, and whether it was let."""

    id: UUID
    at: datetime
    actor: str
    roles: list[str]
    on_behalf_of: str | None
    action: str
    resource: str
    outcome: str
    correlation_id: UUID
    emergency: bool


class AuditEntryList(BaseModel):
    """Accesses of one service, the newest first. next: the cursor of the following page."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"service": "patients", "items": [], "next": None}]}
    )

    service: str
    items: list[AuditEntry]
    next: str | None = None


ROUTES = Routes("audit")


@ROUTES.get(
    "/v1/audit-entries",
    may=Permission.AUDIT_READ,
    reply=AuditEntryList,
    query=AuditQuery,
    refuses=("cursor.invalid",),
)
async def list_audit_entries(work: Work, call: Call[AuditQuery]) -> Reply:
    """Who saw, searched, changed or was refused a patient's record in this service.

    45 CFR 164.308(a)(1)(ii)(D), information system activity review.
    """
    query = call.given
    call.concerns(query.patient_id)
    asked = {"since": query.since, "until": query.until}
    call.detail |= {name: bound.isoformat() for name, bound in asked.items() if bound is not None}
    at, last = NEVER, LAST
    if query.cursor is not None:
        moment, _, key = read_cursor(call.cursor_secret, query.cursor).partition("|")
        at, last = datetime.fromisoformat(moment), UUID(key)
    bounds = query.since or EVER, query.until or NEVER
    rows = await entries(work, query.patient_id, bounds, (at, last), query.limit + 1)
    page, following = rows[: query.limit], None
    if len(rows) > query.limit:
        position = f"{page[-1]['at'].isoformat()}|{page[-1]['id']}"
        following = sign_cursor(call.cursor_secret, position)
    items = [AuditEntry.model_validate(dict(row)) for row in page]
    return Reply(AuditEntryList(service=work.producer, items=items, next=following))
