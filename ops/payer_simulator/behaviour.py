"""How a member is answered: by what their id begins with, or as it was set."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any

KINDS = frozenset(
    {
        "active",
        "inactive",
        "both",
        "rejected",
        "silent",
        "other_person",
        "wrong_trace",
        "truncated",
        "cut",
        "count_lies",
        "acknowledged",
        "html",
        "error",
        "redirect",
        "drip",
    }
)
LATENCY_MS_MAX = 120_000
_CODE = re.compile(r"[A-Z0-9]{2}", re.ASCII)
_REJECTED = re.compile(r"A(\d\d)", re.ASCII)
_CENTS_MAX = 10**9


class BadBehaviour(Exception):
    """A behaviour that is none. Its text names the member at fault."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of an active or inactive member; None leaves a line out of the answer.

    begins_on: the first of January of the year asked about where None.
    """

    name: str = "SIMULATED PPO"
    begins_on: date | None = None
    ends_on: date | None = None
    next_year: bool = False
    covers_office_visits: bool = True
    copay_in_cents: int | None = 2500
    copay_out_cents: int | None = 5000
    deductible_cents: int | None = 100_000
    deductible_left_cents: int | None = 25_000
    coinsurance: Decimal | None = Decimal("0.2")
    out_of_pocket_left_cents: int | None = 300_000


@dataclass(frozen=True, slots=True)
class Behaviour:
    """kind: one of KINDS. code: AAA03 of a refusal. latency_ms: before the first byte."""

    kind: str = "active"
    code: str = ""
    latency_ms: int | None = None
    plan: Plan = field(default_factory=Plan)

    @staticmethod
    def read(data: object) -> "Behaviour":
        """A behaviour from JSON, e.g. ``{"kind": "active", "plan": {"copay_in_cents": 3000}}``.

        Dates are ISO 8601, amounts whole cents, coinsurance a string such as ``"0.2"``; null leaves
        a line out. Raises BadBehaviour.
        """
        members = _object(data, {"kind", "code", "latency_ms", "plan"}, "behaviour")
        kind, code = members.get("kind", "active"), members.get("code", "")
        if kind not in KINDS:
            raise BadBehaviour("kind")
        if (kind == "rejected") != bool(code) or (code and not _matches(_CODE, code)):
            raise BadBehaviour("code")
        latency_ms = members.get("latency_ms")
        if latency_ms is not None and not _whole(latency_ms, LATENCY_MS_MAX):
            raise BadBehaviour("latency_ms")
        return Behaviour(kind, code, latency_ms, _plan(members.get("plan", {})))


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _whole(value: object, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _object(data: object, known: set[str], place: str) -> Mapping[str, Any]:
    if not isinstance(data, dict) or not data.keys() <= known:
        raise BadBehaviour(place)
    return data


def _plan(data: object) -> Plan:
    members = _object(data, {each.name for each in fields(Plan)}, "plan")
    values: dict[str, Any] = {}
    for name, value in members.items():
        try:
            values[name] = _plan_value(name, value)
        except (ValueError, TypeError, InvalidOperation) as error:
            raise BadBehaviour(f"plan.{name}") from error
    return Plan(**values)


def _plan_value(name: str, value: object) -> object:
    if name == "name":
        if not _matches(re.compile(r"[A-Z0-9 .\-]{1,50}"), value):
            raise ValueError(name)
        return value
    if name in {"next_year", "covers_office_visits"}:
        if not isinstance(value, bool):
            raise TypeError(name)
        return value
    if value is None:
        return None
    if name in {"begins_on", "ends_on"}:
        return date.fromisoformat(str(value))
    if name == "coinsurance":
        share = Decimal(str(value))
        if not isinstance(value, str) or not 0 <= share <= 1:
            raise ValueError(name)
        return share
    if not _whole(value, _CENTS_MAX):
        raise ValueError(name)
    return value


_NO_COPAY = Plan(copay_in_cents=None, copay_out_cents=None)
PREFIXES: Mapping[str, Behaviour] = MappingProxyType(
    {
        "ACT": Behaviour(),
        "DED": Behaviour(plan=_NO_COPAY),
        "NOC": Behaviour(plan=Plan(covers_office_visits=False)),
        "FUT": Behaviour(plan=Plan(next_year=True)),
        "BTH": Behaviour("both"),
        "INA": Behaviour("inactive"),
        "SIL": Behaviour("silent"),
        "LAT": Behaviour(latency_ms=3000),
        "OTH": Behaviour("other_person"),
        "TRC": Behaviour("wrong_trace"),
        "TRU": Behaviour("truncated"),
        "CUT": Behaviour("cut"),
        "LIE": Behaviour("count_lies"),
        "ACK": Behaviour("acknowledged"),
        "HTM": Behaviour("html"),
        "ERR": Behaviour("error"),
        "RED": Behaviour("redirect"),
        "DRI": Behaviour("drip"),
    }
)


def by_member_id(member_id: str) -> Behaviour:
    """What the first three characters of a member id say; active where they say nothing."""
    start = member_id.upper()[:3]
    refused = _REJECTED.fullmatch(start)
    if refused:
        return Behaviour("rejected", refused.group(1))
    return PREFIXES.get(start, Behaviour())
