"""Bookings per second of one API process ÷ pgbench running the same statements.

Both on the same server, one after the other and again, with 16 clients, relay and consumers off.
Also: 200 clients racing for 20 slots.
"""

import asyncio
import os
import re
import resource
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from bench.driver import drive, request
from bench.stage import NOW, SLOT_MINUTES, SLOTS_A_DAY, Stage, api, count_bookings, slot_start
from ops.postgres_account import installed_programs
from services.appointments.commands.booking import Request as Booking
from services.appointments.commands.booking import book, book_locks
from services.appointments.queries.booking_facts import AROUND, FACTS, LONGEST
from shared.db.actor import Actor
from shared.db.database import _opening
from shared.db.work import Context, Work
from shared.web.clocks import SharedClock
from shared.web.transactions import Key, _store

SECONDS = float(os.environ.get("BENCH_SECONDS", "8"))
CLIENTS = 16
BASE = datetime(2030, 1, 7, tzinfo=UTC)


def booking_bytes(made: Stage, token: str, client: int, number: int, prefix: str) -> bytes:
    """The n-th booking of a client, in its own lane."""
    lane = made.lanes[client % len(made.lanes)]
    body = orjson.dumps(
        {
            "patient_id": str(lane.patients[number % len(lane.patients)]),
            "clinic_id": str(lane.clinic_id),
            "provider_id": str(lane.provider_id),
            "appointment_type_id": str(made.type_id),
            "starts_at": slot_start(number).isoformat(),
        }
    )
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Idempotency-Key": f"{prefix}-{client}-{number}",
    }
    return request("POST", "/v1/appointments", headers, body)


@dataclass(slots=True)
class Figures:
    """What one run of the API gave."""

    bookings_per_second: float
    p50_ms: float
    p99_ms: float
    driver_share: float
    driver_livez_per_second: float
    others: dict[int, int]


def run_api(made: Stage, clock: Path, first: int) -> Figures:
    """Book as fast as one API process can, after a short warm-up."""
    token = made.token()
    with api(made, clock) as (port, _):
        token = made.token()

        def ask(offset: int) -> Callable[[int, int], bytes]:
            return lambda client, n: booking_bytes(made, token, client, offset + n, f"k{offset}")

        asyncio.run(drive(port, CLIENTS, ask(first), 1.5))
        before = resource.getrusage(resource.RUSAGE_SELF)
        result = asyncio.run(drive(port, CLIENTS, ask(first + 2_000), SECONDS))
        after = resource.getrusage(resource.RUSAGE_SELF)
        live = request("GET", "/livez", {}, b"")
        limit = asyncio.run(drive(port, CLIENTS, lambda _c, _n: live, 1.5))
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    others = {s: result.statuses.count(s) for s in set(result.statuses) - {201}}
    return Figures(
        result.rate(201), result.percentile(0.5), result.percentile(0.99),
        used / result.seconds, limit.rate(200), others,
    )  # fmt: skip


class _AsExpected:
    """A count that is the one looked for, whichever that is."""

    def __ne__(self, other: object) -> bool:
        return False


class _Recorder:
    """Stands where the driver's connection does and keeps what it is given."""

    def __init__(self, facts: Any) -> None:
        self.facts, self.text, self.arguments = facts, "", []

    async def fetchrow(self, text: str, *arguments: Any) -> Any:
        if text == FACTS:
            return self.facts
        self.text, self.arguments = text, list(arguments)
        return [_AsExpected()] * len(re.findall(r"w\d+ AS \(", text))


def _literal(value: Any, known: dict[Any, str]) -> str:
    if isinstance(value, list):
        kind = "uuid" if value and isinstance(value[0], UUID) else "text"
        return "ARRAY[" + ", ".join(_literal(v, known) for v in value) + f"]::{kind}[]"
    if isinstance(value, UUID | datetime | str) and value in known:
        return known[value]
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, datetime):
        return f"timestamptz '{value.isoformat()}'"
    if isinstance(value, bytes):
        return "'\\x" + value.hex() + "'::bytea"
    if isinstance(value, UUID):
        return f"'{value}'::uuid"
    # A colon before a letter is a variable to pgbench.
    text = re.sub(r":(?=[a-zA-Z_])", "' || chr(58) || '", str(value).replace("'", "''"))
    for seen, expression in known.items():
        if isinstance(seen, UUID) and str(seen) in text:
            text = text.replace(str(seen), f"' || {expression}::text || '")
    return f"('{text}')" + ("::jsonb" if text.startswith("{") else "")


async def _recorded(made: Stage, facts: Any, starts_at: datetime) -> tuple[_Recorder, Context]:
    lane = made.lanes[0]
    context = Context(made.network_id, Actor("person", "test-person", ("front_desk",)), NOW)
    recorder = _Recorder(facts)
    work = Work("appointments", context, None, recorder)  # type: ignore[arg-type]
    wish = Booking(lane.patients[0], lane.clinic_id, lane.provider_id, made.type_id, starts_at)
    row, _ = await book(work, wish)
    work.audit("book_appointment", "/v1/appointments", patients=[lane.patients[0]])
    from services.appointments.schemas.visits import AppointmentView
    from shared.web.calls import created, rendered

    reply = rendered(created(AppointmentView.of(row, "UTC"), f"/v1/appointments/{row.id}"))
    _store(work, Key("person/test-person", "POST", "/v1/appointments", "KEY", b"x" * 300), reply)
    await work.flush()
    return recorder, context


async def _facts(made: Stage, starts_at: datetime) -> Any:
    import asyncpg

    from shared.db.database import engine_for

    assert asyncpg
    lane = made.lanes[0]
    engine = engine_for(made.environment["CLINICBUS_APPOINTMENTS_APP_URL"], 1, "bench")
    async with engine.connect() as connection:
        raw: Any = (await connection.get_raw_connection()).driver_connection
        await raw.execute(f"SELECT set_config('app.network', '{made.network_id}', false)")
        found = await raw.fetchrow(
            FACTS, made.network_id, lane.clinic_id, lane.provider_id, made.type_id,
            lane.patients[0], starts_at - AROUND, starts_at + AROUND, starts_at - LONGEST,
        )  # fmt: skip
    await engine.dispose()
    return found


def script(made: Stage, first: int) -> str:
    """The statements of one booking as a pgbench script, every client in its own lane."""
    starts_at = slot_start(first)
    facts = asyncio.run(_facts(made, starts_at))
    recorder, context = asyncio.run(_recorded(made, facts, starts_at))
    lane = made.lanes[0]
    start = (
        f"(timestamptz '{slot_start(0).isoformat()}' + ((:k / {SLOTS_A_DAY}) * interval '1 day')"
        f" + ((:k % {SLOTS_A_DAY}) * interval '{SLOT_MINUTES} min'))"
    )
    pick = "(ARRAY[{}])[:client_id + 1]"
    clinics = pick.format(", ".join(f"'{made_lane.clinic_id}'::uuid" for made_lane in made.lanes))
    providers = pick.format(", ".join(f"'{m.provider_id}'::uuid" for m in made.lanes))
    flat = ", ".join(f"'{p}'::uuid" for m in made.lanes for p in m.patients)
    width = len(lane.patients)
    patient = f"(ARRAY[{flat}])[:client_id * {width} + (:k % {width}) + 1]"
    rooms = pick.format(
        ", ".join(
            f"(SELECT id FROM rooms WHERE network_id = '{made.network_id}'"
            f" AND clinic_id = '{m.clinic_id}')"
            for m in made.lanes
        )
    )
    known: dict[Any, str] = {
        lane.clinic_id: clinics,
        lane.provider_id: providers,
        lane.patients[0]: patient,
        starts_at: start,
        starts_at + (slot_start(1) - slot_start(0)): f"({start} + interval '{SLOT_MINUTES} min')",
        UUID(facts[5][0][0]): rooms,
        "KEY": "('k' || :client_id || '-' || :k || '-' || :salt)",
    }
    for number, value in enumerate(_made_here(recorder.arguments, known, made)):
        known[value] = f"md5('{number}-' || :client_id || '-' || :k || '-' || :salt)::uuid"
    wish = Booking(lane.patients[0], lane.clinic_id, lane.provider_id, made.type_id, starts_at)
    opening = _opening(context, book_locks(wish), "KEY").split("; ")
    # The numbers of the locks must differ by client, as they do in the API.
    numbered = [
        re.sub(r"\((-?\d+)\)", lambda m: f"({int(m[1]) % 2**40}::bigint * 16 + :client_id)", part)
        for part in opening
    ]
    reading = _bound(
        FACTS,
        [
            made.network_id, lane.clinic_id, lane.provider_id, made.type_id, lane.patients[0],
        ],
        known,
        [f"({start} - interval '26 h')", f"({start} + interval '26 h')",
         f"({start} - interval '52 h')"],
    )  # fmt: skip
    writing = _bound(recorder.text, recorder.arguments, known, [])
    lines = ["\\set k :k + 1", " \\; ".join(numbered) + ";", reading + ";", writing + ";", "COMMIT;"]
    return "\n".join(" ".join(line.split()) for line in lines) + "\n"


def _made_here(arguments: list[Any], known: dict[Any, str], made: Stage) -> list[UUID]:
    given = {made.network_id, made.type_id, *known}
    flat = [v for a in arguments for v in (a if isinstance(a, list) else [a])]
    return list(dict.fromkeys(v for v in flat if isinstance(v, UUID) and v not in given))


def _bound(text: str, arguments: list[Any], known: dict[Any, str], more: list[str]) -> str:
    expressions = [_literal(value, known) for value in arguments] + more
    return re.sub(r"\$(\d+)", lambda m: expressions[int(m[1]) - 1], text)


def run_pgbench(made: Stage, first: int) -> float:
    """Transactions per second of pgbench with the statements of a booking."""
    path = made.folder / "booking.sql"
    path.write_text(script(made, first))
    url = made.environment["CLINICBUS_APPOINTMENTS_APP_URL"]
    done = subprocess.run(
        [str(installed_programs() / "pgbench"), "-n", "-c", str(CLIENTS), "-j", "2",
         "-T", str(int(SECONDS)), "-M", "simple", "-D", f"k={first}", "-D", f"salt={first}",
         "-f", str(path), url],
        capture_output=True, text=True, check=False, timeout=SECONDS + 60,
    )  # fmt: skip
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    failed = re.search(r"number of failed transactions: (\d+)", done.stdout)
    if not found or done.returncode or (failed and int(failed[1])):
        raise RuntimeError(f"pgbench: {done.stdout[-600:]} {done.stderr[-1500:]}")
    return float(found[1])


def race(made: Stage, clock: Path, tries: int) -> dict[str, Any]:
    """200 clients race for 20 slots of one provider."""
    lane = made.lanes[0]
    with api(made, clock) as (port, _):
        token = made.token()
        first = 20_000

        def ask(client: int, number: int) -> bytes | None:
            if number * 200 + client >= tries:
                return None
            slot = (client + number) % 20
            body = orjson.dumps(
                {
                    "patient_id": str(made.lanes[client % 16].patients[client % 40]),
                    "clinic_id": str(lane.clinic_id),
                    "provider_id": str(lane.provider_id),
                    "appointment_type_id": str(made.type_id),
                    "starts_at": slot_start(first + slot).isoformat(),
                }
            )
            headers = {
                "Authorization": f"Bearer {token}",
                "Content-Type": "application/json",
                "Idempotency-Key": f"race-{client}-{number}",
            }
            return request("POST", "/v1/appointments", headers, body)

        result = asyncio.run(drive(port, 200, ask, 300))
    _, overlaps = asyncio.run(count_bookings(made))
    return {
        "tries": len(result.statuses),
        "booked": result.statuses.count(201),
        "refused": result.statuses.count(409),
        "busy": result.statuses.count(429),
        "server_errors": sum(s >= 500 for s in result.statuses),
        "overlaps": overlaps,
        "p99_ms": result.percentile(0.99),
    }


def clock_at_now(folder: Path) -> Path:
    """A clock that stands still before the first slot."""
    path = folder / "clock"
    SharedClock(path).set(NOW)
    return path
