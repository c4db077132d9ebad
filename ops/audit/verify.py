"""Verify an export of the audit, with nothing but Python's standard library.

    python verify.py EXPORT --anchors FOLDER --keys keys.json

It needs no ClinicBus: copy this one file to wherever the export is looked at. What is sealed and
how stands in `docs/audit.md`. An export has a folder a service, and in it one a network:

    rows.jsonl      the sealed rows in the order of their seals, each as the text that was digested
    seals.jsonl     seq, rows, leaves (id and digest of each row, base64), previous, head, sealed_at
    unsealed.jsonl  rows that no seal has

Exit code 0: all holds. 1: something was edited, removed, put in, moved or cut off; the first such
place of each network is named. 2: it could not be read.
"""

import argparse
import base64
import hashlib
import hmac
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

LEAF = 48
SLACK = timedelta(minutes=2)
"""A row is written no longer than this before it is committed, and then sealed within seconds."""
SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")
"""DigestInfo of SHA-256 (RFC 8017, section 9.2, note 1)."""


class Tampered(Exception):
    """The first place at which something does not hold, as a sentence."""


@dataclass
class Chain:
    """What was found of one network of one service."""

    service: str
    network: str
    heads: dict[int, str] = field(default_factory=dict)
    rows: int = 0
    anchored: int = 0
    """The last seal that an anchor vouches for."""
    tail: list[str] = field(default_factory=list)
    """Rows that no seal has yet, as they were exported."""
    problem: str | None = None


@dataclass
class Report:
    """All that was found. problems: what is of no one network, such as a missing anchor."""

    chains: list[Chain] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing was tampered with."""
        return not self.problems and all(chain.problem is None for chain in self.chains)

    def sentences(self) -> Iterator[str]:
        """The report, a sentence a line."""
        yield from self.problems
        for chain in self.chains:
            name = f"{chain.service} {chain.network}"
            if chain.problem is not None:
                yield f"{name}: {chain.problem}"
                continue
            count = len(chain.heads)
            yield f"{name}: {chain.rows} rows in {count} seals hold, {chain.anchored} are anchored"
            if chain.tail:
                first = min(map(written_at, chain.tail)).isoformat(timespec="seconds")
                yield f"{name}: {len(chain.tail)} rows since {first} are not sealed yet"


def check_chain(
    chain: Chain, seals: Iterable[str], rows: Iterable[str], unsealed: Iterable[str]
) -> None:
    """Raise Tampered at the first thing that does not hold; fill in what was found."""
    previous = hashlib.sha256(
        f"clinicbus.audit.v1 {chain.service} {chain.network}".encode()
    ).digest()
    lines = iter(rows)
    sealed_at = None
    for number, text in enumerate(seals, 1):
        previous, leaves, sealed_at = checked_seal(number, text, previous)
        chain.heads[number] = previous.hex()
        check_rows(number, leaves, lines)
        chain.rows += len(leaves)
    more = next(lines, None)
    if more is not None:
        raise Tampered(f"row {id_of(more)} is in no seal")
    for line in unsealed:
        at = written_at(line)
        if sealed_at is not None and at < sealed_at - SLACK:
            raise Tampered(f"row {id_of(line)} of {at} was put in later: no seal has it")
        chain.tail.append(line)


def checked_seal(
    number: int, text: str, previous: bytes
) -> tuple[bytes, list[tuple[str, bytes]], datetime]:
    """The head of a seal, the id and digest of each of its rows, and its time."""
    try:
        seal = json.loads(text)
        leaves = base64.b64decode(seal["leaves"], validate=True)
        head, before = bytes.fromhex(seal["head"]), bytes.fromhex(seal["previous"])
        seq, count, at = int(seal["seq"]), int(seal["rows"]), str(seal["sealed_at"])
        moment = datetime.fromisoformat(at)
    except (ValueError, KeyError, TypeError) as error:
        raise Tampered(f"seal {number} cannot be read") from error
    if seq != number:
        raise Tampered(f"seal {number} is missing: {seq} stands in its place")
    if before != previous:
        raise Tampered(f"seal {number} does not go on from the one before it")
    told = previous + number.to_bytes(8, "big", signed=True) + at.encode() + leaves
    if head != hashlib.sha256(told).digest():
        raise Tampered(f"seal {number} was altered")
    if len(leaves) != LEAF * count or not count:
        raise Tampered(f"seal {number} has not the rows that it counts")
    parts = (leaves[at : at + LEAF] for at in range(0, len(leaves), LEAF))
    return head, [(str(UUID(bytes=part[:16])), part[16:]) for part in parts], moment


def check_rows(seal: int, leaves: list[tuple[str, bytes]], lines: Iterator[str]) -> None:
    """Raise Tampered for the first row that is not the one that the seal has in its place."""
    for place, (expected, digest) in enumerate(leaves):
        line = next(lines, None)
        if line is None:
            raise Tampered(f"row {expected} of seal {seal} is missing, and all after it")
        if hashlib.sha256(line.encode()).digest() == digest:
            continue
        found = id_of(line)
        if found == expected:
            raise Tampered(f"row {expected} of seal {seal} was altered")
        if place + 1 < len(leaves) and leaves[place + 1][0] == found:
            raise Tampered(f"row {expected} of seal {seal} is missing")
        raise Tampered(f"row {found} stands where row {expected} of seal {seal} was")


def id_of(line: str) -> str:
    """The id in a row; `?` where it cannot be read."""
    try:
        return str(json.loads(line)[0])
    except (ValueError, LookupError, TypeError):
        return "?"


def written_at(line: str) -> datetime:
    """When a row was written. Raises Tampered where it cannot be read."""
    try:
        return datetime.fromisoformat(json.loads(line)[1])
    except (ValueError, LookupError, TypeError) as error:
        raise Tampered(f"row {id_of(line)} cannot be read") from error


def check_anchors(
    service: str,
    lines: Iterable[str],
    keys: Iterable[Mapping[str, str]],
    report: Report,
    *,
    whole: bool = True,
) -> None:
    """Hold the chains of a service against its anchors. Problems go into the report.

    whole: every network was exported, so that one that was anchored has to be there.
    """
    known = {key["kid"]: key for key in keys}
    chains = {chain.network: chain for chain in report.chains if chain.service == service}
    before = {hashlib.sha256(b"clinicbus.anchors.v1").hexdigest()}
    last, same = 0, set[str]()
    for place, line in enumerate(lines, 1):
        said = signed_payload(line, known)
        if said is None or said["service"] != service:
            report.problems.append(f"{service}: line {place} of the anchors is not signed")
            continue
        number = int(said["number"])
        # One whose transaction failed afterwards has the number of the next, and is as true.
        if number != last:
            before, last, same = same or before, number, set()
        if said["previous"] not in before:
            report.problems.append(f"{service}: before anchor {number} one is missing")
        same.add(hashlib.sha256(line.encode()).hexdigest())
        for head in said["heads"]:
            hold(chains.get(head["network"]), head, service, report, whole=whole)


def hold(
    chain: Chain | None, head: Mapping[str, Any], service: str, report: Report, *, whole: bool
) -> None:
    """Hold a chain against one head that was anchored."""
    if chain is None and whole:
        report.problems.append(f"{service} {head['network']}: all of it is missing")
    if chain is None or chain.problem is not None:
        return
    seq = int(head["seq"])
    if seq not in chain.heads:
        chain.problem = f"it was cut off: seal {seq} was anchored and is not there"
    elif chain.heads[seq] != head["head"]:
        chain.problem = f"it was made anew: seal {seq} is not the one that was anchored"
    chain.anchored = max(chain.anchored, seq)


def signed_payload(line: str, keys: Mapping[str, Mapping[str, str]]) -> dict[str, Any] | None:
    """What a JWS says (RFC 7515, RS256 of RFC 7518, section 3.3); None where no key signed it."""
    try:
        head, body, signature = line.split(".")
        key = keys[json.loads(unpadded(head))["kid"]]
        if json.loads(unpadded(head))["alg"] != "RS256":
            return None
        modulus = int.from_bytes(unpadded(key["n"]), "big")
        exponent = int.from_bytes(unpadded(key["e"]), "big")
        size = (modulus.bit_length() + 7) // 8
        given = unpadded(signature)
        number = int.from_bytes(given, "big")
        if len(given) != size or number >= modulus:
            return None
        shown = pow(number, exponent, modulus).to_bytes(size, "big")
        info = SHA256_PREFIX + hashlib.sha256(f"{head}.{body}".encode()).digest()
        # The whole is compared: what is read out of it could be padded with anything.
        expected = b"\0\1" + b"\xff" * (size - len(info) - 3) + b"\0" + info
        if not hmac.compare_digest(shown, expected):
            return None
        said = json.loads(unpadded(body))
        return said if isinstance(said, dict) else None
    except (ValueError, KeyError, TypeError):
        return None


def unpadded(text: str) -> bytes:
    """Base64url without padding (RFC 7515, section 2), and nothing that only resembles it."""
    value = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if base64.urlsafe_b64encode(value).rstrip(b"=").decode() != text:
        raise ValueError(text)
    return value


def verify(export: Path, anchors: Path | None = None, keys: Path | None = None) -> Report:
    """Verify an export, and its chains against anchors. Raises OSError where it cannot be read."""
    report = Report()
    for folder in sorted(path.parent for path in export.glob("*/*/seals.jsonl")):
        chain = Chain(folder.parent.name, folder.name)
        report.chains.append(chain)
        try:
            parts = (lines_of(folder / f"{name}.jsonl") for name in ("seals", "rows", "unsealed"))
            check_chain(chain, *parts)
        except Tampered as error:
            chain.problem = str(error)
    if not report.chains:
        raise OSError(f"{export} has no SERVICE/NETWORK/seals.jsonl")
    if anchors is None or keys is None:
        return report
    known = json.loads(keys.read_text())["keys"]
    told = json.loads((export / "export.json").read_text())
    for service in told["services"]:
        path = anchors / f"{service}.anchors"
        if not path.exists():
            report.problems.append(f"{service}: there are no anchors")
            continue
        check_anchors(service, lines_of(path), known, report, whole=told["networks"] == "all")
    return report


def lines_of(path: Path) -> Iterator[str]:
    """The lines of a file, one at a time; blank ones are none."""
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            if line.strip():
                yield line.rstrip("\n")


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description="Verify an export of the audit.")
    parser.add_argument("export", type=Path)
    parser.add_argument("--anchors", type=Path, help="The folder of the anchors.")
    parser.add_argument("--keys", type=Path, help="The public keys that sign them, as a JWK set.")
    given = parser.parse_args()
    try:
        report = verify(given.export, given.anchors, given.keys)
    except (OSError, ValueError, KeyError) as error:
        print(f"It could not be read: {error}", file=sys.stderr)
        return 2
    for sentence in report.sentences():
        print(sentence)
    if given.anchors is None or given.keys is None:
        print("Without --anchors and --keys a tail that was cut off is not found.")
    return 0 if report.holds else 1


if __name__ == "__main__":
    sys.exit(main())
