"""Views with the minimum of fields: made from a list, and nothing gets onto it by itself."""

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from shared.contracts.permissions import Permission
from shared.values.errors import Forbidden
from shared.web.calls import Call, Reply
from shared.web.minimum import Lesser, leaves, lesser_of, minimum
from shared.web.routes import Routes

pytestmark = pytest.mark.rule("45 CFR 164.502(b)")

FULL, LESS = Permission.PATIENT_READ, Permission.PATIENT_READ_MINIMUM


class Street(BaseModel):
    """Where somebody lives."""

    line: str
    bell: str | None = None


class Person(BaseModel):
    """Somebody."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "Lupe", "phone": "1", "home": None, "past": [{"line": "a"}]}]
        }
    )

    name: str
    phone: str
    home: Street | None
    past: list[Street]


class Asked(BaseModel):
    """What is looked for."""

    name: str | None = None
    phone: str | None = None


Least = minimum(Person, "Least", "name", "home.line", "past.line")


def test_it_has_what_is_listed_and_no_more() -> None:
    assert leaves(Least) == ["home.line", "name", "past.line"]
    assert leaves(Person) == ["home.bell", "home.line", "name", "past.bell", "past.line", "phone"]
    schema = Least.model_json_schema()
    assert schema["required"] == ["name", "home", "past"]
    assert schema["description"] == "Somebody. The minimum of it, without: phone."
    assert schema["examples"] == [{"name": "Lupe", "home": None, "past": [{"line": "a"}]}]


def test_a_body_is_cut_to_it() -> None:
    whole = Person(name="Lupe", phone="1", home=Street(line="a", bell="b"), past=[Street(line="c")])
    cut = Lesser(LESS, Least).cut(whole)
    assert isinstance(cut, BaseModel)
    assert cut.model_dump() == {"name": "Lupe", "home": {"line": "a"}, "past": [{"line": "c"}]}
    assert Lesser(LESS).cut(b"bytes") == b"bytes"
    with pytest.raises(TypeError, match="Person has no minimum"):
        Lesser(LESS).cut(whole)


@pytest.mark.parametrize("path", ["age", "home", "home.town", "name.first", "past"])
def test_a_list_that_does_not_fit_the_view_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"has no|name the fields"):
        minimum(Person, "Wrong", "name", path)


def test_who_has_the_routes_own_permission_reads_everything() -> None:
    only = (Lesser(LESS, Least),)
    assert lesser_of(only, FULL, {FULL, LESS}) is None
    assert lesser_of(only, FULL, {LESS}) is only[0]


def test_what_is_not_shown_is_not_asked_by() -> None:
    lesser = Lesser(LESS, Least, frozenset({"name"}))
    lesser.require_asked(Asked(name="L"))
    with pytest.raises(Forbidden, match=r"permission\.minimum"):
        lesser.require_asked(Asked(name="L", phone=None))


async def _deed(_work: Any, _call: Call[Any]) -> Reply:
    return Reply()


def test_a_deed_has_no_minimum() -> None:
    declare = Routes("x").post("/v1/people", may=FULL, reply=Person, keyed=False)
    declare(_deed)
    with pytest.raises(ValueError, match="only a read"):
        Routes("x").post("/v1/people", may=FULL, reply=Person, lesser=(Lesser(LESS, Least),))
