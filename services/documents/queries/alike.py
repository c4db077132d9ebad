"""What a caller is told of other documents with the same bytes: none that they may not see."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from services.documents.queries.documents import seen_by
from services.documents.tables import Document
from shared.db.actor import own_rows
from shared.db.work import Work

_SEEN = """
SELECT DISTINCT CASE WHEN id = ANY ($2) THEN id END AS id, sha256, patient_id
FROM {table} WHERE network_id = $1 AND {condition}
"""
"""The same page may have been scanned a thousand times: it is one line for each patient."""


@dataclass(frozen=True, slots=True)
class Alike:
    """duplicate_of: the first document with the same bytes. elsewhere: whether they are filed with
    another patient, too."""

    duplicate_of: UUID | None
    elsewhere: bool


async def alike(work: Work, rows: Sequence[Document]) -> list[Alike]:
    """What may be said to the caller of each row, in their order.

    A row keeps what is so in the whole network. Who is bound to clinics or patients is told it as
    far as the other document is one that they may see.
    """
    if work.actor.clinic_ids is None and work.actor.patient_ids is None:
        return [Alike(row.duplicate_of, row.elsewhere) for row in rows]
    firsts = {row.duplicate_of for row in rows} - {None}
    marked = {row.sha256 for row in rows if row.elsewhere}
    if not firsts and not marked:
        return [Alike(None, False)] * len(rows)
    where, arguments = seen_by(work.actor, [list(firsts), list(marked)])
    table, given = own_rows(work.actor, "documents", {"patient_id"}, tuple(arguments))
    condition = " AND ".join(["(id = ANY($2) OR sha256 = ANY($3))", *where])
    seen = await work.raw.fetch(
        _SEEN.format(table=table, condition=condition), work.network_id, *given
    )
    ids = {other["id"] for other in seen}
    filed = {(other["sha256"], other["patient_id"]) for other in seen if other["patient_id"]}

    def said(row: Document) -> Alike:
        others = any(sha == row.sha256 and whose != row.patient_id for sha, whose in filed)
        return Alike(
            row.duplicate_of if row.duplicate_of in ids else None, row.elsewhere and others
        )

    return [said(row) for row in rows]
