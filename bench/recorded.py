"""The SQL of one booking, as the API sends it, and the same as a script for pgbench.

A booking is made by the real app in this process while the driver's own query log is on. So the
peer runs what the API runs, and follows when the API changes.
"""

import asyncio
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Literal
from uuid import UUID

import asyncpg

from bench.stage import (
    FIRST_DAY,
    LANE,
    MADE,
    NOW,
    PATIENTS_A_LANE,
    SLOT_MINUTES,
    SLOTS_A_DAY,
    Stage,
    numbered_prefix,
    slot_start,
)
from services.appointments.app import service
from services.appointments.settings import Settings
from shared.db import pool
from shared.testing.apps import office
from shared.testing.tokens import ISSUER
from shared.values.clock import FixedClock
from shared.web.service import app_of
from shared.web.settings import Chassis, Urls

Protocol = Literal["simple", "prepared", "pipelined"]
PROTOCOLS: tuple[Protocol, ...] = ("simple", "prepared", "pipelined")
NEAR = timedelta(days=4)
"""A time this close to the visit's start moves with it; others stay."""
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

VARIABLES = f"""\
\\set k :k + 1
\\set lane :client_id + {LANE[0].number}
\\set patient :lane * 1000 + 100 + :k % {PATIENTS_A_LANE}
\\set minute (:k / {SLOTS_A_DAY}) * 1440 + (:k % {SLOTS_A_DAY}) * {SLOT_MINUTES}
\\set unique (:salt * 100 + 10 + :client_id) * 100000000 + :k
"""
"""What differs from booking to booking. :unique has twelve digits, as the end of a UUID."""
START = f"(timestamptz '{FIRST_DAY.isoformat()}' + :minute * interval '1 min')"


@dataclass(frozen=True, slots=True)
class Statement:
    """A text with `$1..`, what was given for them, and their types by the server's word."""

    text: str
    arguments: tuple[Any, ...] = ()
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recording:
    """The statements of one booking of the first lane, in order, and when its visit starts."""

    statements: tuple[Statement, ...]
    starts_at: datetime
    fixed: frozenset[UUID]


async def record(made: Stage, slot: int) -> Recording:
    """Book two slots from `slot` on by the app, in this process, and keep what the second sent.

    The first opens the connection and prepares the statements.
    """
    app_url = made.environment["CLINICBUS_APPOINTMENTS_APP_URL"]
    found = service(Settings(Chassis(issuer=ISSUER, log_level="WARNING"), Urls(app_url=app_url)))
    found.clock = FixedClock(NOW)
    heard: list[tuple[int, Statement]] = []
    with _query_log(heard):
        async with office() as clinic:
            found.http = clinic.http
            await clinic.start(found.name, app_of(found, "api"))
            desk = clinic.desk(found.name, made.network_id, "front_desk")
            for number in (slot, slot + 1):
                answer = await desk.post("/v1/appointments", _body(made, number))
                answer.raise_for_status()
                await _quiet()
    connection = await asyncpg.connect(app_url)
    try:
        typed = [await _typed(connection, statement) for statement in _last_transaction(heard)]
    finally:
        await connection.close()
    return Recording(tuple(typed), slot_start(slot + 1), frozenset({made.network_id, made.type_id}))


async def _quiet() -> None:
    """Wait for what the app does after its answer: it rings for a relay."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=5)


def _body(made: Stage, slot: int) -> dict[str, str]:
    lane = LANE[0]
    return {
        "patient_id": str(lane.patient_id(slot)),
        "clinic_id": str(lane.clinic_id),
        "provider_id": str(lane.provider_id),
        "appointment_type_id": str(made.type_id),
        "starts_at": slot_start(slot).isoformat(),
    }


@contextmanager
def _query_log(heard: list[tuple[int, Statement]]) -> Iterator[None]:
    """Add every statement that any pool's connection of this process sends to a list.

    With the number of the connection: others ring for the relay meanwhile.
    """
    numbers = count()

    async def prepare(connection: asyncpg.Connection) -> None:
        await as_ever(connection)
        number = next(numbers)
        connection.add_query_logger(
            lambda query: heard.append((number, Statement(query.query, tuple(query.args))))
        )

    as_ever, pool.prepare = pool.prepare, prepare
    try:
        yield
    finally:
        pool.prepare = as_ever


def _last_transaction(heard: list[tuple[int, Statement]]) -> list[Statement]:
    """From the last BEGIN to its COMMIT. Raises RuntimeError where it has not been seen whole."""
    opened = [n for n, (_, found) in enumerate(heard) if found.text.startswith("BEGIN")]
    if not opened:
        raise RuntimeError("no transaction was seen")
    on, _ = heard[opened[-1]]
    statements = [found for number, found in heard[opened[-1] :] if number == on]
    texts = [found.text for found in statements]
    if "COMMIT" not in texts:
        raise RuntimeError(f"no COMMIT was seen after {len(texts)} statements")
    return statements[: texts.index("COMMIT") + 1]


async def _typed(connection: asyncpg.Connection, statement: Statement) -> Statement:
    if not statement.arguments:
        return statement
    prepared = await connection.prepare(statement.text)
    types = tuple(str(found.name) for found in prepared.get_parameters())
    return Statement(statement.text, statement.arguments, types)


def script(recording: Recording, protocol: Protocol) -> str:
    """The recording for pgbench, with each client in its own lane.

    simple: for `-M simple`, what the API sends as one text stays one text. prepared: for
    `-M prepared`, every statement by itself, as it must be there. pipelined: the same, with what
    the API sends as one text in one pipeline: as many round trips as the API has.
    """
    marks = _marks(recording)
    parts: list[str] = [VARIABLES]
    for statement in recording.statements:
        if statement.arguments:
            parts.append(_line(_bound(statement, recording, marks)) + ";\n")
            continue
        texts = [_line(_own_lock(text)) for text in statement.text.split("; ")]
        if protocol == "simple":
            parts.append(" \\;\n".join(texts) + ";\n")
        elif protocol == "prepared" or len(texts) == 1:
            parts.extend(text + ";\n" for text in texts)
        else:
            parts.append("\\startpipeline\n" + ";\n".join(texts) + ";\n\\endpipeline\n")
    return "".join(parts)


def _own_lock(text: str) -> str:
    """Advisory locks of the booking's own: the API's numbers differ as well."""
    return re.sub(r"(?<=[ \[])-?\d{9,}", lambda m: f"{int(m[0]) % 2**40}::bigint + :unique", text)


def _marks(recording: Recording) -> dict[str, str]:
    """Texts that differ from booking to booking, each with the SQL that makes it."""
    lane = LANE[0]
    own = dict.fromkeys((lane.clinic_id, lane.provider_id, lane.room_id), (":lane", 3))
    own |= {lane.patient_id(n): (":patient", 6) for n in range(PATIENTS_A_LANE)}
    marks = {str(i): f"'{str(i)[:-n]}' || {variable}::text" for i, (variable, n) in own.items()}
    texts = [str(a) for s in recording.statements for a in s.arguments]
    made = [UUID(t) for text in texts for t in _UUID.findall(text)]
    for place, found in enumerate(i for i in dict.fromkeys(made) if i not in own):
        if found not in recording.fixed:
            marks[str(found)] = f"'{numbered_prefix(MADE + place)}' || :unique::text"
    return marks


def _bound(statement: Statement, recording: Recording, marks: Mapping[str, str]) -> str:
    """A statement with its arguments written into it."""
    given = [
        _literal(value, kind, recording.starts_at, marks)
        for value, kind in zip(statement.arguments, statement.types, strict=True)
    ]
    return re.sub(r"\$(\d+)", lambda m: given[int(m[1]) - 1], statement.text)


def _literal(value: Any, kind: str, starts_at: datetime, marks: Mapping[str, str]) -> str:
    """A value as SQL of its type."""
    if value is None:
        return f"NULL::{kind}"
    if isinstance(value, list):
        members = (_literal(v, kind.removesuffix("[]"), starts_at, marks) for v in value)
        return f"ARRAY[{', '.join(members)}]::{kind}"
    if isinstance(value, datetime) and abs(value - starts_at) < NEAR:
        away = (value - starts_at) // timedelta(minutes=1)
        return f"({START} + interval '{away} min')" if away else START
    if isinstance(value, bytes):
        try:
            return f"convert_to({_text(value.decode(), marks)}, 'UTF8')"
        except UnicodeDecodeError:
            return f"'\\x{value.hex()}'::bytea"
    return f"{_text(str(value), marks)}::{kind}"


def _text(text: str, marks: Mapping[str, str]) -> str:
    """A text as SQL, with its marks made anew for each booking."""
    parts = [
        marks[part] if part in marks else _quoted(part)
        for part in re.split(f"({_UUID.pattern})", text)
        if part
    ]
    return "(" + " || ".join(parts or ["''"]) + ")"


def _quoted(text: str) -> str:
    # A colon before a letter would be a variable to pgbench; its escape is read by the server.
    plain = text.replace("'", "''")
    if ":" not in plain and "\\" not in plain:
        return f"'{plain}'"
    return "U&'" + plain.replace("\\", "\\\\").replace(":", "\\003A") + "'"


def _line(text: str) -> str:
    return " ".join(text.split())
