"""Taking back what a person may: by the command, and by an administrator at the issuer."""

import json
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from typer.testing import CliRunner

from ops.cli import app as command_line
from ops.errors import CannotRun
from ops.issuer import app_of
from ops.revocations import LOG, Revocations
from ops.tokens import PERSON_LIFETIME, Minter
from shared.values.clock import FixedClock
from shared.values.ids import new_id
from shared.web.clocks import SystemClock
from shared.web.published import read_revocations
from shared.web.tokens import BadToken, watched

pytestmark = pytest.mark.rule("45 CFR 164.308(a)(3)(ii)(C)")

ISSUER = "http://127.0.0.1:8110"
NETWORK = UUID("0198a000-0000-7000-8000-000000000001")
OTHER_NETWORK = UUID("0198a000-0000-7000-8000-000000000002")
ADA = UUID("0198a000-0000-7000-8000-000000000003")
ADMIN = UUID("0198a000-0000-7000-8000-000000000004")


class At:
    """An issuer with its minter, and a client of it."""

    def __init__(self, root: Path, http: httpx.AsyncClient) -> None:
        self.root, self.folder, self.http = root, root / "issuer", http
        self.minter = Minter.of(self.folder, ISSUER)

    def token(self, role: str, person: UUID, network: UUID = NETWORK) -> str:
        return self.minter.person(role, network, person=person)

    async def refused(self, token: str) -> bool:
        """Whether a service that looks now takes it no more."""
        try:
            await watched(ISSUER, self.http)[0].verify(token)
        except BadToken as error:
            return str(error) == "revoked"
        return False

    async def post(self, path: str, token: str | None, body: object) -> httpx.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return await self.http.post(path, json=body, headers=headers)

    def said(self) -> list[dict[str, str | None]]:
        path = self.folder / LOG
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[At]:
    (tmp_path / "issuer").mkdir()
    transport = httpx.ASGITransport(app=app_of(tmp_path / "issuer", ISSUER))
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as http:
        yield At(tmp_path, http)


async def test_an_administrator_takes_back_a_person_and_is_named_for_it(at: At) -> None:
    token, admin = at.token("nurse", ADA), at.token("admin", ADMIN)
    assert not await at.refused(token)
    answer = await at.post("/revocations", admin, {"sub": str(ADA)})
    assert answer.status_code == 201, answer.text
    assert await at.refused(token)
    with pytest.raises(CannotRun):
        at.token("nurse", ADA)
    (deed,) = at.said()
    assert (deed["by"], deed["did"], deed["target"]) == (f"person/{ADMIN}", "revoke", str(ADA))
    # Another network's person of that id is somebody else's matter.
    assert not await at.refused(at.token("nurse", ADA, OTHER_NETWORK))


async def test_a_role_is_taken_back_alone(at: At) -> None:
    biller, nurse = at.token("biller", ADA), at.token("nurse", ADA)
    body = {"sub": str(ADA), "role": "biller"}
    assert (await at.post("/revocations", at.token("admin", ADMIN), body)).status_code == 201
    assert await at.refused(biller)
    assert not await at.refused(nurse)
    with pytest.raises(CannotRun):
        at.token("biller", ADA)
    assert not await at.refused(at.token("nurse", ADA))


async def test_what_is_lifted_lets_new_tokens_be_made_and_no_old_one_in(at: At) -> None:
    old, admin = at.token("nurse", ADA), at.token("admin", ADMIN)
    await at.post("/revocations", admin, {"sub": str(ADA)})
    lifted = await at.post("/revocations/lift", admin, {"sub": str(ADA)})
    assert lifted.json() == {"lifted": True}
    again = await at.post("/revocations/lift", admin, {"sub": str(ADA)})
    assert again.json() == {"lifted": False}
    at.token("nurse", ADA)
    assert await at.refused(old)


async def test_nobody_takes_back_their_own_nor_gives_it_to_themselves(at: At) -> None:
    admin = at.token("admin", ADMIN)
    principal = await watched(ISSUER, at.http)[0].verify(admin)
    for path, body in (
        ("/revocations", {"sub": str(ADMIN)}),
        ("/revocations", {"sub": str(ADMIN), "role": "admin"}),
        ("/revocations", {"jti": principal.jti}),
        ("/revocations/lift", {"sub": str(ADMIN)}),
    ):
        assert (await at.post(path, admin, body)).status_code == 403
    assert at.said() == []


async def test_who_is_bound_to_clinics_takes_back_nothing_of_the_network(at: At) -> None:
    """A person is the network's: nobody of one clinic shuts them out of the others."""
    bound = at.minter.person("admin", NETWORK, clinics=[new_id()], person=ADMIN)
    for path in ("/revocations", "/revocations/lift"):
        answer = await at.post(path, bound, {"sub": str(ADA)})
        assert (answer.status_code, answer.json()["error"]) == (403, "access_denied")
    assert at.said() == []
    assert not await at.refused(at.token("nurse", ADA))


async def test_an_administrator_who_was_shut_out_shuts_out_nobody(at: At) -> None:
    one, two = at.token("admin", ADMIN), at.token("admin", ADA)
    assert (await at.post("/revocations", one, {"sub": str(ADA)})).status_code == 201
    # The issuer's own list is never twenty seconds old.
    assert (await at.post("/revocations", two, {"sub": str(ADMIN)})).status_code == 401


@pytest.mark.parametrize(
    ("role", "status"), [(None, 401), ("nurse", 403), ("auditor", 403), ("ops", 403)]
)
async def test_only_an_administrator_may(at: At, role: str | None, status: int) -> None:
    token = None if role is None else at.token(role, ADMIN)
    assert (await at.post("/revocations", token, {"sub": str(ADA)})).status_code == status
    assert at.said() == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"sub": "a", "jti": "b"},
        {"jti": "b", "role": "nurse"},
        {"sub": ""},
        {"sub": "x" * 201},
        {"sub": 5},
        {"sub": "a", "role": "queen"},
        {"sub": "a", "since": 5},
        [],
    ],
)
async def test_what_cannot_be_understood_takes_nothing_back(at: At, body: object) -> None:
    answer = await at.post("/revocations", at.token("admin", ADMIN), body)
    assert answer.status_code == 400
    assert at.said() == []


async def test_the_command_takes_back_one_token_or_all_of_a_person(at: At) -> None:
    first, second = at.token("nurse", ADA), at.token("nurse", ADA)
    jti = (await watched(ISSUER, at.http)[0].verify(first)).jti
    given = ["--network", str(NETWORK), "--data", str(at.root)]
    done = CliRunner().invoke(command_line, ["revoke", jti, *given])
    assert done.exit_code == 0, done.output
    assert await at.refused(first)
    assert not await at.refused(second)
    assert CliRunner().invoke(command_line, ["revoke", str(ADA), *given]).exit_code == 0
    assert await at.refused(second)
    refused = CliRunner().invoke(command_line, ["token", "nurse", "--person", str(ADA), *given])
    assert refused.exit_code != 0
    lifted = CliRunner().invoke(command_line, ["revoke", str(ADA), "--lift", *given])
    assert "may have new tokens" in lifted.output
    assert [deed["did"] for deed in at.said()] == ["revoke", "revoke", "lift"]
    assert all(str(deed["by"]).startswith("operator/") for deed in at.said())


async def test_the_command_knows_the_roles(at: At) -> None:
    given = ["--role", "queen", "--network", str(NETWORK), "--data", str(at.root)]
    assert CliRunner().invoke(command_line, ["revoke", str(ADA), *given]).exit_code != 0
    assert at.said() == []


def test_of_many_who_write_at_once_nobody_is_lost(tmp_path: Path) -> None:
    clock = SystemClock()

    def write(number: int) -> None:
        Revocations(tmp_path, clock, PERSON_LIFETIME).revoke("x", NETWORK, f"person-{number}")

    threads = [threading.Thread(target=write, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = Revocations(tmp_path, clock, PERSON_LIFETIME).published()
    assert {kind_and_id[2] for kind_and_id in read_revocations(told)} == {
        f"person-{number}" for number in range(20)
    }


def test_the_list_holds_nothing_that_no_token_is_old_enough_for(tmp_path: Path) -> None:
    clock = FixedClock(datetime(2026, 11, 26, 8, tzinfo=UTC))
    taken = Revocations(tmp_path, clock, PERSON_LIFETIME)
    taken.revoke("x", NETWORK, "one-token")
    taken.lift("x", NETWORK, "one-token")
    taken.revoke("x", NETWORK, "a-person")
    clock.move(PERSON_LIFETIME + timedelta(minutes=2))
    taken.revoke("x", NETWORK, "another")
    listed = {entry.get("sub") for entry in taken.published()["revocations"]}
    assert listed == {None, "a-person", "another"}
    assert taken.barred(str(NETWORK), "a-person", ["nurse"])
