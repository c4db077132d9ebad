"""`read-271` on a terminal."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops.read_271 import app
from services.eligibility.tests.payer_answers import ACTIVE, answer
from shared.x12.tests.samples import sample

RUN = CliRunner()


def test_the_public_271_is_told_in_one_sentence_and_written_back(tmp_path: Path) -> None:
    source, copy = sample("x12/subscriber-health-benefit-check.271"), tmp_path / "copy.271"
    result = RUN.invoke(app, [str(source), "--write", str(copy)])
    assert result.exit_code == 0
    assert result.stdout == (
        "GOLD 123 PLAN is active from 2006-01-01; "
        "copay $10.00 in network, $30.00 out of network per visit.\n"
    )
    assert copy.read_bytes() == source.read_bytes()


def test_an_answer_is_told_without_writing(tmp_path: Path) -> None:
    path = tmp_path / "answer.271"
    path.write_bytes(answer(*ACTIVE))
    result = RUN.invoke(app, [str(path)])
    assert (result.exit_code, result.stdout) == (0, "GOLD 123 PLAN is active from 2026-01-01.\n")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "x12.empty"),
        (b"<html>", "x12.not_x12"),
        (answer(*ACTIVE)[:-20], "x12.truncated"),
        (answer(*ACTIVE).replace(b"SE*13", b"SE*15"), "x12.count_lies"),
        (answer("EB*C**30***29*-1"), "answer.amount_negative"),
        (answer(*ACTIVE) + b" " * 1_000_000, "x12.too_large"),
    ],
)
def test_what_cannot_be_read_is_one_line_on_stderr_and_nothing_is_written(
    tmp_path: Path, data: bytes, told: str
) -> None:
    path, copy = tmp_path / "bad.271", tmp_path / "copy.271"
    path.write_bytes(data)
    result = RUN.invoke(app, [str(path), "--write", str(copy)])
    assert (result.exit_code, result.stdout) == (1, "")
    assert told in result.stderr
    assert result.stderr.count("\n") == 1
    assert "ANDERS" not in result.stderr
    assert not copy.exists()


def test_a_270_is_no_271() -> None:
    result = RUN.invoke(app, [str(sample("x12/subscriber-health-benefit-check.270"))])
    assert result.exit_code == 1
    assert "answer.not_a_271" in result.stderr


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    missing = RUN.invoke(app, [str(tmp_path / "none.271")])
    folder = RUN.invoke(app, [str(tmp_path)])
    for result in (missing, folder):
        assert result.exit_code == 1
        assert result.stderr.startswith("The file ")
        assert result.stderr.count("\n") == 1
