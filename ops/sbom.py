"""The software bill of materials, from the hashed lock files: `python -m ops.sbom [FILE]`.

CycloneDX 1.6 as JSON. What runs is `required`, what tests and checks need besides is `excluded`.
Hashes are those of the lock: one for each file that may be installed. Licences are read of what is
installed here; where a package is not, or does not say, there is none. The same locks and the same
environment make the same file.
"""

import json
import re
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

ROOT = Path(__file__).resolve().parents[1]
TO = Path("build") / "sbom.cdx.json"
RUNS, DEVELOPS = "requirements.lock", "requirements-dev.lock"
_PINNED = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_LICENCE = "License :: "


@dataclass(frozen=True, slots=True)
class Locked:
    """A package as a lock names it."""

    name: str
    version: str
    hashes: tuple[str, ...]

    @property
    def purl(self) -> str:
        """Its package URL."""
        return f"pkg:pypi/{self.name}@{self.version}"


def locked(text: str) -> list[Locked]:
    """The packages of a lock file. Raises ValueError for one without a hash."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        pinned, hashes = _PINNED.match(stripped), tuple(_HASH.findall(stripped))
        if pinned is None or not hashes:
            raise ValueError(f"{stripped[:40]}: no version, or no hash")
        name = re.sub(r"[-_.]+", "-", pinned[1]).lower()  # as purl-spec and PEP 503 have it
        found.append(Locked(name, pinned[2], hashes))
    return found


def licences(package: Locked) -> list[dict[str, Any]]:
    """The licence that a package names, as CycloneDX has it; none where it is not installed."""
    try:
        told = metadata.metadata(package.name).json
    except metadata.PackageNotFoundError:
        return []
    if told["version"] != package.version:
        return []
    if expression := told.get("license_expression"):
        return [{"expression": expression}]
    classified = [
        each.rpartition(" :: ")[2]
        for each in told.get("classifier", ())
        if each.startswith(_LICENCE) and each.count(" :: ") > 1
    ]
    given = str(told.get("license", ""))
    named = classified or ([given] if given and "\n" not in given else [])
    return [{"license": {"name": each}} for each in named]


def component(package: Locked, *, runs: bool) -> dict[str, Any]:
    """A package as a component."""
    found: dict[str, Any] = {
        "type": "library",
        "bom-ref": package.purl,
        "name": package.name,
        "version": package.version,
        "scope": "required" if runs else "excluded",
        "purl": package.purl,
        "hashes": [{"alg": "SHA-256", "content": each} for each in package.hashes],
    }
    if found_licences := licences(package):
        found["licenses"] = found_licences
    return found


def bill(root: Path = ROOT) -> dict[str, Any]:
    """The bill of the lock files in a folder."""
    running = {each.purl: each for each in locked((root / RUNS).read_text())}
    every = running | {each.purl: each for each in locked((root / DEVELOPS).read_text())}
    components = [component(every[purl], runs=purl in running) for purl in sorted(every)]
    project = re.search(
        r'^version = "([^"]+)"', (root / "pyproject.toml").read_text(), re.MULTILINE
    )
    version = project[1] if project else "0"
    serial = uuid5(NAMESPACE_URL, json.dumps(components))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": f"clinicbus@{version}",
                "name": "clinicbus",
                "version": version,
            }
        },
        "components": components,
    }


def main(arguments: list[str]) -> int:
    """Write the bill; say where it is and what is in it."""
    to = Path(arguments[0]) if arguments else TO
    made = bill()
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(json.dumps(made, indent=1) + "\n")
    running = sum(each["scope"] == "required" for each in made["components"])
    silent = sum("licenses" not in each for each in made["components"])
    print(
        f"{to}: {running} packages that run, {len(made['components']) - running} more for tests"
        f" and checks; {silent} name no licence here."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
