"""What a person sees of a running system: progress, one screen, and what happens later."""

import os
import sys
import time
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from ops.ports import SERVICES
from ops.state import ProcessState, SystemState

NEXT = """\
[bold]A token[/]    ./clinicbus token front_desk          (or biller, nurse, provider, admin ...)
[bold]Try next[/]   TOKEN=$(./clinicbus token front_desk)
           curl -H "Authorization: Bearer $TOKEN" {appointments}/v1/clinics
           ./clinicbus status                    what runs, and what was started again
           ./clinicbus monitor                   a page of what is said and heard (or: tail)
           make demo                             a whole clinic day, on data of its own
[bold]Stop[/]       Ctrl-C here, or `make stop` elsewhere; `make reset` forgets the data"""


class SteadyConsole(Console):
    """A console whose reader may go away (`make run | head`) while the system runs on."""

    def on_broken_pipe(self) -> None:
        """Fall silent; rich would end the program."""
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


class Screen:
    """Writes to a terminal, or plain lines to anything else."""

    def __init__(self, file: TextIO | None = None) -> None:
        self.console = SteadyConsole(file=file)
        self._begun = time.monotonic()
        self._spinner: Status | None = None
        self._is_ready = False

    def progress(self, text: str) -> None:
        """Say what is being done now."""
        if not self.console.is_terminal or self._is_ready:
            self.line(f"{text} ...")
            return
        if self._spinner is None:
            self._spinner = self.console.status("")
            self._spinner.start()
        self._spinner.update(f"{text} ... ({self._elapsed():.0f} s)")

    def ready(self, state: SystemState, data: Path) -> None:
        """The one screen of a system that is ready."""
        self.settle()
        self._is_ready = True
        self.line(f"[bold green]ClinicBus is ready[/] after {self._elapsed():.1f} s.")
        self.show(state, data)

    def settle(self) -> None:
        """End the progress display."""
        if self._spinner is not None:
            self._spinner.stop()
            self._spinner = None

    def show(self, state: SystemState, data: Path) -> None:
        """Where everything is and what can be done with it."""
        self.line("")
        self.line(f"[bold]{'service':<17}{'API':<25}documentation[/]")
        for name in SERVICES:
            if url := state.urls.get(name):
                self.line(f"{name:<17}{url:<25}{url}/docs")
        self.line(f"{'token issuer':<17}{state.issuer}")
        others = {process.name: process for process in state.processes}
        if (simulator := others.get("payer_simulator")) is not None:
            self.line(f"{'payer simulator':<17}{simulator.url}")
        if (postgres := others.get("postgres")) is not None:
            self.line(f"{'Postgres':<17}127.0.0.1:{postgres.port}")
        self.line(f"{'event bus':<17}{f'Kafka at {state.kafka}' if state.kafka else 'Postgres'}")
        self.line(f"{'data':<17}{escape(str(data))}")
        self.line("")
        if "network" in state.facts:
            self.line(f"[bold]Demo network[/] {state.facts['network']}")
            for clinic in state.facts.get("clinics", ()):
                self.line(f"  clinic     {clinic}")
            self.line("")
        self.line(NEXT.format(appointments=state.urls.get("appointments", "")))

    def change(self, process: ProcessState) -> None:
        """Say that a process died, or is back."""
        at = time.strftime("%H:%M:%S")
        if process.state == "waiting":
            self.line(
                f"{at} [bold red]{process.name}[/] stopped ({escape(process.last_end or '')});"
                f" it is started again (restart {process.restarts + 1})."
            )
        elif process.state == "ready" and process.restarts:
            self.line(f"{at} [bold green]{process.name}[/] is ready again, process {process.pid}.")

    def line(self, text: str) -> None:
        """One line; markup in square brackets is rich's."""
        self.console.print(text, highlight=False, soft_wrap=True)

    def _elapsed(self) -> float:
        return time.monotonic() - self._begun
