"""Bookings per second of one API process ÷ pgbench running the same statements.

Both on the same server with 16 clients, relay and consumers off, in turn: A B A B. The faster of
`-M simple` and `-M prepared` is the peer.
"""

import asyncio
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import uvloop

from bench.driver import Result, drive, request
from bench.recorded import PROTOCOLS, Protocol, Recording, record, script
from bench.report import Figure, at_least
from bench.serving import Serving
from bench.stage import LANE, TARGET, Stage
from ops.postgres_account import installed_programs

CLIENTS = len(LANE)
WARM_SECONDS = 1.5
SCOUT_SECONDS = 3
BOUND = 0.5
PEERS: tuple[Protocol, ...] = ("simple", "prepared")
"""Ways in which pgbench sends a script as it is; `pipelined` needs to be told where, and is shown
beside them."""
WRITTEN = ("appointments", "occupancies", "timer", "outbox", "audit", "idempotency")


@dataclass(frozen=True, slots=True)
class Run:
    """One run of an API. livez_per_second: the driver on a route that does nothing.

    api_cpu, postgres_cpu: seconds of processor that the process and the server used.
    """

    result: Result
    api_cpu: float
    postgres_cpu: float
    livez_per_second: float

    @property
    def rate(self) -> float:
        """Bookings per second."""
        return self.result.rate(201)

    def cpu_ms(self) -> dict[str, float]:
        """Milliseconds of processor a booking, by who used them: steadier than any rate."""
        used = {"api": self.api_cpu, "postgres": self.postgres_cpu}
        return {who: round(1000 * s / self.result.count(201), 2) for who, s in used.items()}


@dataclass(frozen=True, slots=True)
class Peer:
    """One run of pgbench: bookings per second, and the server's processor time for each."""

    rate: float
    postgres_cpu_ms: float


def bookings(made: Stage, seconds: int, rounds: int) -> list[Figure]:
    """Measure and compare; `rounds` runs of `seconds` each for either side."""
    first = made.free_slot()
    recording = asyncio.run(record(made, first))
    scouted = {p: run_pgbench(made, recording, p, SCOUT_SECONDS).rate for p in PROTOCOLS}
    fastest = max(PEERS, key=lambda protocol: scouted[protocol])
    ours: list[Run] = []
    peers: list[Peer] = []
    for _ in range(rounds):
        ours.append(run_api(made, seconds))
        peers.append(run_pgbench(made, recording, fastest, seconds))
    rate, peer = median(run.rate for run in ours), median(run.rate for run in peers)
    middle = min(ours, key=lambda run: abs(run.rate - rate))
    return [
        at_least(
            "bookings ÷ pgbench", rate / peer, BOUND, "",
            f"pgbench -M {fastest} with the same SQL",
            bookings_per_second=[round(run.rate) for run in ours],
            pgbench_per_second=[round(run.rate) for run in peers],
            pgbench_by_protocol={p: round(rate) for p, rate in scouted.items()},
            rows_a_booking=rows_a_booking(made),
            clients=CLIENTS,
            p50_ms=round(middle.result.milliseconds(0.5), 1),
            p99_ms=round(middle.result.milliseconds(0.99), 1),
            answers=middle.result.statuses(),
            cpu_ms_a_booking=middle.cpu_ms(),
            pgbench_cpu_ms_a_booking={"postgres": median(run.postgres_cpu_ms for run in peers)},
            api_cpu_share=round(middle.api_cpu / middle.result.seconds, 2),
            driver_cpu_share=round(middle.result.cpu_share, 3),
            driver_on_livez_per_second=round(middle.livez_per_second),
        )
    ]  # fmt: skip


def run_api(made: Stage, seconds: float, target: str = TARGET) -> Run:
    """Book as fast as one API process can, after a short warm-up."""
    made.rest()
    first = made.free_slot()
    with made.service("api", target) as api:
        return measure(made, api, own_lanes(made, first), seconds)


def measure(made: Stage, api: Serving, ask: Callable[[int, int], bytes], seconds: float) -> Run:
    """Warm a process up, measure it, and then see what the driver can do at most."""
    warm = uvloop.run(drive(api.port, CLIENTS, ask, WARM_SECONDS))
    done = 1 + max(number for _, number in warm.answered)
    before, server_before = api.cpu_seconds(), made.server_cpu_seconds()
    result = uvloop.run(drive(api.port, CLIENTS, lambda c, n: ask(c, done + n), seconds))
    used, server_used = api.cpu_seconds() - before, made.server_cpu_seconds() - server_before
    live = request("GET", "/livez", {})
    limit = uvloop.run(drive(api.port, CLIENTS, lambda _c, _n: live, 1.0))
    if result.broken:
        raise RuntimeError(f"{result.broken} connections were broken: {result.statuses()}")
    return Run(result, used, server_used, limit.rate(200))


def own_lanes(made: Stage, first: int) -> Callable[[int, int], bytes]:
    """Requests of clients that each book in a lane of their own, slot after slot."""
    return lambda client, n: made.booking(LANE[client], first + n, f"run-{first}-{client}-{n}")


def rows_a_booking(made: Stage) -> dict[str, float]:
    """Rows of each table per booking of either side so far: the same where both do the same."""
    counts = ", ".join(f"(SELECT count(*) FROM {table}) AS {table}" for table in WRITTEN)
    (found,) = made.ask(f"SELECT {counts}")
    return {table: round(found[table] / found["appointments"], 3) for table in WRITTEN}


def run_pgbench(made: Stage, recording: Recording, protocol: Protocol, seconds: int) -> Peer:
    """Run pgbench. Raises RuntimeError where one fails."""
    made.rest()
    first = made.free_slot()
    path = made.folder / f"{protocol}.sql"
    path.write_text(script(recording, protocol))
    salt = 10 + (first // 70) % 90
    mode = "simple" if protocol == "simple" else "prepared"
    url = made.environment["CLINICBUS_APPOINTMENTS_APP_URL"]
    before = made.server_cpu_seconds()
    done = subprocess.run(
        [
            str(installed_programs() / "pgbench"), "--no-vacuum", "--max-tries=1",
            f"--client={CLIENTS}", "--jobs=2", f"--time={seconds}", f"--protocol={mode}",
            f"--define=k={first}", f"--define=salt={salt}", f"--file={path}", url,
        ],
        capture_output=True, text=True, check=False, timeout=seconds + 60,
    )  # fmt: skip
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    failed = re.search(r"number of failed transactions: (\d+)", done.stdout)
    if found is None or done.returncode or (failed and int(failed[1])):
        raise RuntimeError(f"pgbench: {done.stdout[-400:]} {done.stderr[-1500:]}")
    used = made.server_cpu_seconds() - before
    booked = re.search(r"actually processed: (\d+)", done.stdout)
    many = int(booked[1]) if booked else 0
    return Peer(float(found[1]), round(1000 * used / max(1, many), 2))
