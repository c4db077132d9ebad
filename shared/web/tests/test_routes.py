"""A route says what it needs, or it does not start."""

import pytest
from pydantic import BaseModel

from shared.contracts.permissions import Permission
from shared.db.work import Work
from shared.values.errors import Malformed
from shared.web.calls import Call, Reply, read_if_match
from shared.web.pages import read_cursor, sign_cursor
from shared.web.routes import Routes
from shared.web.settings import Chassis, unsafe_settings


class View(BaseModel):
    x: int


async def verb(work: Work, call: Call[None]) -> Reply:
    """Do it."""
    return Reply()


def test_a_route_without_a_permission_cannot_be_declared() -> None:
    with pytest.raises(TypeError):
        Routes("x").get("/v1/things", reply=View)  # type: ignore[call-arg]


@pytest.mark.parametrize("path", ["/things", "/v1/Things", "/v1/things/{id}", "/v1/things/"])
def test_a_path_outside_the_convention_cannot_be_declared(path: str) -> None:
    with pytest.raises(ValueError, match="kebab"):
        Routes("x").get(path, may=Permission.CLINIC_READ)(verb)


def test_if_match_takes_one_of_our_entity_tags() -> None:
    assert read_if_match('"7"') == 7
    for text in ("7", 'W/"7"', '"x"', '""', "*", '"1", "2"'):
        with pytest.raises(Malformed):
            read_if_match(text)


def test_a_cursor_that_was_altered_is_refused() -> None:
    cursor = sign_cursor(b"secret", "2026|x")
    assert read_cursor(b"secret", cursor) == "2026|x"
    for text in (cursor[1:], cursor[:-1] + "!", "", ".", "é", sign_cursor(b"other", "2026|x")):
        with pytest.raises(Malformed):
            read_cursor(b"secret", text)


def test_production_refuses_each_unsafe_setting_by_name(tmp_path: object) -> None:
    unsafe = Chassis(
        profile="production",
        clock_file=f"{tmp_path}/clock",
        failpoints="a:raise",
        issuer="http://127.0.0.1:1",
        log_level="DEBUG",
        rates="off",
    )
    assert len(unsafe_settings(unsafe)) == 6
    safe = Chassis(profile="production", issuer="https://issuer", service_secret="s" * 40, rates="")
    assert unsafe_settings(safe) == []
