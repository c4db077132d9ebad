"""List P of the bad inputs, on every route of every service where a field of the kind occurs.

P40 to P48 come with the merging of records. There is no export as CSV that P28 could go wrong in.
No record holds a social security number (P33, P34): a member of that name is one that nobody knows.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from unittest import mock

import httpx
import orjson
import pytest
import pytest_asyncio

from shared.contracts.permissions import Role
from shared.db.provision import SERVICES
from shared.web import transactions
from tests.journeys.clinic import Clinic
from tests.journeys.house import House
from tests.journeys.leaves import Leaf, every_leaf, mark, raw_with, sending, told_at
from tests.journeys.played import played
from tests.journeys.test_who_may_what import ANOTHER, Place, current
from tests.journeys.walk import MULTIPART, Operation, every_operation, send_all

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEPT = ("outbox", "audit", "idempotency", "intent", "timer")
"""What every write leaves a row in."""


_ADDRESS = {"lines": ["1 Main Street"], "city": "Denver", "state": "CO", "postal_code": "80202"}
_OF_A_CHILD = {
    "relationship": "child",
    "order": "secondary",
    "dependent": {"given_name": "Noa", "family_name": "Fontaine", "birth_date": "2019-05-04"},
}
WHOLE: dict[tuple[str, str], dict[str, Any]] = {
    ("/v1/patients/{patient_id}", "addresses"): {"addresses": [_ADDRESS]},
    ("/v1/patients/match", "addresses"): {"addresses": [_ADDRESS]},
    ("/v1/patients/{patient_id}/contacts", "address"): {"address": _ADDRESS},
    ("/v1/coverages", "dependent"): _OF_A_CHILD,
    ("/v1/coverages/{coverage_id}", "dependent"): _OF_A_CHILD,
}
"""What must be whole where one of its members is looked at, and is in no example."""
SENT_WITH: dict[str, dict[str, Any]] = {
    "/v1/patients": {"override_reason": "Asked: it is another person"},
    "/v1/payments": {
        "method": "check",
        "check_number": "1042",
        "tendered_cents": None,
        "drawer_id": None,
    },
}
"""With what a request can be sent once more."""


@dataclass(slots=True)
class Counter:
    """A clinic with a visit, and every member of every request about it."""

    place: Place
    leaves: list[Leaf]
    tokens: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def clinic(self) -> Clinic:
        """The clinic."""
        return self.place.ours

    @property
    def ids(self) -> dict[str, str]:
        """The ids of the visit and of what belongs to it."""
        return self.place.ids

    def token(self, operation: Operation) -> str:
        """The token of one of the staff who may."""
        role = next(r for r in operation.roles if r not in (Role.PORTAL, Role.EHR_CLIENT))
        if role not in self.tokens:
            issuer = self.clinic.house.office.issuer
            self.tokens[role] = issuer.token(self.clinic.network_id, role)
        return self.tokens[role]

    def request(self, leaf: Leaf, value: Any) -> httpx.Request:
        """The request with a value in one place, and all else as it should be."""
        operation = leaf.operation
        member = leaf.pointer.split("/")[1] if leaf.pointer[0] == "/" else ""
        body = {
            **(operation.example or {}),
            **ANOTHER.get(operation.path, {}),
            **SENT_WITH.get(operation.path, {}),
            **WHOLE.get((operation.path, member), {}),
        }
        request = leaf.requested(value, self.ids, self.token(operation), body)
        if operation.method != "GET":
            request.headers["If-Match"] = self.versions[str(operation)]
        return request

    async def read_version(self, operation: Operation) -> None:
        """Learn the entity tag of what an operation changes."""
        self.versions[str(operation)] = await current(self.place, operation, self.ids)

    async def rows(self) -> dict[str, int]:
        """How many rows each service has of what every write leaves."""
        return {
            f"{service} {table}": len(await self.clinic.rows(service, table))
            for service in SERVICES
            for table in KEPT
        }

    async def refused(
        self, leaves: list[Leaf], requests: list[httpx.Request], *, at_the_member: bool = True
    ) -> list[str]:
        """Those that are not refused as unreadable or unacceptable; nothing is left of any."""
        assert len(leaves) == len(requests) > 0
        before = await self.rows()
        answers = await send_all(self.clinic.house, requests)
        left = [name for name, count in (await self.rows()).items() if count != before[name]]
        wrong = [f"rows were left in {left}"] if left else []
        for leaf, answer in zip(leaves, answers, strict=True):
            good = answer.status_code in (400, 422)
            if good and at_the_member and answer.status_code == 422:
                good = any(_is_about(where, leaf.pointer) for where in told_at(answer))
            if not good:
                wrong.append(f"{leaf}: {answer.status_code} {answer.text[:120]}")
        return wrong


def _is_about(where: str, pointer: str) -> bool:
    """Whether a problem document names a member, or the list that it is in."""
    if pointer[0] in "?{":
        return pointer.strip("?{}") in where.split("/")
    return bool(where) and (
        f"{pointer}/".startswith(f"{where}/") or where.startswith(f"{pointer}/")
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def counter(house: House) -> AsyncIterator[Counter]:
    clinic = await Clinic(house).open()
    ids = await played(clinic)
    other = await clinic.register("Okonkwo", "Ife")
    await house.settled(clinic.network_id)
    with mock.patch.object(transactions, "HEAR_PAUSES", (0.01,)):
        place = Place(house, clinic, clinic, ids, other, every_operation(house), {})
        found = Counter(place, every_leaf(house))
        for operation in place.operations:
            await found.read_version(operation)
        yield found


def in_json(leaf: Leaf) -> bool:
    """Whether it is a string of a JSON body."""
    return leaf.pointer[0] == "/" and leaf.is_string and leaf.operation.media != MULTIPART


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        pytest.param(b"Gar\x00cia", "text.nul", id="P1"),
        pytest.param(b"Gar\\u0000cia", "text.nul", id="P2"),
        pytest.param(b"Gar\\ud800cia", "text.surrogate", id="P5"),
        pytest.param(b"Gar\\udc00cia", "text.surrogate", id="P5-low"),
        pytest.param(b"Gar\xffcia", "body.encoding", id="P6"),
        pytest.param(b"Gar\xed\xa0\x80cia", "body.encoding", id="P6-surrogate"),
        pytest.param(b"Gar\xc0\xafcia", "body.encoding", id="P6-overlong"),
    ],
)
async def test_bytes_that_are_no_text_are_refused_in_every_member(
    counter: Counter, raw: bytes, code: str
) -> None:
    leaves = [leaf for leaf in counter.leaves if in_json(leaf)]
    assert {leaf.operation.service for leaf in leaves} == set(SERVICES)
    requests = []
    for leaf in leaves:
        text = mark()
        requests.append(raw_with(counter.request(leaf, text), text, raw))
    wrong = await counter.refused(leaves, requests)
    assert not wrong, "\n".join(wrong)
    answers = await send_all(counter.clinic.house, requests)
    assert {(a.status_code, a.json()["code"]) for a in answers} == {(400, code)}


async def test_p8_a_byte_order_mark_is_refused(counter: Counter) -> None:
    leaves = [leaf for leaf in counter.leaves if in_json(leaf)]
    plain = [counter.request(leaf, mark()) for leaf in leaves]
    requests = [sending(request, b"\xef\xbb\xbf" + request.content) for request in plain]
    wrong = await counter.refused(leaves, requests)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Gar\x1bcia", id="P7-escape"),
        pytest.param("Gar\x08cia", id="P7-backspace"),
        pytest.param("Gar\x85cia", id="P7-C1"),
        pytest.param("Gar\x7fcia", id="P7-delete"),
        pytest.param("Gar\u202ecia", id="P9-override"),
        pytest.param("Gar\u2067cia", id="P9-isolate"),
        pytest.param("\u200b\u200d", id="P10"),
        pytest.param("\u2060\u3164", id="P10-fillers"),
        pytest.param("   ", id="P11"),
        pytest.param("", id="P11-empty"),
        pytest.param("\t\n\u00a0", id="P11-other-blanks"),
        pytest.param("A" * 10_000, id="P12"),
    ],
)
async def test_text_that_nobody_can_read_is_refused_in_every_member(
    counter: Counter, text: str
) -> None:
    leaves = [leaf for leaf in counter.leaves if leaf.is_string and leaf.pointer[0] == "/"]
    assert {leaf.operation.service for leaf in leaves} == set(SERVICES)
    assert sum(leaf.is_text for leaf in leaves) > 60
    requests = [counter.request(leaf, text) for leaf in leaves]
    wrong = await counter.refused(leaves, requests)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\x00", id="P3"),
        pytest.param("a\x00b", id="P3-inside"),
        pytest.param("\x1b", id="P7"),
        pytest.param("\u202e", id="P9"),
        pytest.param("\u200b", id="P10"),
        pytest.param(" ", id="P11"),
        pytest.param("A" * 10_000, id="P12"),
        pytest.param("9" * 5_000, id="A43"),
        pytest.param("' OR 1=1 --", id="P24"),
    ],
)
async def test_a_query_that_cannot_be_is_refused_in_every_parameter(
    counter: Counter, text: str
) -> None:
    leaves = [leaf for leaf in counter.leaves if leaf.pointer[0] == "?"]
    assert len(leaves) > 25
    requests = [counter.request(leaf, text) for leaf in leaves]
    wrong = await counter.refused(leaves, requests)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "written",
    [
        pytest.param("%00", id="P4"),
        pytest.param("x%00", id="P4-inside"),
        pytest.param("%ED%A0%80", id="P5"),
        pytest.param("%FF", id="P6"),
        pytest.param("%E2%80%AE", id="P9"),
        pytest.param("%20", id="P11"),
        pytest.param("A" * 10_000, id="P12"),
    ],
)
async def test_a_path_that_cannot_be_is_refused_in_every_place(
    counter: Counter, written: str
) -> None:
    leaves = [leaf for leaf in counter.leaves if leaf.pointer[0] == "{"]
    assert {leaf.operation.service for leaf in leaves} == set(SERVICES)
    requests = [counter.request(leaf, "MARK") for leaf in leaves]
    for request in requests:
        request.url = request.url.copy_with(
            raw_path=request.url.raw_path.replace(b"MARK", written.encode())
        )
    wrong = await counter.refused(leaves, requests)
    assert not wrong, "\n".join(wrong)


# ── facts that cannot be ─────────────────────────────────────────────────────────────────────────


def ending(counter: Counter, *names: str) -> list[Leaf]:
    """The members of bodies that are called so."""
    found = [x for x in counter.leaves if x.pointer[0] == "/" and x.pointer.endswith(names)]
    assert found
    return found


BORN = ("/birth_date",)
PHONES = ("/phone", "/phones/0/number")
EMAILS = ("/email", "/emails/0")
CODES = ("/country", "/state", "/gender", "/currency")


@pytest.mark.parametrize(
    ("names", "value"),
    [
        pytest.param(BORN, "2026-11-20", id="P29"),
        pytest.param(("/death_date",), "2026-11-20", id="P29-death"),
        pytest.param(BORN, "1879-12-31", id="P30"),
        pytest.param(BORN, "0001-01-01", id="P30-first-day"),
        pytest.param(("/death_date",), "1890-01-01", id="P32"),
        pytest.param(PHONES, "1" * 2_000, id="P35"),
        pytest.param(PHONES, "12", id="P35-two-digits"),
        pytest.param(
            PHONES, "\u0663\u0660\u0663\u0665\u0665\u0665\u0660\u0661\u0664\u0662", id="P34"
        ),
        pytest.param(EMAILS, "a" * 250 + "@b.co", id="P36"),
        pytest.param(EMAILS, "no-at-sign", id="P36-no-at"),
        pytest.param(CODES, "ZZ", id="P37"),
        pytest.param(("/postal_code",), "8020", id="P38"),
        pytest.param(("/postal_code",), "\u0668\u0660\u0662\u0660\u0662", id="P38-other-digits"),
    ],
)
async def test_facts_that_cannot_be_are_refused(
    counter: Counter, names: tuple[str, ...], value: str
) -> None:
    leaves = [x for x in ending(counter, *names) if not x.operation.path.endswith("/search")]
    requests = [counter.request(leaf, value) for leaf in leaves]
    wrong = await counter.refused(leaves, requests)
    assert not wrong, "\n".join(wrong)


async def test_p31_a_day_that_is_not_is_refused_in_every_date(counter: Counter) -> None:
    leaves = [leaf for leaf in counter.leaves if leaf.schema.get("format") == "date"]
    assert {leaf.operation.service for leaf in leaves} >= set(SERVICES) - {"documents"}
    for day in ("2027-02-29", "2026-13-01", "2026-1-1", "20261101", "2026-11-01T00:00:00"):
        wrong = await counter.refused(leaves, [counter.request(leaf, day) for leaf in leaves])
        assert not wrong, "\n".join(wrong)


async def test_p37_an_unknown_code_is_refused_in_every_code(counter: Counter) -> None:
    leaves = [leaf for leaf in counter.leaves if leaf.is_code and leaf.pointer[0] in "/?"]
    assert {leaf.operation.service for leaf in leaves} == set(SERVICES)
    for code in ("no such code", "\u0441ash", "-", "__proto__ x"):
        wrong = await counter.refused(leaves, [counter.request(leaf, code) for leaf in leaves])
        assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "number", [pytest.param("000-12-3456", id="P33"), pytest.param("abc-de-fghi", id="P34")]
)
async def test_a_social_security_number_is_a_member_that_nobody_knows(
    counter: Counter, number: str
) -> None:
    writes = {leaf.operation.path: leaf for leaf in counter.leaves if in_json(leaf)}
    leaves = [replace(leaf, pointer="/ssn") for leaf in writes.values()]
    assert len(leaves) > 20
    requests = [counter.request(leaf, number) for leaf in leaves]
    wrong = await counter.refused(leaves, requests)
    assert not wrong, "\n".join(wrong)


async def test_p39_nobody_is_their_own_guardian(counter: Counter) -> None:
    patient = counter.ids["patient_id"]
    for kind, relationship in (("guarantor", "guardian"), ("next_of_kin", "parent")):
        body = {"kind": kind, "relationship": relationship, "contact_patient_id": patient}
        answer = await counter.clinic.person("dana", "patients").post(
            f"/v1/patients/{patient}/contacts", body
        )
        assert (answer.status_code, answer.json()["errors"]) == (
            422,
            [{"pointer": "/contact_patient_id", "code": "contact.self"}],
        )


async def test_a_dependent_of_who_is_the_subscriber_is_refused(counter: Counter) -> None:
    clinic, path = counter.clinic, f"/v1/coverages/{counter.ids['coverage_id']}"
    desk = clinic.person("dana", "eligibility")
    version = (await desk.get(path)).json()["version"]
    child = {"dependent": {"given_name": "Noa", "birth_date": "2019-05-04"}}
    answer = await desk.patch(path, child, version)
    assert (answer.status_code, answer.json()["code"]) == (422, "dependent.is_subscriber")


# ── kept as they are ─────────────────────────────────────────────────────────────────────────────

FREE = """
appointments POST /v1/appointment-types /name
appointments POST /v1/clinics /name
appointments POST /v1/clinics /address/line1
appointments POST /v1/providers /family_name
appointments POST /v1/providers /given_name
appointments POST /v1/rooms /name
patients POST /v1/patients /name/family
patients POST /v1/patients /name/given
patients POST /v1/patients /name/middle
patients POST /v1/patients /name/suffix
patients POST /v1/patients /name/preferred
patients POST /v1/patients /addresses/0/lines/0
patients POST /v1/patients /addresses/0/city
patients POST /v1/patients /override_reason
patients PATCH /v1/patients/{patient_id} /name/family
patients PATCH /v1/patients/{patient_id} /name/given
patients PATCH /v1/patients/{patient_id} /name/middle
patients PATCH /v1/patients/{patient_id} /name/suffix
patients PATCH /v1/patients/{patient_id} /name/preferred
patients PATCH /v1/patients/{patient_id} /addresses/0/lines/0
patients PATCH /v1/patients/{patient_id} /addresses/0/city
patients POST /v1/patients/{patient_id}/contacts /name/family
patients POST /v1/patients/{patient_id}/contacts /name/given
patients POST /v1/patients/{patient_id}/contacts /address/lines/0
patients POST /v1/patients/{patient_id}/contacts /address/city
eligibility PATCH /v1/coverages/{coverage_id} /plan_name
payments POST /v1/drawers /name
payments POST /v1/payments /note
documents POST /v1/documents/{document_id}/classify /reason
documents POST /v1/documents/{document_id}/index /reason
"""
"""Members that people fill with words of their own, and whose request can be sent again and again.

What goes to a payer is narrower: the letters that X12 can carry (see its own tests).
"""


async def strings(counter: Counter) -> set[str]:
    """Every text that any service keeps of the network, in any table and any member."""
    found: set[str] = set()
    for service in SERVICES:
        tables = await counter.clinic.house.rows(
            service,
            "SELECT table_name FROM information_schema.columns WHERE column_name = 'network_id'"
            " AND table_schema = 'public' AND table_name NOT LIKE 'outbox%'",
        )
        for name in {row["table_name"] for row in tables}:
            rows = await counter.clinic.house.rows(
                service,
                f"SELECT to_json(t)::text AS row FROM {name} t WHERE network_id = $1",
                counter.clinic.network_id,
            )
            for row in rows:
                found |= set(texts_in(orjson.loads(row["row"])))
    return found


def texts_in(value: Any) -> Iterator[str]:
    """Every text in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for member in value.values():
            yield from texts_in(member)
    elif isinstance(value, list):
        for item in value:
            yield from texts_in(item)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        pytest.param("Jose\u0301", "Jos\u00e9", id="P13"),
        pytest.param("Ren\u00e9", None, id="P13-composed"),
        pytest.param("Ka\u02bbahumanu", None, id="P14"),
        pytest.param("O'Brien", None, id="P15"),
        pytest.param("Null", None, id="P16"),
        pytest.param("Suharto", None, id="P17"),
        pytest.param("O", None, id="P18"),
        pytest.param("\u0623\u062d\u0645\u062f", None, id="P19"),
        pytest.param("\U00020bb7\u91ce", None, id="P20"),
        pytest.param("Smith-Jones de la", None, id="P21"),
        pytest.param("Baby Boy", None, id="P22"),
        pytest.param("<script>alert(1)</script>", None, id="P23"),
        pytest.param("'; DROP TABLE patients; --", None, id="P24"),
        pytest.param("{{7*7}}", None, id="P25"),
        pytest.param("${jndi:ldap://x}", None, id="P26"),
        pytest.param("Garcia\r\nLopez", "Garcia Lopez", id="P27"),
        pytest.param("=cmd()", None, id="P28"),
    ],
)
async def test_words_of_any_kind_are_kept_as_they_came(
    counter: Counter, text: str, kept: str | None
) -> None:
    wanted = set(FREE.split("\n")) - {""}
    leaves = [leaf for leaf in counter.leaves if str(leaf) in wanted]
    assert {str(leaf) for leaf in leaves} == wanted
    assert {leaf.operation.service for leaf in leaves} == set(SERVICES)
    mark_of = {str(leaf): f"{mark()} " for leaf in leaves}
    refused = []
    for leaf in leaves:
        # Once as it is, and once with a mark of its own, by which it is found again.
        for given in (text, mark_of[str(leaf)] + text):
            await counter.read_version(leaf.operation)
            (answer,) = await send_all(counter.clinic.house, [counter.request(leaf, given)])
            if not answer.is_success:
                refused.append(f"{leaf}: {answer.status_code} {answer.text[:200]}")
    assert not refused, "\n".join(refused)
    found = await strings(counter)
    lost = [name for name, own in mark_of.items() if own + (kept or text) not in found]
    assert lost == []


async def test_p17_p18_a_name_of_one_word_or_one_letter_is_a_name(counter: Counter) -> None:
    desk = counter.clinic.person("dana", "patients")
    for name in ({"family": "Suharto"}, {"given": "Madonna"}, {"family": "O", "given": "E"}):
        answer = await desk.post("/v1/patients", {"name": name, "birth_date": "1958-08-16"})
        assert answer.status_code == 201, answer.text
