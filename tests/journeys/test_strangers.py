"""Who does not belong: another network sees nothing and changes nothing on any route, nobody comes
in without a token, and a role that may not is told so. Every operation of every service."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from shared.db.provision import SERVICES
from shared.testing.tokens import TestIssuer
from shared.values.ids import new_id
from tests.journeys.clinic import Clinic
from tests.journeys.house import House
from tests.journeys.played import played
from tests.journeys.walk import Operation, every_operation, send_all

pytestmark = pytest.mark.asyncio(loop_scope="module")

READS_BY_POST = {
    "/v1/patients/search",
    "/v1/patients/match",
    "/v1/patients/lookup",
    "/v1/appointments/explain",
}
FAMILY = "Fontaine"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ours(house: House) -> Clinic:
    """The network that strangers look at."""
    return await Clinic(house).open()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ids(ours: Clinic) -> dict[str, str]:
    """What it has."""
    return await played(ours, FAMILY)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def theirs(house: House) -> Clinic:
    """Another network, which has a clinic too."""
    return await Clinic(house).open()


_TABLES = """
SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attname = 'network_id'
  AND c.relnamespace = 'public'::regnamespace ORDER BY 1
"""
_DIGEST = """
SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {} t WHERE network_id = $1
"""


SEALS = "audit_seal", "audit_patient"
"""What the sealer makes of the audit, in its own time."""


async def digest(house: House, network_id: UUID, *leaving_out: str) -> dict[str, tuple[int, str]]:
    """Rows and their digest, table by table, of a network in all databases."""
    found = {}
    for service in SERVICES:
        tables = [row["relname"] for row in await house.rows(service, _TABLES)]
        assert {"audit", "outbox", "idempotency"} < set(tables)
        for table in tables:
            if table not in (*SEALS, *leaving_out):
                (row,) = await house.rows(service, _DIGEST.format(table), network_id)
                found[f"{service}.{table}"] = tuple(row.values())
    return found


def tokens(clinic: Clinic, operations: Sequence[Operation]) -> list[str]:
    """For each operation a token of somebody of a network who may."""
    return [
        clinic.house.office.issuer.token(clinic.network_id, *operation.roles)
        for operation in operations
    ]


def unlike(
    operations: Sequence[Operation], answers: Sequence[httpx.Response], *statuses: int
) -> list[str]:
    """The answers that have none of these statuses."""
    return [
        f"{operation}: {answer.status_code} {answer.text[:200]}"
        for operation, answer in zip(operations, answers, strict=True)
        if answer.status_code not in statuses
    ]


async def test_what_a_path_names_is_not_there_for_another_network(
    house: House, ours: Clinic, theirs: Clinic, ids: dict[str, str]
) -> None:
    found = [o for o in every_operation(house) if o.has_path_id and "traces" not in o.path]
    assert len(found) > 40
    before = await digest(house, ours.network_id)
    them = await digest(house, theirs.network_id)
    asked = [o.request(ids, t) for o, t in zip(found, tokens(theirs, found), strict=True)]
    answers = await send_all(house, asked)
    assert unlike(found, answers, 404) == []
    kinds = {answer.headers["content-type"] for answer in answers}
    assert kinds == {"application/problem+json"}
    secrets = [*set(ids.values()), FAMILY]
    assert not [a.text for a in answers if any(word in a.text for word in secrets)]
    await house.settled(ours.network_id)
    assert await digest(house, ours.network_id) == before
    assert await digest(house, theirs.network_id) == them


async def test_a_trace_of_another_network_is_empty(
    house: House, theirs: Clinic, ids: dict[str, str]
) -> None:
    for service in SERVICES:
        path = f"/v1/traces/{ids['appointment_id']}"
        view = await theirs.sees("olga", service, path)
        assert (view["entries"], view["heard"]) == ([], [])


async def test_what_a_body_or_a_query_names_is_not_there_either(
    house: House, ours: Clinic, theirs: Clinic, ids: dict[str, str]
) -> None:
    found = [o for o in every_operation(house) if not o.has_path_id and o.named(ids)]
    assert len(found) > 12
    before = await digest(house, ours.network_id)
    them = await digest(house, theirs.network_id, "audit")
    asked = [o.request(ids, t) for o, t in zip(found, tokens(theirs, found), strict=True)]
    answers = await send_all(house, asked)
    lists = [o for o in found if o.method == "GET" or o.path in READS_BY_POST]
    assert unlike(found, answers, 404, 200) == []
    for operation, answer in zip(found, answers, strict=True):
        if answer.status_code == 200:
            assert operation in lists, str(operation)
            items = answer.json()["items"]
            if operation.path == "/v1/audit-entries":  # that they themselves have looked
                own = {str(row["id"]) for row in await theirs.rows(operation.service, "audit")}
                items = [entry for entry in items if entry["id"] not in own]
            assert items == [], str(operation)
    await house.settled(theirs.network_id)
    assert await digest(house, ours.network_id) == before
    assert await digest(house, theirs.network_id, "audit") == them


async def test_nobody_of_another_network_is_found_by_what_is_known_of_them(
    theirs: Clinic, ours: Clinic, ids: dict[str, str]
) -> None:
    known = ours.people[ids["patient_id"]]
    like = {name: known[name] for name in ("name", "birth_date", "phones")}
    searched = {"family": FAMILY, "birth_date": known["birth_date"]}
    for path, body in (("search", searched), ("match", like)):
        for clinic, count in ((ours, 1), (theirs, 0)):
            found = await clinic.does("dana", "patients", f"/v1/patients/{path}", body)
            assert len(found["items"]) == count, path
    # Registered there, too, the same person is nobody's double.
    made = await theirs.person("dana", "patients").post("/v1/patients", known)
    assert made.status_code == 201


async def test_nothing_is_answered_without_a_token_or_with_a_bad_one(
    house: House, ours: Clinic, ids: dict[str, str]
) -> None:
    found = every_operation(house)
    assert len(found) > 70
    before = await digest(house, ours.network_id)
    roles = [role for operation in found for role in operation.roles]
    good, stranger = house.office.issuer, TestIssuer()
    now = {"iat": 1_600_000_000, "exp": 1_600_000_600}
    bad = {
        "none": None,
        "empty": "",
        "no token": "abc",
        "signed by another": stranger.token(ours.network_id, *roles),
        "for another": good.token(ours.network_id, *roles, aud="another"),
        "of another issuer": good.token(ours.network_id, *roles, iss="http://elsewhere.test"),
        "over": good.token(ours.network_id, *roles, **now),
        "of no network": good.token(ours.network_id, *roles, network="everything"),
        "altered": good.token(ours.network_id, *roles)[:-4] + "AAAA",
    }
    for why, token in bad.items():
        answers = await send_all(house, [o.request(ids, token) for o in found])
        assert unlike(found, answers, 401) == [], why
        assert {a.json()["code"] for a in answers} == {"token.refused"}, why
        assert all(a.headers["www-authenticate"].startswith("Bearer") for a in answers), why
    assert await digest(house, ours.network_id) == before


async def test_a_role_without_the_permission_is_refused_and_the_refusal_is_kept(
    house: House, ours: Clinic, ids: dict[str, str]
) -> None:
    found = every_operation(house)
    assert {o.may for o in found if not o.roles} == set()
    before = await digest(house, ours.network_id, "audit")
    issuer, who = house.office.issuer, str(new_id())
    asked = [o.request(ids, issuer.token(ours.network_id, *o.other_roles, sub=who)) for o in found]
    answers = await send_all(house, asked)
    assert unlike(found, answers, 403) == []
    assert {answer.json()["code"] for answer in answers} == {"permission.missing"}
    assert await digest(house, ours.network_id, "audit") == before
    kept = []
    for service in SERVICES:
        rows = await ours.rows(service, "audit", f"actor LIKE '%/{who}'")
        assert {row["outcome"] for row in rows} == {"denied"}
        kept += rows
    assert len(kept) == len(found)


async def test_a_token_of_one_clinic_does_not_see_another_clinic_of_its_network(
    house: House, ours: Clinic, ids: dict[str, str]
) -> None:
    of_a_clinic = {
        *("appointment_id", "clinic_id", "check_id", "drawer_id"),
        *("charge_id", "payment_id", "receipt_id", "refund_id"),
    }
    named = {name: ids[name] for name in of_a_clinic}
    found = [o for o in every_operation(house) if o.named(ids) & set(named.values())]
    found = [o for o in found if "traces" not in o.path]
    assert len(found) > 30
    before = await digest(house, ours.network_id, "audit")
    bound = [
        house.office.issuer.token(ours.network_id, *o.roles, clinics=[str(new_id())]) for o in found
    ]
    asked = [o.request(ids, token) for o, token in zip(found, bound, strict=True)]
    answers = await send_all(house, asked)
    assert unlike(found, answers, 404, 200) == []
    seen = [
        o for o, a in zip(found, answers, strict=True) if a.status_code == 200 and a.json()["items"]
    ]
    assert [str(o) for o in seen] == []
    assert await digest(house, ours.network_id, "audit") == before


async def test_the_same_requests_do_find_it_at_home(
    house: House, ours: Clinic, ids: dict[str, str]
) -> None:
    """Else the walks above would show nothing. The last test: it changes what it finds."""
    found = [o for o in every_operation(house) if o.has_path_id or o.named(ids)]
    found.sort(key=lambda o: o.method != "GET")
    house.clock.move(timedelta(minutes=1))
    asked = [o.request(ids, t) for o, t in zip(found, tokens(ours, found), strict=True)]
    answers = await send_all(house, asked, at_once=1)
    missing = [
        f"{o}: {a.text}" for o, a in zip(found, answers, strict=True) if a.status_code == 404
    ]
    assert missing == []
    reads = [(o, a) for o, a in zip(found, answers, strict=True) if o.method == "GET"]
    assert unlike([o for o, _ in reads], [a for _, a in reads], 200) == []
