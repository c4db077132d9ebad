"""What a booking rule may say, by its kind; nonsense is refused before it is kept."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any
from uuid import UUID

from services.appointments.domain.requirements import Verdict
from services.appointments.domain.rules import RuleKind, SelfBooking
from shared.values.errors import Invalid

_POINTER = "/value"
PAYERS_MOST = 200


def _number(member: str, low: int, high: int) -> Callable[[Mapping[str, Any]], str | None]:
    def judged(value: Mapping[str, Any]) -> str | None:
        number = value[member]
        fits = isinstance(number, int) and not isinstance(number, bool) and low <= number <= high
        return None if fits else f"`{member}` is a whole number from {low} to {high}."

    return judged


def _years(value: Mapping[str, Any]) -> str | None:
    given = [value[name] for name in ("from_years", "until_years") if value.get(name) is not None]
    if not given:
        return "An age limit has a lowest or a highest age."
    if not all(isinstance(age, int) and 0 <= age <= 130 for age in given):
        return "An age is 0 to 130 years."
    return "The highest age is below the lowest." if given != sorted(given) else None


def _verdicts(value: Mapping[str, Any]) -> str | None:
    named, known = value["verdicts"], {verdict.value for verdict in Verdict}
    fits = isinstance(named, list) and named and len(set(named)) == len(named) <= len(known)
    return None if fits and set(named) <= known else "Name verdicts that there are, each once."


def _genders(value: Mapping[str, Any]) -> str | None:
    named, known = value["genders"], {"female", "male", "other", "unknown"}
    fits = isinstance(named, list) and named and len(set(named)) == len(named)
    return None if fits and set(named) <= known else "Name genders that there are, each once."


def _payers(value: Mapping[str, Any]) -> str | None:
    if len(value) != 1:
        return "Name either the only payers or those that are not taken."
    (named,) = value.values()
    fits = isinstance(named, list) and 0 < len(named) <= PAYERS_MOST
    fits = fits and len(set(named)) == len(named) and all(_is_id(each) for each in named)
    return None if fits else f"Name 1 to {PAYERS_MOST} payers by their ids, each once."


def _is_id(text: object) -> bool:
    try:
        return isinstance(text, str) and str(UUID(text)) == text
    except ValueError:
        return False


def _required(value: Mapping[str, Any]) -> str | None:
    return None if isinstance(value["required"], bool) else "`required` is true or false."


def _mode(value: Mapping[str, Any]) -> str | None:
    known = {mode.value for mode in SelfBooking}
    return None if value["mode"] in known else "There is no such mode of self-booking."


_JUDGED: Mapping[RuleKind, tuple[frozenset[str], Callable[[Mapping[str, Any]], str | None]]] = {
    RuleKind.SELF_BOOKING: (frozenset({"mode"}), _mode),
    RuleKind.LEAD_TIME: (frozenset({"minutes"}), _number("minutes", 0, 100_000)),
    RuleKind.HORIZON: (frozenset({"days"}), _number("days", 1, 600)),
    RuleKind.AGE: (frozenset({"from_years", "until_years"}), _years),
    RuleKind.GENDER: (frozenset({"genders"}), _genders),
    RuleKind.COVER: (frozenset({"verdicts"}), _verdicts),
    RuleKind.PAYER: (frozenset({"only_payers", "not_payers"}), _payers),
    RuleKind.REFERRAL: (frozenset({"required"}), _required),
    RuleKind.AUTHORIZATION: (frozenset({"required"}), _required),
    RuleKind.WAVE: (frozenset({"visits"}), _number("visits", 1, 100)),
    RuleKind.DAILY_CAP: (frozenset({"visits"}), _number("visits", 0, 1000)),
    RuleKind.PROVIDER_DAILY_CAP: (frozenset({"visits"}), _number("visits", 0, 1000)),
    RuleKind.PATIENT_DAILY_CAP: (frozenset({"visits"}), _number("visits", 1, 100)),
    RuleKind.OVERBOOK_PER_HOUR: (frozenset({"visits"}), _number("visits", 0, 100)),
}


_SOME = frozenset({RuleKind.AGE, RuleKind.PAYER})
"""Kinds that take one of their members as well."""


def checked_value(kind: RuleKind, value: Mapping[str, Any]) -> dict[str, Any]:
    """The value of a rule, without members that are null.

    Raises Invalid ``rule.value`` where a member is missing, is one that the kind does not take, or
    says what makes no sense (none of a number's range, a highest age below the lowest).
    """
    given = {name: found for name, found in value.items() if found is not None}
    takes, judged = _JUDGED[kind]
    wrong: str | None
    whole = given.keys() == takes or (kind in _SOME and bool(given))
    if not whole or not given.keys() <= takes:
        wrong = f"A rule of this kind says {' and '.join(sorted(takes))}."
    else:
        wrong = judged(given)
    if wrong is not None:
        raise Invalid("rule.value", wrong, pointer=_POINTER)
    return given


def check_effective(first: date | None, last: date | None) -> None:
    """Raise Invalid ``rule.effective`` where the last day precedes the first."""
    if first is not None and last is not None and last < first:
        title = "The last day must not precede the first."
        raise Invalid("rule.effective", title, pointer="/effective_until")
