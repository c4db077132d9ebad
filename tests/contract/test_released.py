"""Releases: kept for ever, understood by today's code, read by every subscriber."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import pytest
from pydantic import ConfigDict
from pydantic_core import CoreSchema

from ops import release_contracts
from ops.contracts.compatibility import Rule
from ops.contracts.reader import reader_of, reads
from ops.contracts.reading import members_read, reader_refusals, readers_of, unread
from ops.contracts.released import (
    FOLDER,
    Contract,
    contract_of,
    freeze,
    refusals,
    releases,
    schema_of,
    unreleased,
    version_refusals,
)
from ops.contracts.shapes import shape_of
from ops.generate import services
from shared.bus.subscriptions import Subscriptions
from shared.contracts.catalogue import EVENTS
from shared.contracts.envelope import Before, Envelope, Event
from shared.db.locks import LockKey
from shared.db.provision import SERVICES
from shared.db.work import Work

RELEASES = releases()
CURRENT = {wire: contract_of(event) for wire, event in EVENTS.items()}
READERS: dict[str, dict[str, Any]] = {
    name: json.loads((FOLDER.parent / "readers" / f"{name}.json").read_text()) for name in SERVICES
}
each_event = pytest.mark.parametrize("wire", sorted(EVENTS))


def test_today_s_code_breaks_no_release_and_all_of_it_is_released() -> None:
    assert refusals(RELEASES, CURRENT) == []
    assert unreleased(RELEASES, CURRENT) == []
    assert RELEASES.keys() == EVENTS.keys()


def test_no_release_was_ever_edited_or_deleted() -> None:
    """Neither in a commit nor since the last one."""
    for command in (
        ["log", "--no-renames", "--diff-filter=MDT", "--format=", "--name-only"],
        ["diff", "--no-renames", "--diff-filter=MDT", "--name-only", "HEAD"],
    ):
        found = subprocess.run(
            ["git", *command, "--", "."], cwd=FOLDER, capture_output=True, text=True, check=True
        )
        assert found.stdout == ""


@each_event
def test_every_release_and_today_s_code_read_each_other_s_samples(wire: str) -> None:
    sample = EVENTS[wire].example().model_dump(mode="json")
    for contract in RELEASES[wire]:
        assert reads(reader_of(contract["schema"]), sample)
        for example in contract["schema"]["examples"]:
            said = json.dumps(example)
            assert EVENTS[wire].model_validate_json(said, strict=True).subject_id


@each_event
def test_what_an_event_refuses_its_schema_says(wire: str) -> None:
    """No check in code, no other name on the wire, no zone that may be missing: a schema tells none
    of them, so none could be compared."""
    event = EVENTS[wire]
    kinds = list(_kinds(event.__pydantic_core_schema__))
    assert [kind for kind in kinds if str(kind["type"]).startswith("function")] == []
    assert all(kind.get("tz_constraint") == "aware" for kind in kinds if kind["type"] == "datetime")
    said = event.model_json_schema(mode="serialization", by_alias=False)["properties"]
    assert {n: _plain(s) for n, s in said.items()} == {
        n: _plain(s) for n, s in schema_of(event)["properties"].items()
    }
    assert event.model_config.get("extra") == "ignore"


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    return {word: said for word, said in schema.items() if word != "title"}


def _kinds(schema: CoreSchema | Any) -> Iterator[dict[str, Any]]:
    """Every node of a core schema."""
    if isinstance(schema, dict):
        if isinstance(schema.get("type"), str):
            yield schema
        for word, inner in schema.items():
            if word not in {"metadata", "serialization"}:
                yield from _kinds(inner)
    elif isinstance(schema, list | tuple):
        for inner in schema:
            yield from _kinds(inner)


# ── the command ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the releases."""
    return Path(shutil.copytree(FOLDER, tmp_path / "released"))


BOOKED = "clinicbus.appointments.appointment.booked.v1"


def rewrite(folder: Path, wire: str, number: int, contract: Contract) -> None:
    """Let a release be another one."""
    (folder / wire / f"{number}.json").write_text(json.dumps(contract))


def test_the_command_freezes_what_is_new_and_then_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert release_contracts.main(["--check"], tmp_path) == 1
    assert BOOKED in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
    assert release_contracts.main([], tmp_path) == 0
    assert capsys.readouterr().out == f"{len(EVENTS)} contracts released.\n"
    assert releases(tmp_path) == {wire: found[-1:] for wire, found in RELEASES.items()}
    assert release_contracts.main(["--check"], tmp_path) == 0
    assert release_contracts.main([], tmp_path) == 0
    assert all(len(found) == 1 for found in releases(tmp_path).values())


def test_an_added_member_is_a_release_beside_the_first(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As if the code had one more than what was released."""
    older = deepcopy(RELEASES[BOOKED][0])
    del older["schema"]["properties"]["walk_in"]
    older["schema"]["required"].remove("walk_in")
    rewrite(folder, BOOKED, 1, older)
    assert release_contracts.main(["--check"], folder) == 1
    assert "walk_in is new and required: what was said before lacks it" in capsys.readouterr().out
    current = deepcopy(CURRENT)
    walk_in = current[BOOKED]["schema"]["properties"]["walk_in"]
    walk_in["default"] = False
    current[BOOKED]["schema"]["required"].remove("walk_in")
    assert refusals(releases(folder), current) == []
    assert freeze(current, folder) == [folder / BOOKED / "2.json"]
    assert releases(folder)[BOOKED] == [older, current[BOOKED]]
    assert freeze(current, folder) == []


def test_words_for_people_are_no_release(folder: Path) -> None:
    current = deepcopy(CURRENT)
    current[BOOKED]["schema"]["description"] = "Other words."
    assert unreleased(releases(folder), current) == []
    assert freeze(current, folder) == []


def test_the_command_refuses_what_breaks_a_release_and_writes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = deepcopy(RELEASES[BOOKED][0])
    other["schema"]["properties"]["moves"] = {"type": "integer", "default": 0}
    other["topic"] += "x"
    rewrite(folder, BOOKED, 1, other)
    before = {path: path.read_bytes() for path in folder.rglob("*.json")}
    for arguments in ([], ["--check"]):
        assert release_contracts.main(arguments, folder) == 1
        told = capsys.readouterr().out
        assert f"{BOOKED}, release 1: moves is gone: {Rule.REMOVED.value}" in told
        assert f"{BOOKED}, release 1: topic was" in told
    assert {path: path.read_bytes() for path in folder.rglob("*.json")} == before


@pytest.mark.parametrize("what", ["gap", "none", "stray", "another", "zero"])
def test_a_folder_that_lost_or_gained_a_file_is_refused(
    folder: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first = folder / BOOKED / "1.json"
    match what:
        case "gap":
            first.rename(folder / BOOKED / "2.json")
        case "none":
            first.unlink()
        case "stray":
            first.with_name("1.json.bak").write_text("{}")
        case "zero":
            first.with_name("0.json").write_text("{}")
        case "another":
            first.write_text(json.dumps({**RELEASES[BOOKED][0], "type": "x"}))
    with pytest.raises(ValueError, match=re.escape(BOOKED)):
        releases(folder)
    assert release_contracts.main(["--check"], folder) == 1
    assert "Releases are never changed." in capsys.readouterr().out


def test_an_event_that_vanished_from_the_code_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wire = "clinicbus.appointments.appointment.dreamt_of.v1"
    shutil.copytree(folder / BOOKED, folder / wire)
    rewrite(folder, wire, 1, {**RELEASES[BOOKED][0], "type": wire})
    assert release_contracts.main(["--check"], folder) == 1
    assert f"{wire} was released and is gone" in capsys.readouterr().out


# ── versions beside each other ───────────────────────────────────────────────────────────────────


class Moved(Event):
    """A thing moved."""

    producer: ClassVar[str] = "alpha"
    aggregate: ClassVar[str] = "thing"
    subject_field: ClassVar[str] = "thing_id"
    name: ClassVar[str] = "thing.moved"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"thing_id": "0190a1b2-0000-7000-8000-000000000001", "to": 1}]
        }
    )

    thing_id: UUID
    to: int


ENDS = date(2027, 1, 31)


def version(number: int, older: type[Event] | None, *, window: bool, **others: Any) -> type[Event]:
    """A version of `Moved`; `others` are of its class, or of its `before`."""
    casters = {word: others.pop(word) for word in ("up", "down") if word in others}
    made: type[Event] = type(f"Moved{number}", (Moved,), {"version": number, **others})
    if older is not None:
        before = Before(
            older,
            up=casters.get("up", lambda old: made(**dict(old))),
            down=casters.get("down", lambda new: older(**dict(new))) if window else None,
            until=ENDS if window else None,
        )
        setattr(made, "before", before)
    return made


def _same(event: Any) -> Any:
    return event


def _elsewhere(event: Any) -> Any:
    return Moved(thing_id=UUID(int=1), to=event.to)


def _fails(event: Any) -> Any:
    raise KeyError(event.to)


WINDOW = version(2, Moved, window=True)
ALONE = version(2, Moved, window=False)
OTHER = "does not make the other version of the same subject"


@pytest.mark.parametrize(
    ("events", "heard", "refused"),
    [
        ((Moved,), {Moved: ["beta"]}, []),
        ((Moved, WINDOW), {Moved: ["beta"], WINDOW: ["gamma"]}, []),
        ((WINDOW, Moved), {}, []),
        ((Moved, ALONE), {ALONE: ["gamma"]}, []),
        ((Moved, ALONE), {Moved: ["beta"]}, ["moved.v1 is no longer said, and beta hears it"]),
        (
            (Moved, ALONE, version(3, ALONE, window=True)),
            {Moved: ["beta"], ALONE: ["gamma"]},
            ["moved.v1 is no longer said, and beta hears it"],
        ),
        (
            (Moved, version(2, None, window=False)),
            {},
            ["moved.v2 does not say how the version before it is read"],
        ),
        ((Moved, version(3, Moved, window=False)), {}, ["moved.v3 follows no version 2"]),
        ((ALONE,), {}, ["moved.v2 follows no version 1"]),
        (
            (Moved, version(2, Moved, window=False, subject_field="to")),
            {},
            ["moved.v2 has another subject_field", "`up` of clinicbus.alpha.thing.moved.v1 fails"],
        ),
        (
            (Moved, version(2, Moved, window=False, aggregate="box")),
            {},
            ["moved.v2 has another aggregate", f"moved.v1 {OTHER}"],
        ),
        ((Moved, version(2, Moved, window=True, up=_same)), {}, [f"moved.v1 {OTHER}"]),
        ((Moved, version(2, Moved, window=True, up=_fails)), {}, ["moved.v1 fails with KeyError"]),
        ((Moved, version(2, Moved, window=True, down=_elsewhere)), {}, [f"moved.v2 {OTHER}"]),
        ((Moved, version(2, Moved, window=True, down=_fails)), {}, ["v2 fails with KeyError"]),
    ],
    ids=[
        "one", "window", "order", "alone", "deaf", "three", "no_up", "gap", "first", "id", "box",
        "up_same", "up_fails", "down_elsewhere", "down_fails",
    ],
)  # fmt: skip
def test_versions_belong_together_and_leave_no_reader_behind(
    events: Sequence[type[Event]], heard: dict[type[Event], list[str]], refused: list[str]
) -> None:
    found = version_refusals(events, heard)
    assert len(found) == len(refused)
    assert all(want in text for want, text in zip(refused, found, strict=True))


# ── readers ──────────────────────────────────────────────────────────────────────────────────────


def test_every_subscriber_says_what_it_reads_of_each_event_it_hears() -> None:
    """The committed lists are of today's handlers, and each release can be read."""
    for name, service in services().items():
        assert set(READERS[name]) == {e.wire_type() for e in service.subscriptions.handlers}
        for wire, part in READERS[name].items():
            assert EVENTS[wire].subject_field in part["properties"]
    assert sum(len(parts) for parts in READERS.values()) > 40
    assert reader_refusals(RELEASES, READERS) == []


@pytest.mark.parametrize("name", SERVICES)
def test_a_subscriber_is_named_whose_member_a_release_lacks_or_has_otherwise(name: str) -> None:
    """Each member of each event that it hears; what it does not read, it does not miss."""
    for wire, part in READERS[name].items():
        contract = RELEASES[wire][0]
        for member in contract["schema"]["properties"]:
            gone, other = deepcopy(contract), deepcopy(contract)
            del gone["schema"]["properties"][member]
            required = contract["schema"]["required"]
            gone["schema"]["required"] = [n for n in required if n != member]
            # The type alone: a default stays, so a member stays optional.
            kept = contract["schema"]["properties"][member]
            default = {"default": kept["default"]} if "default" in kept else {}
            other["schema"]["properties"][member] = {"type": "number", **default}
            read = member in part["properties"]
            found = reader_refusals({wire: [other]}, {name: {wire: part}})
            assert [text.partition(":")[0] for text in found] == (
                [f"{name} cannot read {wire}, release 1"] if read else []
            )
            assert bool(unread(gone, part)) == (read and member in part["required"])


def _use(*_values: Any) -> None:
    """What a handler does with what it reads."""


async def _names(work: Work, envelope: Envelope, event: Moved) -> None:
    if event.to > 3:
        _use(envelope.id, [event.thing_id for _ in range(3)])


async def _asks_its_type(work: Work, _: Envelope, event: Moved) -> None:
    if isinstance(event, Moved) and type(event) is Moved:
        _use(event.to)


async def _hands_on(work: Work, _: Envelope, event: Moved) -> None:
    _use(event.to, event)


async def _keeps(work: Work, _: Envelope, event: Moved) -> None:
    kept = event
    _use(kept.to)


async def _dumps(work: Work, _: Envelope, event: Moved) -> None:
    _use(event.model_dump(exclude={"to"}))


async def _by_name(work: Work, _: Envelope, event: Moved) -> None:
    _use(getattr(event, "to"))


async def _subject(work: Work, _: Envelope, event: Moved) -> None:
    _use(event.subject_id)


async def _nothing(work: Work, _: Envelope, event: Moved) -> None:
    """Reads nothing."""


def _no_locks(event: Event) -> Sequence[LockKey]:
    return ()


def _locks_by_place(event: Event) -> Sequence[LockKey]:
    return [("place", str(event.to))] if isinstance(event, Moved) else []


def _locks_by(function: Any) -> Any:
    return lambda event: function(event)


@pytest.mark.parametrize(
    ("handler", "locks", "members"),
    [
        (_names, _no_locks, {"thing_id", "to"}),
        (_asks_its_type, _no_locks, {"thing_id", "to"}),
        (_nothing, _no_locks, {"thing_id"}),
        (_nothing, _locks_by_place, {"thing_id", "to"}),
        (_subject, _no_locks, {"thing_id"}),
        (_hands_on, _no_locks, {"thing_id", "to", "why"}),
        (_keeps, _no_locks, {"thing_id", "to", "why"}),
        (_dumps, _no_locks, {"thing_id", "to", "why"}),
        (_by_name, _no_locks, {"thing_id", "to", "why"}),
        (_nothing, _locks_by(_no_locks), {"thing_id", "to", "why"}),
    ],
    ids=[
        "names", "type", "nothing", "locks", "subject", "hands_on", "keeps", "dumps", "by_name",
        "lambda",
    ],
)  # fmt: skip
def test_what_a_handler_reads_is_what_it_names_or_all_of_it(
    handler: Any, locks: Any, members: set[str]
) -> None:
    class MovedFar(Moved):
        """With a reason that the handlers do not know."""

        why: bool

    found = readers_of(Subscriptions({MovedFar: handler}, locks))
    (part,) = found.values()
    assert set(part["properties"]) == members == set(part["required"])
    assert shape_of(part)["properties"].keys() == members


def test_of_the_argument_and_nothing_else_is_read() -> None:
    assert members_read(_names) == {"to", "thing_id"}
    assert members_read(_keeps) is None
