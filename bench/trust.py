"""What trust costs, and how far behind the sealer is and who saw a patient is found.

The other sides of what it costs are `bench.without_audit` and `bench.without_trust`.
"""

import asyncio
import os
import time
from collections.abc import Iterator
from uuid import UUID

from bench.report import Figure, at_most
from bench.stage import SERVICE, Stage
from bench.twins import beside
from bench.without_trust import URL
from shared.db.actor import Actor
from shared.db.audit_seals import LEAF_BYTES
from shared.db.database import Database
from shared.db.sealing import ages, run_sealer, seal
from shared.db.work import Context
from shared.values.ids import new_id
from shared.web import audit_trail
from shared.web.clocks import SystemClock

ROWS_A_SECOND = 1_000
SECONDS = 20
PATIENTS, ROWS_OF_SIX_YEARS = 20_000, 3_000_000
"""Of a network of five clinics: 1,400 accesses a day for six years."""
OF_ONE = 20_000
"""Rows of the patient who is asked for: far more than anybody has."""


def trust(made: Stage, seconds: int, rounds: int) -> Iterator[Figure]:
    """All four."""
    yield beside(
        made,
        seconds,
        rounds,
        name="bookings with ÷ without audit row",
        bound=0.9,
        twin="bench.without_audit:service",
        lacks="the same API, in which recording writes nothing",
        table="audit",
    )
    os.environ[URL] = made.server.superuser_url.replace("/postgres?", f"/clinicbus_{SERVICE}?")
    yield beside(
        made,
        seconds,
        rounds,
        name="bookings with ÷ without what trust asks for",
        bound=0.6,
        twin="bench.without_trust:service",
        lacks="no audit, no signature, no permission, no row security",
        table="audit",
    )
    yield asyncio.run(_seal_age(made))
    yield _who_saw(made)


def _database(made: Stage) -> Database:
    upper = SERVICE.upper()
    return Database.connect(
        SERVICE,
        made.environment[f"CLINICBUS_{upper}_APP_URL"],
        made.environment[f"CLINICBUS_{upper}_WORKER_URL"],
    )


async def _seal_age(made: Stage) -> Figure:
    """The oldest row without a seal, looked at ten times a second, while rows come in."""
    database, clock = _database(made), SystemClock()
    while (await seal(database)).more:
        pass  # what the bookings left
    sealer = asyncio.create_task(run_sealer(database))
    waits: list[float] = []
    written, started = 0, time.monotonic()
    try:
        while (now := time.monotonic() - started) < SECONDS:
            missing = min(50, int(now * ROWS_A_SECOND) - written)
            if missing <= 0:
                await asyncio.sleep(0.005)
                continue
            context = Context(made.network_id, Actor("person", "bench"), clock.now())
            async with database.work(context) as work:
                for _ in range(missing):
                    work.audit("bench", "/v1/bench", patients=[new_id()])
            written += missing
            if len(waits) < now * 10:
                waits.append((await ages(database)).unsealed)
    finally:
        sealer.cancel()
        await asyncio.gather(sealer, return_exceptions=True)
        await database.close()
    return at_most(
        "the oldest audit row without a seal", max(waits), 2.0, "s",
        f"{ROWS_A_SECOND} rows a second",
        written_per_second=round(written / SECONDS), looks=len(waits),
    )  # fmt: skip


_MANY = """
INSERT INTO audit (network_id, id, at, recorded_at, actor, roles, action, resource, patient_ids,
  outcome, correlation_id, detail)
SELECT $1, gen_random_uuid(), t, t, 'person/' || n % 40, '{front_desk}', 'read_patient',
  '/v1/patients/x', ARRAY[CASE WHEN n % $4 = 0 THEN $2 ELSE
    ('00000000-0000-7000-8000-' || lpad(to_hex(n % $5), 12, '0'))::uuid END],
  'ok', gen_random_uuid(), '{}'
FROM (SELECT n, timestamptz '2020-11-01' + n * interval '63 seconds' AS t
  FROM generate_series(1, $3::int) n) found
"""
_FOUND = """
INSERT INTO audit_patient SELECT network_id, unnest(patient_ids), at, id FROM audit
WHERE network_id = $1
"""
_AS_SEALED = "UPDATE audit_sealer SET cursor_xid = pg_snapshot_xmin(pg_current_snapshot())"


def _who_saw(made: Stage) -> Figure:
    """All pages of one patient, as the route reads them, among six years of rows."""
    network, patient = new_id(), new_id()
    made.ask(_MANY, network, patient, ROWS_OF_SIX_YEARS, ROWS_OF_SIX_YEARS // OF_ONE, PATIENTS)
    made.ask(_FOUND, network)
    made.ask(_AS_SEALED)
    made.rest()
    took, count = asyncio.run(_read(made, network, patient))
    if count != OF_ONE:
        raise RuntimeError(f"{count} rows were found, not {OF_ONE}")
    return at_most(
        "who saw a patient, over six years", took, 10.0, "s", "all pages of 200",
        rows=ROWS_OF_SIX_YEARS, of_the_patient=count, leaf_bytes=LEAF_BYTES,
    )  # fmt: skip


async def _read(made: Stage, network: UUID, patient: UUID) -> tuple[float, int]:
    database, clock = _database(made), SystemClock()
    at, last = audit_trail.NEVER, audit_trail.LAST
    count, started = 0, time.monotonic()
    try:
        while True:
            context = Context(network, Actor("person", "bench"), clock.now())
            async with database.work(context) as work:
                bounds = audit_trail.EVER, audit_trail.NEVER
                rows = await audit_trail.entries(work, patient, bounds, (at, last), 200)
            count += len(rows)
            if len(rows) < 200:
                return time.monotonic() - started, count
            at, last = rows[-1]["at"], rows[-1]["id"]
    finally:
        await database.close()
