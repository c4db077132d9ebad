"""The payer simulator over a real socket, judged by the eligibility service's own rules."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date

import httpx
import pytest
import uvicorn

from ops.payer_simulator.app import PayerSimulator
from ops.payer_simulator.behaviour import BadBehaviour, Behaviour
from services.eligibility.clients import CONTENT_TYPE, HttpPayer
from services.eligibility.domain.answers import (
    BadResponse,
    NoAnswer,
    Outcome,
    Rejected,
    Verified,
    judge,
)
from services.eligibility.domain.coverage import Coverage
from services.eligibility.domain.estimate import Service, estimate
from services.eligibility.domain.request_270 import Inquiry, build_270
from services.eligibility.domain.verdict import Check, Verdict, visit_verdict
from services.eligibility.tests.payer_answers import CHILD, INQUIRY, VISIT_ON, inquiry
from shared.values.ids import new_id
from shared.x12.tests.samples import sample


def of_member(member_id: str, *, dependent: bool = False) -> Inquiry:
    return inquiry(
        subscriber=replace(INQUIRY.subscriber, member_id=member_id),
        dependent=CHILD if dependent else None,
    )


@asynccontextmanager
async def running(latency_ms: int = 0) -> AsyncIterator[str]:
    """A simulator on a free port of loopback; the socket queues whoever comes before it is up."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        PayerSimulator(latency_ms).app(),
        log_config=None,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        listener.close()


async def outcome_of(url: str, asked: Inquiry, *, deadline: float = 5.0) -> Outcome:
    payer = HttpPayer(f"{url}/x12", deadline_seconds=deadline)
    try:
        received = await payer.ask(build_270(asked).to_bytes(), key="check-1")
    finally:
        await payer.close()
    return received if isinstance(received, NoAnswer) else judge(asked.question, received)


@pytest.mark.parametrize("dependent", [False, True], ids=["subscriber", "dependent"])
@pytest.mark.parametrize(
    ("member_id", "status"), [("ACT001", "active"), ("X-7", "active"), ("INA001", "inactive")]
)
async def test_active_and_inactive_members(member_id: str, status: str, dependent: bool) -> None:
    async with running() as url:
        outcome = await outcome_of(url, of_member(member_id, dependent=dependent))
    assert isinstance(outcome, Verified)
    assert (outcome.status, outcome.plan) == (status, "SIMULATED PPO")
    assert outcome.starts_on == date(2026, 1, 1)
    if status == "active":
        assert (outcome.copay_in_cents, outcome.copay_out_cents) == (2_500, 5_000)


@pytest.mark.parametrize(
    ("code", "level", "action"),
    [
        ("42", "source", "retry"),
        ("80", "source", "retry"),
        ("79", "source", "fix_setup"),
        ("51", "receiver", "fix_setup"),
        ("71", "subscriber", "fix_data"),
        ("72", "subscriber", "fix_data"),
        ("73", "subscriber", "fix_data"),
        ("75", "subscriber", "fix_data"),
        ("95", "subscriber", "ask_payer"),
    ],
)
async def test_refused_members(code: str, level: str, action: str) -> None:
    async with running() as url:
        outcome = await outcome_of(url, of_member(f"A{code}001"))
    assert isinstance(outcome, Rejected)
    assert (outcome.level, outcome.code, outcome.action) == (level, code, action)


async def test_a_refused_dependent_is_refused_at_their_level() -> None:
    async with running() as url:
        outcome = await outcome_of(url, of_member("A75001", dependent=True))
    assert isinstance(outcome, Rejected)
    assert (outcome.level, outcome.code) == ("dependent", "75")


@pytest.mark.parametrize(
    ("member_id", "outcome"),
    [
        ("OTH001", BadResponse("other_person")),
        ("TRC001", BadResponse("wrong_trace")),
        ("BTH001", BadResponse("contradictory")),
        ("ACK001", BadResponse("answer.acknowledgement")),
        ("HTM001", BadResponse("x12.not_x12")),
        ("CUT001", NoAnswer("cut_off")),
        ("ERR001", NoAnswer("http_status")),
        ("RED001", NoAnswer("redirected")),
    ],
)
async def test_members_whose_answer_cannot_be_used(member_id: str, outcome: Outcome) -> None:
    async with running() as url:
        assert await outcome_of(url, of_member(member_id)) == outcome


@pytest.mark.parametrize(
    ("member_id", "reason"), [("TRU001", "x12.truncated"), ("LIE001", "x12.count_lies")]
)
async def test_members_whose_answer_is_cut_or_lies(member_id: str, reason: str) -> None:
    async with running() as url:
        outcome = await outcome_of(url, of_member(member_id))
    assert isinstance(outcome, BadResponse)
    assert outcome.reason == reason


@pytest.mark.parametrize("member_id", ["SIL001", "DRI001", "LAT001"])
async def test_members_for_whom_the_asker_gives_up(member_id: str) -> None:
    async with running() as url:
        asked = of_member(member_id)
        assert await outcome_of(url, asked, deadline=0.3) == NoAnswer("no_answer")
        # It is there for the next one all the same.
        assert isinstance(await outcome_of(url, of_member("ACT001")), Verified)


async def test_a_plan_that_begins_next_year_leaves_the_visit_unverified() -> None:
    async with running() as url:
        outcome = await outcome_of(url, of_member("FUT001"))
    coverage = Coverage(new_id(), "primary", date(2026, 1, 1))
    found = visit_verdict(VISIT_ON, [coverage], Check(coverage.id, VISIT_ON, outcome))
    assert found == Verdict("unverified", "plan.not_in_force", coverage.id)


@pytest.mark.parametrize(
    ("member_id", "codes", "patient_cents"),
    [
        ("ACT001", ["copay", "payer"], 2_500),
        ("DED001", ["deductible", "payer"], 18_000),
        ("NOC001", ["not_covered"], 18_000),
    ],
)
async def test_estimates_from_its_answers_are_certain(
    member_id: str, codes: list[str], patient_cents: int
) -> None:
    async with running() as url:
        outcome = await outcome_of(url, of_member(member_id))
    assert isinstance(outcome, Verified)
    verdict = Verdict("active", "payer.active")
    found = estimate(verdict, [Service("V-EST", "f1", 18_000)], outcome.benefits)
    assert [line.code for line in found.lines] == codes
    assert (found.patient_cents, found.certain) == (patient_cents, True)


async def test_a_behaviour_can_be_set_read_and_forgotten() -> None:
    async with running() as url, httpx.AsyncClient(base_url=url) as client:
        asked = of_member("ACT007")
        plan = {"name": "SILVER", "copay_in_cents": 3_000, "ends_on": "2026-12-31"}
        put = await client.put("/behaviour/ACT007", json={"kind": "active", "plan": plan})
        assert put.json() == {"kind": "active", "code": "", "asked": 0}
        outcome = await outcome_of(url, asked)
        assert isinstance(outcome, Verified)
        assert (outcome.plan, outcome.copay_in_cents) == ("SILVER", 3_000)
        assert outcome.ends_on == date(2026, 12, 31)
        await client.put("/behaviour/ACT007", json={"kind": "rejected", "code": "75"})
        assert isinstance(await outcome_of(url, asked), Rejected)
        read = (await client.get("/behaviour/ACT007")).json()
        assert read == {"kind": "rejected", "code": "75", "asked": 2}
        await client.delete("/behaviour/ACT007")
        assert isinstance(await outcome_of(url, asked), Verified)


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ('{"kind": "generous"}', "kind"),
        ('{"kind": "rejected"}', "code"),
        ('{"kind": "active", "code": "75"}', "code"),
        ('{"kind": "rejected", "code": "7*"}', "code"),
        ('{"latency_ms": -1}', "latency_ms"),
        ('{"latency_ms": true}', "latency_ms"),
        ('{"colour": 1}', "behaviour"),
        ('{"plan": []}', "plan"),
        ('{"plan": {"copay_in_cents": "5"}}', "plan.copay_in_cents"),
        ('{"plan": {"copay_in_cents": -5}}', "plan.copay_in_cents"),
        ('{"plan": {"coinsurance": "20"}}', "plan.coinsurance"),
        ('{"plan": {"coinsurance": 0.2}}', "plan.coinsurance"),
        ('{"plan": {"begins_on": "2026-02-30"}}', "plan.begins_on"),
        ('{"plan": {"name": "A*B"}}', "plan.name"),
        ('{"plan": {"next_year": 1}}', "plan.next_year"),
        ("[]", "behaviour"),
        ("{", "behaviour"),
    ],
)
async def test_a_behaviour_that_is_none_is_refused(body: str, at: str) -> None:
    app = PayerSimulator().app()
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://payer") as client:
        response = await client.put("/behaviour/ACT001", content=body)
    assert (response.status_code, response.json()["at"]) == (422, at)
    if at != "behaviour":
        with pytest.raises(BadBehaviour, match=at):
            Behaviour.read(json.loads(body))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "x12.empty"),
        (b"{}", "x12.not_x12"),
        (build_270(INQUIRY).to_bytes()[:-30], "x12.truncated"),
        (build_270(INQUIRY).to_bytes().replace(b"ST*270", b"ST*271"), "not_a_270"),
        (build_270(INQUIRY).to_bytes().replace(b"*MI*ACT100200", b""), "not_a_270"),
        (build_270(INQUIRY).to_bytes().replace(b"000000042", b"00000004X"), "not_a_270"),
        (build_270(INQUIRY).to_bytes() + b" " * 1_000_000, "x12.too_large"),
    ],
)
async def test_what_is_no_270_is_refused_without_repeating_it(body: bytes, told: str) -> None:
    transport = httpx.ASGITransport(PayerSimulator().app())
    async with httpx.AsyncClient(transport=transport, base_url="http://payer") as client:
        response = await client.post("/x12", content=body, headers={"content-type": CONTENT_TYPE})
    assert (response.status_code, response.text) == (400, told)


async def test_the_same_request_gets_the_same_bytes() -> None:
    transport = httpx.ASGITransport(PayerSimulator().app())
    request = build_270(INQUIRY).to_bytes()
    async with httpx.AsyncClient(transport=transport, base_url="http://payer") as client:
        answers = [(await client.post("/x12", content=request)).content for _ in range(2)]
        ready = await client.get("/readyz")
    assert answers[0] == answers[1]
    assert answers[0].startswith(b"ISA*00*")
    assert ready.json() == {"status": "ready"}


async def test_the_public_270_is_answered_about_its_own_person() -> None:
    transport = httpx.ASGITransport(PayerSimulator().app())
    request = sample("x12/subscriber-health-benefit-check.270").read_bytes()
    async with httpx.AsyncClient(transport=transport, base_url="http://payer") as client:
        response = await client.post("/x12", content=request)
    assert b"NM1*IL*1*SMITH*ROBERT****MI*11122333301~" in response.content


async def test_a_latency_for_all_is_waited_for() -> None:
    async with running(latency_ms=60_000) as url:
        assert await outcome_of(url, INQUIRY, deadline=0.2) == NoAnswer("no_answer")
