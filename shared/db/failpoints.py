"""Named places where a test can stop the process. A production profile refuses to start with any.

`CLINICBUS_FAILPOINTS="relay.after_append:exit:3,consumer.after_effect:raise"`: at the third hit of
the first the process ends at once, as by `kill -9`; at every hit of the second an error is raised.
The action `pause` lets whoever hits it wait for `PAUSE_SECONDS`, while others go on.
"""

import asyncio
import os
from dataclasses import dataclass

ENVIRONMENT = "CLINICBUS_FAILPOINTS"
PAUSE_SECONDS = 5.0


class FailpointHit(Exception):
    """Raised where a failpoint with the action `raise` is hit."""


@dataclass(slots=True)
class _Armed:
    action: str
    at_hit: int  # 0: at every hit
    hits: int = 0


def _parse(text: str) -> dict[str, _Armed]:
    armed: dict[str, _Armed] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, rest = part.partition(":")
        action, _, count = rest.partition(":")
        if action not in {"exit", "raise", "pause"}:
            raise ValueError(f"{ENVIRONMENT}: {name} has no action 'exit', 'raise' or 'pause'")
        armed[name] = _Armed(action, int(count) if count else 0)
    return armed


_armed: dict[str, _Armed] = _parse(os.environ.get(ENVIRONMENT, ""))


def arm(text: str) -> None:
    """Arm these failpoints and no others, in this process. An empty text disarms all."""
    _armed.clear()
    _armed.update(_parse(text))


def armed(name: str) -> bool:
    """Whether something waits at this place: for one that has to be prepared."""
    return name in _armed


async def hit(name: str) -> None:
    """Do what is armed at this place; nothing, as a rule."""
    if not _armed:
        return
    point = _armed.get(name)
    if point is None:
        return
    point.hits += 1
    if point.at_hit not in (0, point.hits):
        return
    if point.action == "exit":
        os._exit(137)
    if point.action == "pause":
        await asyncio.sleep(PAUSE_SECONDS)
        return
    raise FailpointHit(name)
