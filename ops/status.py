"""`clinicbus status`: what runs, asked of each process now."""

import asyncio
import json
from dataclasses import asdict, dataclass
from typing import Any

from ops import probe, processes, state
from ops.layout import Layout
from ops.state import ProcessState


@dataclass(frozen=True, slots=True)
class Status:
    """ready: every process runs and answers. processes: each with `ready` as found just now."""

    ready: bool
    phase: str
    bus: str | None
    data: str
    issuer: str | None
    urls: dict[str, str]
    processes: list[dict[str, Any]]
    facts: dict[str, Any]

    def as_json(self) -> str:
        """The whole, for machines."""
        return json.dumps(asdict(self), indent=2)


async def ask(layout: Layout) -> Status:
    """Ask each process of the system on a folder. `phase` is stopped when there is none."""
    found = state.read(layout.state)
    if found is None or not processes.is_running(found.supervisor):
        return Status(False, "stopped", None, str(layout.root), None, {}, [], {})
    answers = await asyncio.gather(*(_is_ready(process) for process in found.processes))
    return Status(
        ready=found.phase == "ready" and all(answers),
        phase=found.phase,
        bus=found.bus,
        data=str(layout.root),
        issuer=found.issuer,
        urls=found.urls,
        processes=[
            {**asdict(process), "ready": ready}
            for process, ready in zip(found.processes, answers, strict=True)
        ],
        facts=found.facts,
    )


def lines_of(status: Status) -> list[str]:
    """The status as plain lines."""
    if status.phase == "stopped":
        return [f"ClinicBus does not run (data: {status.data}): start it with `make run`."]
    word = "ready" if status.ready else "not ready"
    lines = [f"ClinicBus is {word}. Bus: {status.bus}. Data: {status.data}"]
    lines.append(f"{'process':<16}{'state':<10}{'pid':>8}{'restarts':>10}  where")
    for process in status.processes:
        shown = process["state"]
        if shown == "ready" and not process["ready"]:
            shown = "silent"
        where = process["url"] or f"127.0.0.1:{process['port']}"
        last = f"  (last end: {process['last_end']})" if process["last_end"] else ""
        lines.append(
            f"{process['name']:<16}{shown:<10}{process['pid'] or '-':>8}"
            f"{process['restarts']:>10}  {where}{last}"
        )
    return lines


async def _is_ready(process: ProcessState) -> bool:
    if process.state != "ready":
        return False
    if process.mark is not None and not processes.is_running(process.mark):
        return False
    if process.probe is not None:
        return await probe.status_of(process.probe) == 200
    return process.port is None or await probe.accepts(process.port)
