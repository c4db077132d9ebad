"""What each subscriber reads of an event, from the code of its handlers. Pure but for the source.

A handler reads the members that it names of its `event` argument. One that uses the event in any
other way (hands it on, dumps it) is taken to read all of it. `locks` reads what it names of the
events that have such a member. So the list can be too long, never too short.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ops.contracts.compatibility import Reason, Rule, incompatible_schemas
from ops.contracts.released import Contract, Releases, schema_of
from ops.contracts.shapes import shape_of
from shared.bus.subscriptions import Subscriptions
from shared.contracts.envelope import Event

SUBJECT = {"subject", "subject_id"}
READS_NOTHING = {"isinstance", "type"}


def readers_of(subscriptions: Subscriptions) -> dict[str, dict[str, Any]]:
    """By wire type, the part of the schema that a service reads."""
    locks = members_read(subscriptions.locks)
    return {
        event.wire_type(): part_of(
            schema_of(event), _of(event, members_read(handler), locks) | {event.subject_field}
        )
        for event, handler in sorted(
            subscriptions.handlers.items(), key=lambda item: item[0].wire_type()
        )
    }


def _of(event: type[Event], handler: set[str] | None, locks: set[str] | None) -> set[str]:
    members = set(event.model_fields)
    if handler is None or locks is None:
        return members
    named = handler | locks
    # A method reads whatever it likes; what this event does not have is read of another one.
    if any(hasattr(event, name) for name in named - members - SUBJECT):
        return members
    return named & members


def members_read(function: Callable[..., Any]) -> set[str] | None:
    """What a function names of its last argument; None where it uses the event as a whole."""
    try:
        definition = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    except (OSError, TypeError, SyntaxError):
        return None
    if not isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef):
        return None
    name = definition.args.args[-1].arg
    named: set[str] = set()
    for used in _uses(definition.body, name):
        if used is None:
            return None
        named.add(used)
    return named - {""}


def _uses(body: list[ast.stmt], name: str) -> Iterator[str | None]:
    """Each use of a name: the attribute, an empty text for a question about its type, None else."""
    explained: set[int] = set()
    for node in (inner for statement in body for inner in ast.walk(statement)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == name:
                explained.add(id(node.value))
                yield node.attr
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in READS_NOTHING:
                explained |= {id(given) for given in node.args if isinstance(given, ast.Name)}
        elif isinstance(node, ast.Name) and node.id == name and id(node) not in explained:
            yield None


def part_of(schema: Mapping[str, Any], members: set[str]) -> dict[str, Any]:
    """The part of a schema that is about some members, without what only people read."""
    shape = shape_of(schema)
    found: dict[str, Any] = {
        "type": "object",
        "properties": {n: schema["properties"][n] for n in shape["properties"] if n in members},
        "required": [n for n in shape["required"] if n in members],
    }
    if "$defs" in schema:
        found["$defs"] = schema["$defs"]
    return found


def unread(contract: Contract, reader: Mapping[str, Any]) -> list[Reason]:
    """Why a subscriber cannot read what is said by a release; `reader` is its part of a schema."""
    members = set(reader["properties"])
    schema = contract["schema"]
    missing = [n for n in reader.get("required", ()) if n not in schema["properties"]]
    if missing:
        return [Reason(n, Rule.ADDED_REQUIRED, "is read and is not there") for n in missing]
    return incompatible_schemas(part_of(schema, members), reader)


def reader_refusals(released: Releases, readers: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The released contracts that a subscriber cannot read; `readers` by service and wire type."""
    return [
        f"{service} cannot read {wire}, release {number}: {reason}"
        for service, parts in sorted(readers.items())
        for wire, part in sorted(parts.items())
        for number, contract in enumerate(released.get(wire, ()), 1)
        for reason in unread(contract, part)
    ]
