"""The demonstration network of a new system: seeded once, and remembered."""

import json
from typing import Any

from ops import private_files
from ops.errors import CannotRun
from ops.local_system import LocalSystem


async def seed_when_new(system: LocalSystem) -> dict[str, Any]:
    """What the system's data was seeded with; seeds it through the public APIs when it is new."""
    path = system.layout.demo
    if not path.exists():
        # Late, since it brings an HTTP client and most runs need none.
        import httpx

        from ops import seed

        try:
            facts = await seed.seed(system.urls, system.token)
        except (seed.SeedFailed, httpx.HTTPError) as error:
            raise CannotRun(
                f"The demo network could not be seeded ({error}): forget the data with"
                " `make reset` and start again, or start with --no-seed."
            ) from error
        private_files.write(path, json.dumps(facts, indent=1))
    found: dict[str, Any] = json.loads(path.read_text())
    system.tell(found)
    return found
