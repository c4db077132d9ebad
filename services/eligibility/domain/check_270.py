"""A second look at a 270 before it leaves: required segments and elements, in order."""

from collections.abc import Iterator

from services.eligibility.domain.loop_tables import TABLE_270
from shared.x12 import Interchange, Node, read_loops

_PERSON = ("NM1", "REF", "N3", "N4", "PRV", "DMG", "INS", "HI", "DTP")
_ORDER = {
    "270": ("BHT",),
    "2000A": ("HL",),
    "2100A": ("NM1",),
    "2000B": ("HL",),
    "2100B": ("NM1", "REF", "N3", "N4", "PRV"),
    "2000C": ("HL", "TRN"),
    "2100C": _PERSON,
    "2110C": ("EQ", "AMT", "III", "REF", "DTP"),
    "2000D": ("HL", "TRN"),
    "2100D": _PERSON,
    "2110D": ("EQ", "AMT", "III", "REF", "DTP"),
}
# Loop, segment, and the elements it must have: a fixed value, or "" for any.
_REQUIRED: tuple[tuple[str, str, dict[int, str]], ...] = (
    ("270", "BHT", {1: "0022", 2: "13", 3: "", 4: "", 5: ""}),
    ("2000A", "HL", {1: "", 3: "20", 4: "1"}),
    ("2100A", "NM1", {1: "PR", 2: "2", 3: "", 8: "PI", 9: ""}),
    ("2000B", "HL", {1: "", 2: "", 3: "21", 4: "1"}),
    ("2100B", "NM1", {1: "1P", 2: "", 3: "", 8: "", 9: ""}),
    ("2000C", "HL", {1: "", 2: "", 3: "22", 4: ""}),
    ("2100C", "NM1", {1: "IL", 2: "1", 8: "MI", 9: ""}),
)
_OF_THE_PATIENT: tuple[tuple[str, str, dict[int, str]], ...] = (
    ("2000{}", "TRN", {1: "1", 2: "", 3: ""}),
    ("2100{}", "NM1", {2: "1", 3: ""}),
    ("2100{}", "DMG", {1: "D8", 2: ""}),
    ("2100{}", "DTP", {1: "291", 2: "D8", 3: ""}),
    ("2110{}", "EQ", {1: ""}),
)


def faults_of_270(interchange: Interchange) -> list[str]:
    """What is missing or out of order, as places (``2100C NM109``); empty where all is well.

    Written apart from the builder, from the segment tables of 005010X279A1, for one person.
    Raises X12Error where the loops cannot be read.
    """
    transactions = interchange.transactions
    if len(transactions) != 1 or transactions[0].code != "270":
        return ["ST01"]
    tree = read_loops(transactions[0].body, TABLE_270)
    loops = {node.loop.name: node for node in _walk(tree)}
    patient = "D" if "2000D" in loops else "C"
    required = [
        *_REQUIRED,
        *((name.format(patient), where, what) for name, where, what in _OF_THE_PATIENT),
    ]
    faults = [fault for row in required for fault in _missing(loops, *row)]
    return faults + [name for name, node in loops.items() if not _in_order(node)]


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _walk(child)


def _missing(loops: dict[str, Node], loop: str, name: str, elements: dict[int, str]) -> list[str]:
    node = loops.get(loop)
    found = node.one(name) if node else None
    if found is None:
        return [f"{loop} {name}"]
    return [
        f"{loop} {name}{number:02d}"
        for number, value in elements.items()
        if not found.get(number) or (value and found.get(number) != value)
    ]


def _in_order(node: Node) -> bool:
    """Whether its segments come in the order of the table, with none that is not in it."""
    order = _ORDER.get(node.loop.name, ())
    if any(segment.id not in order for segment in node.segments):
        return False
    places = [order.index(segment.id) for segment in node.segments]
    return places == sorted(places)
