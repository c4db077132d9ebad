"""How often one caller may ask: so many requests at once, and so many a second in the long run.

Of each caller one number is kept, the instant at which they have their whole allowance again (the
generic cell rate algorithm, ITU-T I.371), in the memory of one process: where several answer for a
service, each allows as much. Replies carry the allowance in `RateLimit-Policy` and what is left of
it in `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10). Services among each other are not
limited: what they ask for is bounded by what people asked them.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.contracts.permissions import Permission
from shared.values.errors import Busy
from shared.web.tokens import Principal

CALLERS_MAX = 10_000
"""How many callers are remembered; the one who asked longest ago is forgotten first."""
SETTING = "CLINICBUS_RATES"
OFF = "off"
PROBES = frozenset(
    {Permission.PATIENT_FIND, Permission.PATIENT_LOOKUP, Permission.ELIGIBILITY_CHECK}
)
"""What tells of people by what is known of them: too many such questions are a way to find out."""

_TICK = 1e-9
"""Seconds: what is smaller is the last digit of a sum."""

Header = tuple[bytes, bytes]


class RateExceeded(Busy):
    """The caller has asked too often.

    wait: until the next request is taken. retry_after: the same in whole seconds.
    """

    def __init__(self, wait: float) -> None:
        super().__init__("rate.exceeded", "Too many requests; try again after Retry-After.")
        self.retry_after = math.ceil(wait)


@dataclass(frozen=True, slots=True)
class Rate:
    """An allowance: `at_once` requests, filled up by `a_second`."""

    a_second: float
    at_once: int

    @classmethod
    def of(cls, text: str) -> "Rate":
        """The rate of `100/200`. Raises ValueError."""
        a_second, _, at_once = text.partition("/")
        found = cls(float(a_second), int(at_once))
        if not 0 < found.a_second < math.inf or found.at_once < 1:
            raise ValueError(f"{text}: a rate is like 100/200, both above zero")
        return found


DEFAULTS: Mapping[str, Rate] = {
    "requests": Rate(100, 200),
    "finding": Rate(10, 60),
    "refused": Rate(5, 50),
}
"""All requests of one person or machine; of those the ones that find people; tokens that were
refused, of one address."""


def rates_of(text: str) -> dict[str, Rate]:
    """The rates of a setting: `requests=50/100,finding=5/20` changes two; `off` is none at all.

    Raises ValueError.
    """
    if text == OFF:
        return {}
    found = dict(DEFAULTS)
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, rate = part.partition("=")
        if name not in DEFAULTS:
            raise ValueError(f"{SETTING}: {name} is none of {', '.join(DEFAULTS)}")
        found[name] = Rate.of(rate)
    return found


@dataclass(slots=True)
class Meter:
    """One allowance, and what each caller has left of it."""

    name: str
    rate: Rate
    callers_max: int = CALLERS_MAX
    _whole_at: "OrderedDict[Hashable, float]" = field(default_factory=OrderedDict)
    _policy: Header = field(init=False)

    def __post_init__(self) -> None:
        window = math.ceil(self.rate.at_once / self.rate.a_second)
        policy = f'"{self.name}";q={self.rate.at_once};w={window}'
        self._policy = (b"ratelimit-policy", policy.encode())

    def wait_of(self, caller: Hashable, now: float) -> float:
        """How long to wait before the next request is taken; nothing is counted."""
        before = max(self._whole_at.get(caller, now), now)
        wait = before + (1 - self.rate.at_once) / self.rate.a_second - now
        return wait if wait > _TICK else 0.0

    def take(self, caller: Hashable, now: float) -> tuple[float, tuple[Header, ...]]:
        """Count a request: how long to wait where it is one too many, else 0; and its headers.

        now: seconds of a clock that never goes back.
        """
        step = 1 / self.rate.a_second
        allowance = step * self.rate.at_once
        callers = self._whole_at
        before = max(callers.get(caller, now), now)
        wait = before + step - now - allowance
        after = before if wait > _TICK else before + step
        callers[caller] = after
        callers.move_to_end(caller)
        if len(callers) > self.callers_max:
            callers.popitem(last=False)
        owed = after - now
        left = int((allowance - owed) / step + 1e-6)
        told = b'"%s";r=%d;t=%d' % (self.name.encode(), left, math.ceil(owed))
        return wait if wait > _TICK else 0.0, (self._policy, (b"ratelimit", told))


class Limits:
    """The meters of one process. Without rates everybody may ask as often as they like."""

    def __init__(self, rates: Mapping[str, Rate]) -> None:
        self._meters = {name: Meter(name, rate) for name, rate in rates.items()}

    def admit(self, principal: Principal, may: Permission) -> tuple[float, tuple[Header, ...]]:
        """Count a request of somebody known, as `Meter.take` does."""
        meter = self._meters.get("finding" if may in PROBES else "requests")
        actor = principal.actor
        if meter is None or actor.kind == "service":
            return 0.0, ()
        return meter.take((principal.network_id, actor.kind, actor.id), time.monotonic())

    def admit_secret(self, digest: bytes) -> tuple[float, tuple[Header, ...]]:
        """Count a request that a secret opens, as `admit` does those of a token."""
        meter = self._meters.get("requests")
        return (0.0, ()) if meter is None else meter.take(("secret", digest), time.monotonic())

    def refused(self, address: Any) -> float:
        """Count a refused token of an address; how long it has to wait, 0 where it need not."""
        meter = self._meters.get("refused")
        if meter is None:
            return 0.0
        wait, _ = meter.take(address, time.monotonic())
        return wait
