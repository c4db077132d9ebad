"""What a plan asks of the patient for one service, read from the most specific lines of a 271.

Each figure has a low and a high end: equal where the answer is plain, apart where it is silent or
says two things. Each names the lines it comes from.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from services.eligibility.domain.benefits import Benefit
from services.eligibility.domain.codes import (
    ACTIVE,
    COINSURANCE,
    COPAY,
    DEDUCTIBLE,
    INACTIVE,
    NOT_COVERED,
    OUT_OF_POCKET,
    PLAN,
    REMAINING,
    YEAR_TO_DATE,
)
from services.eligibility.domain.selection import Rank, amounts, best, is_family, ranks

End = Literal["low", "high"]


@dataclass(frozen=True, slots=True)
class Figure:
    """An amount in cents between two ends; a high end of None has no limit."""

    low: int
    high: int | None
    sources: tuple[str, ...] = ()

    def at(self, end: End) -> int | None:
        """The figure at one end of its range."""
        return self.low if end == "low" else self.high


@dataclass(frozen=True, slots=True)
class Rate:
    """A share between 0 and 1."""

    low: Decimal
    high: Decimal
    sources: tuple[str, ...] = ()

    def of(self, cents: int, end: End) -> int:
        """The share of an amount at one end of the range, rounded half up to the cent."""
        exact = cents * (self.low if end == "low" else self.high)
        return int(exact.quantize(Decimal(1), ROUND_HALF_UP))


@dataclass(frozen=True, slots=True)
class Uncovered:
    """Whether the service is left out of the plan, at either end."""

    low: bool
    high: bool
    sources: tuple[str, ...] = ()

    def at(self, end: End) -> bool:
        """The figure at one end of its range."""
        return self.low if end == "low" else self.high


@dataclass(frozen=True, slots=True)
class CostShare:
    """The terms of one service. Where there is a copay, deductible and coinsurance do not count.

    out_of_pocket: what is left before the maximum, or None where no maximum is stated.
    reasons: codes of what the answer leaves open.
    """

    not_covered: Uncovered
    copay: Figure | None
    deductible: Figure
    coinsurance: Rate
    out_of_pocket: Figure | None
    reasons: tuple[str, ...]


def terms_of(lines: Sequence[Benefit], wanted: Sequence[str], *, in_network: bool) -> CostShare:
    """The terms for a service of the types `wanted`, the most specific first.

    The plan as a whole (30) is always the last resort. A maximum of which the answer does not say
    how much is left is taken as not yet used: the patient then owes this much at most.
    """
    types = (*(code for code in wanted if code != PLAN), PLAN)
    reasons: list[str] = []
    copay = _copay(lines, types, in_network, reasons)
    deductible, coinsurance = Figure(0, 0), Rate(Decimal(0), Decimal(0))
    if copay is None:
        found, how = _left(lines, DEDUCTIBLE, types, in_network=in_network)
        deductible = found or Figure(0, None)
        if how:
            reasons.append(f"deductible.{how}")
        coinsurance = _coinsurance(lines, types, in_network, reasons)
    maximum, how = _left(lines, OUT_OF_POCKET, types, in_network=in_network)
    if maximum is not None and how == "left_unknown":
        maximum = Figure(maximum.high or 0, maximum.high, maximum.sources)
    elif how == "conflicting":
        reasons.append("out_of_pocket.conflicting")
    return CostShare(
        not_covered=_not_covered(lines, types, in_network, reasons),
        copay=copay,
        deductible=deductible,
        coinsurance=coinsurance,
        out_of_pocket=maximum,
        reasons=tuple(reasons),
    )


def _sources(lines: Iterable[Benefit]) -> tuple[str, ...]:
    return tuple(f"eb:{line.index}" for line in lines)


def _not_covered(
    lines: Sequence[Benefit], types: Sequence[str], in_network: bool, reasons: list[str]
) -> Uncovered:
    """An inactive line counts for a service of its own, never for the plan: that is the verdict."""
    said = [
        line
        for line in lines
        if line.code not in INACTIVE or PLAN not in (line.service_types or (PLAN,))
    ]
    found = best(said, ACTIVE | INACTIVE | {NOT_COVERED}, types, in_network=in_network)
    against = [line for line in found if line.code not in ACTIVE]
    if against and len(against) < len(found):
        reasons.append("cover.conflicting")
        return Uncovered(low=False, high=True, sources=_sources(found))
    return Uncovered(low=bool(against), high=bool(against), sources=_sources(against))


def _copay(
    lines: Sequence[Benefit], types: Sequence[str], in_network: bool, reasons: list[str]
) -> Figure | None:
    """The copay, where the most specific lines ask for one rather than for coinsurance.

    A copay of zero beside a coinsurance says that there is none.
    """
    priced = [line for line in lines if line.amount_cents is not None]
    found = best(priced, {COPAY}, types, in_network=in_network)
    if not found:
        return None
    stated = amounts(found)
    copay_at = _service_rank(priced, {COPAY}, types, in_network)
    rated = [line for line in lines if line.percent is not None]
    rate_at = _service_rank(rated, {COINSURANCE}, types, in_network)
    if rate_at is not None and (stated[-1] == 0 or rate_at < (copay_at or 0)):
        return None
    if len(stated) > 1:
        reasons.append("copay.conflicting")
    return Figure(stated[0], stated[-1], _sources(found))


def _service_rank(
    lines: Sequence[Benefit], codes: Collection[str], types: Sequence[str], in_network: bool
) -> int | None:
    ranked = ranks(lines, codes, types, in_network=in_network)
    return min((rank[0] for rank, _ in ranked), default=None)


def _coinsurance(
    lines: Sequence[Benefit], types: Sequence[str], in_network: bool, reasons: list[str]
) -> Rate:
    rated = [line for line in lines if line.percent is not None]
    found = best(rated, {COINSURANCE}, types, in_network=in_network)
    stated = sorted({line.percent for line in found if line.percent is not None})
    if not stated:
        reasons.append("coinsurance.unknown")
        return Rate(Decimal(0), Decimal(1))
    if len(stated) > 1:
        reasons.append("coinsurance.conflicting")
    return Rate(stated[0], stated[-1], _sources(found))


def _left(
    lines: Sequence[Benefit], code: str, types: Sequence[str], *, in_network: bool
) -> tuple[Figure | None, str]:
    """What is left of a deductible or a maximum, and what is open about it (empty: nothing).

    A person's own and the family's both run: whichever is met first ends it, so the lower counts.
    """
    priced = [line for line in lines if line.amount_cents is not None]
    ranked = ranks(priced, {code}, types, in_network=in_network)
    parts = [
        _left_of([(rank, line) for rank, line in ranked if is_family(line) is family])
        for family in (False, True)
    ]
    found = [part for part in parts if part is not None]
    if not found:
        return None, "unknown"
    low = min(figure.low for figure, _ in found)
    high = min(figure.high for figure, _ in found if figure.high is not None)
    open_parts = [how for _, how in found if how]
    figure = Figure(low, high, tuple(source for part, _ in found for source in part.sources))
    return figure, open_parts[0] if open_parts and low != high else ""


def _left_of(ranked: Sequence[tuple[Rank, Benefit]]) -> tuple[Figure, str] | None:
    """The same for a person's own or the family's: of the best rank that says anything."""
    for top in sorted({rank for rank, _ in ranked}):
        lines = [line for rank, line in ranked if rank == top]
        left = [line for line in lines if line.period == REMAINING]
        used = [line for line in lines if line.period == YEAR_TO_DATE]
        whole = [line for line in lines if line.period not in {REMAINING, YEAR_TO_DATE}]
        if left:
            stated = amounts(left)
            how = "conflicting" if len(stated) > 1 else ""
            return Figure(stated[0], stated[-1], _sources(left)), how
        if len(amounts(used)) == 1 and len(amounts(whole)) == 1:
            rest = max(0, amounts(whole)[0] - amounts(used)[0])
            return Figure(rest, rest, _sources([*whole, *used])), ""
        if whole:
            most = amounts(whole)[-1]
            return Figure(0, most, _sources(whole)), "left_unknown" if most else ""
    return None
