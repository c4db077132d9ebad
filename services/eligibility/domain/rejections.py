"""What an AAA rejection means for the desk (X12 code lists 901 and 889; words of our own)."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Action = Literal["retry", "fix_data", "fix_date", "fix_setup", "ask_payer"]


@dataclass(frozen=True, slots=True)
class Meaning:
    """reason: code of the verdict. action: what can be done. words: what the payer does."""

    reason: str
    action: Action
    words: str


def _each(codes: str, reason: str, action: Action, words: str) -> dict[str, Meaning]:
    return {code: Meaning(reason, action, words) for code in codes.split()}


MEANINGS: Mapping[str, Meaning] = MappingProxyType(
    {
        **_each("42", "payer.busy", "retry", "cannot answer at present"),
        **_each("80", "payer.unknown", "retry", "got no answer from its own system"),
        **_each("71", "card.birth_date", "fix_data", "has another birth date"),
        **_each("58", "card.birth_date", "fix_data", "cannot use the birth date"),
        **_each("64 72", "card.member_id", "fix_data", "does not know the member id"),
        **_each("65 73", "card.name", "fix_data", "has another name"),
        **_each("66 74", "card.sex", "fix_data", "has another sex on file"),
        **_each("68 76", "card.ambiguous", "fix_data", "has the member id twice"),
        **_each("78", "card.group", "fix_data", "does not find the person in this group or plan"),
        **_each("67 75 77", "person.not_found", "fix_data", "does not find the person"),
        **_each("95", "person.not_eligible", "ask_payer", "says the person is not eligible"),
        **_each(
            "41 43 44 45 46 47 48 50 51 79 97 T4",
            "setup.participant",
            "fix_setup",
            "does not accept the clinic or the payer as set up",
        ),
        **_each(
            "04 15 33 53 54 55 69 70", "request.refused", "fix_setup", "does not accept the request"
        ),
        **_each(
            "52 56 57 60 61 62 63", "date.refused", "fix_date", "does not answer for this date"
        ),
    }
)
OTHER = Meaning("payer.refused", "ask_payer", "refuses for a reason that is not known here")
_NOT_AGAIN = frozenset({"N", "S", "W", "X", "Y"})


def meaning(code: str) -> Meaning:
    """What a reject reason code (AAA03) means; `OTHER` where it is not known."""
    return MEANINGS.get(code, OTHER)


def may_retry(code: str, follow_up: str) -> bool:
    """Whether the same request may be sent again, later, by itself.

    follow_up: AAA04. ``N`` forbids it; ``S``, ``W``, ``X`` and ``Y`` ask to wait for days.
    """
    return meaning(code).action == "retry" and follow_up not in _NOT_AGAIN
