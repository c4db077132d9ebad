"""The map of rules: a row that is kept has a test, and what does not fit together is found."""

from pathlib import Path

import pytest

from ops.compliance import RULES, Rule, faults, marked, page

KEPT = Rule("A 1", "something", "a feature")
OPEN = Rule("A 2", "something", open="all of it")


def test_every_rule_that_is_kept_is_shown() -> None:
    assert faults(marked()) == []
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert sum(bool(rule.kept_by) for rule in RULES) > 15


@pytest.mark.parametrize(
    ("rules", "tests", "fault"),
    [
        ([KEPT], {}, "A 1 is said to be kept, and no test shows it."),
        ([KEPT], {"A 1": ["t.py"], "B 1": ["t.py"]}, "B 1 is shown by a test and is no rule here."),
        ([OPEN], {"A 2": ["t.py"]}, "A 2 is shown by a test and does not say what keeps it."),
        ([Rule("A 3", "x")], {}, "A 3 says neither what keeps it nor what is missing."),
    ],
    ids=["no-test", "no-rule", "not-kept", "nothing"],
)
def test_what_does_not_fit_together_is_found(
    rules: list[Rule], tests: dict[str, list[str]], fault: str
) -> None:
    assert faults(tests, rules) == [fault]


def test_without_one_of_its_tests_the_page_is_not_written() -> None:
    shown = marked()
    for rule in (rule for rule in RULES if rule.kept_by):
        with pytest.raises(ValueError, match="no test shows it"):
            page({name: tests for name, tests in shown.items() if name != rule.name})


def test_marks_are_found_on_tests_and_modules(tmp_path: Path) -> None:
    (tmp_path / "ops").mkdir()
    (tmp_path / "ops" / "test_it.py").write_text(
        'pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.rule("A 1", "A 2")]\n'
        '@pytest.mark.rule("A 1")\nasync def test_one(): ...\n'
    )
    assert marked(tmp_path) == {
        "A 1": ["ops/test_it.py", "ops/test_it.py::test_one"],
        "A 2": ["ops/test_it.py"],
    }


def test_a_test_of_a_rule_that_is_skipped_fails(tmp_path: Path) -> None:
    import subprocess
    import sys

    root = Path(__file__).resolve().parents[2]
    (tmp_path / "test_it.py").write_text(
        'import pytest\n@pytest.mark.rule("A 1")\n@pytest.mark.skip\ndef test_one(): ...\n'
        "@pytest.mark.skip\ndef test_two(): ...\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", str(root / "pyproject.toml"),
         "--rootdir", str(root), "-p", "ops.rule_plugin", str(tmp_path)],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "1 skipped, 1 error" in done.stdout, done.stdout
