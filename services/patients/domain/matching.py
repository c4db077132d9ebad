"""Who could be the same person: evidence weighed by log odds (Fellegi and Sunter, JASA 1969).

A weight is about log2(m / u): how much likelier an outcome is between two records of one person (m)
than of two people (u). A birth date that agrees is worth 14 bits, for one pair of strangers in some
20,000 shares it; a gender that agrees is worth 1. The weights are estimates for a network of tens
of thousands of people; common names get no discount.

Three rules stand above the sum, because the records of a family agree in almost everything: twins
share all but the given name, so another given name is at most `possible`; father and son share all
but the birth date, so another birth date is too, and so is Jr against Sr; and nobody is `certain`
unless birth date, family and given name agree.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from services.patients.domain.birth import Gender
from services.patients.domain.names import PersonName, generation, is_placeholder
from services.patients.domain.phonetics import sound, stand_for_each_other
from shared.values.errors import Conflict, Invalid
from shared.values.text import search_form

CANDIDATES_MAX = 10


class Grade(StrEnum):
    """How sure it is that two records are of one person."""

    NO = "no"
    POSSIBLE = "possible"
    PROBABLE = "probable"
    CERTAIN = "certain"


_RANK: Mapping[Grade, int] = {grade: rank for rank, grade in enumerate(Grade)}

THRESHOLDS = ((27, Grade.CERTAIN), (18, Grade.PROBABLE), (10, Grade.POSSIBLE))
"""Bits needed. 27: birth date and both names agree, whatever has moved since. 18: a slip in one of
them, or another family name and the same telephone. 10: birth date and given name alone."""

WEIGHTS: Mapping[str, Mapping[str, int]] = {
    "birth_date": {"same": 14, "day_month_swapped": 8, "one_digit_off": 5, "differs": -10},
    "family": {"same": 9, "part": 6, "sounds_alike": 4, "differs": -5},
    "given": {
        "same": 7,
        "nickname": 5,
        "first_word": 4,
        "sounds_alike": 3,
        "initial": 2,
        "differs": -7,
    },
    "names": {"swapped": 14},
    "gender": {"same": 1, "differs": -4},
    "phone": {"same": 8, "differs": -1},
    "email": {"same": 9, "differs": -1},
    "address": {"same": 6, "differs": -1},
}


@dataclass(frozen=True, slots=True)
class Identity:
    """What people are told apart by. Names are search forms; empty and None say nothing.

    phones in E.164, emails and addresses as `email_search` and `address_key` make them.
    """

    family: str
    given: str
    birth_date: date | None
    preferred: str = ""
    generation: str | None = None
    gender: Gender = Gender.UNKNOWN
    phones: frozenset[str] = frozenset()
    emails: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Match:
    """How alike two records are. evidence: field, outcome and weight, for who decides."""

    grade: Grade
    score: int
    evidence: tuple[tuple[str, str, int], ...]

    @property
    def reasons(self) -> list[str]:
        """What spoke for and against it, as codes without any value: ``birth_date.same``."""
        return [f"{field}.{outcome}" for field, outcome, _ in self.evidence]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A person on record who could be the one at the desk. mrn: where it is known."""

    patient_id: UUID
    match: Match
    mrn: str | None = None


def identity_of(
    name: PersonName,
    birth_date: date | None,
    *,
    gender: Gender = Gender.UNKNOWN,
    phones: Iterable[str] = (),
    emails: Iterable[str] = (),
    addresses: Iterable[str] = (),
) -> Identity:
    """The identity of checked demographics."""
    return Identity(
        family=search_form(name.family or ""),
        given=search_form(name.given or ""),
        birth_date=birth_date,
        preferred=search_form(name.preferred or ""),
        generation=generation(name.suffix),
        gender=gender,
        phones=frozenset(phones),
        emails=frozenset(emails),
        addresses=frozenset(addresses),
    )


def compare(one: Identity, other: Identity) -> Match:
    """How alike two identities are; the same either way round."""
    outcomes: dict[str, str | None] = {
        "birth_date": _birth_date(one.birth_date, other.birth_date),
        **_names(one, other),
        "gender": _gender(one.gender, other.gender),
        "phone": _any_shared(one.phones, other.phones),
        "email": _any_shared(one.emails, other.emails),
        "address": _any_shared(one.addresses, other.addresses),
    }
    evidence = tuple(
        (field, outcome, WEIGHTS[field][outcome])
        for field, outcome in outcomes.items()
        if outcome is not None
    )
    score = sum(weight for _, _, weight in evidence)
    grade = next((grade for least, grade in THRESHOLDS if score >= least), Grade.NO)
    return Match(min(grade, _ceiling(one, other, outcomes), key=_RANK.__getitem__), score, evidence)


def candidates(
    person: Identity,
    known: Iterable[tuple[UUID, Identity]],
    at_least: Grade = Grade.POSSIBLE,
) -> tuple[Candidate, ...]:
    """The ten likeliest of the known people that reach a grade, the likeliest first."""
    found = [Candidate(patient_id, compare(person, identity)) for patient_id, identity in known]
    found = [who for who in found if _RANK[who.match.grade] >= _RANK[at_least]]
    found.sort(key=lambda who: (-_RANK[who.match.grade], -who.match.score, who.patient_id))
    return tuple(found[:CANDIDATES_MAX])


def decide_registration(
    found: Iterable[Candidate],
    override_reason: str | None,
    ask_from: Grade = Grade.PROBABLE,
) -> tuple[Candidate, ...]:
    """The candidates that were passed over, for the record; empty when nobody is alike enough.

    Raises Conflict ``patient.maybe_known`` (facts: candidates, as id, MRN, grade, score, reasons)
    where somebody reaches `ask_from` and there is no reason to go on; Invalid
    ``override.reason_required`` for a blank reason.
    """
    if override_reason is not None and not override_reason.strip():
        title = "Overriding needs a reason."
        raise Invalid("override.reason_required", title, pointer="/override_reason")
    alike = tuple(who for who in found if _RANK[who.match.grade] >= _RANK[ask_from])
    if alike and override_reason is None:
        listed = [
            {
                "id": str(who.patient_id),
                "mrn": who.mrn,
                "grade": who.match.grade.value,
                "score": who.match.score,
                "reasons": who.match.reasons,
            }
            for who in alike
        ]
        title = "Somebody like this is on record already."
        raise Conflict("patient.maybe_known", title, facts={"candidates": listed})
    return alike


def blocking_keys(person: Identity) -> frozenset[str]:
    """What two records share at least one of before it is worth comparing them.

    Stored in a plain column, one row a key. A birth date has one key for both readings of day and
    month.
    """
    keys = {f"p:{phone}" for phone in person.phones} | {f"e:{email}" for email in person.emails}
    if person.birth_date is not None:
        low, high = sorted((person.birth_date.month, person.birth_date.day))
        keys.add(f"b:{person.birth_date.year}-{low:02d}-{high:02d}")
    family, given = _compact(person.family), _compact(person.given)
    sounds = sorted(filter(None, (sound(family), sound(given))))
    if sounds:
        keys.add("n:" + "|".join(sounds))
    return frozenset(keys)


def _ceiling(one: Identity, other: Identity, outcomes: Mapping[str, str | None]) -> Grade:
    """The best grade that the rules above the sum allow."""
    generations = {one.generation, other.generation} - {None}
    if outcomes["birth_date"] == "differs" or len(generations) > 1:
        return Grade.POSSIBLE
    if outcomes.get("given") == "differs":
        return Grade.POSSIBLE
    named = outcomes.get("names") == "swapped" or (
        outcomes.get("family") == "same" and outcomes.get("given") in ("same", "nickname")
    )
    return Grade.CERTAIN if named and outcomes["birth_date"] == "same" else Grade.PROBABLE


def _birth_date(one: date | None, other: date | None) -> str | None:
    if one is None or other is None:
        return None
    if one == other:
        return "same"
    if (one.year, one.month, one.day) == (other.year, other.day, other.month):
        return "day_month_swapped"
    digits = zip(one.isoformat(), other.isoformat(), strict=True)
    return "one_digit_off" if sum(a != b for a, b in digits) == 1 else "differs"


def _names(one: Identity, other: Identity) -> dict[str, str | None]:
    family, given = _family(one.family, other.family), _given(one, other)
    crossed = (_compact(one.family), _compact(one.given))
    swapped = crossed == (_compact(other.given), _compact(other.family))
    if all(crossed) and swapped and family != "same":
        return {"names": "swapped"}
    return {"family": family, "given": given}


def _family(one: str, other: str) -> str | None:
    if not one or not other:
        return None
    if _compact(one) == _compact(other):
        return "same"
    if set(one.split()) & set(other.split()):
        return "part"
    return "sounds_alike" if sound(_compact(one)) == sound(_compact(other)) else "differs"


def _given(one: Identity, other: Identity) -> str | None:
    """The best outcome over given and preferred names. A placeholder says nothing."""
    outcomes = {
        _given_name(a, b)
        for a in (one.given, one.preferred)
        for b in (other.given, other.preferred)
        if a and b and not is_placeholder(a) and not is_placeholder(b)
    }
    return max(outcomes, key=WEIGHTS["given"].__getitem__, default=None)


def _given_name(one: str, other: str) -> str:
    a, b = _compact(one), _compact(other)
    if a == b:
        return "same"
    if stand_for_each_other(a, b):
        return "nickname"
    if 1 in (len(a), len(b)) and a[0] == b[0]:
        return "initial"
    if one.partition(" ")[0] == other.partition(" ")[0]:
        return "first_word"
    return "sounds_alike" if sound(a) == sound(b) else "differs"


def _gender(one: Gender, other: Gender) -> str | None:
    if Gender.UNKNOWN in (one, other):
        return None
    return "same" if one is other else "differs"


def _any_shared(one: frozenset[str], other: frozenset[str]) -> str | None:
    if not one or not other:
        return None
    return "same" if one & other else "differs"


def _compact(form: str) -> str:
    return form.replace(" ", "")
