"""A server that goes away while a request is refused: the answer is 503, and no fault of ours."""

from typing import Any
from uuid import UUID

import asyncpg
import pytest
from starlette.responses import Response

from services.appointments.tests.builders import Scene, scene
from shared.db.actor import Actor
from shared.db.database import Database
from shared.db.work import Context, Work
from shared.testing.apps import Office
from shared.values.clock import FixedClock
from shared.values.errors import Conflict, Unavailable
from shared.values.ids import new_id
from shared.web.transactions import Key, Plan, in_transaction


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


def goes_away(database: Database, *connections: asyncpg.Connection) -> None:
    """The connections are gone, and nobody listens where they were."""
    database.app.url = database.app.url.replace("host=", "host=/nowhere")
    assert "/nowhere" in database.app.url
    for connection in connections:
        connection.terminate()


@pytest.mark.parametrize("refusal", ["by_a_rule", "by_a_constraint"])
async def test_what_was_answered_before_cannot_be_looked_up(at: Scene, refusal: str) -> None:
    """A refusal is given once it is known that the same key was not answered otherwise."""
    url = at.database.app.url
    database = Database.connect("appointments", url, None)

    async def refused(work: Work) -> Response:
        if refusal == "by_a_constraint":
            same = "INSERT INTO clinics SELECT * FROM clinics WHERE id = $1"
            try:
                await work.raw.execute(same, UUID(at.clinic_id))
            finally:
                goes_away(database, work.raw)
        goes_away(database, work.raw)
        raise Conflict("thing.taken", "It is taken.")

    key = Key("person/test", "POST", "/v1/things", str(new_id()), b"{}")
    context = Context(at.network_id, Actor("person", "test"), at.clock.now())
    try:
        with pytest.raises(Unavailable) as found:
            await in_transaction(database, Plan(context, key=key), refused, {})
        assert found.value.code == "database.unavailable"
    finally:
        await database.close()


async def test_a_denial_that_cannot_be_audited_is_no_answer(
    environment: dict[str, str],
    clinic_office: Office,
    network_id: UUID,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connect, made = Database.connect, list[Database]()

    def kept(*arguments: Any, **more: Any) -> Database:
        made.append(connect(*arguments, **more))
        return made[-1]

    monkeypatch.setattr(Database, "connect", kept)
    at = await scene(environment, clinic_office, network_id, clock)
    biller = clinic_office.desk("appointments", network_id, "biller")
    body = at.booking(await at.patient(), "2026-11-03T10:00:00-07:00")
    assert (await biller.post("/v1/appointments", body)).status_code == 403
    for database in made:
        goes_away(database, *database.app._free)
    answer = await biller.post("/v1/appointments", body)
    assert (answer.status_code, answer.json()["code"]) == (503, "database.unavailable")
