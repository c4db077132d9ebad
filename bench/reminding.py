"""Reminders at scale: `python -m bench.reminding --visits 50000 --seed 1`.

Three worker processes as they run in production, each with a clock of its own that is seconds or
minutes off, and each killed by SIGKILL at moments that the seed picks, remind of visits of which
some are called off or move, and whose patients opt out or turn out to be others, meanwhile. What
left is kept by the mail server, a line a call and on the disk; it is held against what was asked
for, not against what the workers say of themselves. Exit code 1 where a bound does not hold.
"""

import argparse
import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import asyncpg
import uvloop

from bench.reminding_far_side import DOMAIN, FarSide, calls_in, far_side
from bench.reminding_planted import PLANTED
from bench.reminding_town import LEADS, Town, what_is_kept
from bench.reminding_truth import problems
from bench.report import Figure, at_least, at_most, show
from bench.stage import NOW, SERVICE, TARGET, Stage, stage
from ops import processes
from ops.layout import CHECKOUT
from ops.ports import Ports
from ops.prepare import install_bus
from shared.db.database import Database
from shared.web.clocks import SharedClock

WORKERS = 3
SKEWS = ((-200, -60), (-9, 9), (45, 200))
"""How far the clocks of the workers are off, in seconds: by the seed, within these."""
KILL_EVERY = (10.0, 40.0)
"""Seconds from one kill to the next."""
ALL_LEASES_OVER = 0.3
"""After so many kills the leases of the living run out as well: others take up their calls."""
QUIET_SECONDS = 1.0
"""Whoever lives and calls has settled within this."""
PATIENCE_SECONDS = 3600.0
KINDS = (
    "doubled", "cancelled", "opted_out", "merged", "another_time", "another_patient", "untold",
    "not_sent", "unsettled", "uncalled", "forgotten",
)  # fmt: skip

_TIMERS = """
SELECT count(*) FROM timer WHERE kind = 'remind' AND ended_at IS NULL AND due_at <= $1
"""
_INTENTS = """
SELECT count(*) FILTER (WHERE state = 'waiting') AS waiting,
       count(*) FILTER (WHERE state = 'calling') AS calling, coalesce(sum(attempts), 0) AS tries
FROM intent WHERE state IN ('waiting', 'calling')
"""
_LEASES_OVER = "UPDATE intent SET next_try_at = now() WHERE state IN ('waiting', 'calling')"


@dataclass(slots=True)
class Workers:
    """Three processes that somebody kills."""

    made: Stage
    target: str
    environment: dict[str, str]
    connection: asyncpg.Connection
    chance: random.Random
    kill_every: tuple[float, float] = KILL_EVERY
    skews: list[timedelta] = field(default_factory=list)
    clocks: list[SharedClock] = field(default_factory=list)
    running: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    may_kill: asyncio.Event = field(default_factory=asyncio.Event)
    kills: int = 0

    def begin(self) -> None:
        """Start them."""
        for number, (least, most) in enumerate(SKEWS):
            self.skews.append(timedelta(seconds=self.chance.uniform(least, most)))
            self.clocks.append(SharedClock(self.made.folder / f"clock-{number}"))
        for number in range(WORKERS):
            self.running.append(self._started(number))
        self.may_kill.set()

    def set(self, now: datetime) -> None:
        """Set all clocks, each as far off as it is."""
        for clock, skew in zip(self.clocks, self.skews, strict=True):
            clock.set(now + skew)

    def _started(self, number: int) -> "subprocess.Popen[bytes]":
        command = [
            *(sys.executable, "-m", "shared.web.run", self.target, "--role", "worker"),
            *("--port", str(Ports.free().of[SERVICE])),
        ]
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("CLINICBUS_")}
        clock = {"CLINICBUS_CLOCK_FILE": str(self.made.folder / f"clock-{number}")}
        with (self.made.folder / f"worker-{number}.log").open("ab") as output:
            return processes.start(
                processes.tied(command, signal.SIGKILL),
                output=output,
                environment={**inherited, **self.environment, **clock},
                folder=CHECKOUT,
            )

    async def kill_on(self) -> None:
        """Kill one after the other, and start it again."""
        while True:
            await asyncio.sleep(self.chance.uniform(*self.kill_every))
            await self.may_kill.wait()
            number = self.chance.randrange(WORKERS)
            self.running[number].kill()
            await asyncio.to_thread(self.running[number].wait)
            self.kills += 1
            self.running[number] = self._started(number)
            if self.chance.random() < ALL_LEASES_OVER:
                await self.connection.execute(_LEASES_OVER)

    def end(self) -> None:
        """End those that are left."""
        for process in self.running:
            process.kill()
            process.wait()


@asynccontextmanager
async def working(workers: Workers) -> AsyncIterator[None]:
    """With the workers at work, and somebody who kills them."""
    workers.begin()
    killing = asyncio.create_task(workers.kill_on())
    try:
        yield
        if killing.done():
            await killing
    finally:
        killing.cancel()
        await asyncio.gather(killing, return_exceptions=True)
        workers.end()


@dataclass(frozen=True, slots=True)
class Reminded:
    """What came of a run."""

    problems: list[str]
    messages: int
    calls: Counter[str]
    states: Counter[str]
    deeds: Counter[str]
    on_call_list: int
    kills: int
    skews: list[float]
    leads: tuple[int, ...]
    seconds: float


async def _until_done(connection: asyncpg.Connection, until: datetime) -> None:
    """Wait until no timer is left that is due, and no call that nobody has begun."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (
            await connection.fetchval(_TIMERS, until)
            or (await connection.fetchrow(_INTENTS))["waiting"]
        ):
            await asyncio.sleep(0.1)


async def _settled(workers: Workers, connection: asyncpg.Connection, until: datetime) -> None:
    """Wait until nothing is left to do. The leases of the dead, a minute each, are run out."""
    workers.may_kill.clear()
    before = None
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            await _until_done(connection, until)
            found = await connection.fetchrow(_INTENTS)
            if not found["calling"]:
                break
            if found == before:
                await connection.execute(_LEASES_OVER)
            before = found
            await asyncio.sleep(QUIET_SECONDS)
    workers.may_kill.set()


async def _lived_through(
    made: Stage, town: Town, workers: Workers, shared: SharedClock, connection: asyncpg.Connection
) -> None:
    """From the visits' first day to the last, by the hours in which something is due."""

    def slowest(now: datetime) -> datetime:
        return now + min(workers.skews)

    hours = town.hours()
    workers.set(NOW)
    await _until_done(connection, slowest(NOW))
    await town.live(NOW)
    await _settled(workers, connection, slowest(NOW))
    for number, now in enumerate(hours):
        shared.set(now)
        workers.set(now)
        await town.live(now)
        await _until_done(connection, slowest(now))
        print(f"{now:%d %H:%M}: {town.mail.left()} messages, {workers.kills} kills", flush=True)
        # In the last two hours of a day: nothing that is under way then waits for the next.
        if number + 2 >= len(hours) or hours[number + 2].date() > now.date():
            await _settled(workers, connection, slowest(now))


async def reminded(
    made: Stage,
    visits: int,
    seed: int,
    *,
    target: str = TARGET,
    kill_every: tuple[float, float] = KILL_EVERY,
    leads: tuple[int, ...] = LEADS,
) -> Reminded:
    """Run it, and hold what left against what was asked for."""
    started = time.perf_counter()
    file = made.folder / "calls.jsonl"
    shared = SharedClock(made.folder / "clock")
    await install_bus(made.environment["CLINICBUS_BUS_OWNER_URL"])
    urls = (made.environment[f"CLINICBUS_APPOINTMENTS_{r}_URL"] for r in ("APP", "WORKER"))
    database = Database.connect(SERVICE, *urls)
    url = made.server.superuser_url.replace("/postgres?", f"/clinicbus_{SERVICE}?")
    connection, another = await asyncpg.connect(url), await asyncpg.connect(url)
    try:
        async with far_side(file, seed) as (mail, book):
            town = Town(made, database, mail, shared.now, seed, leads)
            town.draw(visits)
            await town.enter(connection)
            environment = _told(made, mail, book)
            chance = random.Random(f"kills/{seed}")
            workers = Workers(made, target, environment, another, chance, kill_every)
            async with working(workers):
                await _lived_through(made, town, workers, shared, connection)
            rows, call_list = await what_is_kept(connection)
    finally:
        await asyncio.gather(connection.close(), another.close(), database.close())
    calls = calls_in(file)
    assert calls == mail.calls
    return Reminded(
        problems=problems(town.visits, calls, rows, call_list),
        messages=mail.left(),
        calls=Counter(call.did for call in calls),
        states=Counter(row["state"] for row in rows),
        deeds=Counter(deed.what for visit in town.visits for deed in visit.deeds),
        on_call_list=len(call_list),
        kills=workers.kills,
        skews=[round(skew.total_seconds(), 1) for skew in workers.skews],
        leads=leads,
        seconds=round(time.perf_counter() - started, 1),
    )


def _told(made: Stage, mail: FarSide, book: int) -> dict[str, str]:
    """What a worker is told, besides its clock."""
    return {
        **made.environment,
        "CLINICBUS_URLS": f'{{"patients": "http://127.0.0.1:{book}"}}',
        "CLINICBUS_MAIL_BY": "smtp",
        "CLINICBUS_MAIL_HOST": "127.0.0.1",
        "CLINICBUS_MAIL_PORT": str(mail.port),
        "CLINICBUS_MAIL_SENDER": f"clinic@{DOMAIN}",
        "CLINICBUS_MAIL_TLS": "none",
    }


def figures(found: Reminded, visits: int, seed: int) -> list[Figure]:
    """The figures of a run: none of what must not be, and much of what is to be."""
    share = found.messages / visits / len(found.leads)
    kinds = Counter(text.partition(":")[0] for text in found.problems)
    detail = {
        "visits": visits,
        "seed": seed,
        "leads_minutes": found.leads,
        "workers": WORKERS,
        "clocks_off_by_seconds": found.skews,
        "kills": found.kills,
        "deeds": dict(found.deeds),
        "messages": found.messages,
        "calls": dict(found.calls),
        "reminders": dict(found.states),
        "on_call_list": found.on_call_list,
        "seconds": found.seconds,
        "problems": found.problems[:10],
    }
    against = f"{visits} visits, {found.kills} kills, seed {seed}"
    made = [at_most(f"reminders: {kind}", kinds[kind], 0, "", against, **detail) for kind in KINDS]
    return [
        *made,
        at_least("reminders: messages a visit and lead", share, 0.8, "", against),
        at_least("reminders: kills", found.kills, 1, "", against),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(prog="bench.reminding")
    parser.add_argument("--visits", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--leads", type=int, nargs="+", default=LEADS, help="in minutes")
    parser.add_argument("--planted", choices=PLANTED, help="run a service with this fault")
    given = parser.parse_args(arguments)
    target = f"bench.reminding_planted:{given.planted}" if given.planted else TARGET
    with stage() as made:
        leads = tuple(sorted(given.leads, reverse=True))
        run = reminded(made, given.visits, given.seed, target=target, leads=leads)
        found = uvloop.run(run)
        _show_what_was_logged(made.folder)
    taken = figures(found, given.visits, given.seed)
    show(taken)
    print(taken[0].detail)
    return 0 if all(figure.holds for figure in taken) else 1


def _show_what_was_logged(folder: Path) -> None:
    """How often a worker told of something, by what."""
    counted = Counter[str]()
    for log in folder.glob("worker-*.log"):
        for line in log.read_text("utf-8", errors="replace").splitlines():
            event = line.partition('"event":')[2].partition(",")[0].strip(' "')
            counted[event or line[:60]] += 1
    print(dict(counted.most_common(8)))


if __name__ == "__main__":
    sys.exit(main())
