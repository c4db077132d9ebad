"""A rush on few slots while the API is killed: `python -m bench.rush --calls 2000 --seed 1`.

Book, hold, book what is held, confirm, decline, reschedule, cancel, series and their edits, all for
50 starts that overlap, by clients who insist on an answer under one Idempotency-Key. The process is
killed at moments that the seed picks, and started again. Then the tables are compared with what was
acknowledged. Exit code 1 where a bound does not hold.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

import httpx

from bench.report import Figure, at_least, at_most, show
from bench.rush_clients import CLIENTS, DEEDS, STARTS, Api, Rush, Told
from bench.stage import Stage, slot_start, stage

CALLS, KILLS = 2000, 6
FIRST_HOUR = timedelta(hours=8)

OVERLAPS = """
SELECT count(*) AS n FROM occupancies a JOIN occupancies b ON a.id < b.id
 AND a.network_id = b.network_id AND a.resource_id = b.resource_id
 AND (a.lane = b.lane OR least(a.lane, b.lane) = 0)
 AND a.active AND b.active AND a.starts_at < b.ends_at AND b.starts_at < a.ends_at
"""
"""Pairs that overlap: by plain comparisons, and not by the constraint's own operators."""
UNLIKE = """
SELECT a.id, a.lifecycle, count(o.id) AS rows, count(o.id) FILTER (WHERE
  (o.starts_at, o.ends_at) = (a.starts_at, a.ends_at) AND o.resource_id IN
  (a.provider_id, a.patient_id, a.room_id)) AS own
FROM appointments a LEFT JOIN occupancies o
  ON o.network_id = a.network_id AND o.appointment_id = a.id AND o.active
GROUP BY a.id, a.lifecycle
"""
"""How much of each visit's own time is occupied for it: three rows where it is booked, else none.

The kind of visit of the bench has no buffers.
"""


def problems(made: Stage, told: Told) -> list[str]:
    """Where the tables and what was acknowledged do not agree."""
    rows = {
        str(row["id"]): row
        for row in made.ask("SELECT id, version, starts_at, lifecycle, confirmation"
                            " FROM appointments")
    }  # fmt: skip
    found = [f"visit {key} was acknowledged and is not there" for key in told.visits.keys() - rows]
    found += [f"visit {key} is there, and nobody was told" for key in rows.keys() - told.visits]
    for key in told.visits.keys() & rows.keys():
        said, row = told.visits[key], rows[key]
        same = (
            said["version"] == row["version"]
            and datetime.fromisoformat(said["starts_at"]) == row["starts_at"]
            and said["lifecycle"] == row["lifecycle"]
            and said["confirmation"] in (None, row["confirmation"])
        )
        if not same:
            found.append(f"visit {key} was said to be {said}, and is {dict(row)}")
    for row in made.ask(UNLIKE):
        wanted = 3 if row["lifecycle"] == "booked" else 0
        if (row["rows"], row["own"]) != (wanted, wanted):
            found.append(f"visit {row['id']} ({row['lifecycle']}) occupies {row['rows']} rows")
    states = {str(r["id"]): r for r in made.ask("SELECT id, state, appointment_id FROM holds")}
    for key, said in told.holds.items():
        row = states.get(key)
        if row is None:
            found.append(f"hold {key} was acknowledged and is not there")
        elif said["state"] != row["state"]:
            found.append(f"hold {key} was said to be {said['state']}, and is {row['state']}")
    return found


def rushed(made: Stage, calls: int, kills: int, seed: int) -> tuple[Told, int]:
    """Run it: what clients were told, and how often the process was killed."""
    api = Api(made)

    async def all_of_it() -> Told:
        limits = httpx.Limits(max_connections=CLIENTS, max_keepalive_connections=CLIENTS)
        async with httpx.AsyncClient(timeout=30, limits=limits) as http:
            found = Rush(made, api, http, calls, seed, slot_start(0) + FIRST_HOUR)
            await found.run(kills)
            return found.told

    with api.stack:
        api.start()
        told = asyncio.run(all_of_it())
    return told, api.kills


def rush(made: Stage, calls: int, kills: int, seed: int) -> list[Figure]:
    """Run it, and compare the tables with what was acknowledged."""
    started = time.perf_counter()
    told, killed = rushed(made, calls, kills, seed)
    wrong = problems(made, told)
    overlaps = made.ask(OVERLAPS)[0]["n"]
    detail = {
        "calls": calls,
        "clients": CLIENTS,
        "starts": STARTS,
        "kills": killed,
        "seed": seed,
        "answers": {str(status): n for status, n in sorted(told.answers.items())},
        "deeds": dict(sorted(told.deeds.items())),
        "connections_broken": told.broken,
        "visits": len(told.visits),
        "holds": len(told.holds),
        "series": len(told.series),
        "seconds": round(time.perf_counter() - started, 1),
    }
    errors = sum(n for status, n in told.answers.items() if status >= 500)
    against = f"{calls} calls, {killed} kills, seed {seed}"
    return [
        at_most("rush: overlaps", overlaps, 0, "pairs", against, **detail),
        at_most("rush: not as acknowledged", len(wrong), 0, "", against, problems=wrong[:10]),
        at_most("rush: answers of 5xx", errors, 0, "", against),
        at_least("rush: kinds of calls that were done", _kinds_done(told), len(DEEDS), "", against),
    ]


def _kinds_done(told: Told) -> int:
    return sum(told.deeds[f"{name} 2xx"] > 0 for name, _ in DEEDS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(prog="bench.rush")
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    with stage() as made:
        figures = rush(made, given.calls, given.kills, given.seed)
    show(figures)
    for figure in figures:
        if figure.detail:
            print(figure.name, figure.detail)
    return 0 if all(figure.holds for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
