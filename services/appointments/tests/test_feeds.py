"""Calendar feeds by secret addresses, on a real database."""

from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.appointments.tests import strict_ics
from services.appointments.tests.builders import Scene, scene
from shared.testing.apps import Office
from shared.values.clock import FixedClock
from shared.values.ids import new_id
from shared.web.by_secret import SecretRoutes, new_secret, secret_of
from shared.web.limits import Limits, Rate

Body = dict[str, Any]


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: Any, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


async def feed(at: Scene, **whose: str) -> tuple[str, str]:
    """The feed's own path, and where it is read."""
    made = await at.desk.post("/v1/calendar-feeds", whose)
    assert made.status_code == 201, made.text
    path = f"/v1/calendar-feeds/{made.json()['id']}"
    return path, await rotated(at, path)


async def rotated(at: Scene, path: str) -> str:
    answer = await at.desk.http.post(
        f"{at.desk.url}{path}/rotate", headers={"Authorization": f"Bearer {at.desk.token}"}
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["path"])


async def fetched(at: Scene, address: str, **headers: str) -> httpx.Response:
    """What a calendar gets that has nothing but the address."""
    return await at.desk.http.get(at.desk.url + address, headers=headers)


async def events(at: Scene, address: str) -> dict[str, strict_ics.Component]:
    answer = await fetched(at, address)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    found = strict_ics.read(answer.content).of("VEVENT")
    return {event.one("UID").removesuffix("@clinicbus"): event for event in found}


async def booked(at: Scene, start: str, **more: Any) -> Body:
    body = at.booking(await at.patient(), start, **more)
    answer = await at.desk.post("/v1/appointments", body)
    assert answer.status_code == 201, answer.text
    found: Body = answer.json()
    return found


async def test_a_feed_tells_kind_place_and_time_and_of_nobody(at: Scene) -> None:
    visit = await booked(at, "2026-11-03T09:00:00-07:00")
    _, address = await feed(at, clinic_id=at.clinic_id)
    answer = await fetched(at, address)
    (event,) = (await events(at, address)).values()
    assert (event.text("SUMMARY"), event.text("LOCATION")) == ("Office visit", "Northside")
    calendar = strict_ics.read(answer.content)
    start = strict_ics.instant(calendar, event, "DTSTART")
    assert start == datetime.fromisoformat(visit["starts_at"])
    assert event.one("STATUS") == "CONFIRMED"
    assert visit["patient_id"] not in answer.text


async def test_a_move_and_a_cancellation_are_news_of_the_same_entry(at: Scene) -> None:
    visit = await booked(at, "2026-11-03T09:00:00-07:00")
    _, address = await feed(at, provider_id=at.provider_id)
    path = f"/v1/appointments/{visit['id']}"
    to = {"starts_at": "2026-11-04T10:00:00-07:00", "reason": "patient_request"}
    assert (await at.desk.post(f"{path}/reschedule", to, version=1)).status_code == 200
    event = (await events(at, address))[visit["id"]]
    assert (event.one("SEQUENCE"), event.one("DTSTART")) == ("1", "20261104T100000")
    why = {"reason": "patient_request"}
    assert (await at.desk.post(f"{path}/cancel", why, version=2)).status_code == 200
    event = (await events(at, address))[visit["id"]]
    assert (event.one("SEQUENCE"), event.one("STATUS")) == ("2", "CANCELLED")


async def test_a_providers_feed_is_of_that_provider(at: Scene) -> None:
    body = {"family_name": "Reyes", "clinic_ids": [at.clinic_id]}
    other = (await at.admin.post("/v1/providers", body)).json()["id"]
    hours = {"clinic_id": at.clinic_id, "weekday": 2, "opens": "08:00:00", "closes": "17:00:00"}
    await at.admin.post(f"/v1/providers/{other}/schedules", hours)
    mine = await booked(at, "2026-11-03T09:00:00-07:00")
    theirs = await booked(at, "2026-11-03T09:00:00-07:00", provider_id=other)
    _, address = await feed(at, provider_id=at.provider_id)
    assert set(await events(at, address)) == {mine["id"]}
    _, address = await feed(at, clinic_id=at.clinic_id)
    assert set(await events(at, address)) == {mine["id"], theirs["id"]}


async def test_what_is_known_already_is_not_sent_again(at: Scene) -> None:
    await booked(at, "2026-11-03T09:00:00-07:00")
    _, address = await feed(at, clinic_id=at.clinic_id)
    first = await fetched(at, address)
    tag = first.headers["etag"]
    for known in (tag, f'"x", {tag}', f"W/{tag}", "*"):
        again = await fetched(at, address, **{"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    await booked(at, "2026-11-03T11:00:00-07:00")
    news = await fetched(at, address, **{"If-None-Match": tag})
    assert news.status_code == 200
    assert news.headers["etag"] != tag


async def test_another_address_closes_the_one_before_and_a_revoked_feed_has_none(
    at: Scene,
) -> None:
    path, first = await feed(at, clinic_id=at.clinic_id)
    second = await rotated(at, path)
    assert first != second
    assert (await fetched(at, first)).status_code == 404
    assert (await fetched(at, second)).status_code == 200
    assert (await at.desk.post(f"{path}/revoke")).json()["revoked_at"] is not None
    assert (await fetched(at, second)).status_code == 404
    again = await at.desk.post(f"{path}/rotate")
    assert (again.status_code, again.json()["code"]) == (409, "feed.revoked")


async def test_what_opens_nothing_is_all_the_same(at: Scene) -> None:
    path, address = await feed(at, clinic_id=at.clinic_id)
    await at.desk.post(f"{path}/revoke")
    answers = [await fetched(at, address)]
    unknown = (new_secret(at.network_id), new_secret(new_id()), "A" * 64, "x", "%00", "a" * 3000)
    for text in unknown:
        answers.append(await fetched(at, f"/v1/ics/{text}.ics"))
    told = {(a.status_code, a.content, frozenset(a.headers) - {"content-length"}) for a in answers}
    assert len(told) == 1
    assert answers[0].status_code == 404


async def test_no_secret_is_kept_nor_told_again(at: Scene) -> None:
    path, address = await feed(at, clinic_id=at.clinic_id)
    secret = address.removeprefix("/v1/ics/").removesuffix(".ics")
    await fetched(at, address)
    assert secret not in (await at.desk.get(path)).text
    found = secret_of(secret)
    assert found is not None
    async with at.database.raw("app") as raw, raw.transaction():
        await raw.execute("SELECT set_config('app.network', $1, true)", str(at.network_id))
        kept = await raw.fetchval("SELECT secret_hash FROM calendar_feeds")
        assert kept == found.digest
        replies = await raw.fetch("SELECT t::text AS row FROM idempotency t")
        trail = await raw.fetch("SELECT t::text AS row FROM audit t")
    everything = "\n".join(row["row"] for row in (*replies, *trail))
    assert "read_feed" in everything
    assert secret not in everything
    assert secret.encode().hex() not in everything


async def test_a_secret_names_its_network_and_is_random() -> None:
    network = new_id()
    one, other = new_secret(network), new_secret(network)
    assert one != other
    found = secret_of(one)
    assert found is not None
    assert (found.network_id, len(found.digest)) == (network, 32)
    assert secret_of(one[:-1]) is None
    assert isinstance(found.network_id, UUID)


async def test_a_secret_is_asked_as_often_as_a_caller_may_and_guesses_as_refused_tokens() -> None:
    limits = Limits({"requests": Rate(1, 2), "refused": Rate(1, 1)})
    assert [limits.admit_secret(b"a")[0] > 0 for _ in range(3)] == [False, False, True]
    assert limits.admit_secret(b"b")[0] == 0
    assert [limits.refused("10.0.0.1") > 0 for _ in range(2)] == [False, True]


@pytest.mark.parametrize(
    "path", ["/v1/ics", "/ics/{secret}.ics", "/v1/ics/{secret}", "/v1/{secret}"]
)
def test_a_route_that_a_secret_opens_has_a_path_of_that_shape(path: str) -> None:
    with pytest.raises(ValueError, match="a path below"):
        SecretRoutes().get(path)


async def test_a_feed_is_of_one_provider_or_one_clinic(at: Scene) -> None:
    both = {"provider_id": at.provider_id, "clinic_id": at.clinic_id}
    for body in ({}, both):
        answer = await at.desk.post("/v1/calendar-feeds", body)
        assert (answer.status_code, answer.json()["code"]) == (422, "feed.of_whom")
