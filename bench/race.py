"""Nothing is booked twice: 200 clients race for 20 slots at a time, 10,000 tries in all."""

import time
from dataclasses import dataclass

import uvloop

from bench.driver import Result, drive
from bench.report import Figure, at_most
from bench.stage import LANE, PATIENTS_A_LANE, Stage, slot_start

CLIENTS = 200
SLOTS = 20
LIMIT_SECONDS = 120.0

OVERLAPS = """
SELECT count(*) AS pairs FROM appointments a JOIN appointments b
  ON a.{who} = b.{who} AND a.id < b.id AND a.starts_at < b.ends_at AND b.starts_at < a.ends_at
WHERE a.starts_at >= $1 AND b.starts_at >= $1
"""
"""Pairs of visits of one person or provider at the same time: read from the visits themselves, not
from the occupancies that guard them."""


@dataclass(frozen=True, slots=True)
class Raced:
    """A race and what is in the tables after it."""

    result: Result
    booked: int
    provider_pairs: int
    patient_pairs: int


def rival_slot(client: int, heat: int) -> int:
    """Which of a heat's slots a client wants: neighbours want the same, and come at once."""
    return (client * SLOTS // CLIENTS + heat) % SLOTS


def race(made: Stage, tries: int) -> list[Figure]:
    """Run the race: heats in which every client tries once, each heat for 20 slots of its own."""
    started = time.perf_counter()
    raced = run(made, tries)
    heats = tries // CLIENTS
    errors = sum(status >= 500 for status in raced.result.answered.values())
    detail = {
        "tries": len(raced.result.answered),
        "clients": CLIENTS,
        "slots_a_heat": SLOTS,
        "answers": raced.result.statuses(),
        "booked": raced.booked,
        "slots": heats * SLOTS,
        "p99_ms": round(raced.result.milliseconds(0.99)),
        "seconds": round(time.perf_counter() - started, 1),
    }
    against = f"{len(raced.result.answered)} tries of {CLIENTS} clients"
    overlaps = raced.provider_pairs + raced.patient_pairs
    missing = heats * SLOTS - raced.booked
    return [
        at_most("race: overlaps", overlaps, 0, "pairs", against, **detail),
        at_most("race: answers of 5xx", errors + raced.result.broken, 0, "", against, **detail),
        at_most("race: slots nobody got", missing, 0, "", against, **detail),
    ]


def run(made: Stage, tries: int) -> Raced:
    """Race on one API process, all for the time of one provider."""
    heats = tries // CLIENTS
    first = made.free_slot()
    lane = LANE[0]

    def ask(client: int, number: int) -> bytes | None:
        if number >= heats:
            return None
        slot = first + number * SLOTS + rival_slot(client, number)
        patient = LANE[client % len(LANE)].patient_id(client % PATIENTS_A_LANE)
        return made.booking(lane, slot, f"race-{first}-{client}-{number}", patient=patient)

    with made.service("api") as api:
        result = uvloop.run(drive(api.port, CLIENTS, ask, LIMIT_SECONDS))
    since = slot_start(first)
    (counted,) = made.ask("SELECT count(*) AS n FROM appointments WHERE starts_at >= $1", since)
    (providers,) = made.ask(OVERLAPS.format(who="provider_id"), since)
    (patients,) = made.ask(OVERLAPS.format(who="patient_id"), since)
    return Raced(result, counted["n"], providers["pairs"], patients["pairs"])
