"""The sealer: every row once, in the order of commits, whatever ends in the middle."""

import asyncio
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest
from prometheus_client import REGISTRY

from ops.audit.tests.conftest import SERVICE, Book, ids, lines
from ops.audit.verify import verify
from shared.db import audit_seals, failpoints, sealing
from shared.db.failpoints import FailpointHit
from shared.db.sealing import Waiting, ages, run_sealer, seal, waiting
from shared.values.ids import new_id
from shared.web.background import audit_gauges

pytestmark = pytest.mark.rule("45 CFR 164.312(b)")

HIGHER = 10**12
"""How much higher the transaction ids of the cluster were that a dump came from."""


async def test_what_is_committed_is_sealed_once_and_holds(book: Book) -> None:
    for n in range(7):
        await book.note(f"read_{n}", new_id())
    assert await book.sealed() == 7
    assert await book.sealed() == 0
    for n in range(3):
        await book.note(f"write_{n}")
    await book.sealed()
    assert [row["rows"] for row in await book.seals()] == [7, 3]
    await book.anchored()
    report = await book.verified()
    assert report.holds, list(report.sentences())
    (chain,) = report.chains
    assert (chain.rows, len(chain.heads), chain.anchored, chain.tail) == (10, 2, 2, [])


async def test_a_look_tells_what_waits(book: Book) -> None:
    async def there() -> tuple[bool, bool]:
        look: Waiting = await waiting(book.database)
        return look.rows, look.heads

    await book.note("read", new_id())
    assert (await there())[0]
    await book.sealed()
    assert await there() == (False, True)
    await book.anchored()
    assert await there() == (False, False)
    async with book.database.work(book.context()) as work:
        work.audit("slow", "/v1/things")
        await work.flush()
        await book.note("quick")
        assert await there() == (True, False)
    await book.sealed()
    assert await there() == (False, True)


async def test_a_look_reads_no_more_than_one_row_of_a_long_audit(book: Book) -> None:
    """Nothing is behind the place up to which is sealed: a scan would go through all of it."""
    for n in range(200):
        await book.note(f"read_{n}", new_id())
        await book.sealed()
    await book.anchored()
    await book.eye.execute("ANALYZE audit; ANALYZE audit_seal")
    plan = await book.eye.fetch(f"EXPLAIN {audit_seals.WAITING}")
    text = "\n".join(row[0] for row in plan)
    assert "audit_in_order" in text, text
    assert "Seq Scan on audit " not in text, text
    assert "Seq Scan on audit_seal " not in text, text


async def test_networks_have_chains_of_their_own(book: Book) -> None:
    other = new_id()
    for n in range(4):
        await book.note(f"read_{n}", network=other if n % 2 else None)
    await book.sealed()
    assert [row["rows"] for row in await book.seals()] == [2]
    assert verify(await book.exported(other)).chains[0].rows == 2


async def test_a_row_of_a_transaction_that_began_earlier_is_sealed_when_it_ends(book: Book) -> None:
    began, end = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        async with book.database.work(book.context()) as work:
            work.audit("slow", "/v1/things")
            await work.flush()
            began.set()
            await end.wait()

    task = asyncio.create_task(slow())
    await began.wait()
    await book.note("quick")
    assert await book.sealed() == 0
    end.set()
    await task
    assert await book.sealed() == 2
    assert (await book.verified()).holds


async def test_a_row_without_a_seal_is_told_as_the_tail(book: Book) -> None:
    await book.note("early")
    await book.sealed()
    await book.note("late")
    report = await book.verified()
    assert report.holds
    assert [len(chain.tail) for chain in report.chains] == [1]
    assert any("1 rows since" in sentence for sentence in report.sentences())
    assert (await ages(book.database)).unsealed > 0
    await book.sealed()
    assert (await ages(book.database)).unsealed == 0


async def test_of_many_sealers_one_works_at_a_time(book: Book) -> None:
    async def write(n: int) -> None:
        for m in range(10):
            await book.note(f"write_{n}_{m}")

    async def sealer() -> None:
        while not done.is_set():
            await seal(book.database, batch=7)

    done = asyncio.Event()
    sealers = [asyncio.create_task(sealer()) for _ in range(3)]
    await asyncio.gather(*(write(n) for n in range(6)))
    done.set()
    await asyncio.gather(*sealers)
    await book.sealed()
    folder = await book.exported()
    assert len(set(ids(folder))) == len(ids(folder)) == 60
    assert verify(folder).holds
    found = await book.eye.fetchval("SELECT count(*) FROM audit WHERE network_id=$1", book.network)
    assert found == 60


async def test_a_sealer_that_ends_in_the_middle_leaves_nothing(book: Book) -> None:
    await book.note("read")
    failpoints.arm("audit.sealed:raise:1")
    with pytest.raises(FailpointHit):
        await seal(book.database)
    assert await book.seals() == []
    assert await book.sealed() == 1
    assert (await book.verified()).holds


async def test_in_a_database_that_was_restored_nothing_is_sealed_twice_or_never(book: Book) -> None:
    for n in range(3):
        await book.note(f"sealed_{n}")
    await book.sealed()
    for n in range(2):
        await book.note(f"waiting_{n}")
    # As after a dump was restored into a cluster whose transaction ids are lower.
    await book.eye.execute("UPDATE audit SET xid = (xid::text::bigint + $1)::text::xid8", HIGHER)
    await book.eye.execute(
        "UPDATE audit_sealer SET cursor_xid = (cursor_xid::text::bigint + $1)::text::xid8", HIGHER
    )
    await book.note("since")  # before any sealer has looked
    assert (await waiting(book.database)).rows
    assert await book.sealed() == 3
    await book.note("after")
    assert await book.sealed() == 1
    folder = await book.exported()
    assert verify(folder).holds
    assert len(ids(folder)) == 7
    assert lines(folder, "unsealed") == []


@pytest.mark.parametrize(
    ("role", "text"),
    [
        (role, text)
        for role in ("app", "worker")
        for text in (
            "UPDATE audit SET actor = 'nobody'",
            "DELETE FROM audit",
            "TRUNCATE audit",
            "UPDATE audit_seal SET rows = 1",
            "DELETE FROM audit_seal",
            "DELETE FROM audit_patient",
            "DELETE FROM audit_sealer",
        )
    ]
    + [
        ("app", "SELECT audit_rebase()"),
        ("app", "INSERT INTO audit_patient SELECT * FROM audit_patient"),
        ("app", "INSERT INTO audit_seal SELECT * FROM audit_seal"),
        ("app", "UPDATE audit_sealer SET anchors = 9"),
    ],
    ids=lambda value: value.replace(" ", "_"),
)
@pytest.mark.rule("45 CFR 164.316(b)(2)(i)")
async def test_nobody_alters_or_deletes_a_row_or_a_seal(book: Book, role: str, text: str) -> None:
    async with book.database.raw("app" if role == "app" else "worker") as raw:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await raw.execute(text)


def unanchored() -> float:
    """What the metrics say: for how long the oldest seal has waited for an anchor."""
    found = REGISTRY.get_sample_value("clinicbus_audit_unanchored_seconds", {"service": SERVICE})
    assert found is not None
    return found


async def until(condition: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
    """Wait until the condition holds; fail by the name of what never came."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"{what} never came"
        await asyncio.sleep(0.01)


async def test_a_seal_waits_for_its_anchor_from_when_it_was_sealed(book: Book) -> None:
    assert (await ages(book.database)).unanchored == 0
    await book.note("read")
    assert (await ages(book.database)).unanchored == 0  # nothing is sealed yet
    await book.sealed()
    (seal_of_it,) = await book.seals()
    first = await ages(book.database)
    await book.note("write")
    await book.sealed()
    # The oldest counts, not the last.
    later = await ages(book.database)
    waited = (datetime.now(UTC) - seal_of_it["sealed_at"]).total_seconds()
    assert 0 < first.unanchored < later.unanchored <= waited
    await book.anchored()
    assert (await ages(book.database)).unanchored == 0
    audit_gauges(SERVICE, anchored=True)(later)
    assert unanchored() == later.unanchored
    audit_gauges(SERVICE, anchored=False)(later)
    assert unanchored() == 0


async def test_it_seals_by_itself_within_two_seconds(book: Book) -> None:
    running = asyncio.create_task(run_sealer(book.database, book.anchors))
    try:
        started = time.monotonic()
        await book.note("read")
        while not await book.seals():
            assert time.monotonic() - started < 2
            await asyncio.sleep(0.01)
        while not list(book.anchors.folder.glob("*.anchors")):
            assert time.monotonic() - started < 5
            await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert (await book.verified()).holds


async def test_it_goes_on_while_the_database_or_the_place_of_anchors_is_away(
    book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, say: rows are sealed, and what could not be anchored is, later."""
    (tmp_path / "anchors").write_text("a file is in the way")
    monkeypatch.setattr(sealing, "OBSERVE_SECONDS", 0.0)
    observe = audit_gauges(SERVICE, anchored=True)
    running = asyncio.create_task(run_sealer(book.database, book.anchors, observe, 0.01))
    try:
        for n in range(3):
            await book.note(f"read_{n}")
            while len(await book.seals()) <= n:
                assert not running.done()
                await asyncio.sleep(0.01)
        # It is told, although no anchor can be written, and for how long.
        (first, *_) = await book.seals()
        oldest = first["sealed_at"]
        await until(lambda: unanchored() > 0.2, "the gauge of what is not anchored")
        assert unanchored() <= (datetime.now(UTC) - oldest).total_seconds()
        (tmp_path / "anchors").unlink()
        anchors = tmp_path / "anchors" / f"{SERVICE}.anchors"
        await until(anchors.exists, "an anchor")
        await until(lambda: unanchored() == 0, "the gauge after an anchor")
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    report = await book.verified()
    assert report.holds
    assert report.chains[0].anchored == 3


async def test_an_anchor_whose_transaction_failed_is_as_true_as_the_next(book: Book) -> None:
    await book.note("read")
    await book.sealed()
    failpoints.arm("audit.anchor_written:raise:1")
    with pytest.raises(FailpointHit):
        await book.anchored()
    await book.note("write")
    await book.sealed()
    assert await book.anchored()
    assert not await book.anchored()  # nothing has moved
    assert len((book.anchors.folder / f"{SERVICE}.anchors").read_text().splitlines()) == 2
    report = await book.verified()
    assert report.holds, list(report.sentences())


async def test_an_anchor_that_does_not_fit_on_the_disk_leaves_no_half_line(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    await book.note("read")
    await book.sealed()
    await book.anchored()
    path = book.anchors.folder / f"{SERVICE}.anchors"
    before = path.read_text()
    true_write = os.write
    monkeypatch.setattr("shared.db.anchors.os.write", lambda file, data: true_write(file, data[:9]))
    await book.note("write")
    await book.sealed()
    with pytest.raises(OSError, match="did not fit"):
        await book.anchored()
    assert path.read_text() == before
