"""Segments into loops by a table."""

from typing import Any

import pytest

from shared.x12 import Loop, Node, Segment, X12Error, read_loops

BOX = Loop("BOX", "LS", ends="LE", children=(Loop("BOX.name", "NM1"),))
LINE = Loop("LINE", "EB", children=(BOX,))
LEVEL_B = Loop("B", "HL", where=(3, frozenset({"21"})), children=(LINE,))
NAME_A = Loop("A.name", "NM1", at_most=1)
LEVEL_A = Loop("A", "HL", where=(3, frozenset({"20"})), children=(NAME_A, LEVEL_B), at_most=1)
TABLE = Loop("SET", "", children=(LEVEL_A,))


def tree_of(*texts: str) -> Node:
    segments = [
        Segment(name, tuple(elements), position=number)
        for number, (name, *elements) in enumerate((text.split("*") for text in texts), start=1)
    ]
    return read_loops(segments, TABLE)


Shape = tuple[str, list[str], list[Any]]


def shape(node: Node) -> Shape:
    return (node.loop.name, [part.id for part in node.segments], [*map(shape, node.children)])


def test_segments_stand_in_the_innermost_loop_that_may_hold_them() -> None:
    tree = tree_of(
        *("BHT", "HL*1**20", "NM1*PR", "REF", "HL*2*1*21", "TRN", "EB*1", "MSG", "LS", "NM1*X"),
        *("REF", "LE", "ZZZ", "EB*2", "HL*3*1*21", "EB*3"),
    )
    box: Shape = ("BOX", ["LS", "LE"], [("BOX.name", ["NM1", "REF"], [])])
    second: Shape = ("B", ["HL"], [("LINE", ["EB"], [])])
    lines: list[Shape] = [("LINE", ["EB", "MSG", "ZZZ"], [box]), ("LINE", ["EB"], [])]
    first: Shape = ("B", ["HL", "TRN"], lines)
    assert shape(tree) == (
        "SET",
        ["BHT"],
        [("A", ["HL"], [("A.name", ["NM1", "REF"], []), first, second])],
    )


def test_a_node_finds_its_loops_and_segments() -> None:
    tree = tree_of("HL*1**20", "REF*1", "REF*2", "HL*2*1*21", "HL*3*1*21")
    level = tree.first("A")
    assert level is not None
    assert [part.get(1) for part in level.having("REF")] == ["1", "2"]
    assert level.one("REF") == Segment("REF", ("1",))
    assert level.one("TRN") is None
    assert [node.segments[0].get(1) for node in level.all("B")] == ["2", "3"]
    assert level.first("C") is None


@pytest.mark.parametrize(
    ("texts", "code", "segment"),
    [
        (("HL*1*2*20", "HL*2*1*21"), "x12.hl_parent", 1),
        (("HL*1**20", "HL*2*9*21"), "x12.hl_parent", 2),
        (("HL*1**20", "HL*2**21"), "x12.hl_parent", 2),
        (("HL*1**20", "HL*2*2*21"), "x12.hl_parent", 2),
        (("HL*1**20", "HL*1*1*21"), "x12.hl_repeated", 2),
        (("HL***20",), "x12.hl_repeated", 1),
        (("HL*1**21",), "x12.hl_level", 1),
        (("HL*1**20", "HL*2*1*99"), "x12.hl_level", 2),
        (("HL*1**20", "HL*2*1*21", "EB*1", "LS"), "x12.loop_open", 4),
        (("HL*1**20", "HL*2*1*21", "EB*1", "LS", "EB*2", "LE"), "x12.loop_open", 5),
        (("HL*1**20", "HL*2*1*21", "EB*1", "LS", "HL*3*1*21"), "x12.loop_open", 5),
        (("HL*1**20", "HL*2**20"), "x12.loop_repeated", 2),
        (("HL*1**20", "NM1*A", "NM1*B"), "x12.loop_repeated", 3),
    ],
)
def test_levels_and_loops_that_do_not_hold_are_refused(
    texts: tuple[str, ...], code: str, segment: int
) -> None:
    with pytest.raises(X12Error) as caught:
        tree_of(*texts)
    assert (caught.value.code, caught.value.segment) == (code, segment)
