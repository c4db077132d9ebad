"""Every operation of the five services, from their own OpenAPI documents, made into requests."""

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from shared.contracts.permissions import MATRIX, Permission, Role
from shared.values.ids import new_id
from shared.web.openapi import operations
from shared.web.service import Service, app_of
from tests.journeys.house import URLS, House
from tests.journeys.played import PICTURE

AT_ONCE = 8
MULTIPART = "multipart/form-data"
QUERY = {
    "business_date": "2026-11-05",
    "since": "2026-11-05T08:00:00-07:00",
    "until": "2026-11-05T17:00:00-07:00",
}
"""What a query asks for besides ids."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation, as its document says."""

    service: str
    method: str
    path: str
    may: Permission
    media: str | None
    example: Any
    query: tuple[str, ...]
    permissions: tuple[Permission, ...] = ()

    def __str__(self) -> str:
        return f"{self.service} {self.method} {self.path}"

    @property
    def has_path_id(self) -> bool:
        """Whether it is about one thing that its path names."""
        return "{" in self.path

    @property
    def roles(self) -> list[str]:
        """The roles of people that may; where none of the staff may, also that of our services."""
        people = [r.value for r in Role if self.let_in(r) and r is not Role.SERVICE]
        staff = [role for role in people if role not in (Role.PORTAL, Role.EHR_CLIENT)]
        return people if staff else [*people, Role.SERVICE.value]

    @property
    def other_roles(self) -> list[str]:
        """The roles that may not, services included."""
        return [role.value for role in Role if not self.let_in(role)]

    def let_in(self, role: Role) -> bool:
        """Whether a role has its permission, or one by which the minimum is read."""
        return not MATRIX[role].isdisjoint(self.permissions)

    def named(self, ids: Mapping[str, str]) -> set[str]:
        """The ids that this operation is given: in its path, its query, its body."""
        given = (self.path.format(**ids), self._query(ids), self._body(ids))
        return {value for value in ids.values() if value in str(given)}

    def request(self, ids: Mapping[str, str], token: str | None) -> httpx.Request:
        """The request about the things of `ids`, which are named as paths name them."""
        headers = {"Idempotency-Key": str(new_id()), "If-Match": '"1"'}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        given: dict[str, Any] = {}
        if self.media == MULTIPART:
            given["data"] = self._body(ids)
            given["files"] = {"file": ("card.png", PICTURE, "image/png")}
        elif self.media is not None:
            headers["Content-Type"] = self.media
            given["content"] = orjson.dumps(self._body(ids))
        url = URLS[self.service] + self.path.format(**ids)
        return httpx.Request(self.method, url, params=self._query(ids), headers=headers, **given)

    def _query(self, ids: Mapping[str, str]) -> dict[str, str]:
        return {name: value for name, value in {**QUERY, **ids}.items() if name in self.query}

    def _body(self, ids: Mapping[str, str]) -> Any:
        if self.media == MULTIPART:
            return {"source": "scan", "patient_id": ids["patient_id"]}
        return with_ids(self.example, ids)


def with_ids(example: Any, ids: Mapping[str, str]) -> Any:
    """An example that names the ids of its members, and of lists of them (`clinic_ids`, `ids`)."""
    if not isinstance(example, dict):
        return example
    made: dict[str, Any] = {}
    for name, value in example.items():
        one = "patient_id" if name == "ids" else name.removesuffix("s")
        if name in ids and _is_id(value):
            made[name] = ids[name]
        elif isinstance(value, list) and one in ids and all(map(_is_id, value)):
            made[name] = [ids[one]]
        else:
            made[name] = with_ids(value, ids)
    return made


def _is_id(value: Any) -> bool:
    """Whether it is an id of ours; a payer's own id is none."""
    return isinstance(value, str) and len(value) == 36 and value.count("-") == 4


def every_operation(house: House) -> list[Operation]:
    """All there is."""
    return operations_of(house.services)


def strange_ids(operations: Sequence[Operation]) -> dict[str, str]:
    """Ids of things that are not there, by the names that paths and queries have for them."""
    names = {name for o in operations for name in re.findall(r"{(\w+)}", o.path)}
    names |= {name for o in operations for name in o.query if name.endswith("_id")}
    return {name: str(new_id()) for name in sorted(names)}


def operations_of(services: Mapping[str, Service]) -> list[Operation]:
    """All that services have. A route that its document does not show would be missed: that is
    checked."""
    found = []
    for name, service in services.items():
        may = {(route.method, route.path): route.permissions for route in service.every_route}
        shown = operations(app_of(service, "api").openapi())
        assert {(method, path) for method, path, _ in shown} == set(may)
        for method, path, operation in shown:
            content = operation.get("requestBody", {}).get("content", {})
            media = next(iter(content), None)
            example = content[media].get("example") if media else None
            query = [p["name"] for p in operation.get("parameters", ()) if p["in"] == "query"]
            found.append(
                Operation(
                    name,
                    method,
                    path,
                    may[method, path][0],
                    media,
                    example,
                    tuple(query),
                    may[method, path],
                )  # fmt: skip
            )
    return found


async def send_all(
    house: House, requests: Iterable[httpx.Request], at_once: int = AT_ONCE
) -> list[httpx.Response]:
    """The answers of requests that are sent some at a time, in the order of the requests."""
    gate = asyncio.Semaphore(at_once)

    async def send(request: httpx.Request) -> httpx.Response:
        async with gate:
            return await house.office.http.send(request)

    return list(await asyncio.gather(*(send(request) for request in requests)))
