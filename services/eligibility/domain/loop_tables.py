"""The loops of the 270 and the 271 (005010X279A1) for one person asked about, one answered.

A loop that may stand once here, and more often in a batch, is refused when it is repeated: we ask
about one person at a time, so a second one in the answer is somebody else.
"""

from shared.x12 import Loop

_BENEFIT_PARTS = (
    Loop("2115", "III"),
    Loop("2120", "LS", ends="LE", children=(Loop("2120.name", "NM1"),)),
)


def _level(name: str, code: str, *children: Loop) -> Loop:
    return Loop(name, "HL", where=(3, frozenset({code})), children=children, at_most=1)


def _name(name: str, entities: frozenset[str] | None, *children: Loop) -> Loop:
    where = None if entities is None else (1, entities)
    return Loop(name, "NM1", where=where, children=children, at_most=1)


def _table(name: str, detail: str, parts: tuple[Loop, ...]) -> Loop:
    # Dependents are also seen with IL in the wild, which their level makes unambiguous.
    dependent = _level(
        "2000D",
        "23",
        _name("2100D", frozenset({"03", "IL"}), Loop("2110D", detail, children=parts)),
    )
    subscriber = _level(
        "2000C",
        "22",
        _name("2100C", frozenset({"IL"}), Loop("2110C", detail, children=parts)),
        dependent,
    )
    receiver = _level("2000B", "21", _name("2100B", None), subscriber)
    return Loop(name, "", children=(_level("2000A", "20", _name("2100A", None), receiver),))


TABLE_270 = _table("270", "EQ", ())
TABLE_271 = _table("271", "EB", _BENEFIT_PARTS)
