"""A server that goes away while a request is refused: the answer is 503, and no fault of ours."""

from uuid import UUID

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


def goes_away(database: Database, work: Work) -> None:
    """The connection is gone, and nobody listens where it was."""
    database.app.url = database.app.url.replace("host=", "host=/nowhere")
    assert "/nowhere" in database.app.url
    work.raw.terminate()


@pytest.mark.parametrize("refusal", ["by_a_rule", "by_a_constraint"])
async def test_what_was_answered_before_cannot_be_looked_up(at: Scene, refusal: str) -> None:
    """A refusal is given once it is known that the same key was not answered otherwise."""
    url = at.database.app.url
    database = Database.connect("appointments", url, None)

    async def refused(work: Work) -> Response:
        if refusal == "by_a_constraint":
            await work.raw.execute("SET LOCAL lock_timeout = '1s'")
            same = "INSERT INTO clinics SELECT * FROM clinics WHERE id = $1"
            try:
                await work.raw.execute(same, UUID(at.clinic_id))
            finally:
                goes_away(database, work)
        goes_away(database, work)
        raise Conflict("thing.taken", "It is taken.")

    key = Key("person/test", "POST", "/v1/things", str(new_id()), b"{}")
    context = Context(at.network_id, Actor("person", "test"), at.clock.now())
    try:
        with pytest.raises(Unavailable) as found:
            await in_transaction(database, Plan(context, key=key), refused, {})
        assert found.value.code == "database.unavailable"
    finally:
        await database.close()
