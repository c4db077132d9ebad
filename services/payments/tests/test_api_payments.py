"""Taking money through the API, on a real database: the deed, and lists M1 to M16, M33 to M49."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from services.payments.tests.scene import Scene, broken_at, scene
from shared.contracts.payments import PaymentPosted
from shared.testing.apps import Office
from shared.values.clock import FixedClock
from shared.values.ids import new_id

CARD_NUMBER = "4242 4242 4242 4242"


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: Any, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


async def nothing_moved(at: Scene) -> None:
    """No money, no number, no event, no errand."""
    for table in ("payments", "ledger_entries", "receipts", "receipt_counters", "intent"):
        assert list(await at.rows(f"SELECT 1 FROM {table}")) == []
    assert await at.said("payment.posted") == []


async def test_a_copay_in_cash_is_posted_at_once_with_a_receipt_and_change(at: Scene) -> None:
    patient, drawer = await at.patient(), await at.drawer()
    visit = await at.visit(patient, copay_cents=3000)
    body = at.paying(patient, 4000, method="cash", drawer_id=drawer, tendered_cents=5000)
    answer = await at.desk.post("/v1/payments", {**body, "appointment_id": str(visit)})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["status"], made["change_cents"], made["receipt_number"]) == ("posted", 1000, 1)
    assert [(p["purpose"], p["cents"]) for p in made["parts"]] == [
        ("copay", 3000),
        ("credit", 1000),
    ]
    assert (await at.read(answer.headers["location"])) == made
    assert await at.balance(patient) == -4000
    (said,) = await at.said("payment.posted")
    assert isinstance(said, PaymentPosted)
    assert (said.method, said.amount_cents, said.balance_cents) == ("cash", 4000, -4000)
    await at.ledger_is_sound()


async def test_a_check_meets_the_oldest_charge_and_what_is_over_is_credit(at: Scene) -> None:
    """M33."""
    patient = await at.patient()
    first, second = await at.visit(patient), await at.visit(patient)
    old, new = await at.charge(first, "G0008"), await at.charge(second, "V-EST")
    made = await at.pay(patient, 21000)
    assert {(p["charge_id"], p["cents"]) for p in made["parts"]} == {
        (old["id"], 2500),
        (new["id"], 18000),
        (None, 500),
    }
    assert await at.balance(patient) == -500
    assert (await at.read(f"/v1/charges/{new['id']}"))["open_cents"] == 0
    await at.ledger_is_sound()


# ── amounts: M1 to M16 ───────────────────────────────────────────────────────────────────────


AMOUNTS = {
    "-1": 422,
    "0": 422,
    "-0": 422,
    "0.001": 422,
    "1e2": 422,
    "10.0": 422,
    "NaN": 400,
    "Infinity": 400,
    "1e400": 400,
    '"10.00"': 422,
    '"5"': 422,
    '"10,00"': 422,
    str(2**53 + 1): 422,
    str(2**63): 422,
    "true": 422,
    "null": 422,
    "10000001": 422,
}


async def test_an_amount_that_is_no_whole_number_of_cents_is_refused(at: Scene) -> None:
    patient = await at.patient()
    found = {}
    for number in AMOUNTS:
        text = (
            f'{{"patient_id": "{patient}", "clinic_id": "{at.clinic_id}", "method": "check",'
            f' "check_number": "1", "amount_cents": {number}}}'
        )
        headers = {"Content-Type": "application/json"}
        answer = await at.desk.post("/v1/payments", content=text.encode(), headers=headers)
        assert answer.headers["content-type"] == "application/problem+json"
        if len(number) > 5:
            assert number.strip('"') not in answer.text
        found[number] = answer.status_code
    assert found == AMOUNTS
    await nothing_moved(at)


async def test_another_currency_than_the_clinics_is_refused(at: Scene) -> None:
    patient = await at.patient()
    codes = {"XXX": "amount.currency_unknown", "EUR": "amount.currency_mismatch"}
    found = {}
    for currency in codes:
        answer = await at.desk.post("/v1/payments", at.paying(patient, 100, currency=currency))
        assert answer.status_code == 422
        found[currency] = answer.json()["code"]
    assert found == codes
    await nothing_moved(at)


# ── means of payment ─────────────────────────────────────────────────────────────────────────


A_CHECK = {"method": "check", "check_number": "1"}
MEANS: list[tuple[dict[str, Any], str]] = [
    ({"method": "cash"}, "payment.means_missing"),
    ({"method": "check"}, "payment.means_missing"),
    ({"method": "card"}, "payment.means_missing"),
    ({"method": "card", "card_token": "sim_ok", "check_number": "1"}, "payment.means_foreign"),
    ({**A_CHECK, "tendered_cents": 5}, "payment.means_foreign"),
    ({"method": "check", "check_number": "4242424242424242"}, "card.data"),
    ({**A_CHECK, "note": CARD_NUMBER}, "card_number.not_accepted"),
    ({**A_CHECK, "note": "%B4242424242424242^DOE/J^2912"}, "card_number.not_accepted"),
    ({**A_CHECK, "note": "%B4242424242424241^DOE/J^2912"}, "card.data"),
    ({**A_CHECK, "note": "a\u0085b"}, "text.encoding"),
    ({"method": "card", "card_token": "4242424242424242"}, "card_number.not_accepted"),
    ({"method": "card", "card_token": "sim_ok", "cvv": "123"}, "extra_forbidden"),
    ({"method": "crypto"}, "literal_error"),
]


async def test_means_that_do_not_fit_or_hold_card_data_are_refused(at: Scene) -> None:
    """M47 to M49 among them."""
    patient = await at.patient()
    for means, code in MEANS:
        answer = await at.desk.post("/v1/payments", at.paying(patient, 100, **means))
        assert answer.status_code == 422, means
        problem = answer.json()
        assert code in [problem["code"], *(e["code"] for e in problem.get("errors", []))], means
        assert "4242" not in answer.text
    await nothing_moved(at)


async def test_cash_needs_an_open_drawer_of_the_clinic_and_the_day(at: Scene) -> None:
    patient, drawer = await at.patient(), await at.drawer(0)
    body = at.paying(patient, 100, method="cash", drawer_id=drawer)
    unknown = await at.desk.post("/v1/payments", {**body, "drawer_id": str(new_id())})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "drawer.not_found")
    at.clock.move(timedelta(days=1))
    other_day = await at.desk.post("/v1/payments", body)
    assert (other_day.status_code, other_day.json()["code"]) == (409, "drawer.other_day")
    closed = await at.desk.post(f"/v1/drawers/{drawer}/close", {"counted_cents": 0})
    assert closed.status_code == 200, closed.text
    after = await at.desk.post("/v1/payments", body)
    assert (after.status_code, after.json()["code"]) == (409, "drawer.not_open")
    short = at.paying(patient, 100, method="cash", drawer_id=await at.drawer(0), tendered_cents=99)
    answer = await at.desk.post("/v1/payments", short)
    assert (answer.status_code, answer.json()["code"]) == (422, "payment.tendered_short")
    await nothing_moved(at)


async def test_who_and_where_must_be_known(at: Scene) -> None:
    patient, stranger = await at.patient(), await at.patient()
    visit = str(await at.visit(patient))
    asked = {
        "patient.not_found": at.paying(new_id(), 100),
        "clinic.not_found": at.paying(patient, 100, clinic_id=str(new_id())),
        "appointment.not_found": at.paying(patient, 100, appointment_id=str(new_id())),
        "payment.other_patient": at.paying(stranger, 100, appointment_id=visit),
    }
    answers = await asyncio.gather(*(at.desk.post("/v1/payments", b) for b in asked.values()))
    assert [a.json()["code"] for a in answers] == list(asked)
    assert [a.status_code for a in answers] == [404, 404, 404, 422]
    await nothing_moved(at)


async def test_a_patient_whose_news_is_on_its_way_is_waited_for(at: Scene) -> None:
    from shared.contracts.patients import PatientRegistered

    patient_id = new_id()
    paying = asyncio.create_task(at.desk.post("/v1/payments", at.paying(patient_id, 100)))
    registered = PatientRegistered(patient_id=patient_id, registered_at=at.clock.now())
    await asyncio.gather(paying, at.hear(registered))
    assert paying.result().status_code == 201


# ── keys: M34 to M46 ─────────────────────────────────────────────────────────────────────────


async def test_one_key_is_one_payment_however_often_it_is_sent(at: Scene) -> None:
    """M34, M35, M37, M40, M42."""
    body = at.paying(await at.patient(), 700)
    none = await at.http_post_without_key("/v1/payments", body)
    assert (none.status_code, none.json()["code"]) == (400, "idempotency.missing")
    first = await at.desk.post("/v1/payments", body, key="once")
    again = await at.desk.post("/v1/payments", dict(reversed(body.items())), key="once")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert again.headers["idempotency-replayed"] == "true"
    other = await at.desk.post("/v1/payments", {**body, "amount_cents": 701}, key="once")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency.other_request")
    somebody = at.office.desk("payments", at.network_id, "front_desk", sub="somebody-else")
    theirs = await somebody.post("/v1/payments", body, key="once")
    assert theirs.status_code == 201
    assert theirs.json()["id"] != first.json()["id"]
    assert len(await at.said("payment.posted")) == 2


async def test_one_key_sent_many_times_at_once_is_one_payment(at: Scene) -> None:
    """M36."""
    patient = await at.patient()
    body = at.paying(patient, 700)
    answers = await asyncio.gather(
        *(at.desk.post("/v1/payments", body, key="at-once") for _ in range(8))
    )
    assert {a.status_code for a in answers} == {201}
    assert len({a.content for a in answers}) == 1
    assert await at.balance(patient) == -700


async def test_a_key_that_is_none_is_refused(at: Scene) -> None:
    """M38, M39."""
    body = at.paying(await at.patient(), 700)
    for key in ("k" * 256, "a\x01b", "a b", ""):
        answer = await at.desk.post("/v1/payments", body, headers={"Idempotency-Key": key})
        assert (answer.status_code, answer.json()["code"]) == (400, "idempotency.malformed")
    await nothing_moved(at)


@pytest.mark.parametrize("place", ["work.before_commit", "route.after_command"])
async def test_a_crash_before_the_data_is_kept_leaves_nothing_and_the_key_works(
    at: Scene, place: str
) -> None:
    """M44."""
    patient = await at.patient()
    body = at.paying(patient, 700)
    with broken_at(place):
        broken = await at.desk.post("/v1/payments", body, key="crash")
    assert broken.status_code == 500
    await nothing_moved(at)
    again = await at.desk.post("/v1/payments", body, key="crash")
    assert (again.status_code, again.json()["receipt_number"]) == (201, 1)
    assert await at.balance(patient) == -700


async def test_a_crash_after_the_data_is_kept_is_answered_from_what_was_kept(at: Scene) -> None:
    """M43."""
    patient = await at.patient()
    body = at.paying(patient, 700)
    with broken_at("route.before_reply"):
        broken = await at.desk.post("/v1/payments", body, key="crash")
    assert broken.status_code == 500
    again = await at.desk.post("/v1/payments", body, key="crash")
    assert again.status_code == 201
    assert again.headers["idempotency-replayed"] == "true"
    assert await at.balance(patient) == -700
    assert len(await at.said("payment.posted")) == 1


async def test_a_refusal_leaves_the_key_free(at: Scene) -> None:
    """M45."""
    patient = await at.patient()
    refused = await at.desk.post("/v1/payments", at.paying(patient, 0), key="free")
    assert refused.status_code == 422
    taken = await at.desk.post("/v1/payments", at.paying(patient, 700), key="free")
    assert taken.status_code == 201


async def test_the_same_again_within_moments_is_taken_and_marked(at: Scene) -> None:
    """M46."""
    patient = await at.patient()
    first = await at.pay(patient, 700)
    twin = await at.pay(patient, 700)
    assert twin["twin_of"] == first["id"]
    assert (await at.pay(patient, 701))["twin_of"] is None
    at.clock.move(timedelta(seconds=11))
    assert (await at.pay(patient, 700))["twin_of"] is None


async def test_one_patient_paying_at_many_clinics_at_once_owes_the_sum(at: Scene) -> None:
    patient = await at.patient()
    await at.charge(await at.visit(patient))
    clinics = [at.clinic_id, await at.clinic("America/New_York"), await at.clinic("UTC")]
    bodies = [at.paying(patient, 1000 + n, clinic_id=str(clinics[n % 3])) for n in range(18)]
    answers = await asyncio.gather(*(at.desk.post("/v1/payments", body) for body in bodies))
    assert {a.status_code for a in answers} == {201}
    assert await at.balance(patient) == 18000 - sum(1000 + n for n in range(18))
    await at.ledger_is_sound()


# ── who may ──────────────────────────────────────────────────────────────────────────────────


async def test_another_network_and_another_clinics_desk_see_nothing(at: Scene) -> None:
    """M21."""
    patient = await at.patient()
    made = await at.pay(patient, 700)
    paths = [
        f"/v1/payments/{made['id']}",
        f"/v1/receipts/{made['receipt_id']}",
        f"/v1/receipts/{made['receipt_id']}/pdf",
    ]
    stranger = at.office.desk("payments", new_id(), "biller")
    elsewhere = at.office.desk("payments", at.network_id, "biller", clinics=[str(new_id())])
    for desk in (stranger, elsewhere):
        assert [(await desk.get(path)).status_code for path in paths] == [404] * 3
        refund = await desk.post(f"/v1/payments/{made['id']}/refund", _refund(100))
        assert refund.status_code == 404
    assert (await stranger.get(f"/v1/accounts/{patient}")).status_code == 404
    nowhere = await elsewhere.post("/v1/payments", at.paying(patient, 700))
    assert nowhere.status_code == 404


async def test_roles_that_may_not_are_refused_and_nobody_is_not_let_in(at: Scene) -> None:
    body = at.paying(await at.patient(), 700)
    for role in ("nurse", "provider", "admin", "auditor", "ops", "portal"):
        desk = at.office.desk("payments", at.network_id, role)
        assert (await desk.post("/v1/payments", body)).status_code == 403
    made = await at.pay(await at.patient(), 700)
    refund = await at.desk.post(f"/v1/payments/{made['id']}/refund", _refund(100))
    assert (refund.status_code, refund.json()["code"]) == (403, "permission.missing")
    anonymous = at.office.desk("payments", at.network_id, "front_desk")
    anonymous.token = "none"
    assert (await anonymous.post("/v1/payments", body)).status_code == 401


async def test_what_was_done_for_a_patient_is_in_the_audit(at: Scene) -> None:
    patient = await at.patient()
    await at.pay(patient, 700)
    await at.balance(patient)
    rows = await at.rows("SELECT action FROM audit WHERE $1 = ANY (patient_ids)", patient)
    assert sorted(row["action"] for row in rows) == ["read_account", "take_payment"]


def _refund(cents: int) -> dict[str, Any]:
    return {"amount_cents": cents, "reason": "overpaid"}
