"""The register of who may act for a patient."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from services.patients.tests.builders import Scene, scene
from services.patients.timers import TIMERS
from shared.db.timers import fire_due
from shared.testing.apps import Office
from shared.values.clock import FixedClock
from shared.values.ids import new_id

pytestmark = pytest.mark.rule("45 CFR 164.502(g)")

FRIEND = {
    "proxy_subject": "a-friend",
    "authority": "patient_permission",
    "scope": ["appointment:read", "appointment:book"],
}
PARENT = {**FRIEND, "proxy_subject": "a-parent", "authority": "parent_or_guardian_of_minor"}


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


async def child(at: Scene, birth_date: str = "2008-11-20") -> str:
    """A patient who is no adult yet."""
    made = await at.enter("Okafor", "Chi", birth_date=birth_date)
    await at.clinic(new_id(), "America/Denver")
    return str(made["id"])


async def grant(at: Scene, patient: str, body: dict[str, Any]) -> httpx.Response:
    return await at.desk.post(f"/v1/patients/{patient}/proxies", body)


async def listed(at: Scene, patient: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await at.desk.get(f"/v1/patients/{patient}/proxies")).json()[
        "items"
    ]
    return found


async def test_an_entry_is_made_read_listed_and_ended_and_stays(at: Scene) -> None:
    patient = await child(at)
    made = await grant(at, patient, FRIEND)
    assert made.status_code == 201, made.text
    told = made.json()
    assert (told["state"], told["lapses_at"], told["verified_by"]) == (
        "living",
        None,
        "person/test-person",
    )
    path = made.headers["location"]
    assert (await at.desk.get(path)).json() == told
    ended = await at.desk.post(f"{path}/end", {"reason": "safety", "note": "Asked by a judge."})
    assert (ended.json()["state"], ended.json()["end_reason"]) == ("ended", "safety")
    assert (ended.json()["ended_by"], ended.json()["end_note"]) == (
        "person/test-person",
        "Asked by a judge.",
    )
    again = await at.desk.post(f"{path}/end", {"reason": "other"})
    assert (again.status_code, again.json()["code"]) == (409, "proxy.already_ended")
    # And may be entered anew.
    assert (await grant(at, patient, FRIEND)).status_code == 201
    assert [item["state"] for item in await listed(at, patient)] == ["ended", "living"]
    assert await at.said(patient) == [
        "patient.registered", "proxy.granted", "proxy.ended", "proxy.granted",
    ]  # fmt: skip
    for action in ("grant_proxy", "read_proxy", "list_proxies", "end_proxy"):
        rows = await at.audited(action)
        assert rows, action
        assert all(str(row["patient_ids"][0]) == patient for row in rows)


async def test_the_event_names_nobody(at: Scene) -> None:
    patient = await child(at)
    await grant(at, patient, PARENT)
    rows = await at.rows(
        "SELECT encode(value, 'escape') AS value FROM outbox WHERE type LIKE '%proxy.granted%'"
        " AND subject = $1",
        f"patient/{patient}",
    )
    (value,) = [row["value"] for row in rows]
    assert "a-parent" not in value
    # Nor when somebody comes of age, which is their birthday.
    assert "2026-11-20" not in value
    assert (await listed(at, patient))[0]["lapses_at"] == "2026-11-20T07:00:00Z"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({**FRIEND, "proxy_patient_id": str(new_id())}, 422, "proxy.who"),
        ({**FRIEND, "proxy_subject": None}, 422, "proxy.who"),
        (
            {**FRIEND, "proxy_subject": None, "proxy_patient_id": str(new_id())},
            404,
            "patient.not_found",
        ),
        ({**FRIEND, "authority": "personal_representative"}, 422, "proxy.evidence_missing"),
        ({**FRIEND, "until_at": "2026-11-01T00:00:00Z"}, 422, "proxy.interval"),
        ({**FRIEND, "begins_at": "9999-11-01T00:00:00Z"}, 422, "time.range"),
        ({**FRIEND, "scope": []}, 422, "request.invalid"),
        ({**FRIEND, "scope": ["patient:write"]}, 422, "request.invalid"),
        ({**FRIEND, "authority": "a_friend"}, 422, "request.invalid"),
        ({**FRIEND, "proxy_subject": "a b"}, 422, "request.invalid"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
async def test_an_entry_that_is_refused(
    at: Scene, body: dict[str, Any], status: int, code: str
) -> None:
    answer = await grant(at, await child(at), body)
    assert answer.status_code == status, answer.text
    if code != "request.invalid":
        assert answer.json()["code"] == code


async def test_nobody_is_their_own_proxy_nor_an_adults_parent(at: Scene) -> None:
    patient = await child(at)
    own = {**FRIEND, "proxy_subject": None, "proxy_patient_id": patient}
    assert (await grant(at, patient, own)).json()["code"] == "proxy.self"
    adult = await child(at, "1984-02-29")
    assert (await grant(at, adult, PARENT)).json()["code"] == "proxy.of_age"
    stranger = at.office.desk("patients", new_id(), "front_desk")
    answer = await stranger.post(f"/v1/patients/{patient}/proxies", FRIEND)
    assert answer.status_code == 404


@pytest.mark.parametrize("by", ["subject", "patient"])
async def test_of_many_at_once_one_is_entered(at: Scene, by: str) -> None:
    patient = await child(at)
    other = (await at.enter("Bello", "Ben"))["id"]
    who = FRIEND if by == "subject" else {
        **FRIEND, "proxy_subject": None, "proxy_patient_id": other,
    }  # fmt: skip
    answers = await asyncio.gather(*(grant(at, patient, who) for _ in range(8)))
    assert sorted(a.status_code for a in answers) == [201, *[409] * 7]
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"proxy.exists"}
    # The database holds it as well, whoever forgets to ask.
    with pytest.raises(asyncpg.UniqueViolationError):
        await at.rows(
            "INSERT INTO proxies SELECT network_id, gen_random_uuid(), patient_id, proxy_subject,"
            " proxy_key, proxy_patient_id, authority, scope, begins_at, until_at, majority_at,"
            " lapses_at, evidence_document_id, verified_at, verified_by FROM proxies"
            " WHERE patient_id = $1 RETURNING id",
            UUID(patient),
        )


async def fire(at: Scene) -> None:
    """Let what is due be done, of this network and of whoever else is in the database."""
    await fire_due(at.database, TIMERS, at.clock)


async def test_it_ends_by_itself_at_its_time(at: Scene) -> None:
    patient = await child(at)
    until = at.clock.now() + timedelta(hours=2)
    await grant(at, patient, {**FRIEND, "until_at": until.isoformat()})
    await grant(at, patient, PARENT)
    at.clock.at = until - timedelta(seconds=1)
    await fire(at)
    assert [item["state"] for item in await listed(at, patient)] == ["living", "living"]
    at.clock.at = until
    assert [item["state"] for item in await listed(at, patient)] == ["lapsed", "living"]
    await fire(at)
    first, second = await listed(at, patient)
    assert (first["state"], first["end_reason"], first["ended_by"]) == (
        "ended", "expired", "timer/proxy-lapse",
    )  # fmt: skip
    # And the other one when the patient comes of age, by the clock of the clinic.
    at.clock.at = datetime(2026, 11, 20, 7, tzinfo=UTC)
    await fire(at)
    first, second = await listed(at, patient)
    assert (second["state"], second["end_reason"]) == ("ended", "age_of_majority")
    assert second["ended_at"] == "2026-11-20T07:00:00Z"


async def test_what_has_lapsed_is_in_nobodys_way(at: Scene) -> None:
    patient = await child(at)
    until = at.clock.now() + timedelta(hours=2)
    await grant(at, patient, {**FRIEND, "until_at": until.isoformat()})
    at.clock.at = until
    assert (await grant(at, patient, FRIEND)).status_code == 201
    first, second = await listed(at, patient)
    assert (first["end_reason"], second["state"]) == ("expired", "living")
    assert await at.said(patient) == [
        "patient.registered", "proxy.granted", "proxy.ended", "proxy.granted",
    ]  # fmt: skip


async def test_an_amended_birth_date_moves_the_day(at: Scene) -> None:
    patient = await child(at)
    await grant(at, patient, PARENT)
    path = f"/v1/patients/{patient}"
    version = (await at.desk.get(path)).json()["version"]
    amended = await at.desk.patch(path, {"birth_date": "2009-11-20"}, version)
    assert amended.status_code == 200, amended.text
    assert (await listed(at, patient))[0]["lapses_at"] == "2027-11-20T07:00:00Z"
    at.clock.at = datetime(2026, 11, 20, 7, tzinfo=UTC)
    await fire(at)
    assert (await listed(at, patient))[0]["state"] == "living"
    version = amended.json()["version"]
    assert (await at.desk.patch(path, {"birth_date": "2000-01-01"}, version)).status_code == 200
    await fire(at)
    assert (await listed(at, patient))[0]["end_reason"] == "age_of_majority"


async def test_the_age_is_the_networks_policy(at: Scene) -> None:
    admin = at.office.desk("patients", at.network_id, "admin")
    read = await admin.get("/v1/proxy-policy")
    assert read.json() == {"majority_age": 18, "set_at": None, "set_by": None}
    for age in (17, 22, "19", 18.5):
        assert (await admin.post("/v1/proxy-policy", {"majority_age": age})).status_code == 422
    for age in (21, 19):
        said = await admin.post("/v1/proxy-policy", {"majority_age": age})
        assert (said.status_code, said.json()["majority_age"]) == (200, age)
    assert (await admin.get("/v1/proxy-policy")).json() == said.json()
    patient = await child(at)
    await grant(at, patient, PARENT)
    assert (await listed(at, patient))[0]["lapses_at"] == "2027-11-20T07:00:00Z"
