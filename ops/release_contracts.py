"""Freeze today's contracts as releases: `python -m ops.release_contracts [--check]`.

A contract that differs from its newest release and is compatible with every release of it becomes
the next one. What breaks a released contract is refused with the reasons, and nothing is written.
`--check` writes nothing and exits 1 also where a contract was changed and not released.
"""

import sys
from pathlib import Path

from ops.contracts.reading import reader_refusals, readers_of
from ops.contracts.released import (
    FOLDER,
    contract_of,
    freeze,
    refusals,
    releases,
    unreleased,
    version_refusals,
)
from ops.generate import hearers, services
from shared.contracts.catalogue import EVENTS


def main(arguments: list[str], folder: Path = FOLDER) -> int:
    """Judge, and freeze where there is nothing against it."""
    current = {wire: contract_of(event) for wire, event in EVENTS.items()}
    try:
        before = releases(folder)
    except ValueError as error:
        print(f"{error}. Releases are never changed.")
        return 1
    made = services()
    heard = {event: [name for name, _ in by] for event, by in hearers(made).items()}
    refused = refusals(before, current) + version_refusals(EVENTS.values(), heard)
    readers = {name: readers_of(service.subscriptions) for name, service in made.items()}
    refused += reader_refusals(before, readers)
    if refused:
        print("These changes break released contracts:", *refused, sep="\n  ")
        print("Add optional members only, or say a new version beside the old (ops/contracts).")
        return 1
    late = unreleased(before, current)
    if late and "--check" in arguments:
        print("Changed and not released; run `make contracts`:", *late, sep="\n  ")
        return 1
    written = freeze(current, folder)
    print(
        f"{len(written)} contracts released."
        if written
        else "Every contract is as it was released."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
