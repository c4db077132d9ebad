"""Looking into the tables of a scene's network."""

from typing import Any

from services.appointments.tests.builders import Scene
from shared.db.actor import Actor
from shared.db.work import Context

OVERLAPS = (
    "SELECT count(*) FROM occupancies a JOIN occupancies b ON a.id < b.id"
    " AND a.network_id = b.network_id AND a.resource_id = b.resource_id"
    " AND (a.lane = b.lane OR least(a.lane, b.lane) = 0)"
    " AND a.active AND b.active AND a.starts_at < b.ends_at AND b.starts_at < a.ends_at"
)
"""Pairs of active rows of one lane at one time: by plain comparisons, not by the constraint."""


async def rows(at: Scene, statement: str, *arguments: object) -> list[Any]:
    """Rows that the scene's network may see."""
    context = Context(at.network_id, Actor("person", "test"), at.clock.now())
    async with at.database.work(context) as work:
        return list(await work.raw.fetch(statement, *arguments))


async def count(at: Scene, statement: str, *arguments: object) -> int:
    """The one number that a statement gives."""
    ((found,),) = await rows(at, statement, *arguments)
    return int(found)


async def overlaps(at: Scene) -> int:
    """How many pairs of occupancies overlap."""
    return await count(at, OVERLAPS)
