"""Giving money back: never more than came in, whoever races whom. Lists M22 to M26, M32."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.payments.tests.scene import TODAY, Scene, scene
from shared.testing.apps import Office
from shared.values.clock import FixedClock


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: Any, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


async def refund(at: Scene, payment: dict[str, Any], cents: int, **more: Any) -> httpx.Response:
    body = {"amount_cents": cents, "reason": "overpaid", **more}
    return await at.biller.post(f"/v1/payments/{payment['id']}/refund", body)


async def in_cash(at: Scene, patient: UUID, cents: int, drawer: str) -> dict[str, Any]:
    return await at.pay(patient, cents, method="cash", drawer_id=drawer)


async def test_cash_goes_back_from_an_open_drawer_with_a_receipt(at: Scene) -> None:
    patient, drawer = await at.patient(), await at.drawer()
    payment = await in_cash(at, patient, 3000, drawer)
    answer = await refund(at, payment, 1000, drawer_id=drawer)
    assert (answer.status_code, answer.json()["status"]) == (201, "posted")
    assert answer.json()["receipt_number"] == 2
    assert (await at.read(answer.headers["location"])) == answer.json()
    receipt = await at.read(f"/v1/receipts/{answer.json()['receipt_id']}")
    assert (receipt["title"], receipt["total"]["text"]) == ("Refund receipt 000002", "Refunded")
    assert (await at.read(f"/v1/payments/{payment['id']}"))["status"] == "partially_refunded"
    assert await at.balance(patient) == -2000
    closed = await at.desk.post(f"/v1/drawers/{drawer}/close", {"counted_cents": 22000})
    assert (closed.status_code, closed.json()["variance_cents"]) == (200, 0)
    await at.ledger_is_sound()


async def test_what_a_refund_takes_from_a_charge_is_owed_again(at: Scene) -> None:
    patient = await at.patient()
    visit = await at.visit(patient, copay_cents=3000)
    payment = await at.pay(patient, 20000, appointment_id=str(visit))
    charge = await at.charge(visit)
    assert charge["open_cents"] == 0
    answer = await refund(at, payment, 5000)
    assert answer.status_code == 201, answer.text
    assert await at.balance(patient) == 3000
    assert (await at.read(f"/v1/charges/{charge['id']}"))["open_cents"] == 3000
    assert (await refund(at, payment, 15000)).status_code == 201
    assert (await at.read(f"/v1/charges/{charge['id']}"))["open_cents"] == 18000
    assert (await at.read(f"/v1/visits/{visit}"))["copay_open_cents"] == 3000
    (item,) = await at.rows("SELECT balance_cents FROM accounts")
    assert item["balance_cents"] == await at.balance(patient) == 18000
    await at.ledger_is_sound()


async def test_more_than_was_paid_or_than_is_left_is_refused(at: Scene) -> None:
    """M24, M25."""
    payment = await at.pay(await at.patient(), 3000)
    above = await refund(at, payment, 3001)
    assert (above.status_code, above.json()["code"]) == (422, "refund.above_paid")
    assert (await refund(at, payment, 2000)).status_code == 201
    left = await refund(at, payment, 1001)
    assert (left.status_code, left.json()["code"]) == (409, "refund.above_remaining")
    assert left.json()["remaining_cents"] == 1000
    assert (await refund(at, payment, 1000)).status_code == 201
    nothing = await refund(at, payment, 1)
    assert (nothing.status_code, nothing.json()["code"]) == (409, "refund.nothing_left")


async def test_a_refund_is_not_itself_refunded(at: Scene) -> None:
    """M26."""
    made = (await refund(at, await at.pay(await at.patient(), 3000), 3000)).json()
    again = await refund(at, made, 1000)
    assert (again.status_code, again.json()["code"]) == (404, "payment.not_found")


@pytest.mark.parametrize("parts", [[3000] * 6, [2000] * 6, [1000] * 6])
async def test_refunds_that_race_never_give_more_than_was_paid(at: Scene, parts: list[int]) -> None:
    """M32."""
    patient = await at.patient()
    payment = await at.pay(patient, 3000)
    answers = await asyncio.gather(*(refund(at, payment, cents) for cents in parts))
    fits = 3000 // parts[0]
    assert sorted(a.status_code for a in answers) == [201] * fits + [409] * (len(parts) - fits)
    assert await at.balance(patient) == -3000 + fits * parts[0]
    (row,) = await at.rows("SELECT sum(amount_cents)::bigint AS back FROM refunds")
    assert row["back"] == fits * parts[0]
    await at.ledger_is_sound()


async def test_a_drawer_does_not_give_what_it_does_not_hold(at: Scene) -> None:
    patient, full, empty = await at.patient(), await at.drawer(), await at.drawer(500)
    payment = await in_cash(at, patient, 3000, full)
    answer = await refund(at, payment, 600, drawer_id=empty)
    assert (answer.status_code, answer.json()["code"]) == (409, "drawer.not_enough")
    assert (await refund(at, payment, 500, drawer_id=empty)).status_code == 201


async def test_refunds_that_race_for_a_drawers_last_cash_leave_it_at_nothing(at: Scene) -> None:
    patient, full, small = await at.patient(), await at.drawer(), await at.drawer(1000)
    paid = [await in_cash(at, await at.patient(), 1000, full) for _ in range(4)]
    paid.append(await in_cash(at, patient, 1000, full))
    answers = await asyncio.gather(*(refund(at, p, 1000, drawer_id=small) for p in paid))
    assert sorted(a.status_code for a in answers) == [201] + [409] * 4
    closed = await at.desk.post(f"/v1/drawers/{small}/close", {"counted_cents": 0})
    assert closed.status_code == 200


async def test_each_method_goes_back_the_way_it_came(at: Scene) -> None:
    patient, drawer = await at.patient(), await at.drawer()
    cash, check = await in_cash(at, patient, 3000, drawer), await at.pay(patient, 3000)
    without = await refund(at, cash, 100)
    assert (without.status_code, without.json()["code"]) == (422, "payment.means_missing")
    foreign = await refund(at, check, 100, drawer_id=drawer)
    assert (foreign.status_code, foreign.json()["code"]) == (422, "payment.means_foreign")
    office_check = await refund(at, check, 100, check_number="77")
    assert office_check.status_code == 201
    rows = await at.rows(
        "SELECT sum(cents)::int AS c FROM ledger_lines WHERE account_kind = 'bank'"
    )
    assert rows[0]["c"] == -100


async def test_a_refund_of_an_earlier_day_goes_into_todays_books(at: Scene) -> None:
    """M22."""
    patient = await at.patient()
    payment = await at.pay(patient, 3000)
    assert (await at.close_day()).status_code == 200
    today = await refund(at, payment, 3000)
    assert (today.status_code, today.json()["code"]) == (409, "ledger.day_closed")
    at.clock.move(timedelta(days=1))
    tomorrow = await refund(at, payment, 3000)
    assert tomorrow.status_code == 201
    assert tomorrow.json()["business_date"] == (TODAY + timedelta(days=1)).isoformat()
    report = await at.day()
    assert (report["payment_cents"], report["refund_cents"]) == (3000, 0)


async def test_a_reason_with_a_card_number_is_refused(at: Scene) -> None:
    payment = await at.pay(await at.patient(), 3000)
    answer = await refund(at, payment, 100, reason="4242424242424242")
    assert (answer.status_code, answer.json()["code"]) == (422, "card_number.not_accepted")
