"""Rows of several tables in one round trip: what a handler reads before it decides."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import orjson
from sqlmodel import SQLModel

from shared.db.actor import own_rows
from shared.db.staged import shape_of
from shared.db.work import Work

Wanted = tuple[type[SQLModel], str]
"""A model and the condition of `Work.load_where`."""


async def load_together(work: Work, wanted: Sequence[Wanted], *arguments: Any) -> list[list[Any]]:
    """For each wanted, its rows as `Work.load_where` gives them, watched for changes.

    All conditions share the arguments, and each of these is named in one of them.
    """
    parts: list[str] = []
    given = arguments
    for model, where in wanted:
        shape = shape_of(model)
        table, given = own_rows(work.actor, shape.name, shape.names, given)
        held = f"FROM {table} WHERE network_id = $1 AND {where}"
        parts.append(f"ARRAY(SELECT ROW({_columns(model)}) {held})")
    found = await work.raw.fetchrow(f"SELECT {', '.join(parts)}", work.network_id, *given)
    return [
        [work.adopt(model, _values(model, row)) for row in rows]
        for (model, _), rows in zip(wanted, found, strict=True)
    ]


@lru_cache(maxsize=256)
def _columns(model: type[SQLModel]) -> str:
    # Inside of a row the driver gives JSON as Postgres sends it in binary: it is asked for as text.
    shape = shape_of(model)
    return ", ".join(f"{c}::text" if c in shape.json_columns else c for c in shape.columns)


def _values(model: type[SQLModel], row: Sequence[Any]) -> dict[str, Any]:
    shape = shape_of(model)
    values = dict(zip(shape.columns, row, strict=True))
    for name in shape.json_columns:
        if values[name] is not None:
            values[name] = orjson.loads(values[name])
    return values
