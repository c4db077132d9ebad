"""What is shown of a person to whoever needs no more than a claim and a statement do."""

from services.patients.schemas.finding import FoundPage, NamedList
from services.patients.schemas.people import PatientView
from shared.web.minimum import minimum

LEGAL_NAME = ("name.family", "name.given", "name.middle", "name.suffix", "name.display")
"""A name as a claim and a statement have it, without what somebody prefers to be called."""

PatientMinimum = minimum(
    PatientView,
    "PatientMinimum",
    *("id", "mrn", *LEGAL_NAME, "birth_date", "death_date", "gender", "version"),
    *("addresses.lines", "addresses.city", "addresses.state", "addresses.postal_code"),
    *("addresses.country", "addresses.use"),
)
"""What a claim and a statement need of a person (X12 005010X222, loop 2010BA and 2010CA)."""


def _of_items(*paths: str) -> list[str]:
    return [f"items.{path}" for path in paths]


_NAMED_MINIMUM = _of_items("id", "mrn", *LEGAL_NAME, "birth_date")
FoundMinimum = minimum(
    FoundPage, "FoundMinimum", "next", *_NAMED_MINIMUM, *_of_items("death_date", "gender")
)
NamedMinimum = minimum(NamedList, "NamedMinimum", *_NAMED_MINIMUM)
ASKED_BY_MINIMUM = frozenset(
    {"family", "given", "sounds_like", "birth_date", "mrn", "limit", "cursor"}
)
"""What somebody may look for who is shown the minimum: else a search would tell the rest."""
