"""Logs: one JSON object a line, and only keys that are listed here. Bodies and names never pass."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

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


def keep_allowed(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Drop every key that is not listed: what is not known to be harmless does not leave."""
    return {key: value for key, value in event.items() if key in ALLOWED}


def exception_place(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Where an exception came from, without its message: messages quote values."""
    found = event.pop("exc_info", None)
    if found is True:
        found = sys.exc_info()[1]
    if isinstance(found, tuple):
        found = found[1]
    if isinstance(found, BaseException):
        places = []
        trace = found.__traceback__
        while trace is not None:
            code = trace.tb_frame.f_code
            places.append(f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}:{code.co_name}")
            trace = trace.tb_next
        event["exception"] = f"{type(found).__name__} at {' > '.join(places[-6:])}"
    return event


def configure(level: str = "INFO") -> None:
    """Set up structlog and silence what other libraries would print with values in it."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            exception_place,
            keep_allowed,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
