"""Requests that nobody thought of: schemathesis makes them from each service's own document.

All its checks and phases, the stateful one among them, where what one request makes is used by the
next. FULL=1 makes many more. `use_after_free` finds nothing to free: no route deletes.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import pytest_asyncio

from services.payments.schemas.fees import PriceView
from shared.contracts.permissions import Role
from shared.db.provision import SERVICES
from shared.web import adapter, transactions
from shared.web.service import app_of
from shared.web.tokens import BadToken
from tests.journeys.clinic import Clinic
from tests.journeys.doors import Door, door_of
from tests.journeys.house import House
from tests.journeys.played import played
from tests.journeys.walk import MULTIPART, with_ids

FULL = os.environ.get("FULL") == "1"
EXAMPLES = 1_000 if FULL else 40
pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(3_600 if FULL else 240),
]

STAFF = [r for r in Role if r not in (Role.PORTAL, Role.EHR_CLIENT, Role.SERVICE)]
REFUSED = ["400", "403", "404", "409", "412", "415", "422", "428", "429"]
"""What a request may be answered with that is as its document says: a rule of the domain, a state,
a cursor of its own making, a file that is none. Not 405 and 413, and nothing above."""
SETTINGS = f"""
[checks.positive_data_acceptance]
expected-statuses = {json.dumps(["2xx", *REFUSED])}
[checks.missing_required_header]
expected-statuses = ["400", "401", "403", "415", "422", "428"]
[parameters]
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clinic(house: House) -> AsyncIterator[Clinic]:
    yield await Clinic(house).open()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ids(clinic: Clinic) -> dict[str, str]:
    found = await played(clinic)
    await clinic.house.settled(clinic.network_id)
    return found


def documented(house: House, service: str, ids: dict[str, str]) -> dict[str, Any]:
    """The document of a service, whose examples are about what there is."""
    document = app_of(house.services[service], "api").openapi()
    for methods in document["paths"].values():
        for operation in methods.values():
            for media, content in operation.get("requestBody", {}).get("content", {}).items():
                if media != MULTIPART and "example" in content:
                    content["example"] = with_ids(content["example"], ids)
    return document


async def searched(
    clinic: Clinic,
    door: Door,
    service: str,
    ids: dict[str, str],
    folder: Path,
    *more: str,
) -> tuple[int, str]:
    """The exit code of a run against a service, and what it said."""
    (folder / "openapi.json").write_text(json.dumps(documented(clinic.house, service, ids)))
    pinned = "\n".join(f'"path.{name}" = "{value}"' for name, value in ids.items())
    (folder / "schemathesis.toml").write_text(SETTINGS + pinned + "\n")
    token = clinic.house.office.issuer.token(clinic.network_id, *STAFF)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml"),
        *("run", "openapi.json", "--url", f"http://127.0.0.1:{door.port}"),
        *("--header", f"Authorization: Bearer {token}", "--checks", "all", "--seed", "1"),
        *("--max-examples", str(EXAMPLES), "--continue-on-failure", "--no-color"),
        *("--generation-database", "none", "--request-timeout", "20", *more),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    # All news has come: what is not known now is not on its way either.
    with mock.patch.object(transactions, "HEAR_PAUSES", ()):
        said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


@pytest.mark.parametrize("service", SERVICES)
async def test_whatever_is_asked_is_answered_as_the_document_says(
    clinic: Clinic, ids: dict[str, str], tmp_path: Path, service: str
) -> None:
    async with door_of(clinic.house, of=service) as door:
        code, said = await searched(clinic, door, service, ids, tmp_path)
    assert code == 0, said[-8_000:]
    count = len(clinic.house.services[service].every_route)
    assert f"Tested: {count}\n" in said
    assert [status for status in door.statuses if status >= 500] == []
    assert door.statuses.total() > 500
    assert door.statuses[200] + door.statuses[201] + door.statuses[202] > 20
    assert door.statuses[401] > 10


# ── what it is good for: faults that are planted ─────────────────────────────────────────────────

QUICK = ("--phases", "examples,coverage", "--max-examples", "5")


async def planted(
    clinic: Clinic, ids: dict[str, str], folder: Path, operation: str, *faults: Any
) -> str:
    """What a short run says of one operation of payments with these faults in it."""
    async with door_of(clinic.house, of="payments") as door:
        with ExitStack() as stack:
            for fault in faults:
                stack.enter_context(fault)
            only = ("--include-operation-id", operation)
            code, said = await searched(clinic, door, "payments", ids, folder, *QUICK, *only)
    assert code == 1, said
    return said


async def test_a_fault_of_ours_is_found(
    clinic: Clinic, ids: dict[str, str], tmp_path: Path
) -> None:
    fault = mock.patch.object(adapter, "validated", side_effect=ZeroDivisionError)
    said = await planted(clinic, ids, tmp_path, "take_payment", fault)
    assert "Server error" in said


async def test_a_door_that_is_open_is_found(
    clinic: Clinic, ids: dict[str, str], tmp_path: Path
) -> None:
    true_principal = adapter.Adapter.principal
    token = clinic.house.office.issuer.token(clinic.network_id, *STAFF)

    async def anybody(self: adapter.Adapter, request: Any) -> Any:
        try:
            return await true_principal(self, request)
        except BadToken:
            return await self.tokens.verify(token)

    fault = mock.patch.object(adapter.Adapter, "principal", anybody)
    said = await planted(clinic, ids, tmp_path, "read_payment", fault)
    assert "Authentication" in said or "auth" in said.lower()


async def test_an_answer_that_the_document_does_not_know_is_found(
    clinic: Clinic, ids: dict[str, str], tmp_path: Path
) -> None:
    def half(row: Any) -> PriceView:
        members: dict[str, Any] = {"id": row.id}
        return PriceView.model_construct(**members)

    fault = mock.patch.object(PriceView, "of", half)
    said = await planted(clinic, ids, tmp_path, "list_prices", fault)
    assert "schema" in said.lower()
