"""Searching, matching and looking up through the API, on a real database."""

import asyncio
import json
from typing import Any
from uuid import UUID

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


async def found(at: Scene, **body: Any) -> list[str]:
    """The ids that a search gives."""
    answer = await at.desk.post("/v1/patients/search", body)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


async def test_every_member_of_a_search_must_fit(at: Scene) -> None:
    lupe = (await at.register())["id"]
    ana = (await at.enter("Garcia", "Ana", birth_date="1990-05-17"))["id"]
    await at.enter("Okafor", "Ana", birth_date="1991-06-18")
    assert await found(at, family="garc") == [lupe, ana]
    assert await found(at, family="GARCÍA LÓ") == [lupe]
    assert await found(at, family="garc", given="an") == [ana]
    assert await found(at, given="lup") == [lupe]
    assert await found(at, birth_date="1990-05-17") == [ana]
    assert await found(at, birth_date="1990-05-17", family="okafor") == []
    assert await found(at, phone="(303) 555-0142") == [lupe]
    assert await found(at, phone="303-555-0142", given="ana") == []
    assert await found(at, email="LUPE@example.ORG") == [lupe]


async def test_a_name_is_found_by_its_sound(at: Scene) -> None:
    rupert = (await at.enter("Ashcraft", "Rupert"))["id"]
    assert await found(at, family="Ashcroft") == []
    assert await found(at, family="Ashcroft", sounds_like=True) == [rupert]
    assert await found(at, family="Ashcroft", given="Robert", sounds_like=True) == [rupert]
    assert await found(at, family="Bell", sounds_like=True) == []


async def test_a_number_is_found_as_it_is_typed_and_a_slip_in_it_is_told(at: Scene) -> None:
    made = await at.register()
    typed = f"{made['mrn'][:3]}-{made['mrn'][3:6]} {made['mrn'][6:]}"
    assert await found(at, mrn=typed) == [made["id"]]
    slipped = made["mrn"][:7] + str((int(made["mrn"][7]) + 1) % 10) + made["mrn"][8]
    refused = await at.desk.post("/v1/patients/search", {"mrn": slipped})
    assert (refused.status_code, refused.json()["code"]) == (422, "mrn.check_digit")


async def test_wildcards_are_letters_p50(at: Scene) -> None:
    await at.enter("Garcia", "Ana")
    percent = (await at.enter("100% Cotton", "Bo", birth_date="1980-01-01"))["id"]
    assert await found(at, family="%") == []
    assert await found(at, family="_arcia") == []
    assert await found(at, family="100%") == [percent]


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        pytest.param({"_sort": "mrn; DROP TABLE patients"}, "", "extra_forbidden", id="P51"),
        pytest.param({"family": "a", "limit": 10**9}, "/limit", "less_than_equal", id="P52"),
        ({"family": "a", "limit": 0}, "/limit", "greater_than_equal"),
        ({"family": "a", "limit": "5"}, "/limit", "int_type"),
        ({"family": "a", "limit": True}, "/limit", "int_type"),
        ({"family": "a", "limit": 1.5}, "/limit", "int_type"),
        ({"family": "a", "sounds_like": "yes"}, "/sounds_like", "bool_type"),
        ({"family": "a", "sounds_like": 1}, "/sounds_like", "bool_type"),
        ({"family": "\u200b"}, "/family", "text.blank"),
        ({"birth_date": "17/05/1990"}, "/birth_date", "date_parsing"),
        ({"phone": "911"}, "/phone", "phone.invalid"),
        ({"mrn": "not one"}, "/mrn", "mrn.format"),
    ],
)
async def test_a_bad_search_is_refused(
    at: Scene, body: dict[str, Any], pointer: str, code: str
) -> None:
    refused = await at.desk.post("/v1/patients/search", body)
    assert (refused.status_code, refused.json()["errors"]) == (
        422,
        [{"pointer": pointer, "code": code}],
    )


@pytest.mark.parametrize("body", [{}, {"limit": 5}, {"sounds_like": True}, {"family": None}])
async def test_an_empty_search_is_refused_p49(at: Scene, body: dict[str, Any]) -> None:
    refused = await at.desk.post("/v1/patients/search", body)
    assert (refused.status_code, refused.json()["code"]) == (422, "search.empty")


async def test_a_search_is_paged_without_repeating_or_skipping_p54(at: Scene) -> None:
    made = [(await at.enter("Smith", None, birth_date=f"19{n:02}-01-01"))["id"] for n in range(7)]
    pages: list[list[str]] = []
    cursor = None
    while True:
        body: dict[str, Any] = {"family": "smith", "limit": 3}
        answer = await at.desk.post(
            "/v1/patients/search", body if cursor is None else {**body, "cursor": cursor}
        )
        page = answer.json()
        pages.append([item["id"] for item in page["items"]])
        cursor = page["next"]
        if cursor is None:
            break
        # Whom a page has shown is renamed, and somebody new comes in front of everyone by name.
        shown = f"/v1/patients/{pages[-1][0]}"
        done = await at.desk.patch(shown, {"name": {"family": "Smithson"}}, 1)
        assert done.status_code == 200, done.text
    assert pages == [made[0:3], made[3:6], made[6:7]]


async def test_a_cursor_of_another_making_is_refused_p53(at: Scene) -> None:
    for n in range(3):
        await at.enter("Smith", None, birth_date=f"19{n:02}-01-01")
    body = {"family": "smith", "limit": 1}
    cursor = (await at.desk.post("/v1/patients/search", body)).json()["next"]
    for bad in ("x", cursor[:-1] + ("A" if cursor[-1] != "A" else "B"), "A" + cursor, "é.é"):
        refused = await at.desk.post("/v1/patients/search", {**body, "cursor": bad})
        assert (refused.status_code, refused.json()["code"]) == (400, "cursor.invalid")


async def test_a_search_is_audited_with_whom_it_named(at: Scene) -> None:
    made = await at.register()
    await at.enter("Okafor", "Ada")
    await found(at, family="garcia", birth_date="1984-02-29")
    await found(at, family="nobody")
    kept = await at.audited("search_patients")
    assert [row["patient_ids"] for row in kept] == [[UUID(made["id"])], []]
    assert json.loads(kept[0]["detail"]) == {"by": ["family", "birth_date"]}


async def test_a_match_grades_the_candidates_and_gives_its_reasons(at: Scene) -> None:
    made = await at.register()
    await at.enter("Garcia Lopez", "Rafael", birth_date="1984-02-29")
    await at.enter("Okafor", "Ada", birth_date="1950-01-01")
    body = {"name": {"family": "Garcia", "given": "Lupe"}, "birth_date": "1984-02-29"}
    answer = await at.desk.post("/v1/patients/match", body)
    assert answer.status_code == 200, answer.text
    first, second = answer.json()["items"]
    assert (first["id"], first["mrn"], first["grade"]) == (made["id"], made["mrn"], "probable")
    assert second["grade"] == "possible"
    assert set(second["reasons"]) >= {"birth_date.same", "given.differs"}
    [kept] = await at.audited("match_patient")
    assert {str(key) for key in kept["patient_ids"]} == {first["id"], second["id"]}


async def test_a_birth_date_with_day_and_month_changed_about_is_matched(at: Scene) -> None:
    made = await at.enter("Garcia", "Ana", birth_date="1990-05-07")
    answer = await at.desk.post("/v1/patients/match", named("Garcia", "Ana", "1990-07-05"))
    [candidate] = answer.json()["items"]
    assert (candidate["id"], candidate["grade"]) == (made["id"], "probable")


async def test_ids_are_turned_into_names_by_one_audited_call(at: Scene) -> None:
    ada = await at.enter("Okafor", "Ada")
    lupe = await at.register()
    ids = [lupe["id"], str(new_id()), ada["id"], lupe["id"]]
    answer = await at.desk.post("/v1/patients/lookup", {"ids": ids})
    assert answer.status_code == 200, answer.text
    items = answer.json()["items"]
    assert [item["id"] for item in items] == [lupe["id"], ada["id"]]
    assert items[0] == {name: lupe[name] for name in ("id", "mrn", "name", "birth_date")}
    [kept] = await at.audited("look_up_patients")
    assert kept["patient_ids"] == [UUID(lupe["id"]), UUID(ada["id"])]


async def test_a_service_may_look_up_and_nothing_else(at: Scene) -> None:
    made = await at.register()
    service = at.office.desk(
        "patients",
        at.network_id,
        "service",
        sub="documents",
        act={"sub": "person/desk-4"},
        purpose="chart_packet",
    )
    answer = await service.post("/v1/patients/lookup", {"ids": [made["id"]]})
    assert answer.json()["items"][0]["name"]["display"] == "Guadalupe García López"
    [kept] = await at.rows(
        "SELECT actor, on_behalf_of FROM audit WHERE action = 'look_up_patients'"
    )
    assert kept == {"actor": "service/documents", "on_behalf_of": "person/desk-4"}
    assert (await service.get(f"/v1/patients/{made['id']}")).status_code == 403
    assert (await service.post("/v1/patients/search", {"family": "g"})).status_code == 403


@pytest.mark.parametrize(
    ("ids", "pointer", "code"),
    [
        ([], "/ids", "too_short"),
        ([str(new_id()) for _ in range(201)], "/ids", "too_long"),
        (["nobody"], "/ids/0", "uuid_parsing"),
        ([7], "/ids/0", "uuid_type"),
    ],
)
async def test_a_bad_lookup_is_refused(at: Scene, ids: list[Any], pointer: str, code: str) -> None:
    refused = await at.desk.post("/v1/patients/lookup", {"ids": ids})
    assert (refused.status_code, refused.json()["errors"]) == (
        422,
        [{"pointer": pointer, "code": code}],
    )


async def test_two_hundred_ids_are_looked_up_at_once(at: Scene) -> None:
    bodies = [named(f"Family{chr(97 + n)}", None, f"19{n * 4:02}-03-01") for n in range(20)]
    made = await asyncio.gather(*(at.desk.post("/v1/patients", body) for body in bodies))
    ids = [answer.json()["id"] for answer in made] + [str(new_id()) for _ in range(180)]
    answer = await at.desk.post("/v1/patients/lookup", {"ids": ids})
    assert [item["id"] for item in answer.json()["items"]] == ids[:20]


async def test_reads_by_post_need_no_key(at: Scene) -> None:
    headers = {"Authorization": f"Bearer {at.desk.token}"}
    for path, body in (
        ("search", {"family": "g"}),
        ("match", named("Garcia", "Ana")),
        ("lookup", {"ids": [str(new_id())]}),
    ):
        url = f"{at.desk.url}/v1/patients/{path}"
        answer = await at.desk.http.post(url, json=body, headers=headers)
        assert answer.status_code == 200, answer.text


async def test_another_network_finds_nobody(at: Scene) -> None:
    made = await at.register()
    stranger = at.office.desk("patients", new_id(), "front_desk")
    for path, body in (
        ("search", {"birth_date": "1984-02-29"}),
        ("match", {k: v for k, v in person().items() if k != "override_reason"}),
        ("lookup", {"ids": [made["id"]]}),
    ):
        answer = await stranger.post(f"/v1/patients/{path}", body)
        assert (answer.status_code, answer.json()["items"]) == (200, []), path
