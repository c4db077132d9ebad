"""The figures of the day, for a person and for machines."""

import io
from collections import Counter
from typing import Any

from rich.console import Console
from rich.table import Table

from ops.day.databases import opened
from ops.day.desk import Steps
from ops.day.story import Story
from shared.db.provision import SERVICES

SLOWEST = 8


async def figures(
    superuser_url: str, story: Story, reports: list[dict[str, Any]], steps: Steps
) -> dict[str, Any]:
    """Visits by outcome, events by type, money by method, the ledger's sum, slowest steps."""
    events: Counter[str] = Counter()
    for service in SERVICES:
        async with opened(superuser_url, service) as connection:
            for row in await connection.fetch("SELECT type, count(*) FROM outbox GROUP BY 1"):
                events[row[0].removeprefix("clinicbus.")] += row[1]
    async with opened(superuser_url, "appointments") as connection:
        rows = await connection.fetch("SELECT lifecycle, count(*) FROM appointments GROUP BY 1")
    async with opened(superuser_url, "payments") as connection:
        ledger = await connection.fetchval("SELECT coalesce(sum(cents), 0) FROM ledger_lines")
    money: Counter[str] = Counter()
    for report in reports:
        for method in report["methods"]:
            money[method["method"]] += method["payment_cents"]
            money["refunded"] += method["refund_cents"]
    outcomes = Counter({row[0]: row[1] for row in rows})
    outcomes["sent_away"] += sum(p.outcome == "sent_away" for p in story.played)
    return {
        "outcomes": dict(+outcomes),
        "events": dict(sorted(events.items())),
        "money_cents": dict(money),
        "ledger_cents": int(ledger),
        "notes": dict(story.notes),
        "slowest": steps.slowest(SLOWEST),
    }


def table(outcome: dict[str, Any]) -> str:
    """The figures as tables for a terminal."""
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=False)
    _pairs(console, "Visits", outcome["outcomes"], str)
    _pairs(console, "Events", outcome["events"], str)
    _pairs(console, "Money", outcome["money_cents"], _dollars)
    console.print(f"The ledger sums to {_dollars(outcome['ledger_cents'])}.")
    _pairs(console, "Also", outcome["notes"], str)
    slow = Table(title="Slowest steps", title_justify="left", box=None)
    for name in ("step", "times", "p50 ms", "p95 ms"):
        slow.add_column(name, justify="left" if name == "step" else "right")
    for step, times, p50, p95 in outcome["slowest"]:
        slow.add_row(step, str(times), f"{p50:.0f}", f"{p95:.0f}")
    console.print(slow)
    console.print()
    for check in outcome["checks"]:
        word = "ok  " if check["ok"] else "FAIL"
        console.print(f"{word} {check['name']}: {check['counted']} {check['unit']}")
        for problem in check["problems"]:
            console.print(f"       {problem}")
    seconds = outcome["seconds"]
    verdict = "The day holds." if outcome["ok"] else "The day does not hold."
    console.print(
        f"\n{verdict} Started in {seconds['start']:.1f} s, played in {seconds['play']:.1f} s,"
        f" checked in {seconds['check']:.1f} s, on the {outcome['bus']} bus."
    )
    return out.getvalue()


def _pairs(console: Console, title: str, found: dict[str, Any], shown: Any) -> None:
    if not found:
        return
    made = Table(title=title, title_justify="left", box=None, show_header=False)
    made.add_column()
    made.add_column(justify="right")
    for name, value in found.items():
        made.add_row(str(name), shown(value))
    console.print(made)
    console.print()


def _dollars(cents: int) -> str:
    sign = "-" if cents < 0 else ""
    return f"{sign}${abs(cents) // 100:,}.{abs(cents) % 100:02d}"
