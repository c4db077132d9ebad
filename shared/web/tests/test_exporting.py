"""Spans leave for a collector where one is named, and nothing is loaded where none is."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from uuid import UUID

import pytest

from shared.bus import tracing
from shared.bus.exporting import start
from shared.web.run import COLLECTOR, _spans

FLOW = UUID("01a213e1-a717-7290-9173-6200b17e53e1")
LOADED = """
import sys
import shared.web.run, shared.web.service
print([name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exp"))])
"""


@pytest.fixture
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """(address, what was posted) of a collector that takes everything."""
    got: list[tuple[str, bytes]] = []

    class Takes(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Takes)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", got
    server.shutdown()
    thread.join()
    server.server_close()


def test_spans_go_to_the_collector_that_the_environment_names(
    collector: tuple[str, list[tuple[str, bytes]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest is sent at the end of the process."""
    address, got = collector
    monkeypatch.setenv(COLLECTOR, address)
    end = _spans("alpha")
    with tracing.served("alpha", "GET", "/v1/things", FLOW, "", joined=False) as seen:
        seen.answered(200)
    end()
    ((path, body),) = got
    assert path == "/v1/traces"
    assert FLOW.bytes in body
    assert b"GET /v1/things" in body
    assert b"clinicbus-alpha" in body


def test_without_a_collector_nothing_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trace context that a request hands on is what came in."""
    monkeypatch.delenv(COLLECTOR, raising=False)
    end = _spans("alpha")
    with tracing.served("alpha", "GET", "/v1/things", FLOW, "as it came", joined=True) as seen:
        assert seen.traceparent == "as it came"
    end()


def test_a_process_without_a_collector_loads_nothing_of_it() -> None:
    """Neither the memory nor the time: both have bounds."""
    found = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


def test_a_collector_without_the_packages_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process does not start without what it was told to do."""
    monkeypatch.setenv(COLLECTOR, "http://127.0.0.1:1")
    monkeypatch.delitem(sys.modules, "shared.bus.exporting")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(ImportError):
        _spans("alpha")


def test_a_span_that_fails_holds_no_message() -> None:
    """An exception's text may quote a value."""
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    end = start("alpha", exporter)
    try:
        with pytest.raises(ValueError, match="Nowak"), tracing.batch("alpha", ()):
            raise ValueError("Nowak")
        (span,) = exporter.get_finished_spans()
    finally:
        end()
    assert dict(span.attributes or {}) == {
        "clinicbus.service": "alpha",
        "clinicbus.outcome": "failed",
    }
    assert "Nowak" not in span.to_json()
