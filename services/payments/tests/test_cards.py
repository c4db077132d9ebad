"""Cards: whatever the processor does, and wherever we die, one charge and one posting."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.payments.clients import Answer, NoAnswer, SimulatedProcessor
from services.payments.tests.scene import Scene, broken_at, scene
from shared.contracts.payments import PaymentFailed
from shared.db import failpoints
from shared.db.errands import run_one
from shared.testing.apps import Office
from shared.values.clock import FixedClock
from shared.values.money import Money


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: Any, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


def charges(at: Scene) -> int:
    """How many cards the processor has charged."""
    return sum(
        record["wish"]["kind"] == "charge" and record["decline_code"] is None
        for record in at.book.all()
    )


async def postings(at: Scene, kind: str = "payment") -> int:
    """How many entries of a kind are in the ledger."""
    return len(await at.rows("SELECT 1 FROM ledger_entries WHERE kind = $1", kind))


async def settled(at: Scene, payment_id: str, rounds: int = 6) -> str:
    """The status of a payment once its errand has been tried so often."""
    for _ in range(rounds):
        await at.make_errands_due()
        await at.run_errands()
    return str((await at.read(f"/v1/payments/{payment_id}"))["status"])


class Slow(SimulatedProcessor):
    """Waits until it is timed out."""

    def __init__(self, book: Any) -> None:
        super().__init__(book, pause=self._too_long)

    async def _too_long(self, _seconds: float) -> None:
        raise TimeoutError


class Dumb(SimulatedProcessor):
    """Takes every charge and never says anything again, until it is told to."""

    silent = True
    asked = 0

    async def charge(self, our_id: UUID, card: str, amount: Money) -> Answer:
        self.asked += 1
        answer = await super().charge(our_id, card, amount)
        if self.silent:
            raise NoAnswer
        return answer

    async def find(self, our_id: UUID) -> Answer | None:
        if self.silent:
            raise NoAnswer
        return await super().find(our_id)


class Counting(SimulatedProcessor):
    """Counts how often it is asked to charge."""

    asked = 0

    async def charge(self, our_id: UUID, card: str, amount: Money) -> Answer:
        self.asked += 1
        return await super().charge(our_id, card, amount)


class Lying(SimulatedProcessor):
    """Charges less than it was asked."""

    async def charge(self, our_id: UUID, card: str, amount: Money) -> Answer:
        return await super().charge(our_id, card, Money(amount.cents - 1, amount.currency))


async def test_a_card_is_sent_for_and_posted_once_it_is_charged(at: Scene) -> None:
    patient = await at.patient()
    answer = await at.desk.post(
        "/v1/payments", at.paying(patient, 3000, method="card", card_token="sim_ok")
    )
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    assert answer.headers["retry-after"] == "1"
    assert await postings(at) == 0
    await at.run_errands()
    made = await at.read(answer.headers["location"])
    assert (made["status"], made["card_last4"], made["receipt_number"]) == ("posted", "4242", 1)
    assert (charges(at), await postings(at), await at.balance(patient)) == (1, 1, -3000)
    (said,) = await at.said("payment.posted")
    assert said.model_dump()["method"] == "card"
    await at.ledger_is_sound()


@pytest.mark.parametrize("token", ["sim_declined", "sim_insufficient_funds", "sim_nobodys"])
async def test_a_declined_card_posts_nothing_and_says_so(at: Scene, token: str) -> None:
    patient = await at.patient()
    made = await at.pay_by_card(patient, 3000, token)
    assert await settled(at, made["id"], 1) == "declined"
    assert (charges(at), await postings(at), await at.balance(patient)) == (0, 0, 0)
    (said,) = await at.said("payment.failed")
    assert isinstance(said, PaymentFailed)
    assert (said.reason, said.balance_cents, said.subject_id) == ("card.declined", 0, patient)
    refund = await at.biller.post(
        f"/v1/payments/{made['id']}/refund", {"amount_cents": 1, "reason": "overpaid"}
    )
    assert (refund.status_code, refund.json()["code"]) == (409, "payment.illegal_transition")


@pytest.mark.parametrize(
    "token", ["sim_slow", "sim_answer_lost", "sim_request_lost", "sim_unreachable"]
)
async def test_a_card_in_trouble_is_charged_once_and_posted_once(at: Scene, token: str) -> None:
    at.processor = Slow(at.book)
    patient = await at.patient()
    made = await at.pay_by_card(patient, 3000, token)
    await at.run_errands()
    assert await postings(at) == 0
    assert await settled(at, made["id"]) == "posted"
    assert (charges(at), await postings(at), await at.balance(patient)) == (1, 1, -3000)
    assert len(await at.said("payment.posted")) == 1


async def test_a_process_that_dies_after_the_call_charges_and_posts_once(at: Scene) -> None:
    """It asks what came of the call before it would call again."""
    processor = Counting(at.book)
    at.processor = processor
    patient = await at.patient()
    made = await at.pay_by_card(patient, 3000, "sim_ok")
    for _ in range(3):
        with broken_at("errand.charge_card.after_call"):
            (intent,) = await at.claimed()
            with pytest.raises(failpoints.FailpointHit):
                await run_one(at.database, at.errands(), at.clock, intent)
        assert (charges(at), await postings(at)) == (1, 0)
        await at.make_errands_due()
    assert await settled(at, made["id"]) == "posted"
    assert (charges(at), await postings(at), await at.balance(patient)) == (1, 1, -3000)
    assert processor.asked == 1


async def test_a_process_that_dies_before_its_posting_is_kept_posts_once(at: Scene) -> None:
    patient = await at.patient()
    made = await at.pay_by_card(patient, 3000, "sim_ok")
    with broken_at("work.before_commit"):
        (intent,) = await at.claimed()
        with pytest.raises(failpoints.FailpointHit):
            await run_one(at.database, at.errands(), at.clock, intent)
    assert await settled(at, made["id"]) == "posted"
    assert (charges(at), await postings(at)) == (1, 1)


async def test_two_processes_with_the_same_errand_post_once(at: Scene) -> None:
    patient = await at.patient()
    made = await at.pay_by_card(patient, 3000, "sim_ok")
    (first,) = await at.claimed()
    await at.make_errands_due()
    (second,) = await at.claimed()
    assert (first.id, first.attempts, second.attempts) == (second.id, 1, 2)
    await run_one(at.database, at.errands(), at.clock, second)
    await run_one(at.database, at.errands(), at.clock, first)
    assert await settled(at, made["id"]) == "posted"
    assert (charges(at), await postings(at), await at.balance(patient)) == (1, 1, -3000)


async def test_an_outcome_nobody_knows_stays_unknown_and_is_asked_for_until_it_is_known(
    at: Scene,
) -> None:
    processor = Dumb(at.book)
    at.processor = processor
    patient = await at.patient()
    made = await at.pay_by_card(patient, 3000, "sim_ok")
    assert await settled(at, made["id"]) == "unknown"
    blocked = await at.close_day()
    assert blocked.json()["reasons"] == [{"rule": "payment.unknown", "ids": [made["id"]]}]
    assert await at.fire_timers() == 0
    at.clock.move(timedelta(minutes=3))
    assert await at.fire_timers() == 1
    assert await settled(at, made["id"]) == "unknown"
    processor.silent = False
    at.clock.move(timedelta(minutes=3))
    assert await at.fire_timers() == 1
    assert await settled(at, made["id"]) == "posted"
    assert (charges(at), await postings(at), await at.balance(patient)) == (1, 1, -3000)
    assert processor.asked == 1
    assert (await at.close_day()).status_code == 200


async def test_an_answer_for_another_amount_is_never_posted(at: Scene) -> None:
    at.processor = Lying(at.book)
    made = await at.pay_by_card(await at.patient(), 3000, "sim_ok")
    assert await settled(at, made["id"]) == "unknown"
    assert await postings(at) == 0


async def test_without_a_processor_every_card_is_declined(at: Scene) -> None:
    at.processor = None
    made = await at.pay_by_card(await at.patient(), 3000, "sim_ok")
    assert await settled(at, made["id"]) == "declined"
    assert (await at.read(f"/v1/payments/{made['id']}"))["decline_code"] == "no_processor"


# ── the card's token ─────────────────────────────────────────────────────────────────────────


async def tokens_kept(at: Scene, token: str) -> int:
    """In how many rows of the errands, whatever became of them, the token of a card stands."""
    text = "SELECT 1 FROM intent WHERE position($1 IN intent::text) > 0"
    return len(await at.rows(text, token))


@pytest.mark.rule("PCI DSS 3.3")
@pytest.mark.parametrize(("token", "status"), [("sim_ok", "posted"), ("sim_declined", "declined")])
async def test_the_token_of_a_card_is_gone_once_the_outcome_is_known(
    at: Scene, token: str, status: str
) -> None:
    made = await at.pay_by_card(await at.patient(), 3000, token)
    assert await tokens_kept(at, token) == 1
    assert await settled(at, made["id"], 1) == status
    assert await tokens_kept(at, token) == 0
    # What the errand was told besides is kept, and of the card what stands on a receipt.
    (kept,) = await at.rows(
        "SELECT body::text AS body, state FROM intent WHERE kind = 'charge_card'"
    )
    assert (json.loads(kept["body"])["amount_cents"], kept["state"]) == (3000, "done")
    seen = await at.read(f"/v1/payments/{made['id']}")
    assert seen["card_last4"] == ("4242" if status == "posted" else seen["card_last4"])


@pytest.mark.rule("PCI DSS 3.3")
async def test_the_token_of_a_card_is_kept_while_nobody_knows(at: Scene) -> None:
    """Every errand that asked is wiped when one is answered."""
    processor = Dumb(at.book)
    at.processor = processor
    made = await at.pay_by_card(await at.patient(), 3000, "sim_ok")
    assert await settled(at, made["id"]) == "unknown"
    assert await tokens_kept(at, "sim_ok") == 1
    at.clock.move(timedelta(minutes=3))
    assert await at.fire_timers() == 1
    assert await settled(at, made["id"]) == "unknown"
    assert await tokens_kept(at, "sim_ok") == 2
    processor.silent = False
    at.clock.move(timedelta(minutes=3))
    assert await at.fire_timers() == 1
    assert await settled(at, made["id"]) == "posted"
    assert await tokens_kept(at, "sim_ok") == 0
    assert len(await at.rows("SELECT 1 FROM intent WHERE kind = 'charge_card'")) == 3


async def test_of_two_cards_the_one_that_is_charged_is_forgotten(at: Scene) -> None:
    patient = await at.patient()
    first = await at.pay_by_card(patient, 3000, "sim_ok")
    at.processor = Lying(at.book)
    assert await settled(at, first["id"], 1) == "unknown"
    at.processor = SimulatedProcessor(at.book)
    second = await at.pay_by_card(patient, 2000, "sim_ok")
    assert await settled(at, second["id"], 1) == "posted"
    (kept,) = await at.rows(
        "SELECT subject_id FROM intent WHERE position('sim_ok' IN intent::text) > 0"
    )
    assert str(kept["subject_id"]) == first["id"]


# ── refunds ──────────────────────────────────────────────────────────────────────────────────


async def paid(at: Scene, patient: UUID, token: str) -> str:
    """The id of a card payment of 30.00 that is posted."""
    made = await at.pay_by_card(patient, 3000, token)
    assert await settled(at, made["id"]) == "posted"
    return str(made["id"])


async def refund(at: Scene, payment_id: str, cents: int) -> dict[str, Any]:
    """A refund that is sent for."""
    body = {"amount_cents": cents, "reason": "overpaid"}
    answer = await at.biller.post(f"/v1/payments/{payment_id}/refund", body)
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("token", ["sim_ok", "sim_refund_answer_lost"])
async def test_a_card_is_refunded_once_and_its_share_is_set_aside_meanwhile(
    at: Scene, token: str
) -> None:
    patient = await at.patient()
    payment_id = await paid(at, patient, token)
    made = await refund(at, payment_id, 2000)
    assert await at.balance(patient) == -3000
    body = {"amount_cents": 1001, "reason": "overpaid"}
    over = await at.biller.post(f"/v1/payments/{payment_id}/refund", body)
    assert (over.status_code, over.json()["remaining_cents"]) == (409, 1000)
    assert (await at.close_day()).json()["reasons"] == [
        {"rule": "refund.pending", "ids": [made["id"]]}
    ]
    assert await settled(at, payment_id) == "partially_refunded"
    assert (await at.read(f"/v1/refunds/{made['id']}"))["status"] == "posted"
    assert await at.balance(patient) == -1000
    assert (await postings(at, "refund_granted"), await postings(at, "refund_paid")) == (1, 1)
    (said,) = await at.said("payment.refunded")
    assert said.model_dump()["balance_cents"] == -1000
    await at.ledger_is_sound()


async def test_a_refund_that_is_declined_gives_its_share_back(at: Scene) -> None:
    patient = await at.patient()
    payment_id = await paid(at, patient, "sim_refund_declined")
    made = await refund(at, payment_id, 3000)
    assert await settled(at, payment_id) == "posted"
    assert (await at.read(f"/v1/refunds/{made['id']}"))["status"] == "declined"
    assert (await at.read(f"/v1/payments/{payment_id}"))["refunded_cents"] == 0
    assert await at.balance(patient) == -3000
    assert await at.said("payment.refunded") == []


async def test_a_process_that_dies_while_it_refunds_refunds_once(at: Scene) -> None:
    patient = await at.patient()
    payment_id = await paid(at, patient, "sim_ok")
    await refund(at, payment_id, 3000)
    with broken_at("errand.refund_card.after_call"):
        (intent,) = await at.claimed()
        with pytest.raises(failpoints.FailpointHit):
            await run_one(at.database, at.errands(), at.clock, intent)
    assert await settled(at, payment_id) == "refunded"
    given = [r for r in at.book.all() if r["wish"]["kind"] == "refund"]
    assert (len(given), await postings(at, "refund_paid")) == (1, 1)
    assert await at.balance(patient) == 0


async def test_a_refund_nobody_knows_of_is_asked_for_until_it_is_known(at: Scene) -> None:
    patient = await at.patient()
    payment_id = await paid(at, patient, "sim_ok")
    made = await refund(at, payment_id, 3000)

    class Deaf(SimulatedProcessor):
        async def refund(self, our_id: UUID, charge_id: UUID, amount: Money) -> Answer:
            await super().refund(our_id, charge_id, amount)
            raise NoAnswer

        async def find(self, our_id: UUID) -> Answer | None:
            raise NoAnswer

    working, at.processor = at.processor, Deaf(at.book)
    await settled(at, payment_id)
    assert (await at.read(f"/v1/refunds/{made['id']}"))["status"] == "unknown"
    at.processor = working
    at.clock.move(timedelta(minutes=3))
    assert await at.fire_timers() == 1
    assert await settled(at, payment_id) == "refunded"
    assert await at.balance(patient) == 0
