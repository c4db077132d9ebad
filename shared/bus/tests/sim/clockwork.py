"""Virtual time: what runs is a generator that yields for how many seconds it waits."""

import heapq
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

T = TypeVar("T")
Turns: TypeAlias = Generator[float, None, T]
"""Something that takes time: yields seconds to wait, returns its result."""


@dataclass(eq=False, slots=True)
class Process:
    """What can be paused and killed as a whole. Its monotonic clock starts anywhere."""

    name: str
    ahead: float = 0.0
    pace: float = 1.0
    paused_until: float = 0.0
    dead: bool = False
    tasks: list["Task"] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Task:
    """One line of work of a process. `woken` where it did not wait to the end."""

    process: Process
    turns: Turns[None]
    token: int = 0
    woken: bool = False
    over: bool = False


class Clockwork:
    """Takes the turns of all tasks in the order in which they are due."""

    def __init__(self) -> None:
        self.now = 0.0
        self._queue: list[tuple[float, int, Task]] = []
        self._number = 0

    def start(self, process: Process, turns: Turns[None], delay: float = 0.0) -> Task:
        """Let a process begin a line of work."""
        task = Task(process, turns)
        process.tasks.append(task)
        self._due(task, delay)
        return task

    def wake(self, task: Task) -> None:
        """End the wait of a task."""
        if not task.over:
            task.woken = True
            self._due(task, 0.0)

    def end(self, task: Task) -> None:
        """Cut a line of work off where it stands."""
        if not task.over:
            task.over = True
            task.turns.close()
            task.process.tasks.remove(task)

    def kill(self, process: Process) -> None:
        """As by kill -9."""
        process.dead = True
        for task in list(process.tasks):
            self.end(task)

    def turn(self) -> bool:
        """Take the next turn; whether there was one."""
        while self._queue:
            due, number, task = heapq.heappop(self._queue)
            if task.over or number != task.token:
                continue
            if task.process.paused_until > due:
                self._due_at(task, task.process.paused_until)
                continue
            self.now = max(self.now, due)
            try:
                delay = next(task.turns)
            except StopIteration:
                task.over = True
                task.process.tasks.remove(task)
                return True
            if not task.over:
                self._due(task, delay)
            return True
        return False

    def _due(self, task: Task, delay: float) -> None:
        self._due_at(task, self.now + delay)

    def _due_at(self, task: Task, when: float) -> None:
        self._number += 1
        task.token = self._number
        heapq.heappush(self._queue, (when, self._number, task))
