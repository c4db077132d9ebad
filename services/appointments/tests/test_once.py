"""One key, one effect; one slot, one booking; whoever asks, and however often."""

import asyncio
from uuid import UUID

import pytest

from services.appointments.tests.builders import Scene, scene
from shared.testing.apps import Office
from shared.values.clock import FixedClock
from shared.values.ids import new_id


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


async def count(at: Scene, statement: str, *arguments: object) -> int:
    from shared.db.actor import Actor
    from shared.db.work import Context

    context = Context(at.network_id, Actor("person", "test"), at.clock.now())
    async with at.database.work(context) as work:
        found: int = await work.raw.fetchval(statement, *arguments)
    return found


async def test_twenty_with_one_key_make_one_booking(at: Scene) -> None:
    patient = await at.patient()
    body = at.booking(patient, "2026-11-04T09:00:00-07:00")
    answers = await asyncio.gather(
        *(at.desk.post("/v1/appointments", body, key="double-click") for _ in range(20))
    )
    assert {a.status_code for a in answers} == {201}
    assert len({a.content for a in answers}) == 1
    assert await count(at, "SELECT count(*) FROM appointments") == 1
    assert await count(at, "SELECT count(*) FROM outbox WHERE subject LIKE 'appointment/%'") == 1


async def test_a_refused_key_stays_free(at: Scene) -> None:
    body = at.booking(await at.patient(), "2026-11-04T03:00:00-07:00")
    refused = await at.desk.post("/v1/appointments", body, key="later")
    assert refused.status_code == 409
    good = {**body, "starts_at": "2026-11-04T10:00:00-07:00"}
    assert (await at.desk.post("/v1/appointments", good, key="later")).status_code == 201


async def test_a_key_belongs_to_its_caller(at: Scene, clinic_office: Office) -> None:
    other = clinic_office.desk("appointments", at.network_id, "front_desk", sub="another")
    first = at.booking(await at.patient(), "2026-11-04T11:00:00-07:00")
    second = at.booking(await at.patient(), "2026-11-04T12:00:00-07:00")
    assert (await at.desk.post("/v1/appointments", first, key="k")).status_code == 201
    assert (await other.post("/v1/appointments", second, key="k")).status_code == 201


async def test_many_race_for_few_slots(at: Scene) -> None:
    starts = [f"2026-11-05T{9 + n // 2:02d}:{30 * (n % 2):02d}:00-07:00" for n in range(10)]
    patients = [await at.patient(visits=1) for _ in range(60)]
    answers = await asyncio.gather(
        *(
            at.desk.post("/v1/appointments", at.booking(p, starts[i % len(starts)]))
            for i, p in enumerate(patients)
        )
    )
    statuses = [a.status_code for a in answers]
    assert set(statuses) <= {201, 409, 429}
    assert statuses.count(201) == len(starts)
    overlaps = await count(
        at,
        "SELECT count(*) FROM occupancies a JOIN occupancies b ON a.id < b.id"
        " AND a.network_id = b.network_id AND a.resource_id = b.resource_id AND a.lane = b.lane"
        " AND a.active AND b.active AND a.starts_at < b.ends_at AND b.starts_at < a.ends_at",
    )
    assert overlaps == 0


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Idempotency-Key": ""}, 400, "idempotency.malformed"),
        ({"Idempotency-Key": "x" * 256}, 400, "idempotency.malformed"),
        ({"Idempotency-Key": "a b"}, 400, "idempotency.malformed"),
        ({"Content-Type": "text/plain"}, 415, "body.media_type"),
    ],
)
async def test_headers_are_read_strictly(
    at: Scene, headers: dict[str, str], status: int, code: str
) -> None:
    body = at.booking(new_id(), "2026-11-04T09:00:00-07:00")
    refused = await at.desk.post("/v1/appointments", body, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (status, code)


async def test_a_body_of_ten_megabytes_is_refused(at: Scene) -> None:
    refused = await at.desk.post(
        "/v1/appointments",
        headers={"Content-Type": "application/json"},
        content=b" " * 10_000_000,
    )
    assert (refused.status_code, refused.json()["code"]) == (413, "body.too_large")


async def test_no_token_and_a_wrong_role(at: Scene, clinic_office: Office) -> None:
    body = at.booking(new_id(), "2026-11-04T09:00:00-07:00")
    nobody = await clinic_office.http.post(
        "http://appointments.test/v1/appointments", json=body, headers={"Idempotency-Key": "k"}
    )
    assert (nobody.status_code, nobody.json()["code"]) == (401, "token.refused")
    auditor = clinic_office.desk("appointments", at.network_id, "auditor")
    refused = await auditor.post("/v1/appointments", body)
    assert (refused.status_code, refused.json()["code"]) == (403, "permission.missing")
    denied = "SELECT count(*) FROM audit WHERE outcome = 'denied' AND action = 'book_appointment'"
    assert await count(at, denied) == 1


async def test_a_token_of_another_clinic_sees_nothing_of_this_one(
    at: Scene, clinic_office: Office
) -> None:
    body = at.booking(await at.patient(), "2026-11-04T09:00:00-07:00")
    made = (await at.desk.post("/v1/appointments", body)).json()
    elsewhere = clinic_office.desk(
        "appointments", at.network_id, "front_desk", clinics=[str(new_id())]
    )
    assert (await elsewhere.get(f"/v1/appointments/{made['id']}")).status_code == 404
    assert (await elsewhere.post("/v1/appointments", body)).status_code == 404
    cancel = f"/v1/appointments/{made['id']}/cancel"
    refused = await elsewhere.post(cancel, {"reason": "clinic_closed"}, version=1)
    assert refused.status_code == 404
