"""The verifier finds whatever was done to an export, and to the database before it was exported."""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ops.audit import verify as verifier
from ops.audit.tests.conftest import SERVICE, Book, lines
from ops.audit.verify import Chain, Report, Tampered, check_anchors, check_chain
from shared.values.ids import new_id

pytestmark = pytest.mark.rule("45 CFR 164.312(c)(2)", "45 CFR 170.315(d)(2)")

TAMPERS = 10_000
ORDINARY = "/usr/bin/python3.11"


@dataclass(frozen=True)
class Export:
    """An export in memory, with what vouches for it."""

    network: str
    rows: tuple[str, ...]
    seals: tuple[str, ...]
    unsealed: tuple[str, ...]
    anchors: tuple[str, ...]
    keys: tuple[dict[str, str], ...]

    def report(self) -> Report:
        """What the verifier finds."""
        chain = Chain(SERVICE, self.network)
        report = Report([chain])
        try:
            check_chain(chain, self.seals, self.rows, self.unsealed)
        except Tampered as error:
            chain.problem = str(error)
        check_anchors(SERVICE, self.anchors, self.keys, report)
        return report


async def made(book: Book, seals: int = 8, rows: int = 5) -> Export:
    """An export of a network with several seals, an anchor after each second one and at the end."""
    for n in range(seals):
        for m in range(rows):
            await book.note(f"read_{n}_{m}", new_id(), who=f"person-{m}")
        await book.sealed()
        if n % 2:
            await book.anchored()
    folder = await book.exported()
    return Export(
        network=str(book.network),
        rows=tuple(lines(folder, "rows")),
        seals=tuple(lines(folder, "seals")),
        unsealed=tuple(lines(folder, "unsealed")),
        anchors=tuple((book.anchors.folder / f"{SERVICE}.anchors").read_text().splitlines()),
        keys=tuple(json.loads(book.keys.read_text())["keys"]),
    )


# ── ways of tampering ────────────────────────────────────────────────────────────────────────────

Lines = tuple[str, ...]


def letter(random: Random, text: str) -> str:
    """Another letter or digit in place of one."""
    at = random.choice([m.start() for m in re.finditer(r"[0-9A-Za-z]", text)])
    other = random.choice([x for x in "0123456789abcdefXYZ" if x != text[at]])
    return text[:at] + other + text[at + 1 :]


def at_one(random: Random, lines: Lines, change: Callable[[str], str]) -> Lines:
    at = random.randrange(len(lines))
    return (*lines[:at], change(lines[at]), *lines[at + 1 :])


def without(random: Random, lines: Lines) -> Lines:
    first = random.randrange(len(lines))
    last = min(len(lines), first + random.randint(1, 3))
    return lines[:first] + lines[last:]


def swapped(random: Random, lines: Lines) -> Lines:
    one, other = random.sample(range(len(lines)), 2)
    found = list(lines)
    found[one], found[other] = found[other], found[one]
    return tuple(found)


def with_more(random: Random, lines: Lines, line: str) -> Lines:
    at = random.randrange(len(lines) + 1)
    return (*lines[:at], line, *lines[at:])


def forged(random: Random, lines: Lines) -> str:
    """A row that looks like one."""
    row = json.loads(random.choice(lines))
    row[0], row[3] = str(new_id()), "person/nobody"
    return json.dumps(row)


def made_anew(export: Export, rows: Lines, seals: Lines) -> Export:
    """The chain as somebody would make it who may do anything in the database."""
    place, previous, found = 0, None, []
    for number, text in enumerate(seals, 1):
        seal: dict[str, Any] = json.loads(text)
        part = rows[place : place + seal["rows"]]
        place += seal["rows"]
        if not part:
            break
        leaves = b"".join(
            bytes.fromhex(json.loads(line)[0].replace("-", ""))
            + hashlib.sha256(line.encode()).digest()
            for line in part
        )
        before = previous or bytes.fromhex(seal["previous"])
        told = before + number.to_bytes(8, "big") + seal["sealed_at"].encode() + leaves
        previous = hashlib.sha256(told).digest()
        seal |= {"seq": number, "rows": len(part), "leaves": base64.b64encode(leaves).decode()}
        found.append(json.dumps({**seal, "previous": before.hex(), "head": previous.hex()}))
    return replace(export, rows=rows, seals=tuple(found))


def field(random: Random, text: str) -> str:
    """A seal of which one member was changed."""
    seal = json.loads(text)
    name = random.choice(sorted(seal))
    if isinstance(seal[name], int):
        seal[name] += random.choice((-1, 1))
    elif name == "leaves":
        raw = bytearray(base64.b64decode(seal[name]))
        raw[random.randrange(len(raw))] ^= 1 << random.randrange(8)
        seal[name] = base64.b64encode(bytes(raw)).decode()
    elif name == "sealed_at":
        seal[name] = seal[name].replace("20", "19", 1)
    else:
        seal[name] = letter(random, seal[name])
    return json.dumps(seal)


def cut_with_rows(export: Export, count: int) -> Export:
    """The last seals cut off, with their rows: what is left is a chain that holds."""
    left = export.seals[:-count]
    rows = sum(json.loads(text)["rows"] for text in left)
    return replace(export, seals=left, rows=export.rows[:rows])


KINDS = (
    *("edit", "delete", "insert", "swap", "cut", "cut_all", "seal_edit", "seal_delete"),
    *("seal_swap", "seal_twice", "anew_edit", "anew_delete", "anew_insert", "old_unsealed"),
    *("anchor_edit", "anchor_delete"),
)


def tampered(random: Random, export: Export) -> tuple[str, Export]:
    """The export after one thing was done to it, and what that was."""
    kind = random.choice(KINDS)
    rows, seals, anchors = export.rows, export.seals, export.anchors
    match kind:
        case "edit":
            found = replace(export, rows=at_one(random, rows, lambda x: letter(random, x)))
        case "delete":
            found = replace(export, rows=without(random, rows))
        case "insert":
            line = random.choice((forged(random, rows), random.choice(rows)))
            found = replace(export, rows=with_more(random, rows, line))
        case "swap":
            found = replace(export, rows=swapped(random, rows))
        case "cut":
            found = replace(export, rows=rows[: random.randrange(len(rows))])
        case "cut_all":
            found = cut_with_rows(export, random.randint(1, len(seals)))
        case "seal_edit":
            found = replace(export, seals=at_one(random, seals, lambda x: field(random, x)))
        case "seal_delete":
            found = replace(export, seals=without(random, seals))
        case "seal_swap":
            found = replace(export, seals=swapped(random, seals))
        case "seal_twice":
            found = replace(export, seals=with_more(random, seals, random.choice(seals)))
        case "anew_edit":
            changed = at_one(random, rows, lambda x: x.replace("person-", "persom-"))
            found = made_anew(export, changed, seals)
        case "anew_delete":
            found = made_anew(export, without(random, rows), seals)
        case "anew_insert":
            found = made_anew(export, with_more(random, rows, forged(random, rows)), seals)
        case "old_unsealed":
            row = json.loads(forged(random, rows))
            row[1] = row[1].replace("20", "19", 1)
            found = replace(export, unsealed=(json.dumps(row),))
        case "anchor_edit":
            found = replace(export, anchors=at_one(random, anchors, lambda x: letter(random, x)))
        case _:
            # The last is none of these: that there was one more is known to nobody but itself.
            at = random.randrange(len(anchors) - 1)
            found = replace(export, anchors=anchors[:at] + anchors[at + 1 :])
    return kind, found


async def test_ten_thousand_random_tampers_are_found_each_one(book: Book) -> None:
    export = await made(book)
    assert export.report().holds, list(export.report().sentences())
    random, kinds = Random(11), dict[str, int]()
    for n in range(TAMPERS):
        kind, changed = tampered(random, export)
        assert changed != export, kind
        report = changed.report()
        assert not report.holds, f"{n}: {kind}"
        assert any(report.sentences())
        kinds[kind] = kinds.get(kind, 0) + 1
    assert set(kinds) == set(KINDS)
    assert min(kinds.values()) > 400


async def test_it_names_the_first_row(book: Book) -> None:
    export = await made(book, seals=2)
    target = json.loads(export.rows[7])[0]
    edited = at_one(Random(1), (export.rows[7],), lambda x: letter(Random(5), x[60:]))
    cases = {
        f"row {target} of seal 2 is missing": export.rows[:7] + export.rows[8:],
        f"row ? stands where row {target} of seal 2 was": (
            *export.rows[:7], edited[0], *export.rows[8:],
        ),
        f"row {target} of seal 2 was altered": (
            *export.rows[:7], export.rows[7].replace("person-2", "person-9"), *export.rows[8:],
        ),
        f"row {target} of seal 2 is missing, and all after it": export.rows[:7],
    }  # fmt: skip
    for sentence, rows in cases.items():
        (chain,) = replace(export, rows=rows).report().chains
        assert chain.problem == sentence


async def test_what_was_done_in_the_database_is_found_in_its_export(book: Book) -> None:
    for n in range(6):
        await book.note(f"read_{n}", new_id())
    await book.sealed()
    assert (await book.verified()).holds
    which = "(SELECT id FROM audit WHERE network_id = $1 ORDER BY id LIMIT 1)"
    deeds = {
        "altered": f"UPDATE audit SET actor = 'person/nobody' WHERE id = {which}",
        "missing": f"DELETE FROM audit WHERE id = {which}",
        "put in later": "INSERT INTO audit SELECT (jsonb_populate_record(a, jsonb_build_object("
        f"'id', gen_random_uuid(), 'recorded_at', a.recorded_at - interval '1 hour'))).*"
        f" FROM audit a WHERE id = {which}",
        "cut off": "DELETE FROM audit_seal WHERE network_id = $1",
    }
    for word, deed in deeds.items():
        await book.eye.execute(deed, book.network)
        report = await book.verified()
        assert not report.holds
        assert word in " ".join(report.sentences()), word
        await book.eye.execute("DELETE FROM audit WHERE network_id = $1", book.network)
        await book.eye.execute("DELETE FROM audit_seal WHERE network_id = $1", book.network)
        (book.anchors.folder / f"{SERVICE}.anchors").unlink()
        await book.eye.execute(
            "UPDATE audit_sealer SET anchors = 0, last_anchor = sha256('clinicbus.anchors.v1')"
        )
        for n in range(6):
            await book.note(f"read_{n}", new_id())
        await book.sealed()
        assert (await book.verified()).holds


@pytest.mark.parametrize("python", [sys.executable, *filter(os.path.exists, [ORDINARY])])
async def test_the_one_file_alone_is_enough(book: Book, tmp_path: Path, python: str) -> None:
    """With the standard library and nothing else, in a folder of its own."""
    await made(book, seals=3)
    folder = await book.exported()
    alone = tmp_path / "alone"
    alone.mkdir()
    script = shutil.copy(str(verifier.__file__), alone / "verify.py")
    command = [python, "-I", "-S", script, str(folder)]
    vouched = ["--anchors", str(book.anchors.folder), "--keys", str(book.keys)]

    def run(*more: str) -> tuple[int, str]:
        done = subprocess.run(
            [*command, *more], cwd=alone, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr

    code, said = run(*vouched)
    assert (code, "15 rows in 3 seals hold" in said) == (0, True), said
    assert "a tail that was cut off is not found" in run()[1]
    (path,) = folder.glob("*/*/rows.jsonl")
    path.write_text(path.read_text().replace("person-1", "person-2", 1))
    code, said = run(*vouched)
    assert (code, "was altered" in said) == (1, True)
    shutil.rmtree(path.parent)
    assert run(*vouched)[0] == 2


async def test_a_network_that_is_gone_altogether_is_missed(book: Book, tmp_path: Path) -> None:
    export = await made(book, seals=2)
    report = Report([])
    check_anchors(SERVICE, export.anchors, export.keys, report)
    assert any("all of it is missing" in sentence for sentence in report.problems)
    one_alone = Report([])
    check_anchors(SERVICE, export.anchors, export.keys, one_alone, whole=False)
    assert one_alone.problems == []
