"""No card number comes in: PCI DSS v4.0.1, requirement 3.5.1, by having none to make unreadable.

Every text of every request is looked through here, its names among them, before a transaction
begins; so a number is in no row, no log and no reply that is kept. Only members that are numbers
themselves may look like one.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel

from shared.values.card_numbers import holds_card_number
from shared.values.errors import Invalid
from shared.web.pointers import names_of, pointer

CODE = "card_number.not_accepted"

NUMBERS = frozenset(
    {
        *("member_id", "group_number", "mrn", "external_id"),
        *("check_number", "claim_number", "trace_number", "authorization_number"),
        *("payer_id", "sender_id", "receiver_id", "sha256"),
    }
)
"""Members that hold numbers of others: any row of digits may be one, and none is a text.

A log has no key for them (`shared.web.logs`).
"""

LOOKED_THROUGH_BYTES = 16 * 1024
"""How large a request may be to be looked through although it is refused: what is taken has limits
for each of its texts, what is refused may be one long row of digits."""


def require_no_card_number(
    value: Any, model: type[BaseModel] | None = None, at: tuple[str, ...] = ()
) -> None:
    """Raise Invalid ``card_number.not_accepted`` with a pointer if a text holds a card's number.

    value: what JSON can be. model: what it is read as; only its names are told, and only its
    members may be numbers. at: where the value is, before its own names.
    """
    known = (names_of(model) if model is not None else frozenset()) | frozenset(at)
    for location in _texts_with_numbers(value, at, known):
        raise Invalid(
            CODE,
            "A card number is not taken here. The processor's token stands for a card.",
            pointer=pointer(location, known),
        )


def require_no_card_number_in_query(
    pairs: Iterable[tuple[str, str]], model: type[BaseModel]
) -> None:
    """The same of the names and values of a query."""
    for name, text in pairs:
        require_no_card_number({name: text}, model, at=("query",))


Location = tuple[int | str, ...]


def _texts_with_numbers(value: Any, at: Location, known: frozenset[str]) -> Iterator[Location]:
    if isinstance(value, str):
        if holds_card_number(value):
            yield at
    elif isinstance(value, dict):
        for name, member in value.items():
            if holds_card_number(name):
                yield at
            if not (name in NUMBERS and name in known and isinstance(member, str)):
                yield from _texts_with_numbers(member, (*at, name), known)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts_with_numbers(item, (*at, index), known)
