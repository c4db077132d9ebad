"""The group of beta's consumers: who owns which partition, and who has been told."""

from typing import TYPE_CHECKING

from shared.bus.port import TopicPartition as At
from shared.bus.tests.sim.clockwork import Process, Task, Turns

if TYPE_CHECKING:
    from shared.bus.tests.sim.consumers import ConsumerProcess
    from shared.bus.tests.sim.world import World

DEAL_SECONDS = 0.7


class Group(Process):
    """Deals partitions out to whoever is there; at times without telling the one before."""

    def __init__(self, world: "World") -> None:
        super().__init__("group")
        self.world = world
        self.members: list[ConsumerProcess] = []
        self.owners: dict[At, ConsumerProcess] = {}
        self.unrest = False
        """Deal everything anew at the next turn."""
        world.clockwork.start(self, self._turns())

    def join(self, member: "ConsumerProcess") -> None:
        """A process is there."""
        member.joined = True
        self.members.append(member)

    def leave(self, member: "ConsumerProcess") -> None:
        """It left, or is dead; what it had is free. Its calls beside the main line end."""
        member.joined = False
        if member in self.members:
            self.members.remove(member)
        self.owners = {at: owner for at, owner in self.owners.items() if owner is not member}
        for task in list(member.tasks):
            if task is not member.main:
                self.world.clockwork.end(task)
        member.called = member.calls = 0

    def settled(self) -> bool:
        """Whether each partition has an owner that reads it."""
        return all(
            at in self.owners and at in self.owners[at].reading for at in self.world.log.partitions
        )

    def _turns(self) -> Turns[None]:
        while True:
            yield DEAL_SECONDS * (0.5 + self.world.random.random())
            members = [member for member in self.members if member.joined]
            free = [at for at in self.world.log.partitions if at not in self.owners]
            if members and (free or self.unrest):
                yield from self._deal(members, list(self.world.log.partitions), free)
                self.unrest = False

    def _deal(
        self, members: list["ConsumerProcess"], whole: list[At], free: list[At]
    ) -> Turns[None]:
        random = self.world.random
        goes: dict[At, ConsumerProcess] = {}
        for at in whole if self.unrest else free:
            to = random.choice(members)
            if self.owners.get(at) is not to:
                goes[at] = to
        for member in list(self.members):
            lost = [at for at in goes if self.owners.get(at) is member]
            if lost:
                yield from self._take_away(member, lost)
        for member in members:
            new = [at for at, to in goes.items() if to is member]
            if new and member in self.members:
                self.owners.update(dict.fromkeys(new, member))
                self._tell(member, member.assigned(new), random.random() * 0.1)

    def _take_away(self, member: "ConsumerProcess", lost: list[At]) -> Turns[None]:
        random, clockwork = self.world.random, self.world.clockwork
        patience = random.choice((0.1, 1.0, 8.0))
        if random.random() < 0.6:
            task = self._tell(member, member.revoked(lost, patience))
            until = clockwork.now + 4.0
            while not task.over and clockwork.now < until:
                yield 0.05
        else:
            # A zombie: the others go on, and it hears of it late.
            self._tell(member, self._told_late(member, lost, patience), random.uniform(0, 3))
        for at in lost:
            if self.owners.get(at) is member:
                del self.owners[at]

    def _tell(self, member: "ConsumerProcess", call: Turns[None], delay: float = 0.0) -> Task:
        return self.world.clockwork.start(member, member.one_by_one(call), delay)

    def _told_late(self, member: "ConsumerProcess", lost: list[At], patience: float) -> Turns[None]:
        still = [at for at in lost if self.owners.get(at) is not member]
        yield from member.revoked(still, patience)
