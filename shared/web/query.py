"""Queries are read as strictly as bodies: nothing that nobody knows, and nothing twice.

What a query's model makes of its values is FastAPI's; which of two equal names counts is what
readers disagree about, and a route without a query has no use for one.
"""

from functools import lru_cache
from typing import get_origin
from urllib.parse import parse_qsl

from pydantic import BaseModel
from starlette.requests import Request

from shared.values.errors import InvalidFields, Malformed
from shared.web.card_numbers import LOOKED_THROUGH_BYTES, require_no_card_number_in_query


def require_query(request: Request, model: type[BaseModel] | None) -> None:
    """Check the names of a query. model: what the route asks for; None where it has no query.

    Raises InvalidFields where there is one all the same; Malformed ``query.duplicate`` where a
    parameter that is no list is given twice; Invalid ``card_number.not_accepted``.
    """
    raw: bytes = request.scope["query_string"]
    if not raw:
        return
    if model is None:
        raise InvalidFields([("/query", "extra_forbidden")])
    seen: set[str] = set()
    pairs = _pairs(raw)
    for name, _ in pairs:
        if name in seen and name not in _lists(model):
            raise Malformed("query.duplicate", "The query names a parameter twice.")
        seen.add(name)
    require_no_card_number_in_query(pairs, model)


def require_no_card_number_in_refused(request: Request, model: type[BaseModel]) -> None:
    """Say of a query that its model refuses if it holds a card's number, too.

    Raises Invalid ``card_number.not_accepted``.
    """
    raw: bytes = request.scope["query_string"]
    if len(raw) <= LOOKED_THROUGH_BYTES:
        require_no_card_number_in_query(_pairs(raw), model)


def _pairs(raw: bytes) -> list[tuple[str, str]]:
    return parse_qsl(raw.decode("latin-1"), keep_blank_values=True)


@lru_cache(maxsize=256)
def _lists(model: type[BaseModel]) -> frozenset[str]:
    """The parameters that may be given more than once."""
    fields = model.model_fields.items()
    return frozenset(name for name, field in fields if get_origin(field.annotation) is list)
