"""`clinicbus run`: one system in the foreground until it is told to stop."""

import asyncio
import signal
import time

from ops import cutover, processes, state
from ops.errors import CannotRun
from ops.layout import Layout
from ops.local_system import LocalSystem
from ops.locks import Lock
from ops.options import Options
from ops.ports import Ports
from ops.programs import Plan
from ops.screen import Screen
from ops.seeding import seed_when_new
from ops.state import ProcessState, SystemState

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STOP_TIMEOUT_S = 60.0


def run(
    layout: Layout, ports: Ports, options: Options, *, seed: bool = True, plan: Plan | None = None
) -> int:
    """Run until SIGINT, SIGTERM or SIGHUP; the exit code.

    Where it runs already, shows the screen of that one and answers 0. CannotRun when it cannot.
    """
    screen = Screen()
    if (running := running_on(layout)) is not None:
        screen.line(
            f"ClinicBus runs already (process {running.supervisor.pid}, {running.phase}):"
            " stop it with `make stop`."
        )
        screen.show(running, layout.root)
        return 0
    return asyncio.run(_run(LocalRun(layout, ports, options, plan, screen, seed=seed)))


class LocalRun:
    """One run: the system, its screen, and the wish to stop."""

    def __init__(
        self,
        layout: Layout,
        ports: Ports,
        options: Options,
        plan: Plan | None,
        screen: Screen,
        *,
        seed: bool,
    ) -> None:
        self.screen = screen
        self.seed = seed
        self.stop = asyncio.Event()
        self.move = asyncio.Event()
        self.is_up = False
        self.system = LocalSystem(
            layout,
            ports,
            options,
            plan=plan,
            progress=screen.progress,
            on_change=self._changed,
        )

    def _changed(self, process: ProcessState) -> None:
        if self.is_up and not self.stop.is_set():
            self.screen.change(process)


async def _run(run_: LocalRun) -> int:
    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, run_.stop.set)
    loop.add_signal_handler(signal.SIGUSR1, run_.move.set)
    starting = asyncio.create_task(_start(run_))
    stopping = asyncio.create_task(run_.stop.wait())
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
        run_.screen.settle()
        run_.screen.line("Stopping ...")
    finally:
        starting.cancel()
        stopping.cancel()
        await asyncio.gather(starting, stopping, return_exceptions=True)
        run_.screen.settle()
        await run_.system.stop()
    run_.screen.line("Stopped; the data is kept.")
    return 0


async def _start(run_: LocalRun) -> None:
    system = run_.system
    await system.start()
    if run_.seed:
        run_.screen.progress("Seeding the demo network")
        await seed_when_new(system)
    run_.is_up = True
    run_.screen.ready(system.state(), system.layout.root)
    while await run_.move.wait():
        run_.move.clear()
        await cutover.on_request(system, run_.screen.line)


def running_on(layout: Layout) -> SystemState | None:
    """The state of the system that runs on a folder, or None."""
    found = state.read(layout.state)
    if found is None or not processes.is_running(found.supervisor):
        return None
    return found


def stop(layout: Layout) -> bool:
    """Stop the system that runs on a folder, and wait for it; False when none runs."""
    found = running_on(layout)
    if found is None:
        return False
    processes.send(found.supervisor, signal.SIGTERM)
    until = time.monotonic() + STOP_TIMEOUT_S
    while processes.is_running(found.supervisor):
        if time.monotonic() > until:
            raise CannotRun(
                f"It does not stop: end it with `kill -9 {found.supervisor.pid}`;"
                " the next `make run` clears up."
            )
        time.sleep(0.05)
    return True


def require_stopped(layout: Layout, what: str) -> None:
    """CannotRun when a system runs on the folder."""
    if not layout.lock.exists():
        return
    lock = Lock.take(layout.lock)
    if lock is None:
        raise CannotRun(f"It is running: stop it with `make stop`, then {what}.")
    lock.release()
