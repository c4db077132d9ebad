"""A whole ClinicBus on this machine: Postgres, issuer, payer simulator, five services, and a bus.

    async with LocalSystem(Layout(folder), Ports.free()) as system:
        system.urls["appointments"], system.token("front_desk", network)

`clinicbus run` is this plus a screen; `clinicbus day` and the tests use it on folders and ports of
their own. Every process ends when this one ends, however it ends.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from ops import (
    bus_choice,
    cutover,
    environment,
    issuer_clients,
    leftovers,
    postgres,
    processes,
    programs,
    secrets_kept,
    state,
)
from ops.broker_child import LocalBroker, must_be_free
from ops.child import Child, all_ready
from ops.database_child import EmbeddedDatabase
from ops.errors import CannotRun
from ops.layout import Layout
from ops.locks import Lock
from ops.options import Options
from ops.ports import Ports
from ops.programs import Plan, Program
from ops.secrets_kept import Secrets
from ops.state import ProcessState, SystemState
from ops.tokens import Minter
from shared.db import provision


class LocalSystem:
    """One system: a data folder, ports, and the processes on them."""

    def __init__(
        self,
        layout: Layout,
        ports: Ports,
        options: Options | None = None,
        *,
        plan: Plan | None = None,
        progress: Callable[[str], None] = lambda _: None,
        on_change: Callable[[ProcessState], None] = lambda _: None,
    ) -> None:
        self.layout = layout
        self.ports = ports
        self.options = options or Options()
        self.plan = plan or programs.usual_plan(ports, layout)
        self.issuer = f"http://127.0.0.1:{ports.of['issuer']}"
        self.urls = {program.name: program.url for program in self.plan.services}
        self.children: dict[str, Child] = {}
        self.facts: dict[str, Any] = {}
        self._progress = progress
        self._on_change = on_change
        self._lock: Lock | None = None
        self._database: EmbeddedDatabase | None = None
        self._broker: LocalBroker | None = None
        self._bootstrap: str | None = None
        self._location = ""
        self._phase = "starting"
        self._logs: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start everything and wait until all of it is ready.

        What a killed run left is ended first. Raises CannotRun with one sentence, and then nothing
        is left running.
        """
        self.layout.make()
        self._lock = Lock.take(self.layout.lock)
        if self._lock is None:
            raise CannotRun(f"It runs already on {self.layout.root}: see `clinicbus status`.")
        try:
            await asyncio.to_thread(leftovers.end, state.read(self.layout.state))
            await asyncio.to_thread(postgres.end_leftovers, self.layout.postgres)
            bus_choice.to_run_on(self.layout, self.options.bus)
            self._require_ports(self._names_of_ports())
            self._set_phase("starting")
            await self._start_all()
            self._set_phase("ready")
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop everything: the services first, Postgres last."""
        if self._lock is None:
            return
        self._set_phase("stopping")
        if self._logs is not None:
            self._logs.cancel()
        for group in (self.plan.services, self.plan.first):
            found = [self.children[p.name] for p in group if p.name in self.children]
            await asyncio.gather(*(child.stop() for child in found))
        if self._broker is not None:
            await self._broker.stop()
        if self._database is not None:
            await self._database.stop()
        self.layout.state.unlink(missing_ok=True)
        self._lock.release()
        self._lock = None

    def token(self, role: str, network: UUID, **of: Any) -> str:
        """A bearer token for a person in a role; see `ops.tokens.Minter.person`."""
        return self._minter.person(role, network, **of)

    @property
    def superuser_url(self) -> str:
        """A superuser's URL of the Postgres in use."""
        if self.options.postgres_url:
            return self.options.postgres_url
        if self._database is None:
            raise LookupError("the system was not started")
        return self._database.superuser_url

    def environment_of(self, service: str) -> dict[str, str]:
        """The environment that a service's process gets."""
        shared = environment.of_all(
            issuer=self.issuer,
            urls=self.urls,
            payer_url=f"http://127.0.0.1:{self.ports.of['payer_simulator']}/x12",
            bus=self.options.bus,
            kafka=self._bootstrap,
            clock_file=self.options.clock_file,
            more=self.options.environment,
        )
        if service not in self.urls:
            return shared
        own = environment.of_service(
            service, self.superuser_url, self._secrets, self.layout.objects
        )
        return shared | own | environment.of_audit(self.layout)

    def tell(self, facts: dict[str, Any]) -> None:
        """Keep facts, such as what was seeded, where `clinicbus status` finds them."""
        self.facts = facts
        self._write_state()

    async def start_program(self, program: Program) -> Child:
        """Start one more program of this system, or one of it that was stopped."""
        child = self.children[program.name] = self.child_of(program)
        await child.start()
        return child

    def child_of(self, program: Program) -> Child:
        """How a program of this system is run; it is not started."""
        return programs.child_of(
            program,
            self.layout,
            self.environment_of(program.name),
            self._changed,
            keep=self.options.keep,
        )

    async def _start_all(self) -> None:
        issuer_clients.set_services(self.layout.issuer, self._secrets.services)
        for program in self.plan.first:
            await self.start_program(program)
        both = (self._start_database(), self._start_broker())
        for outcome in await asyncio.gather(*both, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
        self._write_state()
        await cutover.finish_broken_off(self, self._progress)
        self._progress("Starting the services")
        for program in self.plan.services:
            await self.start_program(program)
        if self._database is not None:
            await self._database.settle()
        await all_ready(list(self.children.values()))
        self._logs = asyncio.create_task(programs.keep_short(self.layout.log))

    async def _start_database(self) -> None:
        if not self.options.postgres_url:
            self._progress("Starting Postgres")
            self._database = await EmbeddedDatabase.prepared(
                self.layout.postgres,
                self.ports.of["postgres"],
                self._changed,
                durable=self.options.durable,
                keep=self.options.keep,
            )
            await self._database.start()
        self._location = environment.without_login(self.superuser_url)
        if self.plan.prepare is not None:
            self._progress("Bringing the databases up to date")
            given = {
                "superuser_url": self.superuser_url,
                "passwords": self._secrets.passwords,
            }
            shared = self.environment_of("prepare")
            await programs.run_to_end(self.plan.prepare, given, self.layout, shared)

    async def _start_broker(self) -> None:
        if self.options.bus == "kafka":
            self._progress("Starting Kafka")
            self._broker = LocalBroker(self.layout.kafka, self.ports.of["kafka"], self._changed)
            self._bootstrap = await self._broker.start()

    async def use_bus(self, kind: bus_choice.Kind) -> None:
        """Let programs that are started from now on use another bus, and start its broker."""
        before, self.options = self.options, replace(self.options, bus=kind)
        try:
            if self._broker is None and kind == "kafka":
                self._require_ports(["kafka"])
                await self._start_broker()
        except BaseException:
            self.options = before
            raise
        self._write_state()

    async def leave_other_bus(self) -> None:
        """Stop the broker where no program uses it any more."""
        if self._broker is not None and self.options.bus != "kafka":
            broker, self._broker, self._bootstrap = self._broker, None, None
            await broker.stop()
        self._write_state()

    def _require_ports(self, names: Sequence[str]) -> None:
        given = "kafka" in names and not must_be_free(self.layout.kafka)
        self.ports.require_free([name for name in names if name != "kafka" or not given])

    def _names_of_ports(self) -> list[str]:
        names = [program.name for program in self.plan.all()]
        names += [] if self.options.postgres_url else ["postgres"]
        return [*names, "kafka"] if self.options.bus == "kafka" else names

    def _changed(self, process: ProcessState) -> None:
        self._write_state()
        self._on_change(process)

    def _set_phase(self, phase: str) -> None:
        self._phase = phase
        self._write_state()

    def state(self) -> SystemState:
        """What there is now, as `clinicbus status` finds it."""
        first = [] if self._database is None else [self._database.child.state]
        first += [] if self._broker is None else [self._broker.state]
        found = first + [child.state for child in self.children.values()]
        return SystemState(
            supervisor=processes.this_process(),
            bus=self.options.bus,
            issuer=self.issuer,
            phase=self._phase,
            database=self._location,
            kafka=self._bootstrap,
            urls=self.urls,
            processes=found,
            facts=self.facts,
        )

    def _write_state(self) -> None:
        try:
            state.write(self.layout.state, self.state())
        except OSError as error:
            if self._phase == "starting":
                raise
            # A full disk must not end the watch over the processes.
            self._progress(f"The state cannot be written ({error.strerror})")

    @cached_property
    def _minter(self) -> Minter:
        return Minter.of(self.layout.issuer, self.issuer)

    @cached_property
    def _secrets(self) -> Secrets:
        services = [program.name for program in self.plan.services]
        return secrets_kept.kept(self.layout.secrets, provision.roles_of(), services)
