"""Segments into loops, by a table.

A loop begins at a segment that the table names. Which loop a segment belongs to follows from its
place: the innermost open loop that may hold it. Hierarchical levels (HL) are checked against the
level that they name as their parent.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from shared.x12.errors import X12Error
from shared.x12.syntax import Segment


@dataclass(frozen=True, slots=True)
class Loop:
    """A row of the table.

    starts: identifier of the segment that opens the loop.
    where: number of an element of that segment and the values it must have, or None for any.
    ends: identifier of the segment that closes the loop, where there is such a one (LS, LE).
    at_most: how often it may stand in its parent, or None for any number; more is refused.
    """

    name: str
    starts: str
    where: tuple[int, frozenset[str]] | None = None
    children: tuple["Loop", ...] = ()
    ends: str | None = None
    at_most: int | None = None

    def opens(self, segment: Segment) -> bool:
        """Whether `segment` opens this loop."""
        if segment.id != self.starts:
            return False
        return self.where is None or segment.get(self.where[0]) in self.where[1]


@dataclass(slots=True)
class Node:
    """A loop as found: its own segments, the opening one first, and the loops inside it."""

    loop: Loop
    segments: list[Segment] = field(default_factory=list)
    children: list["Node"] = field(default_factory=list)

    def all(self, name: str) -> list["Node"]:
        """The loops of that name directly inside, in order."""
        return [child for child in self.children if child.loop.name == name]

    def first(self, name: str) -> "Node | None":
        """The first loop of that name directly inside."""
        return next(iter(self.all(name)), None)

    def having(self, segment_id: str) -> Iterator[Segment]:
        """Its own segments with that identifier, in order."""
        return (segment for segment in self.segments if segment.id == segment_id)

    def one(self, segment_id: str) -> Segment | None:
        """The first of its own segments with that identifier."""
        return next(self.having(segment_id), None)


def read_loops(segments: Iterable[Segment], table: Loop) -> Node:
    """The tree of loops of a transaction set's body; segments that open none stay where they are.

    table: a row for the whole body; its `starts` is not looked at.
    Raises X12Error: ``x12.hl_parent``, ``x12.hl_repeated``, ``x12.hl_level``,
    ``x12.loop_repeated``, ``x12.loop_open``.
    """
    root = Node(table)
    open_nodes = [root]
    numbers: set[str] = set()
    for segment in segments:
        bound = _bound(open_nodes)
        depth = _holder(open_nodes, segment)
        if depth is not None and depth < bound:
            raise X12Error("x12.loop_open", segment.position)
        if depth is not None:
            del open_nodes[depth + 1 :]
            if segment.id == "HL":
                _check_level(segment, open_nodes, numbers)
            open_nodes.append(_opened(open_nodes[-1], segment))
        elif segment.id == "HL":
            raise X12Error("x12.hl_level", segment.position)
        elif bound and segment.id == open_nodes[bound].loop.ends:
            open_nodes[bound].segments.append(segment)
            del open_nodes[bound:]
        else:
            open_nodes[-1].segments.append(segment)
    if _bound(open_nodes):
        raise X12Error("x12.loop_open", open_nodes[-1].segments[-1].position)
    return root


def _bound(open_nodes: list[Node]) -> int:
    """Index of the innermost open node that only its own end closes; 0, the root, if none."""
    for depth in range(len(open_nodes) - 1, 0, -1):
        if open_nodes[depth].loop.ends is not None:
            return depth
    return 0


def _holder(open_nodes: list[Node], segment: Segment) -> int | None:
    """Index of the innermost open node in which `segment` opens a loop."""
    for depth in range(len(open_nodes) - 1, -1, -1):
        if any(child.opens(segment) for child in open_nodes[depth].loop.children):
            return depth
    return None


def _opened(parent: Node, segment: Segment) -> Node:
    loop = next(child for child in parent.loop.children if child.opens(segment))
    if loop.at_most is not None and len(parent.all(loop.name)) >= loop.at_most:
        raise X12Error("x12.loop_repeated", segment.position)
    node = Node(loop, [segment])
    parent.children.append(node)
    return node


def _check_level(segment: Segment, open_nodes: list[Node], numbers: set[str]) -> None:
    """HL01 is new, and HL02 is HL01 of the level it stands in: so no cycle, no missing parent."""
    above = [node.segments[0].get(1) for node in open_nodes if node.loop.starts == "HL"]
    if segment.get(2) != (above[-1] if above else ""):
        raise X12Error("x12.hl_parent", segment.position)
    if not segment.get(1) or segment.get(1) in numbers:
        raise X12Error("x12.hl_repeated", segment.position)
    numbers.add(segment.get(1))
