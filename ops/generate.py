"""Write what is generated from the code: `python -m ops.generate [--check]`.

docs/events.md, docs/compliance.md, docs/asyncapi.json, docs/openapi/<service>.json,
tests/contract/schemas, samples and readers, and the table of what a service says and hears in its
README. `--check` writes nothing and exits 1 with the names of files that are not as the code is.
"""

import importlib
import json
import os
import re
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ops import compliance
from ops.contracts.headers import header_schema
from ops.contracts.reading import readers_of
from ops.contracts.released import schema_of
from shared.bus.process import Subscriptions
from shared.contracts.catalogue import EVENTS, PRODUCERS
from shared.contracts.envelope import PARTITIONS, Event
from shared.db.provision import SERVICES
from shared.web.service import Service, app_of

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"(<!-- generated: says and hears -->\n).*?(<!-- end -->)", re.DOTALL)


def services() -> dict[str, Service]:
    """Every service, on settings that reach nothing."""
    found: dict[str, Service] = {}
    for name in SERVICES:
        os.environ.setdefault(
            f"CLINICBUS_{name.upper()}_APP_URL", "postgresql://nobody@localhost/x"
        )
        found[name] = importlib.import_module(f"services.{name}.app").service()
    return found


def hearers(made: Mapping[str, Service]) -> dict[type[Event], list[tuple[str, str]]]:
    """Event to (service, function) of all who hear it."""
    found: defaultdict[type[Event], list[tuple[str, str]]] = defaultdict(list)
    for name, service in made.items():
        subscriptions: Subscriptions = service.subscriptions
        for event, function in subscriptions.handlers.items():
            found[event].append((name, function.__name__))
    return found


def events_page(heard: Mapping[type[Event], list[tuple[str, str]]]) -> str:
    """docs/events.md."""
    lines = [
        "# Events",
        "",
        "Generated from the contracts and the services' subscriptions; `make docs` writes it.",
        "A topic has 12 partitions; the key is the subject's id, so a subject keeps its order.",
        "",
    ]
    for producer, events in PRODUCERS.items():
        lines += [f"## {producer} says", "", "| event | subject | heard by | meaning |"]
        lines += ["| --- | --- | --- | --- |"]
        for event in events:
            by = ", ".join(f"{s} (`{f}`)" for s, f in heard.get(event, [])) or "nobody yet"
            meaning = (event.__doc__ or "").strip().splitlines()[0]
            if event.expected:
                meaning = f"Agreed on, and said by nobody yet: {meaning}"
            said = f"`{event.name}` v{event.version}{_window(event)}"
            lines.append(f"| {said} | `{event.aggregate}/<id>` | {by} | {meaning} |")
        lines += ["", "Topics: " + ", ".join(f"`{t}`" for t in _topics(events)) + ".", ""]
    return "\n".join(lines)


def _window(event: type[Event]) -> str:
    """Until when the version before is meant to be said with it."""
    before = event.before
    if before is None or before.until is None:
        return ""
    return f", with v{before.event.version} until {before.until}"


def _topics(events: tuple[type[Event], ...]) -> list[str]:
    return sorted({event.topic() for event in events})


def says_and_hears(service: Service, heard: Mapping[type[Event], list[tuple[str, str]]]) -> str:
    """The table in a service's README."""
    lines = ["| says | heard by |", "| --- | --- |"]
    for event in (event for event in PRODUCERS[service.name] if not event.expected):
        by = ", ".join(dict.fromkeys(s for s, _ in heard.get(event, []))) or "nobody yet"
        lines.append(f"| `{event.name}` | {by} |")
    lines += ["", "| hears | and then |", "| --- | --- |"]
    for event, function in service.subscriptions.handlers.items():
        if event.expected:
            continue
        first = (function.__doc__ or "").strip().splitlines()[0]
        lines.append(f"| `{event.producer}` `{event.name}` | {first} (`{function.__name__}`) |")
    return "\n".join(lines) + "\n"


def asyncapi(heard: Mapping[type[Event], list[tuple[str, str]]]) -> dict[str, Any]:
    """The AsyncAPI 3.0 document of every topic and event."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    for wire, event in EVENTS.items():
        channel = event.topic().replace(".", "_")
        made = channels.setdefault(channel, _channel(event))
        made["messages"][wire] = {"$ref": f"#/components/messages/{wire}"}
        messages[wire] = _message(wire, event)
        said = f"{event.producer}_says_{wire}"
        operations[said] = _operation("send", channel, wire)
        for service, _ in heard.get(event, []):
            operations[f"{service}_hears_{wire}"] = _operation("receive", channel, wire)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "ClinicBus events", "version": "1"},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }


def _channel(event: type[Event]) -> dict[str, Any]:
    return {
        "address": event.topic(),
        "messages": {},
        "bindings": {"kafka": {"topic": event.topic(), "partitions": PARTITIONS}},
    }


def _message(wire: str, event: type[Event]) -> dict[str, Any]:
    return {
        "name": wire,
        "title": event.name,
        "summary": (event.__doc__ or "").strip().splitlines()[0],
        "contentType": "application/json",
        "headers": header_schema(event),
        "payload": schema_of(event),
        "bindings": {"kafka": {"key": {"type": "string", "format": "uuid"}}},
    }


def _operation(action: str, channel: str, wire: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{wire}"}],
    }


class _Table:
    """Puts a table between the marks of a block."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __call__(self, found: re.Match[str]) -> str:
        return found[1] + self._text + found[2]


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True, default=str) + "\n"


def outputs() -> dict[Path, str]:
    """Every generated file and what it should hold."""
    made = services()
    heard = hearers(made)
    found: dict[Path, str] = {
        ROOT / "docs" / "events.md": events_page(heard),
        ROOT / "docs" / "compliance.md": compliance.page(),
        ROOT / "docs" / "asyncapi.json": _json(asyncapi(heard)),
    }
    contract = ROOT / "tests" / "contract"
    for wire, event in EVENTS.items():
        found[contract / "schemas" / f"{wire}.json"] = _json(schema_of(event))
        sample = event.example().model_dump(mode="json")
        found[contract / "samples" / f"{wire}.json"] = _json(sample)
    for name, service in made.items():
        found[contract / "readers" / f"{name}.json"] = _json(readers_of(service.subscriptions))
        openapi = app_of(service, "api").openapi()
        found[ROOT / "docs" / "openapi" / f"{name}.json"] = _json(openapi)
        readme = ROOT / "services" / name / "README.md"
        text = readme.read_text() if readme.exists() else ""
        if BLOCK.search(text):
            table = says_and_hears(service, heard)
            found[readme] = BLOCK.sub(_Table(table), text)
    return found


def main(arguments: list[str]) -> int:
    """Write, or with `--check` compare."""
    stale = []
    for path, text in outputs().items():
        if path.exists() and path.read_text() == text:
            continue
        stale.append(str(path.relative_to(ROOT)))
        if "--check" not in arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    if stale and "--check" in arguments:
        print("Not as the code is; run `make docs`:", *stale, sep="\n  ")
        return 1
    print(f"{len(stale)} generated files written." if stale else "Generated files are current.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
