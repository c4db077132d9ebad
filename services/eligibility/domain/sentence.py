"""One plain sentence from a 271, for a person at the desk."""

from collections.abc import Iterable, Sequence
from datetime import date

from services.eligibility.domain.benefits import Benefit, Benefits
from services.eligibility.domain.codes import (
    COINSURANCE,
    COPAY,
    DEDUCTIBLE,
    IN_NETWORK,
    OFFICE_VISIT,
    OUT_OF_NETWORK,
    PERIODS,
    PLAN,
    REMAINING,
)
from services.eligibility.domain.rejections import meaning
from services.eligibility.domain.standing import Bounds, Standing, standing

_WANTED = (OFFICE_VISIT, PLAN)
_NETWORKS = {IN_NETWORK: " in network", OUT_OF_NETWORK: " out of network"}


def sentence(
    benefits: Benefits, *, service_types: Sequence[str] = _WANTED, on: date | None = None
) -> str:
    """What the answer says: plan, active or not, since when, what a visit costs.

    service_types: from the most to the least specific. on: the day that matters where lines have
    dates of their own. Codes that are not known are named at the end. It holds no one's name.
    """
    refusals = [found for found in benefits.rejections if found.level != "benefit"]
    if refusals or (benefits.rejections and not benefits.lines):
        told = (f"{meaning(each.code).words} (AAA {each.code})" for each in benefits.rejections)
        return f"The payer {_and(dict.fromkeys(told))}."
    clauses = [
        _status(standing(benefits, service_types, on)),
        _copays(benefits, service_types),
        _deductible(benefits, service_types),
        _coinsurance(benefits, service_types),
        _unknown(benefits),
    ]
    return "; ".join(clause for clause in clauses if clause) + "."


def _status(found: Standing) -> str:
    plan = found.plan or "The plan"
    match found.kind:
        case "active":
            return f"{plan} is active{_days(found.bounds)}"
        case "inactive":
            return f"{plan} is not active{_days(found.bounds)}"
        case "contradictory":
            return "The payer says both that the plan is active and that it is not"
        case "ask_payer":
            return "The payer asks to be called about this person"
        case "unstated":
            return "The payer does not say whether the plan is active"


def _days(bounds: Bounds) -> str:
    start = f" from {bounds.start}" if bounds.start else ""
    end = f" to {bounds.end}" if bounds.end else ""
    return start + end


def _specific(benefits: Benefits, code: str, wanted: Sequence[str]) -> list[Benefit]:
    """The lines of that kind for the first service type that has any."""
    for service_type in wanted:
        lines = [
            line
            for line in benefits.lines
            if line.code == code
            and not line.procedure
            and service_type in (line.service_types or (PLAN,))
        ]
        if lines:
            return lines
    return []


def _copays(benefits: Benefits, wanted: Sequence[str]) -> str:
    lines = [line for line in _specific(benefits, COPAY, wanted) if line.amount_cents is not None]
    by_period: dict[str, list[str]] = {}
    for period, network in dict.fromkeys((line.period, line.network) for line in lines):
        amounts = sorted(
            {
                line.amount_cents or 0
                for line in lines
                if (line.period, line.network) == (period, network)
            }
        )
        text = " or ".join(map(dollars, amounts)) + _network(network)
        by_period.setdefault(period, []).append(text)
    told = (", ".join(texts) + _period(period) for period, texts in by_period.items())
    joined = ", ".join(told)
    return f"copay {joined}" if joined else ""


def _deductible(benefits: Benefits, wanted: Sequence[str]) -> str:
    lines = [
        line
        for line in _specific(benefits, DEDUCTIBLE, wanted)
        if line.period == REMAINING and line.amount_cents is not None
    ]
    told = (f"{dollars(line.amount_cents or 0)} left{_network(line.network)}" for line in lines)
    joined = ", ".join(dict.fromkeys(told))
    return f"deductible {joined}" if joined else ""


def _coinsurance(benefits: Benefits, wanted: Sequence[str]) -> str:
    told = (
        f"{(line.percent * 100).normalize():f} %{_network(line.network)}"
        for line in _specific(benefits, COINSURANCE, wanted)
        if line.percent is not None
    )
    joined = ", ".join(dict.fromkeys(told))
    return f"coinsurance {joined}" if joined else ""


def _unknown(benefits: Benefits) -> str:
    told = dict.fromkeys(f"{found.element} {found.code}" for found in benefits.unknown)
    return f"not understood: {', '.join(told)}" if told else ""


def _network(code: str) -> str:
    return _NETWORKS.get(code, "")


def _period(code: str) -> str:
    return f" {PERIODS.get(code, f'period {code}')}" if code else ""


def _and(parts: Iterable[str]) -> str:
    return " and ".join(parts)


def dollars(cents: int) -> str:
    """An amount that is not negative, as it is said in the United States: ``$1,234.05``."""
    return f"${cents // 100:,}.{cents % 100:02d}"
