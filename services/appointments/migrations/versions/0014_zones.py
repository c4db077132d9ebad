"""The offset that a time was booked with: it tells the wall time when a zone's rules change."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from alembic import op

from shared.db.migrate import executor

revision = "0014"
down_revision = "0013"

COLUMNS = (
    ("appointments", "utc_offset_minutes", "starts_at"),
    ("sessions", "utc_offset_minutes", "starts_at"),
    ("blocks", "utc_offset_minutes", "starts_at"),
    ("blocks", "end_utc_offset_minutes", "ends_at"),
    ("on_call_shifts", "utc_offset_minutes", "starts_at"),
    ("on_call_shifts", "end_utc_offset_minutes", "ends_at"),
)
TABLES = tuple(dict.fromkeys(table for table, _, _ in COLUMNS))
STEP = timedelta(hours=6)
"""No zone changes its offset and changes it back within so little."""


def stretches(
    in_zone: ZoneInfo, first: datetime, last: datetime
) -> Iterator[tuple[datetime, datetime, int]]:
    """The stretches of one offset (minutes) that a zone has from one instant to another."""

    def offset(at: datetime) -> timedelta:
        return at.astimezone(in_zone).utcoffset() or timedelta()

    start, at = first, first
    while at <= last:
        following = at + STEP
        if offset(following) != offset(at):
            before, after = at, following
            while after - before > timedelta(minutes=1):
                middle = before + (after - before) // 2
                middle = middle.replace(second=0, microsecond=0)
                if middle <= before:
                    break
                before, after = (
                    (middle, after) if offset(middle) == offset(at) else (before, middle)
                )
            yield start, after, offset(at) // timedelta(minutes=1)
            start = after
        at = following
    yield start, last + timedelta(days=1), offset(start) // timedelta(minutes=1)


def fill(table: str, column: str, moment: str) -> None:
    """The offsets of the rows that are there, by the rules that this machine has."""
    to = op.get_bind()
    by = "c.id = t.clinic_id AND c.network_id = t.network_id"
    named, joined = "c.time_zone", f"FROM {table} t JOIN clinics c ON {by}"
    if table == "on_call_shifts":
        named, joined = "t.time_zone", f"FROM {table} t"
    asked = f"SELECT {named}, min(t.{moment}), max(t.{moment}) {joined} GROUP BY 1"
    for name, first, last in to.execute(sa.text(asked)).all():
        begin = first.astimezone(UTC).replace(second=0, microsecond=0)
        for start, end, offset in stretches(ZoneInfo(name), begin, last):
            to.execute(
                sa.text(
                    f"UPDATE {table} SET {column} = :offset WHERE id IN (SELECT t.id {joined}"
                    f" WHERE {named} = :zone AND t.{moment} >= :start AND t.{moment} < :end)"
                ),
                {"offset": offset, "zone": name, "start": start, "end": end},
            )


def upgrade() -> None:
    execute = executor()
    for table, column, _ in COLUMNS:
        execute(
            f"ALTER TABLE {table} ADD COLUMN {column} int CHECK ({column} BETWEEN -1080 AND 1080)"
        )
    for table in (*TABLES, "clinics"):
        execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    for column in COLUMNS:
        fill(*column)
    for table in (*TABLES, "clinics"):
        execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    for table, column, _ in COLUMNS:
        execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL")
