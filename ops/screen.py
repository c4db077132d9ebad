"""What a person sees of a running system: progress, one screen, and what happens later."""

import time
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.status import Status
from rich.table import Table
from rich.text import Text

from ops.ports import SERVICES
from ops.state import ProcessState, SystemState

WIDTH = 100  # where the output is no terminal

NEXT = """\
[bold]A token[/]    ./clinicbus token front_desk          (or biller, nurse, provider, admin ...)
[bold]Try next[/]   TOKEN=$(./clinicbus token front_desk)
           curl -H "Authorization: Bearer $TOKEN" {appointments}/v1/clinics
           ./clinicbus status                    what runs, and what was started again
           make demo                             a whole clinic day, on data of its own
[bold]Stop[/]       Ctrl-C here, or `make stop` elsewhere; `make reset` forgets the data"""


class Screen:
    """Writes to a terminal, or plain lines to anything else."""

    def __init__(self, file: TextIO | None = None) -> None:
        plain = Console(file=file)
        self.console = plain if plain.is_terminal else Console(file=file, width=WIDTH)
        self._begun = time.monotonic()
        self._spinner: Status | None = None

    def progress(self, text: str) -> None:
        """Say what is being done now."""
        if not self.console.is_terminal:
            self.line(f"{text} ...")
            return
        if self._spinner is None:
            self._spinner = self.console.status("")
            self._spinner.start()
        self._spinner.update(f"{text} ... ({self._elapsed():.0f} s)")

    def ready(self, state: SystemState, data: Path) -> None:
        """The one screen of a system that is ready."""
        self.settle()
        self.line(f"[bold green]ClinicBus is ready[/] after {self._elapsed():.1f} s.")
        self.show(state, data)

    def settle(self) -> None:
        """End the progress display."""
        if self._spinner is not None:
            self._spinner.stop()
            self._spinner = None

    def show(self, state: SystemState, data: Path) -> None:
        """Where everything is and what can be done with it."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("service", "API", "documentation"):
            table.add_column(column, no_wrap=True)
        for name in SERVICES:
            if url := state.urls.get(name):
                table.add_row(name, url, f"{url}/docs")
        table.add_row("token issuer", state.issuer)
        others = {p.name: p for p in state.processes}
        if (simulator := others.get("payer_simulator")) is not None:
            table.add_row("payer simulator", simulator.url or "")
        if (postgres := others.get("postgres")) is not None:
            table.add_row("Postgres", f"127.0.0.1:{postgres.port}")
        bus = f"Kafka at {state.kafka}" if state.kafka else "Postgres"
        table.add_row("event bus", bus)
        table.add_row("data", Text(str(data), overflow="fold"))
        self._print(Text(""), table, Text(""))
        if "network" in state.facts:
            self.line(f"[bold]Demo network[/] {state.facts['network']}")
            for clinic in state.facts.get("clinics", ()):
                self.line(f"  clinic     {clinic['id']}  {clinic.get('name', '')}")
            self.line("")
        self.line(NEXT.format(appointments=state.urls.get("appointments", "")))

    def change(self, process: ProcessState) -> None:
        """Say that a process died, or is back."""
        at = time.strftime("%H:%M:%S")
        if process.state == "waiting":
            self.line(
                f"{at} [bold red]{process.name}[/] stopped ({process.last_end});"
                f" it is started again (restart {process.restarts + 1})."
            )
        elif process.state == "ready" and process.restarts:
            self.line(f"{at} [bold green]{process.name}[/] is ready again, process {process.pid}.")

    def line(self, text: str) -> None:
        """One line; markup in square brackets is rich's."""
        self._print(text)

    def _print(self, *parts: object) -> None:
        try:
            self.console.print(*parts, sep="\n", highlight=False, soft_wrap=True)
        except BrokenPipeError:
            # Whoever read this is gone; the system runs on.
            self.console.quiet = True

    def _elapsed(self) -> float:
        return time.monotonic() - self._begun
