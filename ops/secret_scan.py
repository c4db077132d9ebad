"""No secret is committed: `python -m ops.secret_scan`, over all that git has or would take.

A line is at fault where it holds a private key, a key of a cloud or a well-known service, a token,
a login in a URL, or a value of high entropy given to what is called a secret. What is none, though
it looks like one, stands in `ops/secrets_allowed.txt`: the file, a blank, and the SHA-256 of the
match, so that the list holds no secret either, and one match is allowed in one place. The faults
name file, line and kind, and never the match.
"""

import math
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ALLOWED = Path("ops") / "secrets_allowed.txt"
BYTES_MAX = 5_000_000
ENTROPY_MIN = 3.8
"""Bits a character: 24 characters of base64 drawn at random have 4.1 and more, words and names
below 3.7."""

KINDS: dict[str, re.Pattern[str]] = {
    "a private key": re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"),
    "a key of AWS": re.compile(r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b"),
    "a key of Google": re.compile(r"\bAIza[\w-]{35}(?![\w-])"),
    "a key of Azure": re.compile(r"\bAccountKey=[A-Za-z0-9+/]{86}=="),
    "a token of GitHub": re.compile(r"\b(?:gh[pousr]_\w{36,}|github_pat_\w{60,})"),
    "a token of GitLab": re.compile(r"\bglpat-[\w-]{20,}"),
    "a token of Slack": re.compile(r"\bxox[abeoprs]-[\w-]{20,}"),
    "a key of Stripe": re.compile(r"\b[rs]k_(?:live|test)_\w{20,}"),
    "a token of PyPI": re.compile(r"\bpypi-[\w-]{60,}"),
    "a JWT": re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}"),
}
LOGIN = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s:/@'\"{}<>$]+:([^\s:/@'\"{}<>$]{8,})@")
ASSIGNED = re.compile(
    r"(?i)(?:secret|passw(?:or)?d|token|api_?key|private_?key|credential)s?[\w-]*[\"']?\s*[:=]\s*"
    r"[\"']?([A-Za-z0-9+/_=.~-]{20,})"
)


@dataclass(frozen=True, slots=True)
class Found:
    """A match: where, of which kind, and the sum by which it may be allowed."""

    file: str
    line: int
    kind: str
    digest: str

    def sentence(self) -> str:
        """What is at fault, and how it may be allowed."""
        return f"{self.file}:{self.line}: {self.kind} ({self.file} {self.digest})"


def entropy(text: str) -> float:
    """Shannon's, in bits a character."""
    counted = Counter(text).values()
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counted)


def is_random(text: str) -> bool:
    """Whether a text is more likely drawn than written: letters and digits, and no pattern."""
    mixed = any(c.isdigit() for c in text) and any(c.isalpha() for c in text)
    return mixed and entropy(text) >= ENTROPY_MIN


def matches(line: str) -> Iterator[tuple[str, str]]:
    """Kind and text of what looks like a secret in a line."""
    for kind, pattern in KINDS.items():
        for found in pattern.finditer(line):
            yield kind, found[0]
    for found in LOGIN.finditer(line):
        if is_random(found[1]) or entropy(found[1]) >= ENTROPY_MIN:
            yield "a login in a URL", found[1]
    for found in ASSIGNED.finditer(line):
        if is_random(found[1]):
            yield "a value of high entropy", found[1]


def scanned(file: str, text: str) -> Iterator[Found]:
    """What looks like a secret in a file."""
    for number, line in enumerate(text.splitlines(), 1):
        for kind, match in matches(line):
            yield Found(file, number, kind, sha256(match.encode()).hexdigest())


def files(root: Path) -> list[str]:
    """All that git tracks below a folder, or would with the next commit."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True, capture_output=True, text=True, cwd=root,
    )  # fmt: skip
    return sorted({name for name in listed.stdout.split("\0") if name})


def allowed(text: str) -> set[tuple[str, str]]:
    """(file, digest) of the list; `#` begins a remark."""
    lines = (line.partition("#")[0].split() for line in text.splitlines())
    return {(line[0], line[1]) for line in lines if len(line) == 2}


def scan(root: Path, names: Iterable[str], listed: set[tuple[str, str]]) -> list[str]:
    """A sentence for each fault: what is not allowed, and what is and is not there any more."""
    faults, used = [], set()
    for name in names:
        path = root / name
        if path.is_symlink() or not path.is_file() or path.stat().st_size > BYTES_MAX:
            continue
        for found in scanned(name, path.read_bytes().decode(errors="replace")):
            if (name, found.digest) in listed:
                used.add((name, found.digest))
            else:
                faults.append(found.sentence())
    faults += [f"{ALLOWED}: {file} {digest} is not there" for file, digest in sorted(listed - used)]
    return faults


def main() -> int:
    """Print what is at fault, or that nothing is."""
    names = files(ROOT)
    listed = ROOT / ALLOWED
    faults = scan(ROOT, names, allowed(listed.read_text()) if listed.exists() else set())
    print("\n".join(faults) or f"No secret in {len(names)} files.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
