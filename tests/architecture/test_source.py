"""What the source promises: budgets, names, and who may commit."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULE_LINES_MAX = 300
FUNCTION_LINES_MAX = 60
SHARED_LINES_MAX = 15_500
ASKING_HTTP_TO_COMMIT = re.compile(r"\b(COMMIT|ROLLBACK)\b|\.commit\(\)|\.rollback\(\)")


def sources() -> list[Path]:
    found = [
        path
        for folder in ("services", "shared", "ops")
        for path in (ROOT / folder).rglob("*.py")
        if "__pycache__" not in path.parts
    ]
    assert len(found) > 100
    return found


def test_no_module_is_longer_than_a_reader_can_hold() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in sources()
        if "tests" not in path.parts
        and "migrations" not in path.parts
        and (lines := len(path.read_text().splitlines())) > MODULE_LINES_MAX
    }
    assert long == {}


def test_no_function_needs_scrolling() -> None:
    long = []
    for path in sources():
        if "tests" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    long.append((str(path.relative_to(ROOT)), node.name, lines))
    assert long == []


def test_shared_stays_small() -> None:
    lines = sum(
        len(path.read_text().splitlines())
        for path in (ROOT / "shared").rglob("*.py")
        if not {"tests", "testing", "contracts"} & set(path.relative_to(ROOT).parts)
    )
    assert lines <= SHARED_LINES_MAX


def test_no_room_for_odds_and_ends() -> None:
    banned = {"utils.py", "common.py", "helpers.py", "base.py", "misc.py", "constants.py"}
    assert [str(p) for p in sources() if p.name in banned] == []


def test_only_the_chassis_commits() -> None:
    found = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "services").rglob("*.py")
        if "tests" not in path.parts
        and "migrations" not in path.parts
        and ASKING_HTTP_TO_COMMIT.search(path.read_text())
    ]
    assert found == []


@pytest.mark.parametrize(
    "pattern",
    [
        r"/(home|root|Users|tmp)/[a-z]",
        r"(?<!emit-)index-url|--find-links|extra-index",
        r"registry\.npmjs|pypi\.org|repo\.maven|files\.pythonhosted",
    ],
)
def test_no_machine_of_ours_is_named(pattern: str) -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    here = Path(__file__).resolve()
    found = [
        name
        for name in tracked
        if (ROOT / name).is_file()
        and (ROOT / name).resolve() != here
        and not name.endswith((".png", ".pdf"))
        and re.search(pattern, (ROOT / name).read_text(errors="replace"))
    ]
    assert found == []
