"""What Python itself would print, in one line and without a value.

A traceback ends in the error's message, and messages quote what they are about: a birth date that
could not be read, the row that broke a constraint. Shown are the type and the place. Needs the
stdlib alone, so that every program can call `install` before it does anything else.
"""

import contextlib
import json
import logging
import sys
import threading
import warnings
from datetime import UTC, datetime
from types import TracebackType

PLACES_MAX = 6
CAUSES_MAX = 3


def place_of(error: BaseException) -> str:
    """The type of an error, of what caused it, and the last calls to it, without any message."""
    kinds, cause = [type(error).__name__], error.__cause__
    while cause is not None and len(kinds) < CAUSES_MAX:
        kinds.append(type(cause).__name__)
        cause = cause.__cause__
    places = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{file_of(code.co_filename)}:{trace.tb_lineno}:{code.co_name}")
        trace = trace.tb_next
    at = f" at {' > '.join(places[-PLACES_MAX:])}" if places else ""
    return f"{' from '.join(kinds)}{at}"


def file_of(path: str) -> str:
    """The name of a source file, without its folder."""
    return path.rpartition("/")[2]


def install() -> None:
    """Let uncaught errors, those of threads and finalizers, and warnings be told of like this.

    asyncio tells of an error that nobody awaited through `logging`: see `shared.web.logs`.
    """
    sys.excepthook = _uncaught
    threading.excepthook = _in_thread
    sys.unraisablehook = _unraisable
    setattr(warnings, "showwarning", _warned)
    # Else a record that a library cannot write is written with its arguments.
    logging.raiseExceptions = False
    logging.lastResort = None


def say(event: str, level: str, **more: str) -> None:
    """Write one line to the standard error stream, whatever state the process is in."""
    now = datetime.now(UTC).isoformat()  # noqa: TID251 - a log line has the real time
    line = json.dumps({**more, "event": event, "level": level, "timestamp": now})
    with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or never there
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def _uncaught(_: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    say("process.uncaught", "critical", exception=place_of(error.with_traceback(trace)))


def _in_thread(found: threading.ExceptHookArgs) -> None:
    error = found.exc_value
    if error is not None and not isinstance(error, SystemExit):
        say("thread.uncaught", "critical", exception=place_of(error))


def _unraisable(found: "sys.UnraisableHookArgs") -> None:
    if found.exc_value is not None:
        say("python.unraisable", "error", exception=place_of(found.exc_value))


def _warned(
    _message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    _file: object = None,
    _line: str | None = None,
) -> None:
    say("python.warning", "warning", kind=category.__name__, place=f"{file_of(filename)}:{lineno}")
