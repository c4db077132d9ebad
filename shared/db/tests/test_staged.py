"""Rows made of what was read, or of values; and texts as the server takes them."""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from shared.db.mechanism_writes import array_text
from shared.db.staged import made, row_of
from shared.db.tests.conftest import Thing
from shared.values.ids import new_id

_COLUMNS = ("id", "network_id", "size", "version", "event_seq")


def test_a_row_can_be_read_in_a_process_that_has_made_none_of_its_kind() -> None:
    class Base(SQLModel, registry=registry()):
        """A registry that nothing has set up yet, as in a process that has just started."""

    class Fresh(Base, table=True):
        """A row of which none was made by `Fresh(...)`."""

        __tablename__ = "fresh"

        id: UUID = Field(primary_key=True)
        name: str

    key = new_id()
    row = row_of(Fresh, {"id": key, "name": "one"})
    assert (row.id, row.name) == (key, "one")
    row.name = "another"
    assert row.name == "another"


def test_a_row_made_of_values_is_what_the_model_would_make() -> None:
    values: dict[str, Any] = {"id": new_id(), "network_id": new_id(), "size": 3}
    row, constructed = made(Thing, values), Thing(**values)
    assert {c: getattr(row, c) for c in _COLUMNS} == {c: getattr(constructed, c) for c in _COLUMNS}
    row.size = 4
    assert row.size == 4


@pytest.mark.parametrize(
    ("values", "named"),
    [({"id": new_id()}, "network_id"), ({"id": 1, "network_id": 2, "colour": "red"}, "colour")],
)
def test_a_row_with_a_wrong_or_missing_name_is_not_made(
    values: dict[str, object], named: str
) -> None:
    with pytest.raises(TypeError, match=named):
        made(Thing, values)


@given(st.lists(st.text(st.characters(blacklist_characters="\0", codec="utf-8"))))
@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_a_list_of_texts_arrives_as_it_is(gamma_urls: dict[str, str], values: list[str]) -> None:
    async def read_back() -> list[str]:
        connection = await asyncpg.connect(gamma_urls["CLINICBUS_GAMMA_APP_URL"])
        try:
            found: list[str] = await connection.fetchval(
                "SELECT $1::text::text[]", array_text(values)
            )
            return found
        finally:
            await connection.close()

    assert asyncio.run(read_back()) == values
