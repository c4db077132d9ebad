"""Writes that wait until the end of a command and then go to the server as one statement.

Each staged write is a text with `$1..$n` and its arguments; together they become the members of
one `WITH`, so a command with a dozen rows costs one round trip. Members of one `WITH` all see the
data as it was before it, and their order is not defined: a write that must see another one (a row
freed before the next takes its place) is flushed in between.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import class_mapper
from sqlalchemy.orm.instrumentation import manager_of_class
from sqlmodel import SQLModel

Model = TypeVar("Model", bound=SQLModel)

_PLACEHOLDER = re.compile(r"\$(\d+)")


@dataclass(frozen=True, slots=True)
class Write:
    """One member: returns `expected` rows (`RETURNING 1`), or the transaction is refused."""

    text: str
    arguments: tuple[Any, ...]
    expected: int | None
    what: str


def table_of(model: type[SQLModel]) -> sa.Table:
    """The table of a model."""
    table = model.__dict__.get("__table__")
    if not isinstance(table, sa.Table):
        raise TypeError(f"{model.__name__} is not a table")
    return table


@dataclass(frozen=True, slots=True)
class _Shape:
    name: str
    columns: tuple[str, ...]
    names: frozenset[str]
    json_columns: frozenset[str]
    key: tuple[str, ...]


@lru_cache(maxsize=256)
def shape_of(model: type[SQLModel]) -> _Shape:
    """What an insert or update of a model needs to know of its table."""
    table = table_of(model)
    written = [c for c in table.columns if c.computed is None]
    return _Shape(
        name=table.name,
        columns=tuple(c.name for c in written),
        names=frozenset(c.name for c in written),
        json_columns=frozenset(c.name for c in written if isinstance(c.type, JSONB)),
        key=tuple(c.name for c in table.primary_key.columns),
    )


def row_of(model: type[Model], values: Mapping[str, Any]) -> Model:
    """A row of values that were read, all columns of them.

    As SQLAlchemy's own loading does, without `__init__`: setting each attribute through the model
    costs fifty times as much.
    """
    row: Model = _manager_of(model).new_instance()
    row.__dict__.update(values)
    return row


@lru_cache(maxsize=256)
def _manager_of(model: type[SQLModel]) -> Any:
    # The first construction of a model sets its mapper up; where none comes first, this does.
    class_mapper(model)
    return manager_of_class(model)


def made(model: type[Model], values: Mapping[str, Any]) -> Model:
    """A new row of values and the model's defaults, without `__init__`, as `row_of`.

    Raises TypeError for a name that is no column, and for a column without value and default.
    """
    held = {**_defaults(model), **values}
    columns = shape_of(model).names
    if held.keys() != columns:
        raise TypeError(f"{model.__name__}: {', '.join(sorted(held.keys() ^ columns))}")
    return row_of(model, held)


@lru_cache(maxsize=256)
def _defaults(model: type[SQLModel]) -> Mapping[str, Any]:
    names = shape_of(model).names
    return {
        name: found.default
        for name, found in model.model_fields.items()
        if name in names and not found.is_required() and found.default_factory is None
    }


def _values(shape: _Shape, held: Mapping[str, Any]) -> tuple[Any, ...]:
    if not shape.json_columns:
        return tuple(map(held.get, shape.columns))
    return tuple(
        json.dumps(held.get(name))
        if name in shape.json_columns and held.get(name) is not None
        else held.get(name)
        for name in shape.columns
    )


@lru_cache(maxsize=512)
def _insert_text(model: type[SQLModel], count: int) -> str:
    shape = shape_of(model)
    width = len(shape.columns)
    rows = ", ".join(
        "(" + ", ".join(f"${row * width + i + 1}" for i in range(width)) + ")"
        for row in range(count)
    )
    return f"INSERT INTO {shape.name} ({', '.join(shape.columns)}) VALUES {rows} RETURNING 1"


def insert(model: type[SQLModel], rows: Sequence[SQLModel]) -> Write:
    """An insert of rows of one model."""
    return insert_values(model, [row.__dict__ for row in rows])


def insert_values(model: type[SQLModel], rows: Sequence[Mapping[str, Any]]) -> Write:
    """An insert of rows given as values; a column that is left out becomes NULL."""
    shape = shape_of(model)
    arguments = tuple(value for row in rows for value in _values(shape, row))
    return Write(_insert_text(model, len(rows)), arguments, len(rows), model.__name__)


def update(
    model: type[SQLModel], row: SQLModel, changed: Sequence[str], guard: dict[str, Any]
) -> Write:
    """An update of `changed` columns where the key and every guard column still match."""
    shape = shape_of(model)
    values = dict(zip(shape.columns, _values(shape, row.__dict__), strict=True))
    sets = ", ".join(f"{name} = ${i + 1}" for i, name in enumerate(changed))
    arguments = [values[name] for name in changed]
    conditions = {**{name: values[name] for name in shape.key}, **guard}
    where = " AND ".join(f"{n} = ${len(changed) + i + 1}" for i, n in enumerate(conditions))
    arguments.extend(conditions.values())
    text = f"UPDATE {shape.name} SET {sets} WHERE {where} RETURNING 1"
    return Write(text, tuple(arguments), 1, model.__name__)


@lru_cache(maxsize=1024)
def _joined(texts: tuple[str, ...]) -> str:
    members: list[str] = []
    offset = 0
    for index, text in enumerate(texts):
        numbers = [int(n) for n in _PLACEHOLDER.findall(text)]
        shift = offset

        def moved(match: re.Match[str], by: int = shift) -> str:
            return f"${int(match.group(1)) + by}"

        members.append(f"w{index} AS ({_PLACEHOLDER.sub(moved, text)})")
        offset += max(numbers, default=0)
    counts = ", ".join(f"(SELECT count(*) FROM w{i})" for i in range(len(texts)))
    return f"WITH {', '.join(members)} SELECT {counts}"


def joined(writes: Sequence[Write]) -> tuple[str, list[Any]]:
    """One statement for all writes; it answers one row with the count of each."""
    text = _joined(tuple(write.text for write in writes))
    return text, [argument for write in writes for argument in write.arguments]
