"""What a migration does to rows that were there before it."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import pytest
from alembic import command

from shared.db.migrate import config_for, newest_revision
from shared.db.provision import BUS_DATABASE, provision, roles_of, service_environment
from shared.values.ids import new_id

SUFFIX = "_of_before"
NETWORK = new_id()
PAYMENT = """
INSERT INTO payments (id, network_id, patient_id, clinic_id, method, status, amount_cents, currency,
  refunded_cents, business_date, taken_at, taken_by, posted_at, version)
SELECT $1, $2, $1, $1, 'card', $3, 3000, 'USD', 0, date '2026-11-02', now(), 'person/dana',
  CASE WHEN $3 IN ('posted', 'refunded') THEN now() END, 1
"""


@pytest.fixture
def owner_url(postgres_superuser_url: str) -> Iterator[str]:
    """The owner of a database of payments in which nothing is yet; it is gone in the end."""
    passwords = {role: f"test-{role}" for role in roles_of()}
    url = postgres_superuser_url
    asyncio.run(provision(url, passwords, ["payments"], suffix=SUFFIX))
    made = service_environment(url, passwords, ["payments"], suffix=SUFFIX)
    yield made["CLINICBUS_PAYMENTS_OWNER_URL"]
    for database in ("clinicbus_payments", BUS_DATABASE):
        rows(url, f"DROP DATABASE {database}{SUFFIX}", database="postgres")


async def as_superuser(url: str, text: str, arguments: tuple[Any, ...]) -> list[Any]:
    """The rows of a statement that row security hides nothing from."""
    connection = await asyncpg.connect(url)
    try:
        found: list[Any] = await connection.fetch(text, *arguments)
        return found
    finally:
        await connection.close()


def rows(
    superuser_url: str, text: str, *arguments: Any, database: str = f"clinicbus_payments{SUFFIX}"
) -> list[Any]:
    """The same, where no loop runs: a migration has one of its own."""
    url = urlsplit(superuser_url)._replace(path=f"/{database}").geturl()
    return asyncio.run(as_superuser(url, text, arguments))


def charged(superuser_url: str, status: str) -> UUID:
    """A card payment as a version before 0007 left it, with its errand."""
    made = new_id()
    rows(superuser_url, PAYMENT, made, NETWORK, status)
    told = json.dumps({"card_token": "sim_ok", "amount_cents": 3000})
    rows(
        superuser_url,
        "INSERT INTO intent (network_id, id, kind, subject_id, body, actor, correlation_id)"
        " VALUES ($1, $2, 'charge_card', $2, $3, 'person/dana', $2)",
        NETWORK,
        made,
        told,
    )
    return made


def test_0007_wipes_the_tokens_of_cards_whose_outcome_is_known(
    postgres_superuser_url: str, owner_url: str
) -> None:
    url, owner = postgres_superuser_url, owner_url
    command.upgrade(config_for("payments", owner), "0005")
    known = {charged(url, status) for status in ("posted", "declined", "refunded")}
    unknown = {charged(url, status) for status in ("initiated", "pending", "unknown")}
    command.upgrade(config_for("payments", owner), "0007")
    left = rows(url, "SELECT subject_id FROM intent WHERE body ? 'card_token'")
    assert {row["subject_id"] for row in left} == unknown
    kept = rows(url, "SELECT subject_id FROM intent WHERE body ->> 'amount_cents' = '3000'")
    assert {row["subject_id"] for row in kept} == known | unknown
    forced = rows(url, "SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity")
    assert {"intent", "payments"} <= {row["relname"] for row in forced}
    assert newest_revision("payments") >= "0007"
