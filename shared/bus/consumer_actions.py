"""What a consumer may be told to do, and what may have come of it: values, from which
`consumer_machine` decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from shared.bus.delivery import Delivery, Group, Unread
from shared.bus.port import Record, TopicPartition

BATCH_RECORDS = 500

How = Literal["away", "transient", "slow", "permanent"]
"""How something failed. `away`: the database or the bus is there for nobody. `transient`: this may
succeed later, and others now. `slow`: it took too long. `permanent`: it will fail again."""


@dataclass(frozen=True, slots=True)
class Moves:
    """Where partitions stand and go: each (partition, from, to). The fence of a subscriber."""

    of: tuple[tuple[TopicPartition, int, int], ...]


@dataclass(frozen=True, slots=True)
class Poll:
    """Read from the bus. Answered by Records."""

    seconds: float
    most: int = BATCH_RECORDS


@dataclass(frozen=True, slots=True)
class Keep:
    """Keep unreadable records; `moves` where it is the last step."""

    unread: tuple[Unread, ...]
    moves: Moves | None = None


@dataclass(frozen=True, slots=True)
class Apply:
    """Apply a group in one transaction, in order; `moves` where it is the last step."""

    group: Group
    moves: Moves | None = None


@dataclass(frozen=True, slots=True)
class Park:
    """Park the key of a delivery that fails. `passes`: it is tried again without being asked."""

    delivery: Delivery
    problem: str
    passes: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """Move the offsets alone."""

    moves: Moves


@dataclass(frozen=True, slots=True)
class Resync:
    """Read the stored offsets of what is owned and seek there. Answered by Stands."""


@dataclass(frozen=True, slots=True)
class Settle:
    """Heal holes whose missing event has come, and do what operators asked."""


@dataclass(frozen=True, slots=True)
class Commit:
    """Tell the bus where the group stands."""

    offsets: Mapping[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing for some seconds."""

    seconds: float


Step: TypeAlias = Keep | Apply | Park | Move
Action: TypeAlias = Poll | Step | Resync | Settle | Commit | Wait


@dataclass(frozen=True, slots=True)
class Records:
    """What a poll gave."""

    records: Sequence[Record]


@dataclass(frozen=True, slots=True)
class Done:
    """It was done. `healed`: an event came that a parked key was waiting for; of Settle, that more
    of these keys are left. `full`: so much is parked that nothing more may be read."""

    healed: bool = False
    full: bool = False


@dataclass(frozen=True, slots=True)
class Fenced:
    """The stored offsets are not where this member left them: somebody else moved them."""


@dataclass(frozen=True, slots=True)
class Stands:
    """The stored offsets of what is owned."""

    offsets: Mapping[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class Failed:
    """How it failed. `problem` is a code, never a value."""

    how: How
    problem: str


Fact: TypeAlias = Records | Done | Fenced | Stands | Failed
