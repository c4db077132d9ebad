"""A route that is answered directly gets and refuses what FastAPI would."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from shared.contracts.permissions import Permission
from shared.db.work import Work
from shared.web.calls import Call, Reply
from shared.web.direct import direct
from shared.web.routes import Routes, signed

KEY = UUID("0190a1b2-0000-7000-8000-00000000abcd")
TEXTS = [
    str(KEY),
    str(KEY).upper(),
    KEY.hex,
    f"urn:uuid:{KEY}",
    f"{{{KEY}}}",
    "nonsense",
    str(KEY)[:-1],
    f"{str(KEY)[:-4]}_{str(KEY)[-3:]}",
    f" {KEY}",
]


async def known(request: Request) -> bool:
    return "stranger" not in request.headers


def app(*, directly: bool) -> FastAPI:
    routes = Routes("things")

    @routes.post("/v1/things/{thing_id}/paint", may=Permission.CLINIC_READ)
    async def paint(work: Work, call: Call[None]) -> Reply:
        """Paint it."""
        return Reply()

    async def answer(request: Request, path: Mapping[str, UUID], query: Any) -> Response:
        assert query is None
        if not await known(request):
            return Response(status_code=401)
        return Response(str(path["thing_id"]))

    made = FastAPI(telemetry={"tracing": False, "metrics": False})
    (route,) = routes.declared
    made.router.add_api_route(
        route.path,
        signed(route, answer),
        methods=[route.method],
        response_class=Response,
        response_model=None,
        route_class_override=direct(route, answer, known, frozenset()) if directly else APIRoute,
    )
    return made


async def asked(method: str, text: str, *, directly: bool, **headers: str) -> tuple[int, bytes]:
    transport = httpx.ASGITransport(app=app(directly=directly))
    async with httpx.AsyncClient(transport=transport, base_url="http://things.test") as client:
        answer = await client.request(method, f"/v1/things/{text}/paint", headers=headers)
    return answer.status_code, answer.content


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
@pytest.mark.parametrize("text", TEXTS)
async def test_it_answers_as_the_framework_does(method: str, text: str) -> None:
    assert await asked(method, text, directly=True) == await asked(method, text, directly=False)


async def test_ids_are_read_and_malformed_ones_refused() -> None:
    assert await asked("POST", TEXTS[0], directly=True) == (200, str(KEY).encode())
    assert (await asked("POST", "nonsense", directly=True))[0] == 422
    assert (await asked("GET", TEXTS[0], directly=True))[0] == 405


async def test_a_stranger_is_not_told_what_is_wrong_with_a_path() -> None:
    assert (await asked("POST", "nonsense", directly=True, stranger="1"))[0] == 401
