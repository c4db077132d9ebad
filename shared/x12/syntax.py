"""The parts of an interchange, each able to write itself back as it was read."""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Delimiters:
    """The four characters that the ISA segment declares."""

    element: str = "*"
    repetition: str = "^"
    component: str = ":"
    segment: str = "~"

    def __iter__(self) -> Iterator[str]:
        return iter((self.element, self.repetition, self.component, self.segment))

    def repeats(self, element: str) -> tuple[str, ...]:
        """The repetitions of an element; none where it is empty."""
        return tuple(element.split(self.repetition)) if element else ()

    def components(self, element: str) -> tuple[str, ...]:
        """The components of a composite element; none where it is empty."""
        return tuple(element.split(self.component)) if element else ()


STANDARD = Delimiters()


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment.

    id: two or three characters, e.g. ``NM1``.
    elements: the texts between the element separators, repetitions and components not taken apart,
        trailing empty ones kept.
    tail: what stood between this terminator and the next segment: line ends only.
    position: 1 for the ISA, 0 for one that is not in an interchange; left out of comparisons.
    """

    id: str
    elements: tuple[str, ...] = ()
    tail: str = ""
    position: int = field(default=0, compare=False)

    def get(self, number: int) -> str:
        """Element by its number in the standard, 1 for the first; empty where it is absent."""
        return self.elements[number - 1] if number <= len(self.elements) else ""

    def text(self, delimiters: Delimiters) -> str:
        """The segment with its terminator and what followed it."""
        return delimiters.element.join((self.id, *self.elements)) + delimiters.segment + self.tail


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction set: what stands between ST and SE, and those two."""

    header: Segment
    body: tuple[Segment, ...]
    trailer: Segment

    @property
    def code(self) -> str:
        """ST01, e.g. ``270``."""
        return self.header.get(1)


@dataclass(frozen=True, slots=True)
class Group:
    """A functional group."""

    header: Segment
    transactions: tuple[Transaction, ...]
    trailer: Segment


@dataclass(frozen=True, slots=True)
class Interchange:
    """One interchange whose envelope holds together.

    segments: every one as read, ISA and IEA and unknown ones included, so that `to_bytes` gives
    back the bytes that were read.
    """

    delimiters: Delimiters
    segments: tuple[Segment, ...]
    groups: tuple[Group, ...]

    @property
    def header(self) -> Segment:
        """The ISA segment."""
        return self.segments[0]

    @property
    def control_number(self) -> str:
        """ISA13: nine digits."""
        return self.header.get(13)

    @property
    def transactions(self) -> tuple[Transaction, ...]:
        """The transaction sets of all groups, in order."""
        return tuple(held for group in self.groups for held in group.transactions)

    def to_bytes(self) -> bytes:
        """The bytes that were read, or that stand for what was built."""
        return "".join(part.text(self.delimiters) for part in self.segments).encode()
