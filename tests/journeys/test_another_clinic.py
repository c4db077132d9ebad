"""A visit at one clinic, and people of the same network whose token is bound to another.

What is a clinic's is to them as little there as a thing that does not exist: the same answer to the
byte, lists without it, nothing written. With the binding taken away each route answers otherwise.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import httpx
import pytest
import pytest_asyncio
from starlette.requests import Request

from shared.contracts.permissions import Role
from shared.db.provision import SERVICES
from shared.values.ids import new_id
from shared.web import adapter, transactions
from shared.web.tokens import Principal
from tests.journeys.clinic import Clinic, told
from tests.journeys.house import House
from tests.journeys.played import PICTURE, played
from tests.journeys.walk import Operation, every_operation, send_all

pytestmark = pytest.mark.asyncio(loop_scope="module")

OF_A_CLINIC = (
    "clinic_id",
    "appointment_id",
    "charge_id",
    "payment_id",
    "receipt_id",
    "refund_id",
    "drawer_id",
    "document_id",
    "check_id",
    "subject_id",
)
"""What the ids are of that are of one clinic. Patients, their coverages and consents, payers,
providers and kinds of visit are the network's."""
REMOVED = {"date", "x-request-id", "traceparent", "x-correlation-id"}


@dataclass(slots=True)
class Place:
    """A network with two clinics; the visit was played at the first, nothing at the second."""

    house: House
    clinic: Clinic
    ids: dict[str, str]
    elsewhere: str
    operations: list[Operation]

    def nothing(self) -> dict[str, str]:
        """The ids with those of a clinic's things made up."""
        return self.ids | {name: str(new_id()) for name in OF_A_CLINIC}

    def token(self, role: str, *clinics: str) -> str:
        """Somebody in a role, bound to clinics; to the second where none is named."""
        claims: dict[str, Any] = {"sub": "walker", "clinics": list(clinics or [self.elsewhere])}
        if role == Role.EHR_CLIENT:
            claims["scope"] = "system/*.cruds"
        if role == Role.PORTAL:
            claims["patient"] = self.ids["patient_id"]
        return self.house.office.issuer.token(self.clinic.network_id, role, **claims)

    def bound(self) -> list[Operation]:
        """The operations that are given an id of a clinic's thing."""
        of_a_clinic = {self.ids[name] for name in OF_A_CLINIC}
        return [o for o in self.operations if o.named(self.ids) & of_a_clinic]

    async def asked(
        self, operation: Operation, ids: dict[str, str], *clinics: str
    ) -> list[httpx.Response]:
        """What every role that may is answered, one after the other."""
        requests = [operation.request(ids, self.token(role, *clinics)) for role in operation.roles]
        return await send_all(self.house, requests, at_once=1)

    async def written(self) -> dict[str, int]:
        """How many rows each table has of the network, but for those about the asking itself."""
        found = {}
        for service in SERVICES:
            rows = await self.house.rows(
                service,
                "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
                " WHERE a.attname = 'network_id' AND c.relkind IN ('r', 'p')"
                " AND NOT c.relispartition AND c.relname <> 'audit'",
            )
            for row in rows:
                # A row that is changed is another version, whatever else is the same.
                (seen,) = await self.house.rows(
                    service,
                    f"SELECT count(*) AS n, coalesce(sum(hashtext(t::text)), 0) AS h"
                    f" FROM {row['relname']} t WHERE network_id = $1",
                    self.clinic.network_id,
                )
                found[f"{service}.{row['relname']}"] = (seen["n"], seen["h"])
        return found


def same(answer: httpx.Response) -> tuple[Any, ...]:
    """All of an answer that may not differ."""
    headers = [(k, v) for k, v in answer.headers.items() if k not in REMOVED]
    return answer.status_code, sorted(headers), answer.content


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(house: House) -> AsyncIterator[Place]:
    """The network. The document is filed with the visit; one that is not is the patient's."""
    clinic = await Clinic(house).open()
    ids = await played(clinic)
    scan = {
        "source": "scan",
        "document_class": "insurance_card",
        "patient_id": ids["patient_id"],
        "appointment_id": ids["appointment_id"],
    }
    files = {"file": ("card.png", PICTURE, "image/png")}
    made = await clinic.person("dana", "documents").post("/v1/documents", data=scan, files=files)
    ids["document_id"] = told(made, 201)["id"]
    ask = {"coverage_id": ids["coverage_id"], "appointment_id": ids["appointment_id"]}
    asked = await clinic.person("bo", "eligibility").post("/v1/checks", ask)
    if asked.status_code < 300:
        ids["check_id"] = asked.json()["id"]
    second = {"name": "Birch Street Family Clinic", "time_zone": "America/Denver"}
    other = (await clinic.does("ada", "appointments", "/v1/clinics", second))["id"]
    await house.settled(clinic.network_id)
    with mock.patch.object(transactions, "HEAR_PAUSES", (0.01,)):
        yield Place(house, clinic, ids, other, every_operation(house))


async def test_what_is_of_another_clinic_is_as_little_there_as_nothing(place: Place) -> None:
    before = await place.written()
    assert len(place.bound()) > 35
    wrong = []
    for operation in place.bound():
        there = await place.asked(operation, place.ids)
        nowhere = await place.asked(operation, place.nothing())
        for role, one, other in zip(operation.roles, there, nowhere, strict=True):
            if same(one) != same(other):
                wrong.append(
                    f"{operation} as {role}: {one.status_code} {one.text[:90]}"
                    f" and of nothing {other.status_code} {other.text[:90]}"
                )
            elif one.status_code != 404 and "traces" not in operation.path:
                wrong.append(f"{operation} as {role}: {one.status_code} {one.text[:140]}")
    assert not wrong, "\n".join(wrong)
    after = await place.written()
    assert {k: (before[k], after[k]) for k in before if before[k] != after[k]} == {}
