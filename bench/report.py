"""What was measured: figures with their bounds, a table for people and a file for machines."""

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

LATEST = Path(__file__).with_name("results") / "latest.json"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure.

    bound: what it is held against, as text; None where it is only shown. holds: whether it does;
    a figure without a bound always holds. detail: the figures behind it and how they were taken.
    """

    name: str
    value: float | None
    unit: str
    bound: str | None
    holds: bool
    compared_with: str
    detail: dict[str, Any] = field(default_factory=dict)


def at_least(
    name: str, value: float, bound: float, unit: str, compared_with: str, **detail: Any
) -> Figure:
    """A figure that holds when it is `bound` or more."""
    held = value >= bound
    return Figure(name, _short(value), unit, f">= {bound:g}", held, compared_with, detail)


def at_most(
    name: str, value: float, bound: float, unit: str, compared_with: str, **detail: Any
) -> Figure:
    """A figure that holds when it is `bound` or less."""
    held = value <= bound
    return Figure(name, _short(value), unit, f"<= {bound:g}", held, compared_with, detail)


def failed(name: str, why: str) -> Figure:
    """What could not be measured. It does not hold."""
    return Figure(name, None, "", None, False, "", {"not_measured": why})


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def write(figures: Sequence[Figure], path: Path = LATEST) -> None:
    """Write the figures as a JSON list; each says on what machine and when it was taken."""
    taken = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "load_1_min": round(os.getloadavg()[0], 2),
    }
    rows = [{**asdict(f), "detail": {**f.detail, "taken": taken}} for f in figures]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(rows, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def show(figures: Sequence[Figure]) -> None:
    """Print the table, and below it what is behind each figure that does not hold."""
    table = Table(box=None)
    for title in ("figure", "value", "bound", "holds", "compared with"):
        table.add_column(title, overflow="fold")
    for figure in figures:
        value = "-" if figure.value is None else f"{figure.value:g} {figure.unit}".strip()
        holds = "yes" if figure.holds else "NO"
        table.add_row(figure.name, value, figure.bound or "", holds, figure.compared_with)
    console = Console()
    console.print(table)
    for figure in figures:
        if not figure.holds:
            found = orjson.dumps(figure.detail, option=orjson.OPT_INDENT_2).decode()
            console.print(f"{figure.name}: {found}", markup=False)
