"""Checks from booking to verdict, over the real adapter on the real payer simulator."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest

from services.eligibility.clients import FakePayer, PayerGateway
from services.eligibility.domain.answers import NoAnswer
from services.eligibility.errands import errands
from services.eligibility.tests.builders import CHILD, VISIT_ON, Scene, open_scene, simulated_payer
from shared.db import failpoints
from shared.db.errands import run_one
from shared.db.failpoints import FailpointHit
from shared.testing.apps import Office
from shared.values.clock import FixedClock


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Scene:
    return await open_scene(environment, clinic_office, network_id, clock)


@dataclass(frozen=True)
class Case:
    """A member of the simulator, and what the desk then sees."""

    member_id: str
    state: str
    verdict: str
    reason: str
    fault: str | None = None


CASES = [
    Case("ACT100200", "verified", "active", "payer.active"),
    Case("INA100200", "verified", "inactive", "payer.inactive"),
    Case("A42100200", "rejected", "unverified", "payer.busy"),
    Case("A75100200", "rejected", "unverified", "person.not_found"),
    Case("A72100200", "rejected", "unverified", "card.member_id"),
    Case("OTH100200", "bad_response", "unverified", "payer.bad_response", "other_person"),
    Case("TRU100200", "bad_response", "unverified", "payer.bad_response", "x12.truncated"),
    Case("LIE100200", "bad_response", "unverified", "payer.bad_response", "x12.count_lies"),
    Case("TRC100200", "bad_response", "unverified", "payer.bad_response", "wrong_trace"),
    Case("HTM100200", "bad_response", "unverified", "payer.bad_response", "x12.not_x12"),
    Case("BTH100200", "bad_response", "unverified", "payer.bad_response", "contradictory"),
    Case("ACK100200", "bad_response", "unverified", "payer.bad_response", "answer.acknowledgement"),
    Case("FUT100200", "verified", "unverified", "plan.not_in_force"),
    Case("SIL100200", "no_answer", "unverified", "payer.no_answer", "no_answer"),
    Case("ERR100200", "no_answer", "unverified", "payer.http_status", "http_status"),
    Case("RED100200", "no_answer", "unverified", "payer.redirected", "redirected"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.member_id[:3])
async def test_what_a_payer_does_decides_the_verdict(at: Scene, case: Case) -> None:
    patient = await at.patient()
    await at.coverage(patient, case.member_id)
    visit = await at.visit(patient)
    assert await at.verdict(visit) == ("unverified", "check.pending")
    deadline = 0.05 if case.state == "no_answer" else 5.0
    assert await at.ask(simulated_payer(deadline)) == 1
    assert await at.verdict(visit) == (case.verdict, case.reason)
    cover = await at.cover(visit)
    check = await at.check(cover["check_id"])
    assert (check["state"], check["fault"]) == (case.state, case.fault)
    assert check["service_date"] == VISIT_ON.isoformat()
    (said,) = await at.said("visit_cover")
    assert said["name"] == (
        "eligibility.failed.v1" if case.verdict == "unverified" else "eligibility.verified.v1"
    )
    assert (said["verdict"], said["reason"]) == (case.verdict, case.reason)
    assert (said["check_id"], said["coverage_id"]) == (check["id"], check["coverage_id"])


@pytest.mark.parametrize("case", [c for c in CASES if c.fault], ids=lambda case: case.member_id[:3])
async def test_an_answer_that_is_held_back_shows_nothing(at: Scene, case: Case) -> None:
    patient = await at.patient()
    await at.coverage(patient, case.member_id)
    visit = await at.visit(patient)
    await at.ask(simulated_payer(0.05 if case.state == "no_answer" else 5.0))
    answer = await at.desk.get(f"/v1/checks/{(await at.cover(visit))['check_id']}")
    check = answer.json()
    assert check["benefits"] is None
    assert check["refusal"] is None
    for part in ("SOMEBODY", "ELSEWHERE", "SIMULATED", "999999999", "html", "ISA", case.member_id):
        assert part not in answer.text
    (kept,) = await at.rows("SELECT response FROM checks")
    assert (kept["response"] is None) == (case.state == "no_answer")
    held = await at.rows("SELECT detail FROM audit WHERE action = 'hold_answer'")
    assert len(held) == (1 if case.state == "bad_response" else 0)


async def test_an_active_answer_is_told_in_a_sentence_and_an_estimate(at: Scene) -> None:
    patient = await at.patient()
    await at.coverage(patient)
    visit = await at.visit(patient)
    await at.ask(simulated_payer())
    check = await at.check((await at.cover(visit))["check_id"])
    assert check["sentence"].startswith("SIMULATED PPO is active from 2026-01-01; copay $25.00 in")
    benefits = check["benefits"]
    assert (benefits["status"], benefits["starts_on"]) == ("active", "2026-01-01")
    assert (benefits["copay_in_cents"], benefits["copay_out_cents"]) == (2500, 5000)
    estimate = await at.estimate(visit)
    assert (estimate["fee_cents"], estimate["copay_cents"]) == (15_000, 2500)
    assert (estimate["patient_cents"], estimate["payer_cents"]) == (2500, 12_500)
    assert sum(line["cents"] for line in estimate["lines"]) == 15_000
    copay = next(line for line in estimate["lines"] if line["code"] == "copay")
    (source,) = copay["sources"]
    line = next(x for x in benefits["lines"] if f"eb:{x['index']}" == source)
    assert (line["code"], line["amount_cents"], line["network"]) == ("B", 2500, "Y")
    (said,) = await at.said("estimate/")
    assert (said["patient_cents"], said["certain"]) == (2500, True)


async def test_a_deductible_and_coinsurance_are_estimated_to_the_cent(at: Scene) -> None:
    await at.hear(at.fee_priced(fee_id=at.clinic_id, amount_cents=30_001, effective_from=VISIT_ON))
    patient = await at.patient()
    await at.coverage(patient, "DED100200")
    visit = await at.visit(patient)
    await at.ask(simulated_payer())
    estimate = await at.estimate(visit)
    parts = {line["code"]: line["cents"] for line in estimate["lines"]}
    assert parts == {"deductible": 25_000, "coinsurance": 1000, "payer": 4001}
    assert estimate["high_cents"] == estimate["low_cents"] == 26_000


async def test_an_inactive_visit_costs_the_whole_fee(at: Scene) -> None:
    patient = await at.patient()
    await at.coverage(patient, "INA100200")
    visit = await at.visit(patient)
    await at.ask(simulated_payer())
    estimate = await at.estimate(visit)
    assert [(x["code"], x["cents"]) for x in estimate["lines"]] == [("inactive", 15_000)]


async def test_without_an_answer_the_estimate_is_open(at: Scene) -> None:
    patient = await at.patient()
    await at.coverage(patient, "A75100200")
    visit = await at.visit(patient)
    await at.ask(simulated_payer())
    estimate = await at.estimate(visit)
    assert (estimate["low_cents"], estimate["high_cents"]) == (0, 15_000)
    assert (estimate["certain"], estimate["reasons"]) == (False, ["person.not_found"])


async def test_a_refusal_says_what_can_be_done(at: Scene) -> None:
    patient = await at.patient()
    await at.coverage(patient, "A72100200")
    visit = await at.visit(patient)
    await at.ask(simulated_payer())
    check = await at.check((await at.cover(visit))["check_id"])
    assert check["refusal"] == {
        "level": "subscriber",
        "code": "72",
        "follow_up": "C",
        "action": "fix_data",
    }
    assert check["sentence"] == "The payer does not know the member id (AAA 72)."


async def test_a_child_is_asked_about_as_a_dependent(at: Scene) -> None:
    patient = await at.patient()
    await at.coverage(patient, relationship="child", dependent=CHILD)
    visit = await at.visit(patient)
    await at.ask(simulated_payer())
    assert await at.verdict(visit) == ("active", "payer.active")
    (sent,) = await at.rows("SELECT request FROM checks")
    assert b"NM1*03*1*SAMPLESON*SAM~" in sent["request"]
    assert b"INS*N*19~" in sent["request"]


@pytest.mark.parametrize("member_id", ["SIL100200", "A42100200"])
async def test_silence_and_a_busy_payer_are_tried_again(at: Scene, member_id: str) -> None:
    patient = await at.patient()
    await at.coverage(patient, member_id)
    visit = await at.visit(patient)
    calls = await at.ask(simulated_payer(0.05), attempts=3)
    assert calls == 3
    assert (await at.verdict(visit))[0] == "unverified"
    assert len(await at.said("visit_cover")) == 1


async def test_a_payer_that_recovers_is_heard(at: Scene) -> None:
    patient = await at.patient()
    await at.coverage(patient)
    visit = await at.visit(patient)
    answering = simulated_payer()
    asked: list[str] = []

    class Recovering:
        async def ask(self, request: bytes, *, key: str) -> bytes | NoAnswer:
            asked.append(key)
            if len(asked) < 3:
                return NoAnswer("unreachable")
            return await answering.ask(request, key=key)

    await at.ask(Recovering(), attempts=3)
    assert len(asked) == 3
    assert len(set(asked)) == 1
    assert await at.verdict(visit) == ("active", "payer.active")


async def test_what_a_second_try_cannot_mend_is_not_tried_again(at: Scene) -> None:
    patient = await at.patient()
    await at.coverage(patient)
    visit = await at.visit(patient)
    gateway = FakePayer(lambda _: NoAnswer("certificate"))
    await at.ask(gateway, attempts=3)
    assert len(gateway.asked) == 1
    assert await at.verdict(visit) == ("unverified", "payer.certificate")


async def test_killed_between_call_and_settle_it_asks_again_and_takes_effect_once(
    at: Scene,
) -> None:
    patient = await at.patient()
    await at.coverage(patient)
    visit = await at.visit(patient)
    gateway = _Counting(simulated_payer())
    (first,) = await at.claimed()
    failpoints.arm("errand.check.after_call:raise")
    try:
        with pytest.raises(FailpointHit):
            await run_one(at.database, errands(gateway, 3), at.clock, first)
    finally:
        failpoints.arm("")
    assert await at.verdict(visit) == ("unverified", "check.pending")
    (sent,) = await at.rows("SELECT state FROM checks")
    assert sent["state"] == "sent"
    (second,) = await at.claimed()
    await run_one(at.database, errands(gateway, 3), at.clock, second)
    # The first to claim it wakes up late: its outcome is not written.
    await run_one(at.database, errands(gateway, 3), at.clock, first)
    assert gateway.requests[0] == gateway.requests[1]
    assert await at.verdict(visit) == ("active", "payer.active")
    assert len(await at.said("visit_cover")) == 1
    assert len(await at.said("estimate/")) == 1
    assert await at.claimed() == []


class _Counting:
    def __init__(self, gateway: PayerGateway) -> None:
        self._gateway = gateway
        self.requests: list[tuple[str, bytes]] = []

    async def ask(self, request: bytes, *, key: str) -> bytes | NoAnswer:
        self.requests.append((key, request))
        return await self._gateway.ask(request, key=key)


async def test_a_late_answer_is_kept_and_does_not_undo_a_newer_one(at: Scene) -> None:
    patient = await at.patient()
    made = await at.coverage(patient, "INA100200")
    visit = await at.visit(patient)
    (late,) = await at.claimed()
    body = {"coverage_id": made["id"], "appointment_id": str(visit.appointment_id)}
    asked = await at.desk.post("/v1/checks", body)
    newer = next(i for i in await at.claimed() if str(i.subject_id) == asked.json()["id"])
    other = FakePayer(lambda _: NoAnswer("too_large"))
    await run_one(at.database, errands(other, 1), at.clock, newer)
    assert await at.verdict(visit) == ("unverified", "payer.too_large")
    again = next(i for i in await at.claimed() if i.subject_id == late.subject_id)
    await run_one(at.database, errands(simulated_payer(), 1), at.clock, again)
    assert (await at.check(str(late.subject_id)))["state"] == "verified"
    assert await at.verdict(visit) == ("unverified", "payer.too_large")
    assert len(await at.said("visit_cover")) == 1


async def test_an_answer_about_the_old_card_decides_nothing(at: Scene) -> None:
    patient = await at.patient()
    made = await at.coverage(patient, "INA100200")
    visit = await at.visit(patient)
    (old,) = await at.claimed()
    patched = await at.desk.patch(f"/v1/coverages/{made['id']}", {"member_id": "ACT1"}, version=1)
    assert patched.status_code == 200, patched.text
    both = await at.claimed()
    (again,) = (intent for intent in both if intent.subject_id == old.subject_id)
    (new,) = (intent for intent in both if intent.subject_id != old.subject_id)
    await run_one(at.database, errands(simulated_payer(), 1), at.clock, again)
    assert await at.verdict(visit) == ("unverified", "check.pending")
    await run_one(at.database, errands(simulated_payer(), 1), at.clock, new)
    assert await at.verdict(visit) == ("active", "payer.active")
    assert [e["verdict"] for e in await at.said("visit_cover")] == ["active"]


async def test_a_check_by_hand_is_said_though_the_verdict_is_the_same(at: Scene) -> None:
    patient = await at.patient()
    made = await at.coverage(patient)
    visit = await at.visit(patient)
    await at.ask(simulated_payer())
    first = await at.cover(visit)
    body = {"coverage_id": made["id"], "appointment_id": str(visit.appointment_id)}
    asked = await at.desk.post("/v1/checks", body)
    assert asked.status_code == 202, asked.text
    assert asked.headers["location"] == f"/v1/checks/{asked.json()['id']}"
    assert (await at.cover(visit))["check_id"] == first["check_id"]
    at.clock.move(timedelta(minutes=1))
    await at.ask(simulated_payer())
    second = await at.cover(visit)
    assert second["check_id"] == asked.json()["id"]
    assert [e["seq"] for e in await at.said("visit_cover")] == [1, 2]
    assert len(await at.said("estimate/")) == 1


@pytest.mark.parametrize("member_id", ["ACT77777", "SIL77777", "OTH77777", "A7277777"])
async def test_no_identifier_is_logged_audited_said_or_left_in_an_intent(
    at: Scene, capfd: pytest.CaptureFixture[str], member_id: str
) -> None:
    patient = await at.patient()
    made = await at.coverage(patient, member_id)
    await at.visit(patient)
    await at.desk.post("/v1/checks", {"coverage_id": made["id"]})
    assert await at.ask(simulated_payer(0.05), attempts=2) >= 2
    printed = capfd.readouterr()
    intents = await at.rows("SELECT body::text, problem FROM intent")
    audit = await at.rows("SELECT detail::text, resource, action FROM audit")
    said = await at.said()
    assert intents
    assert audit
    assert said
    for text in (printed.out, printed.err, str(intents), str(audit), str(said)):
        assert "77777" not in text
        assert "sampleson" not in text.lower()
        assert "1984" not in text
