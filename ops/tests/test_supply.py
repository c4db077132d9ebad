"""What we are made of, what is known against it, and that no secret is committed."""

import json
import re
import secrets
import subprocess
from pathlib import Path

import pytest

from ops import advisories, sbom, secret_scan

ROOT = Path(__file__).resolve().parents[2]

# ── secrets ──────────────────────────────────────────────────────────────────────────────────────


def drawn(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))


UPPER, DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "23456789"
WORD = f"{UPPER}{UPPER.lower()}{DIGITS}"


def random_word() -> str:
    """As a program draws them: one of each kind at least."""
    return f"aZ9{secrets.token_urlsafe(30)}"


# Made up as the test runs: none stands in this file.
PLANTED = {
    "a private key": lambda: "-----BEGIN EC " + "PRIVATE KEY-----",
    "a key of AWS": lambda: "AKIA" + drawn(UPPER, 16),
    "a key of Google": lambda: "AIza" + drawn(WORD, 35),
    "a key of Azure": lambda: "AccountKey=" + drawn(WORD, 86) + "==",
    "a token of GitHub": lambda: "ghp_" + drawn(WORD, 36),
    "a token of GitLab": lambda: "glpat-" + drawn(WORD, 20),
    "a token of Slack": lambda: "xoxb-" + drawn(WORD, 24),
    "a key of Stripe": lambda: "sk_live_" + drawn(WORD, 24),
    "a token of PyPI": lambda: "pypi-" + drawn(WORD, 70),
    "a JWT": lambda: ".".join(("eyJ" + drawn(WORD, 20), "eyJ" + drawn(WORD, 40), drawn(WORD, 43))),
    "a login in a URL": lambda: f"postgresql://somebody:{random_word()}@db.example/x",
    "a value of high entropy": lambda: f'SERVICE_SECRET: "{random_word()}"',
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    return tmp_path


def test_each_kind_is_planted() -> None:
    assert PLANTED.keys() == {*secret_scan.KINDS, "a login in a URL", "a value of high entropy"}


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_secret_is_found_and_not_repeated(checkout: Path, kind: str) -> None:
    planted = PLANTED[kind]()
    (checkout / "notes.yaml").write_text(f"# nothing\nhere: {planted}\n")
    faults = secret_scan.scan(checkout, secret_scan.files(checkout), set())
    assert any(fault.startswith(f"notes.yaml:2: {kind} (") for fault in faults)
    assert planted not in "\n".join(faults)


@pytest.mark.parametrize(
    "line",
    [
        "service_secret: str = 'local-development-only'",
        "postgresql://postgres:password@127.0.0.1/postgres",
        "CLINICBUS_SERVICE_SECRET=the-secret-of-this-test-service",
        "token = request.headers.get('authorization')",
        "password_file = /etc/clinicbus/kafka/password",
        "    --hash=sha256:1086b470f6c452471603a2d9c8d6933739230c75758d777d8d113ff8112bad68",
    ],
)
def test_what_is_no_secret_is_let_be(line: str) -> None:
    assert list(secret_scan.matches(line)) == []


def test_what_is_allowed_is_so_in_its_file_alone_and_as_long_as_it_is_there(
    checkout: Path,
) -> None:
    planted = PLANTED["a key of AWS"]()
    for name in ("a.txt", "b.txt"):
        (checkout / name).write_text(planted)
    names = secret_scan.files(checkout)
    (of_a, _) = secret_scan.scan(checkout, names, set())
    listed = secret_scan.allowed(f"# an example\n{of_a[of_a.index('(') + 1 : -1]}  # of the docs\n")
    assert len(listed) == 1
    (of_b,) = secret_scan.scan(checkout, names, listed)
    assert of_b.startswith("b.txt:1")
    (checkout / "a.txt").write_text("")
    (checkout / "b.txt").write_text("")
    (gone,) = secret_scan.scan(checkout, names, listed)
    assert gone.endswith("is not there")


def test_what_git_ignores_is_not_looked_at(checkout: Path) -> None:
    (checkout / ".gitignore").write_text("kept/\n")
    (checkout / "kept").mkdir()
    (checkout / "kept" / "key").write_text(PLANTED["a private key"]())
    assert secret_scan.files(checkout) == [".gitignore"]


# ── the bill of materials ────────────────────────────────────────────────────────────────────────


def test_the_bill_names_all_that_is_locked_by_its_hashes(tmp_path: Path) -> None:
    to = tmp_path / "new" / "bill.json"
    assert sbom.main([str(to)]) == 0
    bill = json.loads(to.read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", bill["serialNumber"])
    for lock, scopes in (("requirements.lock", {"required"}), ("requirements-dev.lock", None)):
        text = (ROOT / lock).read_text()
        chosen = [c for c in bill["components"] if scopes is None or c["scope"] in scopes]
        names = re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==(\S+)", text, re.MULTILINE)
        assert sorted((c["name"], c["version"]) for c in chosen) == sorted(names)
        hashes = re.findall(r"--hash=sha256:(\w+)", text)
        assert sorted(h["content"] for c in chosen for h in c["hashes"]) == sorted(hashes)
    (found,) = [c for c in bill["components"] if c["name"] == "asyncpg"]
    assert found["purl"] == f"pkg:pypi/asyncpg@{found['version']}"
    assert found["licenses"] == [{"expression": "Apache-2.0"}]
    assert sbom.bill() == bill


@pytest.mark.parametrize(
    "line", ["asyncpg==1.0", "asyncpg", "asyncpg>=1 --hash=sha256:" + "0" * 64]
)
def test_a_package_without_version_or_hash_has_no_place_in_a_lock(line: str) -> None:
    with pytest.raises(ValueError, match="no version, or no hash"):
        sbom.locked(f"# a remark\n{line}\n")


# ── advisories ───────────────────────────────────────────────────────────────────────────────────

FINE = {"name": "asyncpg", "version": "0.32.0", "vulns": []}
SKIPPED = {"name": "orjson", "skip_reason": "Dependency not found"}
BAD = {"name": "h11", "version": "0.1", "vulns": [{"id": "PYSEC-2099-1", "fix_versions": ["0.2"]}]}


def test_what_is_known_is_a_fault() -> None:
    code, lines = advisories.told([FINE, BAD])
    assert code == 1
    assert lines[0] == "h11 0.1: PYSEC-2099-1 (fixed in 0.2)"


def test_what_was_skipped_is_not_called_free_of_faults() -> None:
    assert advisories.told([FINE, SKIPPED]) == (
        0,
        ["pip-audit: 1 packages asked about, 1 were not known to its service,"
         " 0 known vulnerabilities."],
    )  # fmt: skip
    code, (line,) = advisories.told([SKIPPED, SKIPPED])
    assert (code, "nobody was asked" in line) == (0, True)


@pytest.mark.parametrize(
    ("script", "code", "said"),
    [
        (None, 0, "not installed"),
        ("echo 'requests.exceptions.ConnectionError: no route' >&2; exit 1", 0, "not reached"),
        ("echo 'usage: no such option' >&2; exit 2", 1, "failed: usage: no such option"),
        ("""echo '{"dependencies": []}'""", 0, "nobody was asked"),
    ],
    ids=["missing", "away", "broken", "empty"],
)
def test_one_line_says_why_nobody_was_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, code: int, said: str
) -> None:
    """By programs that end as pip-audit does: its service is nothing to be asked in a test."""
    found = tmp_path / "pip-audit"
    if script is not None:
        found.write_text(f"#!/bin/sh\n{script}\n")
        found.chmod(0o700)
    monkeypatch.setattr(advisories, "program", lambda: script and str(found))
    ended, (line,) = advisories.ask(ROOT / advisories.LOCK)
    assert (ended, said in line) == (code, True)
