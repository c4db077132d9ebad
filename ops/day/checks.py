"""What must hold after the day, read from the databases and not from what the player believes.

Each check says what it counted and fails on zero: a check that saw nothing has shown nothing.
"""

import asyncio
import importlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from ops.day.ahead_checks import nobody_on_holidays, wall_times_kept
from ops.day.check import Check
from ops.day.databases import opened
from ops.day.story import Place, Story
from shared.db.provision import SERVICES

SETTLE_SECONDS = 20.0
LOOK_SECONDS = 0.2


def exit_code(found: Sequence[Check]) -> int:
    """0 where every check holds; 1 where one does not, or none was made."""
    return 0 if found and all(check.ok for check in found) else 1


async def all_of(superuser_url: str, story: Story, reports: list[dict[str, Any]]) -> list[Check]:
    """Every check of the day, once the events have settled."""
    applied = await settled(superuser_url)
    return [
        await nothing_twice(superuser_url),
        await ledger_balances(superuser_url),
        await drawers_agree(superuser_url, story.places, reports),
        applied,
        await effects_once(superuser_url),
        await wall_times_kept(superuser_url),
        await nobody_on_holidays(superuser_url),
    ]


_TAKEN = """
SELECT (SELECT count(*) FROM occupancies WHERE active) AS taken,
       (SELECT count(*) FROM appointments) AS visits
"""
_TWICE = """
SELECT a.resource_kind, a.resource_id, a.starts_at FROM occupancies a
JOIN occupancies b ON a.id < b.id AND a.network_id = b.network_id
  AND a.resource_kind = b.resource_kind AND a.resource_id = b.resource_id
  AND a.active AND b.active AND a.starts_at < b.ends_at AND b.starts_at < a.ends_at
LEFT JOIN appointments x ON x.id = a.appointment_id
LEFT JOIN appointments y ON y.id = b.appointment_id
LEFT JOIN rooms r ON r.id = a.resource_id
WHERE a.lane = b.lane OR least(a.lane, b.lane) = 0
   OR (greatest(a.lane, b.lane) > coalesce(r.capacity, 1)
       AND NOT coalesce(x.overbooked, false) AND NOT coalesce(y.overbooked, false)
       AND x.overlap_reason IS NULL AND y.overlap_reason IS NULL)
"""


async def nothing_twice(superuser_url: str) -> Check:
    """No provider, room or patient is taken twice at once, in one lane or in one nobody allowed."""
    async with opened(superuser_url, "appointments") as connection:
        counted = await connection.fetchrow(_TAKEN)
        twice = await connection.fetch(_TWICE)
    problems = [f"{r['resource_kind']} {r['resource_id']} at {r['starts_at']}" for r in twice]
    return Check("nothing is booked twice", counted["taken"], "times taken", problems)


_ENTRIES = """
SELECT e.id, e.kind, count(l.*) AS lines, coalesce(sum(l.cents), 0) AS cents
FROM ledger_entries e LEFT JOIN ledger_lines l ON l.entry_id = e.id AND l.network_id = e.network_id
GROUP BY e.id, e.kind
"""


async def ledger_balances(superuser_url: str) -> Check:
    """Every entry has two lines at least and sums to zero, and so does the whole ledger."""
    async with opened(superuser_url, "payments") as connection:
        entries = await connection.fetch(_ENTRIES)
        whole = await connection.fetchval("SELECT coalesce(sum(cents), 0) FROM ledger_lines")
    problems = [
        f"{e['kind']} {e['id']}: {e['lines']} lines, {e['cents']} cents"
        for e in entries
        if e["lines"] < 2 or e["cents"] != 0
    ]
    if whole:
        problems.append(f"the whole ledger sums to {whole} cents")
    return Check("the ledger sums to zero", len(entries), "entries", problems)


_DRAWERS = "SELECT id, clinic_id, float_cents, counted_cents FROM drawers"


async def drawers_agree(
    superuser_url: str, places: list[Place], reports: list[dict[str, Any]]
) -> Check:
    """Drawer, report of the day and the player's own count are one figure, to the cent."""
    async with opened(superuser_url, "payments") as connection:
        rows = await connection.fetch(_DRAWERS)
    problems = []
    by_clinic = {report["clinic_id"]: report for report in reports}
    for row in rows:
        report = by_clinic.get(str(row["clinic_id"]))
        if report is None:
            problems.append(f"clinic {row['clinic_id']} has no report")
            continue
        cash = next(m["net_cents"] for m in report["methods"] if m["method"] == "cash")
        in_report = {d["drawer_id"]: d["counted_cents"] for d in report["drawers"]}
        counted = row["counted_cents"]
        if counted != in_report.get(str(row["id"])):
            problems.append(f"drawer {row['id']}: {counted}, report {in_report}")
        if counted is None or counted - row["float_cents"] != cash:
            problems.append(f"drawer {row['id']}: {counted}, cash of the day {cash}")
        mine = [place.cash_cents for place in places if place.drawer_id == str(row["id"])]
        if mine != [counted]:
            problems.append(f"drawer {row['id']}: {counted}, counted by hand {mine}")
    return Check("drawer equals report", len(rows), "drawers", problems)


async def settled(superuser_url: str) -> Check:
    """The check of events, once it holds or has had time enough to."""
    until = time.monotonic() + SETTLE_SECONDS
    while True:
        found = await events_applied(superuser_url)
        if found.ok or time.monotonic() > until:
            return found
        await asyncio.sleep(LOOK_SECONDS)


_SAID = """
SELECT topic, subject, max(subject_seq) AS last, count(*) AS events,
       count(DISTINCT subject_seq) AS numbers
FROM outbox GROUP BY topic, subject
"""
_STUCK = "SELECT (SELECT count(*) FROM parked_key) + (SELECT count(*) FROM unreadable)"


async def events_applied(superuser_url: str) -> Check:
    """Every event of every outbox was applied by every service that hears its topic, in order."""
    said: dict[str, dict[str, int]] = {}
    problems: list[str] = []
    counted = 0
    for service in SERVICES:
        async with opened(superuser_url, service) as connection:
            for row in await connection.fetch(_SAID):
                said.setdefault(row["topic"], {})[row["subject"]] = row["last"]
                if row["events"] != row["last"] or row["numbers"] != row["last"]:
                    problems.append(f"{service} said {row['subject']} with holes or twice")
    for service in SERVICES:
        heard = importlib.import_module(f"services.{service}.handlers").SUBSCRIPTIONS.topics
        async with opened(superuser_url, service) as connection:
            found, missed = await _compare(connection, {t: said.get(t, {}) for t in heard})
            stuck = await connection.fetchval(_STUCK)
        counted += found
        problems += [f"{service}: {text}" for text in missed]
        if stuck:
            problems.append(f"{service}: {stuck} parked or unreadable")
    return Check(
        "every event is applied once by every subscriber", counted, "event deliveries", problems
    )


async def _compare(
    connection: asyncpg.Connection, said: dict[str, dict[str, int]]
) -> tuple[int, list[str]]:
    rows = await connection.fetch("SELECT topic, subject, seq FROM applied")
    applied = {(row["topic"], row["subject"]): row["seq"] for row in rows}
    problems = []
    for topic, subjects in said.items():
        for subject, last in subjects.items():
            seq = applied.get((topic, subject), 0)
            if seq != last:
                problems.append(f"{subject} applied up to {seq} of {last}")
    return sum(sum(s.values()) for s in said.values()), problems


@dataclass(frozen=True, slots=True)
class Effect:
    """A count of events and the counts of what they have to have led to, one for one."""

    name: str
    said: tuple[str, str]
    kept: tuple[tuple[str, str], ...]


def _events(name: str) -> str:
    return f"SELECT count(*) FROM outbox WHERE type LIKE 'clinicbus.%.{name}.v1'"


_VISITS = "SELECT count(*) FROM known_visits"
_CONSENTS = "SELECT count(*) FROM known_consents"
_KNOWN = "SELECT count(*) FROM known_patients"
EFFECTS = (
    Effect(
        "patients registered and known",
        ("patients", _events("patient.registered")),
        (("appointments", _KNOWN + " WHERE registered"), ("eligibility", _KNOWN)),
    ),
    Effect(
        "visits booked and known",
        ("appointments", _events("appointment.booked")),
        tuple((s, _VISITS) for s in ("eligibility", "payments", "documents", "patients")),
    ),
    Effect(
        "consents given and known",
        ("patients", _events("consent.granted")),
        (("appointments", _CONSENTS), ("documents", _CONSENTS)),
    ),
    Effect(
        "charges and their entries",
        ("payments", _events("charge.captured")),
        (("payments", "SELECT count(*) FROM ledger_entries WHERE kind = 'charge'"),),
    ),
    Effect(
        "payments and their entries",
        ("payments", _events("payment.posted")),
        (("payments", "SELECT count(*) FROM ledger_entries WHERE kind = 'payment'"),),
    ),
    Effect(
        "cents owed, in the ledger and at the desk",
        ("payments", "SELECT coalesce(sum(balance_cents), 0) FROM accounts"),
        (("appointments", "SELECT coalesce(sum(balance_cents), 0) FROM known_patients"),),
    ),
    Effect(
        "visits with a verdict, decided and known",
        ("eligibility", "SELECT count(*) FROM visit_covers"),
        tuple((s, "SELECT count(*) FROM visit_covers") for s in ("appointments", "documents")),
    ),
)


async def effects_once(superuser_url: str, *, every: bool = True) -> Check:
    """What events led to is there as often as they were said: not less, and not twice.

    every: whether a kind of which there is nothing is a problem.
    """
    counted, problems = 0, []
    for name, said, kept in await effects(superuser_url):
        counted += 1 if said else 0
        if not said and every:
            problems.append(f"{name}: none")
        problems += [f"{name}: {said}, and {n} in {s}" for s, n in kept.items() if n != said]
    return Check("every effect is there once", counted, "kinds of effect", problems)


async def effects(superuser_url: str) -> list[tuple[str, int, dict[str, int]]]:
    """Of each kind of effect: its name, how often it was said, and how many each service has."""
    found = []
    for effect in EFFECTS:
        said = await _count(superuser_url, *effect.said)
        kept = {s: await _count(superuser_url, s, statement) for s, statement in effect.kept}
        found.append((effect.name, said, kept))
    return found


async def _count(superuser_url: str, service: str, statement: str) -> int:
    async with opened(superuser_url, service) as connection:
        return int(await connection.fetchval(statement))
