"""Logs: one JSON object a line, and only keys that are listed here. Bodies and names never pass.

What libraries say through `logging` comes out by the same list: who said it, how loud and where in
the source, never what. A message of theirs may hold an address with a query in it, a statement, a
record of a topic.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any
from uuid import UUID

import structlog

from shared.db import uncaught
from shared.values.card_numbers import holds_card_number

ALLOWED = frozenset(
    {
        "actor",
        "attempts",
        "batch",
        "bus",
        "code",
        "count",
        "correlation_id",
        "epoch",
        "event",
        "event_type",
        "exception",
        "group",
        "handler",
        "kind",
        "level",
        "logger",
        "method",
        "milliseconds",
        "network_id",
        "offset",
        "partition",
        "pid",
        "place",
        "port",
        "problem",
        "producer",
        "reason",
        "role",
        "route",
        "seconds",
        "service",
        "signal",
        "state",
        "status",
        "subject",
        "timestamp",
        "topic",
    }
)
LEVELS = ("DEBUG", "INFO", "WARNING")
VARIABLE = "CLINICBUS_LOG_LEVEL"
NOT_SHOWN = "not shown"

_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*")
_WORDS = re.compile(r"[A-Za-z0-9_.:;,/<>{}()+ \-]{0,600}")
"""Codes, ids, times, places, and sentences of ours: no quotes, no line ends, no other script.
No number of a card either, by whatever way it might come."""


def keep_allowed(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Drop every key that is not listed: what is not known to be harmless does not leave.

    An event is named, not described; a value is a number, an id or words of plain letters. Of an
    object its type is told: what it would say of itself may be all that it holds.
    """
    kept = {key: _plain(value) for key, value in event.items() if key in ALLOWED}
    if not _NAME.fullmatch(str(event.get("event", ""))):
        kept["event"] = "event.unnamed"
    return kept


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, str):
        shown = _WORDS.fullmatch(value) and not holds_card_number(value)
        return str(value) if shown else NOT_SHOWN
    return type(value).__name__


def exception_place(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Where an exception came from, without its message: messages quote values."""
    event.pop("exception", None)  # only what is found here may stand under this name
    found = event.pop("exc_info", None)
    if found is True:
        found = sys.exc_info()[1]
    if isinstance(found, tuple):
        found = found[1]
    if isinstance(found, BaseException):
        event["exception"] = uncaught.place_of(found)
    return event


_LAST = (exception_place, keep_allowed, structlog.processors.JSONRenderer())
"""What every line goes through in the end, our own and those of libraries."""


class Placed(logging.Formatter):
    """A record of a library: who, how loud, and where in the source; not what."""

    def format(self, record: logging.LogRecord) -> str:
        """The line. Neither the message nor its arguments are looked at."""
        line: Any = {
            "event": "library.said",
            "level": record.levelname.lower(),
            "logger": record.name,
            "place": f"{record.filename}:{record.lineno}:{record.funcName}",
            "exc_info": record.exc_info,
        }
        for step in (structlog.processors.TimeStamper(fmt="iso", utc=True), *_LAST):
            line = step(None, "", line)
        return str(line)


def configure(level: str = "INFO") -> None:
    """Let all that this process says go through the list: structlog, `logging`, Python itself.

    Libraries are heard from WARNING on, in DEBUG all that they say (where, not what).
    """
    uncaught.install()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Placed())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if level == "DEBUG" else logging.WARNING)
    for name in list(root.manager.loggerDict):
        # A library that brought its own handler would print as it likes.
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *_LAST,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def configure_from(environment: Mapping[str, str], otherwise: str = "INFO") -> None:
    """The same for a program without settings of its own; the level is what the variable says."""
    level = environment.get(VARIABLE, otherwise).upper()
    configure(level if level in LEVELS else otherwise)
