"""Searches use their indexes under row security: without one, a network's every row is read."""

import asyncio
import json
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.patients.queries.finding import Wanted, search_statement
from services.patients.queries.matching import SHARING
from shared.db.actor import Actor
from shared.db.database import Database
from shared.db.work import Context
from shared.values.ids import new_id

PEOPLE = 4_000
BORN = date(1984, 2, 29)
NOW = datetime(2026, 11, 2, tzinfo=UTC)

_PEOPLE = """
INSERT INTO patients (id, network_id, mrn, family, birth_date, gender, family_search, given_search,
  preferred_search, family_sound, given_sound, registered_at, version, event_seq)
SELECT gen_random_uuid(), $1, lpad(n::text, 9, '0'), 'x', date '1930-01-01' + n * 7, 'unknown',
  md5(n::text), md5('g' || n), md5('p' || n), left(md5('s' || n), 4), left(md5('t' || n), 4),
  now(), 1, 1
FROM generate_series(1, $2::int) n
"""
_REACHED = """
INSERT INTO patient_phones (id, network_id, patient_id, position, number, use)
SELECT gen_random_uuid(), network_id, id, 0, '+1303' || right(mrn, 7), 'mobile' FROM patients
WHERE network_id = $1
"""
_MAILED = """
INSERT INTO patient_emails (id, network_id, patient_id, position, address, search)
SELECT gen_random_uuid(), network_id, id, 0, mrn || '@x.org', mrn || '@x.org' FROM patients
WHERE network_id = $1
"""
_KEYS = """
INSERT INTO match_keys (network_id, patient_id, key, active)
SELECT network_id, id, 'b:' || mrn, true FROM patients WHERE network_id = $1
"""


@pytest.fixture(scope="module")
def crowd(environment: dict[str, str]) -> UUID:
    """A network of many people."""
    network_id = new_id()
    asyncio.run(_fill(environment, network_id))
    return network_id


async def _fill(environment: dict[str, str], network_id: UUID) -> None:
    """Enter the people and bring the tables' statistics up to date."""
    database = Database.connect("patients", environment["CLINICBUS_PATIENTS_APP_URL"], None)
    async with database.work(Context(network_id, Actor("person", "test"), NOW)) as work:
        await work.raw.execute(_PEOPLE, network_id, PEOPLE)
        for text in (_REACHED, _MAILED, _KEYS):
            await work.raw.execute(text, network_id)
    await database.close()
    owner = await asyncpg.connect(environment["CLINICBUS_PATIENTS_OWNER_URL"])
    for table in ("patients", "patient_phones", "patient_emails", "match_keys"):
        await owner.execute(f"ANALYZE {table}")
    await owner.close()


async def explained(environment: dict[str, str], text: str, *arguments: Any) -> str:
    """The plan of a statement as the app role gets it, with row security on."""
    database = Database.connect("patients", environment["CLINICBUS_PATIENTS_APP_URL"], None)
    context = Context(arguments[0], Actor("person", "test"), NOW)
    async with database.work(context) as work:
        row_security = await work.raw.fetchval(
            "SELECT relrowsecurity AND relforcerowsecurity FROM pg_class WHERE relname = 'patients'"
        )
        assert row_security
        plan = await work.raw.fetchval(f"EXPLAIN (FORMAT JSON) {text}", *arguments)
    await database.close()
    return json.dumps(plan)


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (Wanted(family="abc"), "patients_by_family"),
        (Wanted(given="abc"), "patients_by_given"),
        (Wanted(given="abc"), "patients_by_preferred"),
        (Wanted(family="Ashcraft", sounds_like=True), "patients_by_family_sound"),
        (Wanted(given="Robert", sounds_like=True), "patients_by_given_sound"),
        (Wanted(birth_date=BORN), "patients_by_birth_date"),
        (Wanted(mrn="000000424"), "patients_network_id_mrn_key"),
        (Wanted(phone="+13030000042"), "phones_by_number"),
        (Wanted(email="000000042@x.org"), "emails_by_search"),
    ],
)
async def test_a_search_reads_an_index(
    environment: dict[str, str], crowd: UUID, wanted: Wanted, index: str
) -> None:
    text, arguments = search_statement(wanted, None, 51)
    plan = await explained(
        environment, f"SELECT * FROM patients WHERE network_id = $1 AND {text}", crowd, *arguments
    )
    assert index in plan
    assert "Seq Scan" not in plan


async def test_matching_reads_an_index(environment: dict[str, str], crowd: UUID) -> None:
    plan = await explained(environment, SHARING, crowd, ["b:000000042", "p:+1"], 500)
    assert "match_keys_by_key" in plan
    assert "Seq Scan" not in plan
