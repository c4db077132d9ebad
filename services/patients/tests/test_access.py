"""Who may do what, on every route of the service."""

from typing import Any
from uuid import UUID

import httpx
import pytest

from services.patients.api import ROUTES
from services.patients.tests.builders import Scene, named, scene
from shared.contracts.permissions import MATRIX, Role
from shared.testing.apps import Desk, Office
from shared.values.clock import FixedClock
from shared.values.ids import new_id
from shared.web.routes import Route

BODIES: dict[str, dict[str, Any]] = {
    "register_patient": named("Okafor", "Ada"),
    "amend_patient": {"gender": "female"},
    "search_patients": {"family": "o"},
    "match_patient": named("Okafor", "Ada"),
    "look_up_patients": {"ids": [str(new_id())]},
    "verify_demographics": {"fields": [{"field": "name", "outcome": "confirmed"}]},
    "grant_consent": {"kind": "treatment", "text_version": "2026-01"},
    "open_emergency_access": {"reason": "other", "note": "Nobody else could tell us."},
    "grant_proxy": {
        "proxy_subject": "a-friend",
        "authority": "patient_permission",
        "scope": ["appointment:read"],
    },
    "end_proxy": {"reason": "ended_by_patient"},
    "set_proxy_policy": {"majority_age": 19},
    "review_emergency_access": {"finding": "justified", "note": "It was as they said."},
    "prefer_messages": {"channels": ["email"]},
    "look_up_contact_point": {"patient_id": str(new_id()), "channel": "email"},
    "add_contact": {"kind": "emergency", "relationship": "friend", "name": {"family": "Ito"}},
}

every_route = pytest.mark.parametrize("route", ROUTES.declared, ids=lambda route: route.name)


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


def roles_of(route: Route) -> list[str]:
    """The people who may; for most routes the front desk is one."""
    if route.may in MATRIX[Role.FRONT_DESK]:
        return [Role.FRONT_DESK.value]
    return [role.value for role in Role if not MATRIX[role].isdisjoint(route.permissions)]


async def ask(desk: Desk, route: Route, **ids: str) -> httpx.Response:
    """An acceptable request of a route, about these ids or about nobody."""
    path = route.path.format(**{name: ids.get(name, str(new_id())) for name in route.path_ids})
    if route.method == "GET":
        return await desk.get(path)
    if route.method == "PATCH":
        return await desk.patch(path, BODIES[route.name], 1)
    if route.method == "PUT":
        return await desk.put(path, BODIES[route.name])
    return await desk.post(path, BODIES.get(route.name))


async def with_all(at: Scene, patient_id: str) -> dict[str, str]:
    """What belongs to a patient, by what paths call it."""
    path = f"/v1/patients/{patient_id}"
    consent = await at.desk.post(f"{path}/consents", BODIES["grant_consent"])
    contact = await at.desk.post(f"{path}/contacts", BODIES["add_contact"])
    nurse = at.office.desk("patients", at.network_id, "nurse", sub="a-nurse")
    access = await nurse.post(f"{path}/emergency-access", BODIES["open_emergency_access"])
    neighbour = {**BODIES["grant_proxy"], "proxy_subject": "a-neighbour"}
    proxy = await at.desk.post(f"{path}/proxies", neighbour)
    return {
        "patient_id": patient_id,
        "proxy_id": proxy.json()["id"],
        "consent_id": consent.json()["id"],
        "contact_id": contact.json()["id"],
        "access_id": access.json()["id"],
    }


@every_route
async def test_no_token_is_a_401(at: Scene, route: Route) -> None:
    desk = Desk(at.desk.http, at.desk.url, "no.such.token", at.network_id)
    answer = await ask(desk, route)
    assert (answer.status_code, answer.json()["code"]) == (401, "token.refused")
    assert answer.headers["www-authenticate"].startswith("Bearer")


@every_route
async def test_a_role_without_the_permission_is_a_403_that_is_audited(
    at: Scene, route: Route
) -> None:
    without = [role for role in Role if MATRIX[role].isdisjoint(route.permissions)]
    assert Role.OPS in without
    for role in without:
        answer = await ask(at.office.desk("patients", at.network_id, role.value), route)
        assert (answer.status_code, answer.json()["code"]) == (403, "permission.missing"), role
    kept = await at.audited(route.name)
    assert [row["outcome"] for row in kept] == ["denied"] * len(without)


@pytest.mark.parametrize(
    "route",
    [route for route in ROUTES.declared if route.path_ids],
    ids=lambda route: route.name,
)
async def test_another_networks_row_is_a_404(at: Scene, route: Route) -> None:
    made = await at.enter("Okafor", "Ada")
    ids = await with_all(at, made["id"])
    stranger = at.office.desk("patients", new_id(), *roles_of(route))
    answer = await ask(stranger, route, **ids)
    assert answer.status_code == 404, answer.text
    assert await at.said(made["id"]) == [
        "patient.registered",
        "consent.granted",
        "patient.updated",
        "emergency_access.opened",
        "proxy.granted",
    ]


@pytest.mark.parametrize("part", ["consents", "contacts"])
async def test_what_is_anothers_in_the_same_network_is_a_404(at: Scene, part: str) -> None:
    one = await at.enter("Okafor", "Ada")
    other = await at.enter("Bello", "Ben", birth_date="1950-06-06")
    body = BODIES["grant_consent" if part == "consents" else "add_contact"]
    made = (await at.desk.post(f"/v1/patients/{one['id']}/{part}", body)).json()
    answer = await at.desk.get(f"/v1/patients/{other['id']}/{part}/{made['id']}")
    assert answer.status_code == 404


async def test_every_read_and_write_of_a_patient_is_audited(at: Scene) -> None:
    made = await at.enter("Okafor", "Ada")
    ids = await with_all(at, made["id"])
    path = f"/v1/patients/{made['id']}"
    version = (await at.desk.get(path)).json()["version"]
    await at.desk.patch(path, {"gender": "female"}, version)
    asked = [r for r in ROUTES.declared if r.path_ids and r.name != "amend_patient"]
    for route in asked:
        desk = at.office.desk("patients", at.network_id, *roles_of(route))
        answer = await ask(desk, route, **ids)
        assert answer.status_code in (200, 201), answer.text
    for name in (*(route.name for route in asked), "amend_patient", "register_patient"):
        kept = await at.audited(name)
        assert kept, name
        assert all(str(row["patient_ids"][0]) == made["id"] for row in kept), name
        assert "person/test-person" in {row["actor"] for row in kept}
