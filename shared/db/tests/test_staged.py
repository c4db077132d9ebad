"""Rows made of what was read."""

from uuid import UUID

from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from shared.db.staged import row_of
from shared.values.ids import new_id


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
