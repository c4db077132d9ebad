"""Bookings per second ÷ the control, and what the control does wrong that ours does not.

Both on one Postgres server and one Kafka broker, 16 clients, one API process each, in turn. Ours
runs with its relay beside it, so that either has told Kafka of what it books.
"""

from statistics import median

import uvloop

from bench.bookings import CLIENTS, Run, measure, run_api
from bench.control_stage import Arena, control_booking, control_lanes
from bench.driver import drive
from bench.race import CLIENTS as RACERS
from bench.race import SLOTS, rival_slot
from bench.report import Figure, at_least
from bench.stage import LANE, SLOTS_A_DAY

BOUND = 1.5
ROUNDS_MOST = 5
CONTROL_OVERLAPS = """
SELECT count(*) AS pairs FROM appointment a JOIN appointment b
  ON a.provider_id = b.provider_id AND a.id < b.id
  AND a.starts_at < b.ends_at AND b.starts_at < a.ends_at
"""


def speed(found: Arena, seconds: int, rounds: int) -> list[Figure]:
    """Measure both in turn, and ours without its relay as well; `rounds` runs of each."""
    ours: list[Run] = []
    controls: list[Run] = []
    alone: list[Run] = []
    for _ in range(rounds):
        with found.relay():
            ours.append(run_api(found.made, seconds))
        controls.append(_run_control(found, seconds))
        alone.append(run_api(found.made, seconds))
    rate, control = median(r.rate for r in ours), median(r.rate for r in controls)
    return [
        at_least(
            "bookings ÷ control", rate / control, BOUND, "",
            "FastAPI, SQLModel session, check then insert, send_and_wait in the request",
            without_relay=round(median(run.rate for run in alone) / control, 3),
            bookings_per_second=[round(run.rate) for run in ours],
            control_per_second=[round(run.rate) for run in controls],
            without_relay_per_second=[round(run.rate) for run in alone],
            clients=CLIENTS,
            cpu_ms_a_booking=[run.cpu_ms() for run in ours],
            control_cpu_ms_a_booking=[run.cpu_ms() for run in controls],
            p99_ms=round(median(r.result.milliseconds(0.99) for r in ours), 1),
            control_p99_ms=round(median(r.result.milliseconds(0.99) for r in controls), 1),
            control_answers=controls[-1].result.statuses(),
        )
    ]  # fmt: skip


def _run_control(found: Arena, seconds: float) -> Run:
    found.clear()
    found.made.rest()
    with found.control() as control:
        return measure(found.made, control, control_lanes(0), seconds)


def control_race(found: Arena) -> list[Figure]:
    """Show that the control books twice: 200 clients try 20 slots at once, up to five times."""
    pairs = rounds = 0
    answers: dict[str, int] = {}
    while pairs == 0 and rounds < ROUNDS_MOST:
        found.clear()
        first = rounds * SLOTS_A_DAY
        rounds += 1

        def ask(client: int, number: int, first: int = first) -> bytes | None:
            return None if number else control_booking(LANE[0], first + rival_slot(client, 0))

        with found.control() as control:
            result = uvloop.run(drive(control.port, RACERS, ask, 60))
        answers = result.statuses()
        pairs = found.ask(CONTROL_OVERLAPS)[0]["pairs"]
    return [
        at_least(
            "control: overlaps in the race", pairs, 1, "pairs", "ours: 0, see the race",
            rounds=rounds, answers=answers, clients=RACERS, slots=SLOTS,
        )
    ]  # fmt: skip
