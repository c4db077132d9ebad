"""A figure says whether its bound holds, and the file holds them all."""

from pathlib import Path

import orjson
import pytest

from bench.report import at_least, at_most, failed, show, write


def test_a_bound_holds_at_the_bound_itself_and_not_beyond() -> None:
    assert at_least("a", 0.5, 0.5, "", "b").holds
    assert not at_least("a", 0.4999, 0.5, "", "b").holds
    assert at_most("a", 250, 250, "ms", "b").holds
    assert not at_most("a", 250.1, 250, "ms", "b").holds


def test_what_could_not_be_measured_does_not_hold() -> None:
    assert not failed("a", "no broker").holds


def test_the_file_holds_each_figure_with_when_and_where_it_was_taken(tmp_path: Path) -> None:
    path = tmp_path / "results" / "latest.json"
    write([at_least("a", 2 / 3, 0.5, "", "the peer", runs=[1, 2]), failed("b", "why")], path)
    one, two = orjson.loads(path.read_bytes())
    assert one["value"] == 0.6667
    assert (one["bound"], one["holds"], one["compared_with"]) == (">= 0.5", True, "the peer")
    assert one["detail"]["runs"] == [1, 2]
    assert one["detail"]["taken"]["cores"] > 0
    assert (two["value"], two["holds"], two["detail"]["not_measured"]) == (None, False, "why")


def test_the_table_tells_what_is_behind_a_figure_that_does_not_hold(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show([at_least("slow", 0.1, 0.5, "", "the peer", runs=[7]), at_least("fast", 1, 0.5, "", "x")])
    said = capsys.readouterr().out
    assert "NO" in said
    assert "runs" in said.partition("slow:")[2]
    assert "fast:" not in said
