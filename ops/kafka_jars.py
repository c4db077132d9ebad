"""Kafka's jars: fetched by Maven from what `pom.xml` names, and confirmed before every start."""

import os
import re
import shutil
import subprocess
import tempfile
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path
from secrets import token_bytes

from ops.errors import CannotRun

JAVA_MIN = 17
FETCH_TIMEOUT_S = 300


def java() -> str:
    """The path of a Java that Kafka 4 runs on. Raises CannotRun."""
    found = shutil.which("java")
    missing = f"A local Kafka needs java {JAVA_MIN} or later and mvn (or Docker): install them."
    if found is None:
        raise CannotRun(missing)
    answer = subprocess.run([found, "-version"], check=False, capture_output=True, text=True)
    version = re.search(r'version "(\d+)', answer.stderr + answer.stdout)
    if version is None or int(version[1]) < JAVA_MIN:
        raise CannotRun(missing)
    return found


def expected(home: Path) -> dict[str, str]:
    """File name to SHA-256, as committed in `jars.sha256`."""
    lines = (home / "jars.sha256").read_text().split("\n")
    return {name: digest for digest, name in (line.split() for line in lines if line)}


def classpath(home: Path, spare: Path) -> str:
    """The class path of confirmed jars; fetches them where they are missing.

    home: the folder of `pom.xml`; jars are kept in its `target/jars`, or below `spare` where that
    cannot be written.
    """
    for folder in (home / "target" / "jars", spare / "jars"):
        if not folder.exists() and not _can_make(folder):
            continue
        if not folder.exists():
            _fetch(home, folder)
        confirm(home, folder)
        return os.pathsep.join(str(folder / name) for name in sorted(expected(home)))
    raise CannotRun(f"Kafka's jars have no place: make {spare} writable.")


def confirm(home: Path, folder: Path) -> None:
    """Compare every jar with the committed list. Raises CannotRun at the first that differs."""
    wanted = expected(home)
    found = {path.name for path in folder.iterdir()}
    for name in sorted(wanted.keys() | found):
        whole = name in wanted and name in found
        if not whole or sha256((folder / name).read_bytes()).hexdigest() != wanted[name]:
            raise CannotRun(
                f"{name} in {folder} is not what jars.sha256 names: delete that folder and start"
                " again; if it differs again, do not use it."
            )


def _can_make(folder: Path) -> bool:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder.parent, os.W_OK)


def _fetch(home: Path, folder: Path) -> None:
    if shutil.which("mvn") is None:
        raise CannotRun("A local Kafka is fetched by mvn (Apache Maven): install it, or Docker.")
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        jars = Path(place) / "jars"
        answer = subprocess.run(
            [
                *("mvn", "--quiet", "--batch-mode", "--file", str(home / "pom.xml")),
                "dependency:copy-dependencies",
                "-DincludeScope=runtime",
                f"-DoutputDirectory={jars}",
            ],
            check=False,
            capture_output=True,
            text=True,
            timeout=FETCH_TIMEOUT_S,
        )
        if answer.returncode != 0:
            raise CannotRun(
                "Maven could not fetch Kafka: see that it reaches its repository, then start again."
            )
        try:
            jars.rename(folder)
        except OSError:
            if not folder.exists():  # another process was quicker
                raise


def format_storage(base: list[str], settings: Path) -> None:
    """Prepare an empty data folder (`kafka.tools.StorageTool format`). Raises CannotRun."""
    cluster = urlsafe_b64encode(token_bytes(16)).decode().rstrip("=").replace("-", "A")
    answer = subprocess.run(
        [*base, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(settings)],
        check=False,
        capture_output=True,
        text=True,
    )
    if answer.returncode != 0:
        raise CannotRun(f"Kafka could not prepare {settings.parent}: delete it and start again.")
