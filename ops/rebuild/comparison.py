"""Two copies of a table, one live and one made again: their canonical hashes, and what differs.

A row is its compared columns as JSON with sorted keys, and times in UTC; the hash of a network's
rows is the SHA-256 of their SHA-256s in order. The server makes both, so nothing leaves it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import asyncpg

from ops.errors import CannotRun
from shared.bus.projections import Projection
from shared.db.work import Work

Copy = Literal["public", "pg_temp"]

_COLUMNS = """
SELECT a.attname AS name, coalesce(a.attnum = ANY (i.indkey), false) AS in_key
FROM pg_attribute a LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
WHERE a.attrelid = to_regclass('public.' || $1) AND a.attnum > 0 AND NOT a.attisdropped
  AND a.attgenerated = '' ORDER BY a.attnum
"""
_DIGEST = """
SELECT count(*) AS rows, encode(sha256(convert_to(
  coalesce(string_agg(line, '' ORDER BY line COLLATE "C"), ''), 'UTF8')), 'hex') AS sha256
FROM (SELECT encode(sha256(convert_to(to_jsonb(r)::text, 'UTF8')), 'hex') AS line
  FROM (SELECT {compared} FROM {copy}.{table} WHERE network_id = $1) r) lines
"""
_SIDE = """
(SELECT to_jsonb(k) AS key, to_jsonb(c) AS compared, to_jsonb(w) AS whole FROM {copy}.{table} t,
  LATERAL (SELECT {key}) k, LATERAL (SELECT {compared}) c, LATERAL (SELECT {whole}) w
WHERE t.network_id = $1)
"""
_DIFFER = """
SELECT coalesce(l.key, r.key)::text AS key, l.key IS NULL AS missing, r.whole::text AS row
FROM {live} l FULL JOIN {rebuilt} r ON l.key = r.key
WHERE l.compared IS DISTINCT FROM r.compared ORDER BY 1
"""
_DELETE = """
DELETE FROM public.{table} t USING jsonb_populate_recordset(NULL::public.{table}, $1::text::jsonb) g
WHERE ({of_t}) = ({of_g})
"""
_WRITE = """
INSERT INTO public.{table} ({whole})
SELECT {whole} FROM jsonb_populate_recordset(NULL::public.{table}, $1::text::jsonb)
ON CONFLICT ({key}) DO {then}
"""


@dataclass(frozen=True, slots=True)
class Shape:
    """A table's columns: all that are written, those that are compared, its primary key, and how
    what the service counts there itself is counted anew."""

    table: str
    whole: tuple[str, ...]
    compared: tuple[str, ...]
    key: tuple[str, ...]
    counted: Mapping[str, str]

    @property
    def deleting(self) -> str:
        """The statement that deletes rows by their keys, given as a JSON list."""
        of_t, of_g = (", ".join(f"{t}.{_quoted([name])}" for name in self.key) for t in "tg")
        return _DELETE.format(table=self.table, of_t=of_t, of_g=of_g)

    @property
    def writing(self) -> str:
        """The statement that inserts rows, given as a JSON list, or changes those that are there.

        What is not compared keeps its value where the row is there.
        """
        names = [_quoted([name]) for name in self.compared if name not in self.key]
        sets = ", ".join(f"{name} = excluded.{name}" for name in names)
        return _WRITE.format(
            table=self.table,
            whole=_quoted(self.whole),
            key=_quoted(self.key),
            then=f"UPDATE SET {sets}" if sets else "NOTHING",
        )


@dataclass(frozen=True, slots=True)
class Digest:
    """How many rows of a network there are, and their canonical hash."""

    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that is not the same in both. `key` is JSON, and `row`, the rebuilt one, too; None
    where no event tells of the live row."""

    key: str
    how: Literal["missing", "altered", "planted"]
    row: str | None


async def shape_of(raw: asyncpg.Connection, table: str, projection: Projection) -> Shape:
    """Read a table's columns. Raises CannotRun where it has no primary key, or is not there."""
    rows = await raw.fetch(_COLUMNS, table)
    whole = tuple(row["name"] for row in rows)
    key = tuple(row["name"] for row in rows if row["in_key"])
    if not key:
        raise CannotRun(f"There is no table {table} with a primary key.")
    apart = {*projection.apart, *projection.counted}
    compared = tuple(name for name in whole if name not in apart)
    counted = {name: sql for name, sql in projection.counted.items() if name in whole}
    return Shape(table, whole, compared, key, counted)


async def digest(work: Work, shape: Shape, copy: Copy) -> Digest:
    """The canonical hash of the rows of the work's network in one of the copies."""
    text = _DIGEST.format(compared=_quoted(shape.compared), copy=copy, table=shape.table)
    row = await work.raw.fetchrow(text, work.network_id)
    return Digest(row["rows"], row["sha256"])


async def differences(work: Work, shape: Shape) -> list[Difference]:
    """The rows of the work's network that are not the same in both copies."""

    def side(copy: Copy) -> str:
        key, compared = _of(shape.key), _of(shape.compared)
        # A lost row cannot be counted on by a command meanwhile: without it, the command refuses.
        whole = ", ".join(f'{shape.counted.get(n, _of([n]))} AS "{n}"' for n in shape.whole)
        return _SIDE.format(copy=copy, table=shape.table, key=key, compared=compared, whole=whole)

    text = _DIFFER.format(live=side("public"), rebuilt=side("pg_temp"))
    found = []
    for key, missing, row in await work.raw.fetch(text, work.network_id):
        how: Literal["missing", "altered", "planted"] = "missing" if missing else "altered"
        found.append(Difference(key, "planted" if row is None else how, row))
    return found


def _quoted(names: Collection[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _of(names: Collection[str]) -> str:
    return ", ".join(f't."{name}"' for name in names)
