"""Probes: `/livez` (the process works), `/readyz` (it can do its job), `/metrics`."""

import asyncio
from typing import TYPE_CHECKING, Any

import orjson
from fastapi import FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response

from shared.db.pool import AWAY
from shared.db.revisions import newest_revision

if TYPE_CHECKING:
    from shared.web.background import Running

CHECK_SECONDS = 2.0


def add_probes(app: FastAPI, running: "Running") -> None:
    """Add the probes to an app."""
    expected = newest_revision(running.service.name)

    async def livez(_request: Request) -> Response:
        # A task that has died does not come back by itself: only a new process helps.
        dead = _dead(running)
        return _json({"status": "ok" if not dead else "dead", "dead": dead}, 503 if dead else 200)

    async def readyz(_request: Request) -> Response:
        members = await _readiness(running, expected)
        return _json(members, 200 if members["ready"] else 503)

    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    app.add_route("/livez", livez, include_in_schema=False)
    app.add_route("/readyz", readyz, include_in_schema=False)
    app.add_route("/metrics", metrics, include_in_schema=False)


def _json(members: dict[str, Any], status: int) -> Response:
    return Response(orjson.dumps(members), status, media_type="application/json")


def _dead(running: "Running") -> list[str]:
    return sorted(name for name, task in running.tasks.items() if task.done())


async def _readiness(running: "Running", expected: str) -> dict[str, Any]:
    """Ready means: the database answers, its schema is the code's or newer, no task has died.

    A bus that is away makes a worker degraded and not unready: every write still succeeds.
    """
    members: dict[str, Any] = {"service": running.service.name, "role": running.role}
    dead = _dead(running)
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            async with running.database.raw("app") as raw:
                found = await raw.fetchval("SELECT version_num FROM alembic_version")
        # During a release the schema is newer than the old processes: that is what they expect.
        members["schema"] = "current" if (found or "") >= expected else "not migrated"
    except AWAY as error:
        members["schema"] = f"database away ({type(error).__name__})"
    if running.bus is not None:
        members["bus"] = running.bus.state()
    members["dead"] = dead
    members["ready"] = members["schema"] == "current" and not dead
    return members
