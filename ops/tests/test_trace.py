"""`clinicbus trace`: what several services tell of one thing, put together."""

from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from typer.testing import CliRunner

from ops.errors import CannotRun
from ops.trace import app, lines, traces
from services.appointments.tests import builders as appointments
from shared.testing.apps import Office
from shared.values.clock import FixedClock
from shared.values.ids import new_id

RUN = CliRunner()


def entry(at: str, what: str, **more: Any) -> dict[str, Any]:
    return {
        "at": at,
        "kind": "event",
        "what": what,
        "actor": "person/dana",
        "subject": "appointment/1",
        "sequence": 1,
        "outcome": "said",
        **more,
    }


def answering(**services: list[dict[str, Any]] | int) -> httpx.AsyncClient:
    """A client of services that answer these entries, or a status; of others nothing answers."""

    def answer(request: httpx.Request) -> httpx.Response:
        given = services.get(request.url.host.removesuffix(".test"))
        if given is None:
            raise httpx.ConnectError("away", request=request)
        if isinstance(given, int):
            return httpx.Response(given)
        assert request.headers["authorization"] == "Bearer token"
        return httpx.Response(200, json={"entries": given})

    return httpx.AsyncClient(transport=httpx.MockTransport(answer))


def urls(*services: str) -> dict[str, str]:
    return {service: f"http://{service}.test" for service in services}


async def test_entries_of_all_services_stand_in_the_order_of_time() -> None:
    booked = entry("2026-11-05T10:00:00Z", "booked")
    read = entry("2026-11-05T10:00:00Z", "read_cover", kind="audit")
    half = entry("2026-11-05T10:00:00.500000Z", "verified")
    zoned = entry("2026-11-05T03:00:00.250000-07:00", "heard")
    async with answering(appointments=[read, half], eligibility=[booked, zoned]) as http:
        found, away = await traces(http, urls("appointments", "eligibility"), "token", new_id())
    # A whole second has no fraction in its text; at one instant what was said comes first.
    assert [(e["service"], e["what"]) for e in found] == [
        ("eligibility", "booked"),
        ("appointments", "read_cover"),
        ("eligibility", "heard"),
        ("appointments", "verified"),
    ]
    assert away == []


async def test_who_cannot_be_asked_is_named_and_the_others_are_told() -> None:
    booked = entry("2026-11-05T10:00:00Z", "booked")
    async with answering(appointments=[booked], payments=503) as http:
        asked = urls("patients", "appointments", "payments")
        found, away = await traces(http, asked, "token", new_id())
    assert [e["what"] for e in found] == ["booked"]
    assert away == ["patients (ConnectError)", "payments (HTTPStatusError)"]


def test_a_line_tells_when_where_what_and_who() -> None:
    made = lines(
        [
            {
                **entry("2026-11-05T10:00:00.500000Z", "clinicbus.payments.payment.posted.v1"),
                "service": "payments",
                "sequence": 12,
            },
            {
                **entry("2026-11-05T10:00:01Z", "take_payment", kind="audit", outcome="denied"),
                "service": "payments",
                "sequence": None,
            },
        ]
    )
    assert made == [
        "2026-11-05T10:00:00.500  payments      event  "
        f"{'payments.payment.posted.v1':<52} #12  person/dana",
        "2026-11-05T10:00:01Z     payments      audit  "
        f"{'take_payment (denied)':<52}      person/dana",
    ]


async def test_a_real_service_tells_of_a_visit(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> None:
    at = await appointments.scene(environment, clinic_office, network_id, clock)
    patient = await at.patient()
    answer = await at.desk.post(
        "/v1/appointments", at.booking(patient, "2026-11-05T10:00:00-07:00")
    )
    visit_id = UUID(answer.json()["id"])
    refused = await at.admin.post(f"/v1/appointments/{visit_id}/confirm")
    assert refused.status_code == 403
    token = clinic_office.issuer.token(network_id, "auditor")
    here = {"appointments": at.desk.url}
    found, away = await traces(clinic_office.http, here, token, visit_id)
    assert away == []
    told = [(e["kind"], e["what"], e["sequence"], e["outcome"], e["actor"]) for e in found]
    assert told == [
        ("event", "clinicbus.appointments.appointment.booked.v1", 1, "said", "person/test-person"),
        ("audit", "confirm_appointment", None, "denied", "person/test-person"),
    ]
    assert len(lines(found)) == 2
    # Who looked at what is for the auditor; operations see what was said.
    ops = clinic_office.issuer.token(network_id, "ops")
    seen, _ = await traces(clinic_office.http, here, ops, visit_id)
    assert seen == found[:1]
    desk = clinic_office.issuer.token(network_id, "front_desk")
    assert (await traces(clinic_office.http, here, desk, visit_id))[1] == [
        "appointments (HTTPStatusError)"
    ]


@pytest.mark.parametrize("given", [[], ["not-an-id"]])
def test_an_id_is_needed(given: list[str]) -> None:
    assert RUN.invoke(app, given).exit_code == 2


def test_where_nothing_runs_one_sentence_says_so(tmp_path: Path) -> None:
    result = RUN.invoke(app, [str(new_id()), "--data", str(tmp_path / "d")])
    assert isinstance(result.exception, CannotRun)
    assert "start it with `make run`" in str(result.exception)
