"""Known vulnerabilities of what is locked, by pip-audit: `python -m ops.advisories`.

1 where something is known. Where it cannot be asked, one line says so and the answer is 0: a
machine without a network can still check the rest. What pip-audit skips was not looked at, though
it ends with 0 and "no known vulnerabilities" even then.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

LOCK = Path("requirements-dev.lock")
"""What runs is among it."""
DEADLINE_SECONDS = 180
AWAY = ("ConnectionError", "ConnectTimeout", "Max retries", "timed out", "SSLError", "ProxyError",
        "HTTPError", "ServiceError", "Connection refused")  # fmt: skip
"""What pip-audit says where its service does not answer."""


def program() -> str | None:
    """Where pip-audit is: beside this Python, or on the PATH."""
    here = str(Path(sys.executable).parent)
    return shutil.which("pip-audit", path=os.pathsep.join((here, os.environ.get("PATH", ""))))


def ask(lock: Path = LOCK) -> tuple[int, list[str]]:
    """Exit code and lines: what is known of what a lock file names, or why nobody was asked."""
    found = program()
    if found is None:
        return 0, ["pip-audit: nobody was asked, as it is not installed."]
    command = [found, "--require-hashes", "--disable-pip", "--requirement", str(lock),
               "--progress-spinner", "off", "--format", "json", "--timeout", "10"]  # fmt: skip
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=DEADLINE_SECONDS
        )
    except subprocess.TimeoutExpired:
        return 0, [f"pip-audit: nobody answered within {DEADLINE_SECONDS} s."]
    try:
        listed = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        if any(word in done.stderr for word in AWAY):
            return 0, ["pip-audit: nobody was asked, as its service is not reached from here."]
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return 1, [f"pip-audit failed: {last}"]
    return told(listed)


def told(listed: Sequence[dict[str, Any]]) -> tuple[int, list[str]]:
    """Exit code and lines of pip-audit's list."""
    known = [
        f"{each['name']} {each['version']}: {vulnerability['id']}"
        f" (fixed in {', '.join(vulnerability['fix_versions']) or 'no version yet'})"
        for each in listed
        for vulnerability in each.get("vulns", ())
    ]
    skipped = sum("skip_reason" in each for each in listed)
    if skipped == len(listed):
        return 0, ["pip-audit: nobody was asked, as its service knows no package from here."]
    asked = f"pip-audit: {len(listed) - skipped} packages asked about"
    asked += f", {skipped} were not known to its service" if skipped else ""
    return (1 if known else 0), [*known, f"{asked}, {len(known)} known vulnerabilities."]


def main() -> int:
    """Print what is known."""
    code, lines = ask()
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main())
