"""Migrations and tables say the same."""

import importlib

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from shared.db.migrate import driver_url
from shared.db.provision import SERVICES

Columns = dict[str, dict[str, tuple[str, bool]]]


def _family(kind: sa.types.TypeEngine[object]) -> str:
    name = str(kind.__class__.__visit_name__).lower()
    return name.replace("string", "text").replace("varchar", "text")


_SAME = {
    "auto_string": "text",
    "autostring": "text",
    "datetime": "timestamp",
    "uuid": "uuid",
    "big_integer": "bigint",
    "integer": "integer",
    "large_binary": "bytea",
}


def _name(kind: sa.types.TypeEngine[object]) -> str:
    while isinstance(kind, sa.types.TypeDecorator):
        kind = kind.impl_instance
    found = _family(kind)
    return _SAME.get(found, found).lower()


@pytest.mark.parametrize("service", SERVICES)
async def test_tables_are_what_the_migrations_made(
    environment: dict[str, str], service: str
) -> None:
    tables = importlib.import_module(f"services.{service}.tables")
    engine = create_async_engine(driver_url(environment[f"CLINICBUS_{service.upper()}_OWNER_URL"]))

    def reflected(connection: sa.Connection) -> Columns:
        inspector = sa.inspect(connection)
        return {
            name: {
                c["name"]: (_name(c["type"]), c["nullable"]) for c in inspector.get_columns(name)
            }
            for name in tables.metadata.tables
            if inspector.has_table(name)
        }

    async with engine.connect() as connection:
        found = await connection.run_sync(reflected)
    await engine.dispose()
    declared = {
        name: {c.name: (_name(c.type), bool(c.nullable)) for c in table.columns}
        for name, table in tables.metadata.tables.items()
    }
    assert declared
    # Nullability of a generated column is the database's own affair.
    for columns in (*found.values(), *declared.values()):
        columns.pop("during", None)
    assert found == declared
