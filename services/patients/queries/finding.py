"""Searching people. Every comparison is one that a btree can serve under row security."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from services.patients.domain.phonetics import sound
from services.patients.queries.people import people
from services.patients.tables import Patient
from shared.db.work import Work
from shared.values.errors import Invalid
from shared.values.text import compact_form, prefix_range


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is known of whom somebody looks for; every member given must fit.

    Names by their beginning in any writing, `given` by the preferred name too; with `sounds_like`
    by their sound instead. phone in E.164, email as `email_search` makes it.
    """

    family: str | None = None
    given: str | None = None
    sounds_like: bool = False
    birth_date: date | None = None
    mrn: str | None = None
    phone: str | None = None
    email: str | None = None

    @property
    def by(self) -> list[str]:
        """The names of the members that are given."""
        names = ("family", "given", "birth_date", "mrn", "phone", "email")
        return [name for name in names if getattr(self, name) is not None]


async def search(work: Work, wanted: Wanted, after: UUID | None, limit: int) -> list[Patient]:
    """Whom it fits, at most `limit`, in the order of registration after a position.

    The order never changes, so a page neither repeats nor skips somebody whose name is amended
    meanwhile. Raises Invalid ``search.empty`` where nothing is known.
    """
    text, arguments = search_statement(wanted, after, limit)
    return await work.load_where(Patient, text, *arguments)


def search_statement(wanted: Wanted, after: UUID | None, limit: int) -> tuple[str, list[object]]:
    """What follows `WHERE network_id = $1 AND` in a search, and its arguments from `$2` on."""
    conditions, arguments = _conditions(wanted)
    if not conditions:
        raise Invalid("search.empty", "Say at least one thing about the person.")
    if after is not None:
        arguments.append(after)
        conditions.append(f"id > ${len(arguments) + 1}")
    return f"{' AND '.join(conditions)} ORDER BY id LIMIT {limit:d}", arguments


async def lookup(work: Work, patient_ids: list[UUID]) -> list[Patient]:
    """Those of the patients that are there, in the order in which they were asked for."""
    found = {row.id: row for row in await people(work, patient_ids)}
    return [found[key] for key in dict.fromkeys(patient_ids) if key in found]


def _conditions(wanted: Wanted) -> tuple[list[str], list[object]]:
    """SQL conditions with `$2..` and their arguments. Only values of the caller are arguments."""
    conditions: list[str] = []
    arguments: list[object] = []

    def add(text: str, *values: object) -> None:
        first = len(arguments) + 2
        conditions.append(text.format(*(f"${first + at}" for at in range(len(values)))))
        arguments.extend(values)

    if wanted.family is not None:
        form = compact_form(wanted.family)
        if wanted.sounds_like:
            add("family_sound = {0}", sound(form))
        else:
            add("family_search >= {0} AND family_search < {1}", *prefix_range(form))
    if wanted.given is not None:
        form = compact_form(wanted.given)
        if wanted.sounds_like:
            add("given_sound = {0}", sound(form))
        else:
            add(
                "((given_search >= {0} AND given_search < {1})"
                " OR (preferred_search >= {0} AND preferred_search < {1}))",
                *prefix_range(form),
            )
    if wanted.birth_date is not None:
        add("birth_date = {0}", wanted.birth_date)
    if wanted.mrn is not None:
        add("mrn = {0}", wanted.mrn)
    if wanted.phone is not None:
        add(_REACHED.format("patient_phones", "number", "{0}"), wanted.phone)
    if wanted.email is not None:
        add(_REACHED.format("patient_emails", "search", "{0}"), wanted.email)
    return conditions, arguments


_REACHED = (
    "id IN (SELECT patient_id FROM {0} WHERE network_id = $1 AND {1} = {2} AND ended_at IS NULL)"
)
