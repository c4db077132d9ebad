"""Bad text, dates, numbers and bodies (research list P): refused with a code, nothing kept."""

from typing import Any
from uuid import UUID

import orjson
import pytest

from services.patients.tests.builders import Scene, named, person, scene
from shared.testing.apps import Office
from shared.values.clock import FixedClock
from shared.values.ids import new_id


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


async def send(at: Scene, raw: bytes, path: str = "/v1/patients") -> tuple[int, dict[str, Any]]:
    """What raw bytes are answered with; nothing of them is kept, or echoed."""
    answer = await at.desk.post(
        path, content=raw, headers={"Content-Type": "application/json; charset=utf-8"}
    )
    assert await at.rows("SELECT 1 FROM patients") == []
    assert await at.rows("SELECT 1 FROM outbox") == []
    found: dict[str, Any] = answer.json()
    return answer.status_code, found


def with_family(family: bytes) -> bytes:
    return b'{"name": {"family": "' + family + b'"}, "birth_date": "1970-01-01"}'


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        pytest.param(with_family(b"Gar\x00cia"), "text.nul", id="P1"),
        pytest.param(with_family(b"Gar\\u0000cia"), "text.nul", id="P2"),
        pytest.param(with_family(b"Gar\\ud800cia"), "text.surrogate", id="P5"),
        pytest.param(with_family(b"Gar\xffcia"), "body.encoding", id="P6"),
        pytest.param(with_family(b"\xed\xa0\x80"), "body.encoding", id="P6-surrogate-bytes"),
        pytest.param(b"\xef\xbb\xbf" + with_family(b"Garcia"), "body.encoding", id="P8"),
        pytest.param(b'{"name": {"family": "A", "family": "B"}}', "body.duplicate_key", id="twice"),
        pytest.param(b'{"birth_date": 1e400}', "number.not_finite", id="1e400"),
        pytest.param(b'{"birth_date": NaN}', "number.not_finite", id="NaN"),
        pytest.param(b"[" * 40 + b"]" * 40, "body.too_deep", id="deep"),
        pytest.param(b"", "body.not_json", id="empty"),
        pytest.param(b"{", "body.not_json", id="cut"),
    ],
)
async def test_a_body_that_readers_disagree_about_is_refused(
    at: Scene, raw: bytes, code: str
) -> None:
    status, problem = await send(at, raw)
    assert (status, problem["code"]) == (400, code)


async def test_ten_megabytes_are_refused(at: Scene) -> None:
    status, problem = await send(at, with_family(b"A" * 10_000_000))
    assert (status, problem["code"]) == (413, "body.too_large")


async def test_another_content_type_is_refused(at: Scene) -> None:
    answer = await at.desk.post(
        "/v1/patients", content=orjson.dumps(person()), headers={"Content-Type": "text/plain"}
    )
    assert (answer.status_code, answer.json()["code"]) == (415, "body.media_type")


@pytest.mark.parametrize(
    ("family", "code"),
    [
        pytest.param("Gar\x1bcia", "text.encoding", id="P7-C0"),
        pytest.param("Gar\x85cia", "text.encoding", id="P7-C1"),
        pytest.param("Gar\u202ecia", "text.encoding", id="P9"),
        pytest.param("\u200b\u200d", "text.blank", id="P10"),
        pytest.param("   ", "text.blank", id="P11"),
        pytest.param("", "text.blank", id="P11-empty"),
        pytest.param("A" * 10_000, "text.too_long", id="P12"),
    ],
)
async def test_text_that_nobody_can_read_is_refused(at: Scene, family: str, code: str) -> None:
    status, problem = await send(at, orjson.dumps(named(family, "Ana")))
    assert (status, problem["errors"]) == (422, [{"pointer": "/name/family", "code": code}])
    assert "cia" not in orjson.dumps(problem).decode()


@pytest.mark.parametrize(
    ("more", "pointer", "code"),
    [
        pytest.param({"birth_date": "2026-11-03"}, "/birth_date", "birth_date.future", id="P29"),
        pytest.param({"birth_date": "1879-12-31"}, "/birth_date", "birth_date.too_early", id="P30"),
        pytest.param({"birth_date": "2027-02-29"}, "/birth_date", "date_parsing", id="P31"),
        pytest.param({"birth_date": 0}, "/birth_date", "date_type", id="epoch"),
        pytest.param(
            {"death_date": "1984-02-28"}, "/death_date", "death_date.before_birth", id="P32"
        ),
        pytest.param({"death_date": "2026-11-03"}, "/death_date", "death_date.future"),
        pytest.param({"ssn": "000-12-3456"}, "", "extra_forbidden", id="P33"),
        pytest.param(
            {"phones": [{"number": "1" * 2000}]}, "/phones/0/number", "phone.too_long", id="P35"
        ),
        pytest.param({"phones": [{"number": "303-555-CARE"}]}, "/phones/0/number", "phone.invalid"),
        pytest.param({"phones": [{"number": "0142", "use": "fax"}]}, "/phones/0/use", "enum"),
        pytest.param({"emails": ["a" * 250 + "@b.co"]}, "/emails/0", "email.too_long", id="P36"),
        pytest.param({"emails": ["no-at-sign"]}, "/emails/0", "email.invalid"),
        pytest.param({"gender": "F"}, "/gender", "enum", id="P37"),
        pytest.param({"gender": None}, "/gender", "enum"),
        pytest.param({"name": {}}, "/name", "name.missing"),
        pytest.param({"name": "Garcia"}, "/name", "model_type"),
        pytest.param(
            {"phones": [{"number": "3035550142"}, {"number": "(303) 555-0142"}]},
            "/phones",
            "contact.twice",
        ),
    ],
)
async def test_facts_that_cannot_be_are_refused(
    at: Scene, more: dict[str, Any], pointer: str, code: str
) -> None:
    status, problem = await send(at, orjson.dumps(person(**more)))
    assert status == 422
    assert {"pointer": pointer, "code": code} in problem["errors"]


@pytest.mark.parametrize(
    ("more", "pointer", "code"),
    [
        pytest.param({"postal_code": "8020"}, "/postal_code", "address.postal_code", id="P38"),
        pytest.param({"postal_code": "00000"}, "/postal_code", "address.postal_code"),
        pytest.param({"state": "XX"}, "/state", "address.state"),
        pytest.param({"country": "ZZ"}, "/country", "address.country"),
        pytest.param({"lines": []}, "/lines", "address.lines"),
        pytest.param({"lines": ["a"] * 5}, "/lines", "address.lines"),
        pytest.param({"lines": ["\u200b"]}, "/lines/0", "text.blank"),
    ],
)
async def test_an_address_that_mail_cannot_reach_is_refused(
    at: Scene, more: dict[str, Any], pointer: str, code: str
) -> None:
    address = {**person()["addresses"][0], **more}
    status, problem = await send(at, orjson.dumps(person(addresses=[address])))
    assert (status, problem["errors"]) == (
        422,
        [{"pointer": f"/addresses/0{pointer}", "code": code}],
    )


@pytest.mark.parametrize(
    ("family", "given", "searched"),
    [
        pytest.param("Jose\u0301", "Ana", "José", id="P13"),
        pytest.param("Ka\u02bbahumanu", "Ana", "kaahumanu", id="P14"),
        pytest.param("O'Brien", "Ana", "obrien", id="P15"),
        pytest.param("Null", "Ana", "NULL", id="P16"),
        pytest.param("Suharto", None, "suhar", id="P17"),
        pytest.param("O", "E", "o", id="P18"),
        pytest.param("\u0623\u062d\u0645\u062f", "\u0639\u0644\u064a", "\u0623\u062d", id="P19"),
        pytest.param("\U00020bb7\u91ce", "\u592a\u90ce", "\U00020bb7", id="P20"),
        pytest.param("Smith-Jones", "Ana", "smith jon", id="P21"),
        pytest.param("Okafor", "Baby Boy", "okaf", id="P22"),
        pytest.param("<script>alert(1)</script>", "Ana", "<script>", id="P23"),
        pytest.param("'; DROP TABLE patients; --", "Ana", "'; drop", id="P24"),
        pytest.param("{{7*7}}", "Ana", "{{7*7}}", id="P25"),
        pytest.param("${jndi:ldap://x}", "Ana", "${jn", id="P26"),
        pytest.param("=cmd()", "Ana", "=cmd()", id="P28"),
    ],
)
async def test_any_name_is_kept_as_it_came_and_found(
    at: Scene, family: str, given: str | None, searched: str
) -> None:
    made = await at.enter(family, given)
    assert (made["name"]["family"], made["name"]["given"]) == (
        "José" if family == "Jose\u0301" else family,
        given,
    )
    for text in (family, searched):
        found = await at.desk.post("/v1/patients/search", {"family": text})
        assert [item["id"] for item in found.json()["items"]] == [made["id"]], found.text


async def test_line_ends_in_a_name_become_a_space_p27(at: Scene) -> None:
    made = await at.enter("Garcia\r\nLopez", "Ana")
    assert made["name"]["family"] == "Garcia Lopez"


async def test_a_path_that_is_no_id_is_refused_p3_p4(at: Scene) -> None:
    for path in ("/v1/patients/%00", "/v1/patients/not-an-id", "/v1/patients/%ED%A0%80"):
        answer = await at.desk.get(path)
        assert answer.status_code == 422, path
        assert answer.json()["code"] == "request.invalid"


async def test_a_date_is_judged_by_the_latest_clock_of_the_networks_clinics(at: Scene) -> None:
    # It is 15:00 in London: already the next day in Auckland.
    born = named("Tane", "Newborn", "2026-11-03")
    refused = await at.desk.post("/v1/patients", born)
    assert refused.json()["errors"] == [{"pointer": "/birth_date", "code": "birth_date.future"}]
    await at.clinic(new_id(), "America/Denver")
    assert (await at.desk.post("/v1/patients", born)).status_code == 422
    await at.clinic(new_id(), "Pacific/Auckland")
    assert (await at.desk.post("/v1/patients", born)).status_code == 201
