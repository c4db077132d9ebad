"""The audit is complete: each access is one row, with whom it showed; without it nothing is shown.

And who saw a patient is found again, in all services.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from shared.db.database import Database
from shared.db.provision import SERVICES
from shared.db.sealing import seal
from shared.values.ids import new_id
from tests.journeys.clinic import Body, Clinic, told
from tests.journeys.house import House
from tests.journeys.played import played
from tests.journeys.test_who_may_what import NOBODY, READS_BY_POST, Id, is_read, key
from tests.journeys.walk import Operation, every_operation, send_all

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.rule("45 CFR 164.312(b)")]

NOBODY_TO_SHOW = """
appointments GET /v1/appointment-types
appointments GET /v1/blocks
appointments GET /v1/blocks/{block_id}
appointments GET /v1/blocks/{block_id}/proposal
appointments GET /v1/calendar-feeds/{feed_id}
appointments GET /v1/booking-rules
appointments GET /v1/clinics
appointments GET /v1/clinics/{clinic_id}
appointments GET /v1/equipment
appointments GET /v1/clinics/{clinic_id}/display
appointments GET /v1/clinics/{clinic_id}/hours
appointments GET /v1/clinics/{clinic_id}/room-board
appointments GET /v1/clinics/{clinic_id}/visitors
appointments GET /v1/clinics/{clinic_id}/waiting-room
appointments GET /v1/on-call
appointments GET /v1/on-call-shifts
appointments GET /v1/clinics/{clinic_id}/reminder-settings
appointments GET /v1/providers
appointments GET /v1/providers/{provider_id}/credentials
appointments GET /v1/providers/{provider_id}/exceptions
appointments GET /v1/providers/{provider_id}/schedules
appointments GET /v1/sessions
appointments GET /v1/sessions/{session_id}
appointments GET /v1/traces/{subject_id}
appointments GET /v1/visit-policies
documents GET /v1/index-queue
documents GET /v1/traces/{subject_id}
eligibility GET /v1/payers
eligibility GET /v1/payers/{payer_id}
eligibility GET /v1/traces/{subject_id}
patients GET /v1/proxy-policy
patients GET /v1/traces/{subject_id}
payments GET /v1/clinics/{clinic_id}/day-report
payments GET /v1/drawers/{drawer_id}
payments GET /v1/fees
payments GET /v1/ledger/trial-balance
payments GET /v1/traces/{subject_id}
"""
"""Reads that are of no patient; a trace is of a visit by its id, and shows nobody's."""


@dataclass(slots=True)
class Place:
    """A network in which a visit was played, and a second patient."""

    house: House
    clinic: Clinic
    ids: dict[str, str]
    other: str
    operations: list[Operation]

    def token(self, *roles: str, **claims: Any) -> str:
        """Somebody of the network."""
        return self.house.office.issuer.token(self.clinic.network_id, *roles, **claims)

    async def rows(self, service: str, answer: httpx.Response) -> list[Body]:
        """The audit rows of one request."""
        flow = UUID(answer.headers["x-request-id"])
        return await self.clinic.rows(service, "audit", f"correlation_id = '{flow}'")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(house: House) -> AsyncIterator[Place]:
    """The network."""
    clinic = await Clinic(house).open()
    ids = await played(clinic)
    other = await clinic.register("Okonkwo", "Ife")
    await house.settled(clinic.network_id)
    yield Place(house, clinic, ids, other, every_operation(house))


def patients_in(told: Any, known: set[str]) -> set[str]:
    """The ids of patients that an answer holds, wherever."""
    if isinstance(told, dict):
        return set().union(*(patients_in(value, known) for value in told.values()), set())
    if isinstance(told, list):
        return set().union(*(patients_in(value, known) for value in told), set())
    return {told} & known if isinstance(told, str) else set()


async def test_what_cannot_be_audited_is_not_shown(place: Place) -> None:
    reads = [o for o in place.operations if is_read(o)]
    assert len(reads) > 40
    eyes = place.house.eyes
    for name in SERVICES:
        await eyes[name].execute(f"REVOKE INSERT ON audit FROM {name}_app")
    try:
        requests = [o.request(place.ids, place.token(*o.roles)) for o in reads]
        refused = place.operations[0].request(place.ids, place.token(NOBODY))
        # Said to nobody: with the values of every frame, as tests say it, it would take a minute.
        with capture_logs():
            answers = await send_all(place.house, requests)
            (denied,) = await send_all(place.house, [refused])
    finally:
        for name in SERVICES:
            await eyes[name].execute(f"GRANT INSERT ON audit TO {name}_app")
    assert [
        f"{o}: {a.status_code}" for o, a in zip(reads, answers, strict=True) if a.status_code < 500
    ] == []
    assert all(place.ids["patient_id"] not in answer.text for answer in answers)
    assert denied.status_code >= 400


@pytest.mark.rule("45 CFR 164.312(a)(2)(i)", "45 CFR 170.315(d)(2)")
async def test_each_access_is_one_row_that_names_whom_it_showed(place: Place) -> None:
    known = {place.ids["patient_id"], place.other}
    silent: set[Id] = set()
    path = f"/v1/patients/{place.ids['patient_id']}"
    person = await place.clinic.sees("dana", "patients", path)
    # What has to be asked so that somebody is found.
    finds = {
        "/v1/patients/search": {"family": person["name"]["family"]},
        "/v1/patients/match": {
            "name": {n: person["name"][n] for n in ("family", "given")},
            "birth_date": person["birth_date"],
        },
    }
    for operation in sorted(place.operations, key=lambda o: not is_read(o)):
        asked = replace(operation, example=finds.get(operation.path, operation.example))
        request = asked.request(place.ids, place.token(*operation.roles, sub="walker"))
        (answer,) = await send_all(place.house, [request])
        rows = await place.rows(operation.service, answer)
        if not answer.is_success:
            # Refused by a rule of the service: what nothing was shown of and nothing done.
            assert not is_read(operation), f"{operation}: {answer.text}"
            continue
        assert len(rows) == 1, str(operation)
        kind = "service" if "service" in operation.roles else "person"
        assert (rows[0]["outcome"], rows[0]["actor"]) == ("ok", f"{kind}/walker")
        noted = {str(patient) for patient in rows[0]["patient_ids"]}
        shown = (
            patients_in(answer.json(), known) if "json" in answer.headers["content-type"] else set()
        )
        assert shown <= noted, str(operation)
        if is_read(operation) and not noted:
            silent.add(key(operation))
    assert {" ".join(each) for each in silent} == set(NOBODY_TO_SHOW.split("\n")) - {""}


async def test_each_denial_is_one_row(place: Place) -> None:
    for operation in place.operations:
        request = operation.request(place.ids, place.token(NOBODY, patient=place.other))
        (answer,) = await send_all(place.house, [request])
        assert answer.status_code == 403, str(operation)
        (row,) = await place.rows(operation.service, answer)
        assert row["outcome"] == "denied"
        if "{patient_id}" in operation.path:
            assert [str(p) for p in row["patient_ids"]] == [place.ids["patient_id"]]


async def test_what_is_anothers_is_a_denial_though_it_is_answered_as_not_there(
    place: Place,
) -> None:
    reads = [
        o for o in place.operations if "portal" in o.roles and is_read(o) and o.may != "clinic:read"
    ]
    count = 0
    for operation in reads:
        request = operation.request(place.ids, place.token("portal", patient=place.other))
        (answer,) = await send_all(place.house, [request])
        if answer.status_code != 404:
            continue
        (row,) = await place.rows(operation.service, answer)
        assert row["outcome"] == "denied", str(operation)
        count += 1
    assert count > 15


async def test_a_reply_that_is_given_again_is_an_access_again(place: Place) -> None:
    desk = place.house.office.desk("patients", place.clinic.network_id, "front_desk")
    body, same = {"name": {"family": "Zimmerle", "given": "Ode"}, "birth_date": "1951-02-03"}, "k-1"
    first, second = [await desk.post("/v1/patients", body, key=same) for _ in range(2)]
    assert (first.status_code, second.headers["idempotency-replayed"]) == (201, "true")
    (row,) = await place.rows("patients", second)
    assert (row["outcome"], row["detail"]) == ("ok", '{"replayed": true}')
    assert [str(p) for p in row["patient_ids"]] == [first.json()["id"]]


# ── who saw this patient ─────────────────────────────────────────────────────────────────────────


async def entries(place: Place, service: str, patient: str, **query: str) -> list[Body]:
    """All pages, three at a time."""
    desk = place.house.office.desk(service, place.clinic.network_id, "auditor", sub="ute")
    found: list[Body] = []
    more: dict[str, str] = {"limit": "3"}
    while True:
        page = told(await desk.get("/v1/audit-entries", patient_id=patient, **query, **more))
        found += page["items"]
        if page["next"] is None:
            return found
        more["cursor"] = page["next"]


async def sealed(place: Place, service: str) -> None:
    """Seal all there is."""
    (urls,) = [s.urls for name, s in place.house.services.items() if name == service]
    database = Database.connect(service, urls.app_url, urls.worker_url)
    try:
        while (await seal(database)).rows:
            pass
    finally:
        await database.close()


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.rule("45 CFR 164.308(a)(1)(ii)(D)", "45 CFR 164.308(a)(6)", "45 CFR 170.315(d)(3)")
async def test_who_saw_a_patient_is_told_once_each_sealed_or_not(
    place: Place, service: str
) -> None:
    patient = place.ids["patient_id"]
    where = f"'{patient}' = ANY (patient_ids)"
    await sealed(place, service)
    reads = [
        o
        for o in place.operations
        if o.service == service and o.method == "GET" and key(o)[2] not in READS_BY_POST
    ]
    requests = [o.request(place.ids, place.token(*o.roles, sub="late")) for o in reads]
    await send_all(place.house, requests)
    kept = await place.clinic.rows(service, "audit", where)
    found = [e for e in await entries(place, service, patient) if e["actor"] != "person/ute"]
    expected = {str(row["id"]) for row in kept if row["actor"] != "person/ute"}
    assert {entry["id"] for entry in found} == expected
    assert len(found) == len(expected) > 3
    assert "person/late" in {entry["actor"] for entry in found}
    at = [datetime.fromisoformat(entry["at"]) for entry in found]
    assert at == sorted(at, reverse=True)
    # Within a time, and of nobody else.
    middle = at[len(at) // 2]
    early = await entries(place, service, patient, until=middle.isoformat())
    late = await entries(place, service, patient, since=middle.isoformat())
    assert {e["id"] for e in early}.isdisjoint(e["id"] for e in late)
    assert {e["id"] for e in (*early, *late)} >= expected
    assert await entries(place, service, str(new_id())) == []


async def test_who_asks_is_on_record_with_the_time_that_was_asked_for(place: Place) -> None:
    since, until = "2026-11-01T00:00:00+00:00", "2026-12-01T00:00:00+00:00"
    patient = place.ids["patient_id"]
    desk = place.house.office.desk(
        "patients", place.clinic.network_id, "auditor", act={"sub": "operator/ann"}
    )
    for query in ({}, {"since": since}, {"since": since, "until": until}):
        answer = await desk.get("/v1/audit-entries", patient_id=patient, **query)
        assert answer.status_code == 200
        (row,) = await place.rows("patients", answer)
        assert (row["action"], row["on_behalf_of"]) == ("list_audit_entries", "operator/ann")
        assert json.loads(row["detail"]) == query
        assert [str(each) for each in row["patient_ids"]] == [patient]


async def test_another_network_has_seen_nobody(place: Place) -> None:
    theirs = await Clinic(place.house).open()
    desk = theirs.house.office.desk("patients", theirs.network_id, "auditor")
    answer = await desk.get("/v1/audit-entries", patient_id=place.ids["patient_id"])
    assert told(answer)["items"] == []


async def test_a_cursor_and_a_time_that_are_none_are_refused(place: Place) -> None:
    desk = place.house.office.desk("patients", place.clinic.network_id, "auditor")
    patient = place.ids["patient_id"]
    path = "/v1/audit-entries"
    assert (await desk.get(path, patient_id=patient, cursor="abc.def")).status_code == 400
    assert (await desk.get(path, patient_id=patient, since="yesterday")).status_code == 422
    assert (await desk.get(path)).status_code == 422
    future = (place.house.clock.now() + timedelta(days=400)).isoformat()
    assert told(await desk.get(path, patient_id=patient, since=future))["items"] == []
