"""pgbench books what the API books."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

from bench.bookings import rows_a_booking, run_pgbench
from bench.recorded import PROTOCOLS, Recording, Statement, record, script
from bench.stage import LANE, numbered, stage

NETWORK = UUID("0190a1b2-0000-7000-8000-000000000001")
MADE = UUID("0190a1b2-0000-7000-8000-00000000000a")
START = datetime(2027, 1, 20, 8, tzinfo=UTC)


def recording(*statements: Statement) -> Recording:
    return Recording(statements, START, frozenset({NETWORK}))


def test_what_differs_by_booking_becomes_a_variable_and_the_rest_stays() -> None:
    arguments = (LANE[0].clinic_id, NETWORK, MADE, f"visit/{MADE}", None)
    types = ("uuid", "uuid", "uuid", "text", "text")
    text = script(recording(Statement("SELECT $1, $2, $3, $4, $5", arguments, types)), "simple")
    line = text.splitlines()[-1]
    assert f"('{str(numbered(1, 0))[:-3]}' || :lane::text)::uuid" in line
    assert f"('{NETWORK}')::uuid" in line
    assert line.count(":unique") == 2
    assert line.endswith("NULL::text;")


def test_a_time_near_the_visit_moves_with_it() -> None:
    later, long_ago = START.replace(hour=9), datetime(2026, 1, 1, tzinfo=UTC)
    types = ("timestamptz",) * 2
    text = script(recording(Statement("SELECT $1, $2", (later, long_ago), types)), "simple")
    assert "interval '60 min')" in text
    assert "('2026-01-01 00" not in text.replace("\\003A", ":")
    assert "2026-01-01 00\\003A00\\003A00" in text


def test_a_colon_in_a_text_is_no_variable_of_pgbench() -> None:
    found = Statement("SELECT $1", ('{"walk_in":false}',), ("jsonb",))
    assert ":false" not in script(recording(found), "prepared")


def test_locks_differ_by_booking() -> None:
    number = -(10**18) - 7
    opening = Statement(f"BEGIN; SELECT begin_work('a', '5s', {number}, ARRAY[{number}]::bigint[])")
    text = script(recording(opening), "pipelined")
    own = f"{number % 2**40}::bigint + :unique"
    assert f"'5s', {own}, ARRAY[{own}]::bigint[])" in text


def test_pgbench_writes_the_rows_that_the_api_writes() -> None:
    with stage(durable=False) as made:
        booked = asyncio.run(record(made, made.free_slot()))
        texts = [statement.text for statement in booked.statements]
        assert texts[0].startswith("BEGIN; ")
        assert texts[-1] == "COMMIT"
        assert len(texts) == 4  # round trips of a hot command
        by_the_api = rows_a_booking(made)
        rates = [run_pgbench(made, booked, protocol, 1).rate for protocol in PROTOCOLS]
        assert all(rate > 1 for rate in rates)
        assert rows_a_booking(made) == by_the_api
        assert by_the_api["occupancies"] == 3
