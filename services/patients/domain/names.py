"""Names of people. Anything that a person is called is a name, one word or one letter included."""

import re
from dataclasses import dataclass

from shared.values.errors import Invalid
from shared.values.text import checked_line, compact_form

NAME_MAX = 100

_GENERATIONS = {
    **dict.fromkeys(("jr", "junior"), "jr"),
    **dict.fromkeys(("sr", "senior"), "sr"),
    **dict.fromkeys(("ii", "2nd"), "ii"),
    **dict.fromkeys(("iii", "3rd"), "iii"),
    **dict.fromkeys(("iv", "4th"), "iv"),
}

_PLACEHOLDER = re.compile(r"(new ?born|baby|infant)( ?(boy|girl))?( ?(a|b|c|1|2|3))?|twin( ?\w)?")


@dataclass(frozen=True, slots=True)
class PersonName:
    """A name. Family or given may be missing, not both. The rest may always be."""

    family: str | None
    given: str | None
    middle: str | None = None
    suffix: str | None = None
    preferred: str | None = None


@dataclass(frozen=True, slots=True)
class NameSearch:
    """What is stored beside a name to find it by; empty where there is no such part."""

    family: str
    given: str
    preferred: str


def checked_name(
    *,
    family: str | None,
    given: str | None,
    middle: str | None = None,
    suffix: str | None = None,
    preferred: str | None = None,
    pointer: str = "/name",
) -> PersonName:
    """The name with every part in NFC and on one line.

    Raises Invalid: ``name.missing`` with neither family nor given, and what `checked_line` raises,
    at `pointer` and the part.
    """
    if family is None and given is None:
        raise Invalid("name.missing", "A person needs a family or a given name.", pointer=pointer)

    def part(value: str | None, name: str) -> str | None:
        if value is None:
            return None
        return checked_line(value, pointer=f"{pointer}/{name}", limit=NAME_MAX)

    return PersonName(
        family=part(family, "family"),
        given=part(given, "given"),
        middle=part(middle, "middle"),
        suffix=part(suffix, "suffix"),
        preferred=part(preferred, "preferred"),
    )


def name_search(name: PersonName) -> NameSearch:
    """The compact search forms of a name."""
    return NameSearch(
        family=compact_form(name.family or ""),
        given=compact_form(name.given or ""),
        preferred=compact_form(name.preferred or ""),
    )


def generation(suffix: str | None) -> str | None:
    """`jr`, `sr`, `ii`, `iii` or `iv`, or None for any other suffix (PhD) and for none."""
    return _GENERATIONS.get(compact_form(suffix or ""))


def is_placeholder(given: str) -> bool:
    """Whether a given name stands for one not chosen yet: Baby Boy, Newborn, Twin A.

    Takes the search form or the compact form. A placeholder says nothing about who somebody is.
    """
    return _PLACEHOLDER.fullmatch(given) is not None
