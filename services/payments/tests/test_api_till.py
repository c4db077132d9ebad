"""Drawers and the close of the day through the API: nothing unexplained, nothing afterwards."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from services.payments.commands.payments import PaymentWish, payment_locks, take
from services.payments.domain.payment import Method
from services.payments.tests.scene import TODAY, Scene, scene
from shared.contracts.payments import DayClosed, DrawerClosed, DrawerOpened
from shared.db.actor import Actor
from shared.db.database import take_locks
from shared.db.work import Context
from shared.testing.apps import Office
from shared.values.clock import FixedClock
from shared.values.ids import new_id


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: Any, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


def rules(answer: Any) -> list[str]:
    """The rules that stand in the way of closing a day."""
    assert (answer.status_code, answer.json()["code"]) == (409, "day.unexplained")
    return [reason["rule"] for reason in answer.json()["reasons"]]


# ── drawers ──────────────────────────────────────────────────────────────────────────────────


async def test_a_drawer_is_counted_blind_and_closed(at: Scene) -> None:
    patient, drawer = await at.patient(), await at.drawer(20000)
    await at.pay(patient, 3000, method="cash", drawer_id=drawer)
    await at.pay(patient, 4500, check_number="7", drawer_id=drawer, method="check")
    seen = await at.read(f"/v1/drawers/{drawer}")
    assert (seen["status"], seen["expected_cents"]) == ("open", None)
    count = {"counted_cents": 23000, "check_count": 1, "check_cents": 4500}
    answer = await at.desk.post(f"/v1/drawers/{drawer}/close", count)
    assert answer.status_code == 200, answer.text
    closed = answer.json()
    assert (closed["status"], closed["expected_cents"], closed["variance_cents"]) == (
        "closed",
        23000,
        0,
    )
    (opened,), (said,) = await at.said("drawer.opened"), await at.said("drawer.closed")
    assert isinstance(opened, DrawerOpened)
    assert isinstance(said, DrawerClosed)
    assert (opened.float_cents, said.expected_cents, said.variance_cents) == (20000, 23000, 0)
    again = await at.desk.post(f"/v1/drawers/{drawer}/close", count)
    assert (again.status_code, again.json()["code"]) == (409, "drawer.illegal_transition")
    await at.ledger_is_sound()


@pytest.mark.parametrize(
    ("count", "variance"),
    [
        ({"counted_cents": 19999}, {"cash_cents": -1, "check_count": 0, "check_cents": 0}),
        (
            {"counted_cents": 20001, "check_count": 1, "check_cents": 5},
            {"cash_cents": 1, "check_count": 1, "check_cents": 5},
        ),
    ],
)
async def test_a_count_that_is_off_needs_a_reason(
    at: Scene, count: dict[str, int], variance: dict[str, int]
) -> None:
    drawer = await at.drawer(20000)
    path = f"/v1/drawers/{drawer}/close"
    refused = await at.desk.post(path, count)
    assert (refused.status_code, refused.json()["code"]) == (409, "drawer.variance_unexplained")
    assert {name: refused.json()[name] for name in variance} == variance
    blank = await at.desk.post(path, {**count, "reason": "  "})
    assert blank.status_code == 422
    card = await at.desk.post(path, {**count, "reason": "4242 4242 4242 4242"})
    assert (card.status_code, card.json()["code"]) == (422, "card_number.not_accepted")
    closed = await at.desk.post(path, {**count, "reason": "a coin rolled away"})
    assert (closed.status_code, closed.json()["variance_cents"]) == (200, variance["cash_cents"])
    lines = await at.rows("SELECT cents FROM ledger_lines WHERE account_kind = 'over_short'")
    assert [line["cents"] for line in lines] == [-variance["cash_cents"]]
    assert (await at.close_day()).status_code == 200


async def test_one_drawer_of_a_name_is_open_however_many_open_it(at: Scene) -> None:
    body = {"clinic_id": str(at.clinic_id), "name": "Front", "float_cents": 100}
    answers = await asyncio.gather(*(at.desk.post("/v1/drawers", body) for _ in range(6)))
    assert sorted(a.status_code for a in answers) == [201] + [409] * 5
    assert {a.json().get("code") for a in answers} == {None, "drawer.open_already"}
    drawer = next(a.json()["id"] for a in answers if a.status_code == 201)
    closed = await at.desk.post(f"/v1/drawers/{drawer}/close", {"counted_cents": 100})
    assert closed.status_code == 200
    assert (await at.desk.post("/v1/drawers", body)).status_code == 201


async def test_money_that_races_the_close_of_its_drawer_is_counted_or_refused(at: Scene) -> None:
    patient, drawer = await at.patient(), await at.drawer(0)
    body = at.paying(patient, 100, method="cash", drawer_id=drawer)
    close = at.desk.post(
        f"/v1/drawers/{drawer}/close", {"counted_cents": 300, "reason": "in a race"}
    )
    paying = [at.desk.post("/v1/payments", body) for _ in range(8)]
    answers = await asyncio.gather(*paying[:4], close, *paying[4:])
    codes = [a.status_code for a in answers]
    taken = codes.count(201)
    assert set(codes) <= {200, 201, 409}
    closed = await at.read(f"/v1/drawers/{drawer}")
    assert closed["expected_cents"] == taken * 100
    assert (await at.close_day()).status_code == 200
    await at.ledger_is_sound()


# ── the day ──────────────────────────────────────────────────────────────────────────────────


async def test_a_day_is_closed_only_once_everything_is_explained(at: Scene) -> None:
    patient, drawer = await at.patient(), await at.drawer()
    visit = await at.visit(patient)
    free = await at.visit(patient)
    await at.visit(patient, out=False)
    await at.pay(patient, 3000, method="cash", drawer_id=drawer)
    card = await at.pay_by_card(patient, 5000, "sim_ok")
    refused = await at.close_day()
    assert rules(refused) == ["drawer.open", "payment.pending", "visit.no_charge"]
    assert refused.json()["reasons"][1]["ids"] == [card["id"]]
    assert refused.json()["reasons"][2]["ids"] == sorted([str(visit), str(free)])
    assert [r["rule"] for r in (await at.day())["reasons"]] == rules(refused)
    await at.run_errands()
    await at.charge(visit)
    await at.desk.post(f"/v1/visits/{free}/no-charge", {"reason": "courtesy"})
    assert rules(await at.close_day()) == ["drawer.open"]
    await at.desk.post(f"/v1/drawers/{drawer}/close", {"counted_cents": 23000})
    answer = await at.close_day()
    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert (report["payment_cents"], report["charge_cents"], report["ledger_cents"]) == (
        8000,
        18000,
        0,
    )
    assert {m["method"]: m["payment_cents"] for m in report["methods"]} == {
        "cash": 3000,
        "check": 0,
        "card": 5000,
    }
    assert (report["visit_count"], report["no_charge"]) == (
        2,
        [{"reason": "courtesy", "count": 1}],
    )
    assert (await at.day()) == report
    (said,) = await at.said("day.closed")
    assert isinstance(said, DayClosed)
    assert (said.cash_cents, said.card_cents, said.business_date) == (3000, 5000, TODAY)


async def test_nothing_goes_into_a_closed_day_and_the_next_is_open(at: Scene) -> None:
    """M22, M23."""
    patient = await at.patient()
    first, second = await at.visit(patient), await at.visit(patient, out=False)
    await at.charge(first)
    assert (await at.close_day()).status_code == 200
    again = await at.close_day()
    assert (again.status_code, again.json()["code"]) == (409, "day.already_closed")
    lines = [{"code": "V-EST"}]
    refused = [
        await at.desk.post("/v1/payments", at.paying(patient, 100)),
        await at.desk.post("/v1/payments", at.paying(patient, 1, method="card", card_token="abc")),
        await at.desk.post("/v1/charges", {"appointment_id": str(second), "lines": lines}),
        await at.desk.post(f"/v1/visits/{second}/no-charge", {"reason": "courtesy"}),
        await at.desk.post(
            "/v1/drawers", {"clinic_id": str(at.clinic_id), "name": "x", "float_cents": 0}
        ),
    ]
    assert [a.json()["code"] for a in refused] == ["ledger.day_closed"] * 5
    assert [a.status_code for a in refused] == [409] * 5
    at.clock.move(timedelta(days=1))
    assert (await at.charge(second))["business_date"] == (TODAY + timedelta(days=1)).isoformat()
    future = await at.close_day(TODAY + timedelta(days=2))
    assert (future.status_code, future.json()["code"]) == (422, "day.future")


async def test_payments_that_race_the_close_of_their_day_are_in_its_report_or_refused(
    at: Scene,
) -> None:
    patient = await at.patient()
    paying = [at.desk.post("/v1/payments", at.paying(patient, 100)) for _ in range(10)]
    answers = await asyncio.gather(*paying[:5], at.close_day(), at.close_day(), *paying[5:])
    taken = sum(a.status_code == 201 for a in answers)
    assert [a.status_code for a in answers[5:7]].count(200) == 1
    assert {a.json()["code"] for a in answers if a.status_code == 409} <= {
        "ledger.day_closed",
        "day.already_closed",
    }
    assert (await at.day())["payment_cents"] == taken * 100
    assert len(await at.said("day.closed")) == 1


async def test_the_close_of_a_day_waits_for_a_payment_that_is_being_posted(at: Scene) -> None:
    wish = PaymentWish(await at.patient(), at.clinic_id, Method.CHECK, 700, check_number="1042")
    given = Context(at.network_id, Actor("person", "test"), at.clock.now())
    async with at.database.work(given) as work:
        await take_locks(work, await payment_locks(work, wish))
        await take(work, wish)
        await work.flush()
        closing = asyncio.create_task(at.close_day())
        async with at.database.raw("worker") as raw:
            while not closing.done():
                if await raw.fetchval("SELECT 1 FROM pg_locks WHERE NOT granted LIMIT 1"):
                    break
        assert not closing.done()
    assert (await closing).json()["payment_cents"] == 700


async def test_a_day_is_the_clinics_own_and_not_the_worlds(at: Scene) -> None:
    """Half past eleven at night in Denver is the next day in London."""
    at.clock.move(timedelta(hours=15, minutes=30))
    made = await at.pay(await at.patient(), 100)
    assert made["business_date"] == TODAY.isoformat()
    at.clock.move(timedelta(minutes=31))
    after = await at.pay(await at.patient(), 100)
    assert after["business_date"] == (TODAY + timedelta(days=1)).isoformat()


async def test_a_card_that_is_answered_after_midnight_counts_for_the_day_it_was_asked(
    at: Scene,
) -> None:
    at.clock.move(timedelta(hours=15, minutes=59))
    made = await at.pay_by_card(await at.patient(), 3000, "sim_ok")
    at.clock.move(timedelta(minutes=2))
    assert rules(await at.close_day()) == ["payment.pending"]
    await at.run_errands()
    (entry,) = await at.rows("SELECT business_date FROM ledger_entries")
    assert (entry["business_date"], made["business_date"]) == (TODAY, TODAY.isoformat())
    assert (await at.close_day()).status_code == 200


async def test_an_empty_day_is_closed_and_another_clinics_is_not_touched(at: Scene) -> None:
    assert (await at.close_day()).json()["payment_cents"] == 0
    elsewhere = f"/v1/clinics/{new_id()}/close-day"
    answer = await at.desk.post(elsewhere, {"business_date": TODAY.isoformat()})
    assert (answer.status_code, answer.json()["code"]) == (404, "clinic.not_found")
    nurse = at.office.desk("payments", at.network_id, "nurse")
    path = f"/v1/clinics/{at.clinic_id}/close-day"
    assert (await nurse.post(path, {"business_date": TODAY.isoformat()})).status_code == 403
