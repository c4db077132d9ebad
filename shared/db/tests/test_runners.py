"""Timers fire once; errands settle once, whatever dies in between."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from shared.db import failpoints
from shared.db import pool as pool_module
from shared.db import timers as timers_module
from shared.db.actor import Actor
from shared.db.database import Database
from shared.db.errands import Errand, Intent, TryLater, claim, run_errands, run_one
from shared.db.locks import LockKey, lock_key
from shared.db.tests.conftest import Thing
from shared.db.timers import DueTimer, Timers, fire_due, run_timers
from shared.db.work import Context, Work
from shared.values.clock import FixedClock
from shared.values.errors import Conflict
from shared.values.ids import new_id


@pytest.fixture
def at(network_id: UUID, clock: FixedClock) -> Context:
    return Context(network_id, Actor("person", "test"), clock.now())


def locks(due: DueTimer) -> Sequence[LockKey]:
    return [lock_key("thing", due.subject_id)]


async def grow(work: Work, due: DueTimer) -> None:
    thing = await work.load(Thing, due.subject_id)
    assert thing is not None
    thing.size += 1
    work.save(thing)


async def size(database: Database, at: Context, thing_id: UUID) -> int:
    async with database.work(at) as work:
        found = await work.load(Thing, thing_id)
        assert found is not None
        return found.size


async def thing_with_timer(database: Database, at: Context, after: timedelta) -> UUID:
    thing = Thing(id=new_id(), network_id=at.network_id)
    async with database.work(at) as work:
        work.add(thing)
        work.timer("grow", thing.id, at.now + after)
    return thing.id


async def test_a_timer_fires_when_the_clock_says_and_once(
    gamma: Database, at: Context, clock: FixedClock
) -> None:
    thing_id = await thing_with_timer(gamma, at, timedelta(minutes=30))
    timers = Timers({"grow": grow}, locks)
    await fire_due(gamma, timers, clock)
    assert await size(gamma, at, thing_id) == 0
    clock.move(timedelta(minutes=31))
    await fire_due(gamma, timers, clock)
    await fire_due(gamma, timers, clock)
    assert await size(gamma, at, thing_id) == 1


async def test_a_cancelled_timer_stays_silent_and_a_moved_one_waits(
    gamma: Database, at: Context, clock: FixedClock
) -> None:
    first = await thing_with_timer(gamma, at, timedelta(minutes=1))
    second = await thing_with_timer(gamma, at, timedelta(minutes=1))
    async with gamma.work(at) as work:
        work.cancel_timer("grow", first)
        work.timer("grow", second, at.now + timedelta(hours=1))
    timers = Timers({"grow": grow}, locks)
    clock.move(timedelta(minutes=5))
    await fire_due(gamma, timers, clock)
    assert (await size(gamma, at, first), await size(gamma, at, second)) == (0, 0)
    clock.move(timedelta(hours=1))
    await fire_due(gamma, timers, clock)
    assert (await size(gamma, at, first), await size(gamma, at, second)) == (0, 1)


async def test_the_last_word_of_a_work_on_a_timer_holds(
    gamma: Database, at: Context, clock: FixedClock
) -> None:
    hour = timedelta(hours=1)
    ended, anew, twice, kept = [await thing_with_timer(gamma, at, hour) for _ in range(4)]
    async with gamma.work(at) as work:
        work.timer("grow", ended, at.now)
        work.cancel_timer("grow", ended)
        work.cancel_timer("grow", anew)
        work.timer("grow", anew, at.now)
        work.timer("grow", twice, at.now)
        work.timer("grow", twice, at.now + 3 * hour)
    for later, grown_by_then in ((timedelta(0), [0, 1, 0, 0]), (2 * hour, [0, 1, 0, 1])):
        clock.move(later)
        await fire_due(gamma, Timers({"grow": grow}, locks), clock)
        things = (ended, anew, twice, kept)
        assert [await size(gamma, at, thing) for thing in things] == grown_by_then
    clock.move(2 * hour)
    await fire_due(gamma, Timers({"grow": grow}, locks), clock)
    assert await size(gamma, at, twice) == 1


async def test_a_timer_that_fails_keeps_its_reason_and_is_tried_again(
    gamma: Database, at: Context, clock: FixedClock
) -> None:
    thing_id = await thing_with_timer(gamma, at, timedelta(0))

    async def refuse(work: Work, due: DueTimer) -> None:
        if due.network_id == at.network_id:
            raise Conflict("thing.not_now", "Not now.")

    assert await fire_due(gamma, Timers({"grow": refuse}, locks), clock) == 0
    async with gamma.work(at) as work:
        row = await work.raw.fetchrow(
            "SELECT attempts, problem, ended_at FROM timer WHERE subject_id = $1", thing_id
        )
    assert tuple(row) == (1, "thing.not_now", None)
    await fire_due(gamma, Timers({"grow": grow}, locks), clock)
    assert await size(gamma, at, thing_id) == 1


@dataclass(slots=True)
class Crowd:
    """Timers of which many fire in one transaction; `bad` spoils it for those it comes with."""

    network_id: UUID
    bad: UUID | None = None
    together: list[set[UUID]] = field(default_factory=list)

    async def grow_all(self, work: Work, due: Sequence[DueTimer]) -> None:
        if work.network_id != self.network_id:
            return
        subjects = {one.subject_id for one in due}
        if self.bad in subjects:
            raise Conflict("thing.not_now", "Not now.")
        for one in due:
            await grow(work, one)
        self.together.append(subjects)

    def timers(self) -> Timers:
        return Timers({}, locks, {"grow": self.grow_all})


async def test_a_crowd_of_timers_fires_in_one_transaction_and_once(
    gamma: Database, at: Context, clock: FixedClock
) -> None:
    things = {await thing_with_timer(gamma, at, timedelta(0)) for _ in range(5)}
    crowd = Crowd(at.network_id)
    await fire_due(gamma, crowd.timers(), clock)
    await fire_due(gamma, crowd.timers(), clock)
    assert crowd.together == [things]
    assert [await size(gamma, at, thing) for thing in things] == [1] * 5


async def test_two_workers_at_one_crowd_fire_each_of_it_once(
    gamma: Database, at: Context, clock: FixedClock
) -> None:
    things = {await thing_with_timer(gamma, at, timedelta(0)) for _ in range(20)}
    crowd = Crowd(at.network_id)
    await asyncio.gather(*(fire_due(gamma, crowd.timers(), clock) for _ in range(3)))
    assert sum(map(len, crowd.together)) == 20
    assert set().union(*crowd.together) == things
    assert [await size(gamma, at, thing) for thing in things] == [1] * 20


async def test_a_worker_takes_none_of_the_timers_that_another_has_in_hand(
    gamma: Database, at: Context, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timers_module, "BATCH", 2)
    things = {await thing_with_timer(gamma, at, timedelta(0)) for _ in range(4)}
    crowd, at_work, may_go = Crowd(at.network_id), asyncio.Event(), asyncio.Event()

    async def slowly(work: Work, due: Sequence[DueTimer]) -> None:
        await crowd.grow_all(work, due)
        if work.network_id == at.network_id:
            at_work.set()
            await may_go.wait()

    first = asyncio.create_task(fire_due(gamma, Timers({}, locks, {"grow": slowly}), clock))
    async with asyncio.timeout(4):
        await at_work.wait()
        await fire_due(gamma, crowd.timers(), clock)
        assert set().union(*crowd.together) == things
        may_go.set()
        await first
    assert list(map(len, crowd.together)) == [2, 2]
    assert [await size(gamma, at, thing) for thing in things] == [1] * 4


async def test_the_one_that_spoils_a_crowd_is_found_and_the_others_fire(
    gamma: Database, at: Context, clock: FixedClock
) -> None:
    bad, *good = [await thing_with_timer(gamma, at, timedelta(0)) for _ in range(4)]
    crowd = Crowd(at.network_id, bad)
    await fire_due(gamma, crowd.timers(), clock)
    assert [await size(gamma, at, thing) for thing in good] == [1] * 3
    assert all(len(alone) == 1 for alone in crowd.together)
    async with gamma.work(at) as work:
        rows = await work.raw.fetch(
            "SELECT subject_id, attempts, problem FROM timer"
            " WHERE network_id = $1 AND ended_at IS NULL",
            at.network_id,
        )
    assert [tuple(row) for row in rows] == [(bad, 1, "thing.not_now")]


@pytest.mark.parametrize(
    ("after", "wake", "woken"),
    [(0, True, True), (-1, True, True), (0, False, False), (1, True, False)],
)
async def test_a_commit_wakes_for_a_timer_that_is_due_and_may_not_wait(
    gamma: Database, at: Context, after: int, wake: bool, woken: bool
) -> None:
    gamma.signals["timer"].clear()
    subject_id = new_id()
    async with gamma.work(at) as work:
        work.timer("grow", subject_id, at.now + timedelta(seconds=after), wake=wake)
    assert gamma.signals["timer"].is_set() is woken
    async with gamma.work(at) as work:
        work.cancel_timer("grow", subject_id)


@dataclass(slots=True)
class Outside:
    """The far side: remembers what it was asked for, and answers the same for the same id."""

    network_id: UUID
    done: dict[UUID, int] = field(default_factory=dict)
    asked: int = 0
    away: int = 0

    async def call(self, intent: Intent) -> Any:
        self.asked += 1
        if self.away:
            self.away -= 1
            raise TryLater("outside.away", 0.0)
        self.done.setdefault(intent.id, len(self.done) + 1)
        return self.done[intent.id]

    async def settle(self, work: Work, intent: Intent, outcome: Any) -> None:
        thing = await work.load(Thing, intent.subject_id)
        assert thing is not None
        thing.size += outcome
        work.save(thing)

    async def give_up(self, work: Work, intent: Intent, reason: str) -> None:
        thing = await work.load(Thing, intent.subject_id)
        assert thing is not None
        thing.size = -1
        work.save(thing)

    def errand(self) -> Errand:
        return Errand(
            self.call,
            self.settle,
            self.give_up,
            lambda intent: [lock_key("thing", intent.subject_id)],
            attempts_max=3,
        )


async def intend(database: Database, at: Context) -> tuple[UUID, Outside]:
    thing = Thing(id=new_id(), network_id=at.network_id)
    async with database.work(at) as work:
        work.add(thing)
        work.intent("tell", thing.id, {"a": 1})
    return thing.id, Outside(at.network_id)


async def mine(database: Database, at: Context) -> list[Intent]:
    """This network's claimed intents; other tests' are let go by their lease."""
    return [i for i in await claim(database, 100) if i.network_id == at.network_id]


async def lease_over(database: Database, at: Context) -> None:
    async with database.raw("worker") as raw:
        await raw.execute(
            "UPDATE intent SET next_try_at = now() - interval '1 second' WHERE network_id = $1",
            at.network_id,
        )


async def test_an_intent_is_called_and_settled_once(
    gamma: Database, at: Context, clock: FixedClock
) -> None:
    thing_id, outside = await intend(gamma, at)
    (intent,) = await mine(gamma, at)
    assert intent.body == {"a": 1}
    await run_one(gamma, {"tell": outside.errand()}, clock, intent)
    await lease_over(gamma, at)
    assert await mine(gamma, at) == []
    assert await size(gamma, at, thing_id) == 1


async def test_a_death_between_call_and_settling_has_one_effect(
    gamma: Database, at: Context, clock: FixedClock
) -> None:
    thing_id, outside = await intend(gamma, at)
    (intent,) = await mine(gamma, at)
    failpoints.arm("errand.tell.after_call:raise:1")
    with pytest.raises(failpoints.FailpointHit):
        await run_one(gamma, {"tell": outside.errand()}, clock, intent)
    failpoints.arm("")
    await lease_over(gamma, at)
    (again,) = await mine(gamma, at)
    assert (again.id, again.attempts) == (intent.id, 2)
    await run_one(gamma, {"tell": outside.errand()}, clock, again)
    assert outside.asked == 2
    assert await size(gamma, at, thing_id) == 1


async def test_the_slower_of_two_that_hold_one_intent_settles_nothing(
    gamma: Database, at: Context, clock: FixedClock
) -> None:
    thing_id, outside = await intend(gamma, at)
    (slow,) = await mine(gamma, at)
    await lease_over(gamma, at)
    (fast,) = await mine(gamma, at)
    errands = {"tell": outside.errand()}
    await run_one(gamma, errands, clock, fast)
    await run_one(gamma, errands, clock, slow)
    assert await size(gamma, at, thing_id) == 1


async def test_what_stays_away_is_given_up_with_its_reason(
    gamma: Database, at: Context, clock: FixedClock
) -> None:
    thing_id, outside = await intend(gamma, at)
    outside.away = 99
    errands = {"tell": outside.errand()}
    for _ in range(3):
        await lease_over(gamma, at)
        for intent in await mine(gamma, at):
            await run_one(gamma, errands, clock, intent)
    assert (outside.asked, await size(gamma, at, thing_id)) == (3, -1)
    async with gamma.work(at) as work:
        row = await work.raw.fetchrow(
            "SELECT state, problem FROM intent WHERE subject_id = $1", thing_id
        )
    assert tuple(row) == ("given_up", "outside.away")


@asynccontextmanager
async def going_on(runner: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """A runner in the background. It has to be at it still when the block is left."""
    task = asyncio.create_task(runner)
    try:
        yield
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def timers_of(database: Database, _: Outside, clock: FixedClock) -> Coroutine[Any, Any, None]:
    return run_timers(database, Timers({"grow": grow}, locks), clock)


def errands_of(
    database: Database, outside: Outside, clock: FixedClock
) -> Coroutine[Any, Any, None]:
    return run_errands(database, {"tell": outside.errand()}, clock)


Runner = Callable[[Database, Outside, FixedClock], Coroutine[Any, Any, None]]
every_runner = pytest.mark.parametrize("runner", [timers_of, errands_of])


async def grown(database: Database, at: Context, thing_id: UUID) -> None:
    """Wait until a thing has a size: what other tests left undone is done here, too."""
    async with asyncio.timeout(10):
        while await size(database, at, thing_id) == 0:
            await asyncio.sleep(0.02)


@every_runner
async def test_a_runner_lives_through_a_server_that_takes_no_connections(
    gamma_urls: dict[str, str], at: Context, clock: FixedClock, runner: Runner
) -> None:
    url = gamma_urls["CLINICBUS_GAMMA_WORKER_URL"].replace("clinicbus_gamma_db", "clinicbus_none")
    assert "clinicbus_none" in url
    database = Database.connect("gamma", url, url)
    try:
        with capture_logs() as logs:
            async with (
                going_on(runner(database, Outside(at.network_id), clock)),
                asyncio.timeout(10),
            ):
                while not logs:
                    await asyncio.sleep(0.01)
        assert logs[0]["event"].endswith(".unavailable")
    finally:
        await database.close()


@every_runner
async def test_a_runner_waits_where_every_connection_is_in_use(
    gamma_urls: dict[str, str],
    gamma: Database,
    at: Context,
    clock: FixedClock,
    runner: Runner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    urls = [gamma_urls[f"CLINICBUS_GAMMA_{role}_URL"] for role in ("APP", "WORKER")]
    database = Database.connect("gamma", *urls, worker_pool=1)
    monkeypatch.setattr(pool_module, "WAIT_SECONDS", 0.05)
    thing_id, outside = await intend(gamma, at)
    async with gamma.work(at) as work:
        work.timer("grow", thing_id, at.now)
    try:
        with capture_logs() as logs:
            async with database.raw("worker"):
                task = going_on(runner(database, outside, clock))
                async with task, asyncio.timeout(10):
                    while not logs:
                        await asyncio.sleep(0.01)
        assert logs[0]["reason"] == "TimeoutError"
        async with going_on(runner(gamma, outside, clock)):
            await grown(gamma, at, thing_id)
    finally:
        await database.close()


async def test_one_timer_with_a_fault_of_ours_does_not_stop_the_others(
    gamma: Database, at: Context, clock: FixedClock
) -> None:
    bad = await thing_with_timer(gamma, at, timedelta(0))
    good = await thing_with_timer(gamma, at, timedelta(seconds=1))
    clock.move(timedelta(seconds=2))

    async def fire(work: Work, due: DueTimer) -> None:
        if due.subject_id == bad:
            raise KeyError("a fault of ours")
        if due.network_id == at.network_id:
            await grow(work, due)

    with capture_logs() as logs:
        async with going_on(run_timers(gamma, Timers({"grow": fire}, locks), clock)):
            await grown(gamma, at, good)
    failed = [log for log in logs if log["event"] == "timer.failed"]
    assert {log["reason"] for log in failed} == {"KeyError"}
    async with gamma.work(at) as work:
        row = await work.raw.fetchrow(
            "SELECT problem, ended_at FROM timer WHERE subject_id = $1", bad
        )
    assert tuple(row) == ("KeyError", None)


async def test_one_errand_with_a_fault_of_ours_is_told_and_does_not_stop_the_others(
    gamma: Database, at: Context, clock: FixedClock
) -> None:
    bad, _ = await intend(gamma, at)
    good, outside = await intend(gamma, at)

    async def call(intent: Intent) -> Any:
        if intent.subject_id == bad:
            raise KeyError("a fault of ours")
        return await outside.call(intent)

    errands = {"tell": replace(outside.errand(), call=call)}
    with capture_logs() as logs:
        async with going_on(run_errands(gamma, errands, clock)):
            await grown(gamma, at, good)
    faults = [log for log in logs if log["event"] == "errand.fault"]
    assert {log["kind"] for log in faults} == {"tell"}
    assert await size(gamma, at, bad) == 0
