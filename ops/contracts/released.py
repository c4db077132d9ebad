"""The releases of every contract, and what today's code may not do to them.

A release is the file `tests/contract/released/<wire type>/<n>.json`: what the code said of the
contract when it was released. It is never edited and never deleted, for records that were said so
stay in the topics for ever.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import TypeAdapter

from ops.contracts.compatibility import Reason, Rule, incompatible, unreleasable
from ops.contracts.reader import reads, type_of
from ops.contracts.shapes import NotUnderstood, Shape, below, members_of, same, shape_of
from shared.contracts.envelope import Event

Contract: TypeAlias = dict[str, Any]
Releases: TypeAlias = Mapping[str, Sequence[Contract]]
"""By wire type, the first release first."""

FOLDER = Path(__file__).resolve().parents[2] / "tests" / "contract" / "released"
_NUMBERED = re.compile(r"[1-9][0-9]*\.json")


def schema_of(event: type[Event]) -> dict[str, Any]:
    """The JSON Schema of an event's value."""
    found = event.model_json_schema()
    found["$id"] = f"urn:{event.wire_type().replace('.', ':')}"
    return found


def contract_of(event: type[Event]) -> Contract:
    """What an event's contract is: the schema of the value, and who says it of what and where."""
    return {
        "type": event.wire_type(),
        "producer": event.producer,
        "name": event.name,
        "version": event.version,
        "aggregate": event.aggregate,
        "subject_field": event.subject_field,
        "topic": event.topic(),
        "schema": schema_of(event),
    }


def releases(folder: Path = FOLDER) -> dict[str, list[Contract]]:
    """The releases in a folder. Raises ValueError where one is missing or a file is none."""
    found: dict[str, list[Contract]] = {}
    for path in sorted(folder.iterdir()) if folder.exists() else ():
        names = sorted((p.name for p in path.iterdir()), key=lambda name: (len(name), name))
        if not all(_NUMBERED.fullmatch(n) for n in names):
            raise ValueError(f"{path.name} holds what is no release")
        if names != [f"{n + 1}.json" for n in range(len(names))] or not names:
            raise ValueError(f"a release of {path.name} is missing")
        found[path.name] = [json.loads((path / name).read_text()) for name in names]
        if any(contract["type"] != path.name for contract in found[path.name]):
            raise ValueError(f"a release of {path.name} is of another event")
    return found


def refusals(released: Releases, current: Mapping[str, Contract]) -> list[str]:
    """Why today's contracts may not be, a sentence each, in the order of their names."""
    found: list[str] = []
    for wire in sorted(released.keys() | current.keys()):
        if wire not in current:
            found.append(f"{wire} was released and is gone: its records stay in the topics")
            continue
        reasons = bad_defaults(current[wire]) or unreleasable(current[wire]["schema"])
        if reasons:
            found += [f"{wire}: {reason}" for reason in reasons]
            continue
        for number, old in enumerate(released.get(wire, ()), 1):
            reasons = incompatible(old, current[wire])
            found += [f"{wire}, release {number}: {reason}" for reason in reasons]
    return found


def bad_defaults(contract: Contract) -> list[Reason]:
    """Members whose default no reader would take where it is written out."""
    if unreleasable(contract["schema"]):
        return []
    return [
        Reason(below(path, name), Rule.CANNOT_TELL, "has a default that is no value of it")
        for path, place in members_of(shape_of(contract["schema"]))
        for name, inner in place.get("properties", {}).items()
        if "default" in inner and not _takes(inner, inner["default"])
    ]


def _takes(shape: Shape, value: Any) -> bool:
    try:
        return reads(TypeAdapter(type_of(shape)), value)
    except NotUnderstood:
        return False


def unreleased(released: Releases, current: Mapping[str, Contract]) -> list[str]:
    """The contracts that differ from their newest release in more than what people read."""
    return [
        wire
        for wire, contract in sorted(current.items())
        if wire not in released or not same(_said(released[wire][-1]), _said(contract))
    ]


def _said(contract: Contract) -> Contract:
    return {**contract, "schema": shape_of(contract["schema"])}


def freeze(current: Mapping[str, Contract], folder: Path) -> list[Path]:
    """Write today's contracts as new releases where they differ; the files.

    Only what `refusals` has nothing against may be frozen.
    """
    before = releases(folder)
    made = []
    for wire in unreleased(before, current):
        path = folder / wire / f"{len(before.get(wire, ())) + 1}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x") as file:
            file.write(json.dumps(current[wire], indent=2, sort_keys=True) + "\n")
        made.append(path)
    return made


def version_refusals(
    events: Iterable[type[Event]], heard: Mapping[type[Event], Sequence[str]]
) -> list[str]:
    """Why the versions of the events do not belong together, or leave a reader with nothing.

    heard: the services that hear an event.
    """
    found: list[str] = []
    by_name: dict[tuple[str, str], list[type[Event]]] = {}
    for event in events:
        by_name.setdefault((event.producer, event.name), []).append(event)
    for versions in by_name.values():
        versions.sort(key=lambda event: event.version)
        older: type[Event] | None = None
        for number, event in enumerate(versions, 1):
            found += _line(event, number, older)
            older = event
        silent = False
        for event in reversed(versions):
            if silent:
                hearers = sorted(heard.get(event, ()))
                found += [
                    f"{event.wire_type()} is no longer said, and {h} hears it" for h in hearers
                ]
            silent = silent or event.before is None or event.before.down is None
    return found


def _line(event: type[Event], number: int, older: type[Event] | None) -> list[str]:
    wire = event.wire_type()
    if event.version != number:
        return [f"{wire} follows no version {number}"]
    if (event.before.event if event.before else None) is not older:
        return [f"{wire} does not say how the version before it is read"]
    if event.before is None or older is None:
        return []
    found = [
        f"{wire} has another {what} than the version before it"
        for what in ("aggregate", "subject_field")
        if getattr(event, what) != getattr(older, what)
    ]
    found += _tried("up", event.before.up, older, event)
    if event.before.down is not None:
        found += _tried("down", event.before.down, event, older)
    return found


def _tried(
    name: str, make: Callable[[Any], Event], given: type[Event], wanted: type[Event]
) -> list[str]:
    """What a caster makes of the committed example."""
    sample = given.example()
    try:
        made = make(sample)
        good = type(made) is wanted and made.subject == sample.subject
        said = "does not make the other version of the same subject"
    except Exception as error:  # noqa: BLE001 - whatever it is, it would park every record
        good, said = False, f"fails with {type(error).__name__}"
    return [] if good else [f"`{name}` of {given.wire_type()} {said}"]
