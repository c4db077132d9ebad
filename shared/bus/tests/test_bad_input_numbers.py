"""That none of the bad inputs of the bus, B1 to B49, is forgotten."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
OPEN = {4, 30, 33, 35}
"""The same id with another body, signatures, an actor's rights, and consent by tag: not built."""
NUMBERS = set(range(1, 50)) - OPEN
IN_NAME = re.compile(r"_b(\d+)(?=_|$)")
IN_ID = re.compile(r"^B(\d+) ")


def numbered(source: str) -> set[int]:
    """The numbers that tests carry: in their names, or in the id of a case."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name.startswith("test_"):
                found |= set(IN_NAME.findall(node.name))
        elif isinstance(node, ast.keyword) and node.arg == "id":
            text = node.value.value if isinstance(node.value, ast.Constant) else ""
            found |= set(IN_ID.findall(str(text)))
    return {int(number) for number in found}


def test_every_number_has_a_test() -> None:
    files = [
        path
        for folder in ("shared", "services")
        for path in (ROOT / folder).rglob("test_bad_input*.py")
    ]
    assert len(files) >= 6
    found = {number for path in files for number in numbered(path.read_text())}
    assert found == NUMBERS


def test_a_number_counts_only_where_a_test_carries_it() -> None:
    source = 'def b7_x(): "B8 y"\ndef test_b9_x_b10(): ...\npytest.param(1, id="B11 z")\n'
    assert numbered(source) == {9, 10, 11}
