"""A log line is one line, whatever is in it (P27 of the list of bad inputs)."""

import io
import json
from typing import Any
from unittest import mock

import pytest
import structlog

from shared.web import logs


@pytest.fixture
def written() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def log(written: io.StringIO) -> Any:
    """A logger of ours that writes where we look; the one of this process stays as it is."""
    with mock.patch.object(structlog, "configure") as told:
        logs.configure()
    processors = told.call_args.kwargs["processors"]
    return structlog.wrap_logger(structlog.PrintLogger(written), processors=processors)


def test_p27_line_ends_in_a_value_end_no_line(log: Any, written: io.StringIO) -> None:
    text = 'a\r\n{"event": "forged"}\x0b\x0c\x85\u2028\u2029b'
    log.warning("asked", reason=text, route=text)
    (line,) = written.getvalue().splitlines()
    assert json.loads(line)["reason"] == text


def test_a_key_that_is_not_listed_is_left_out(log: Any, written: io.StringIO) -> None:
    log.warning("asked", family_name="Garcia")
    assert set(json.loads(written.getvalue())) == {"event", "level", "timestamp"}
