"""Prices, charges and accounts through the API."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.payments.tests.scene import TODAY, Scene, scene
from shared.contracts.appointments import AppointmentCancelled, AppointmentRescheduled
from shared.contracts.payments import ChargeCaptured, FeePriced
from shared.testing.apps import Office
from shared.values.clock import FixedClock
from shared.values.ids import new_id


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: Any, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


async def price(at: Scene, code: str, cents: int, since: str, **more: Any) -> httpx.Response:
    body = {"code": code, "amount_cents": cents, "effective_from": since, **more}
    return await at.admin.post("/v1/fees", {"clinic_id": str(at.clinic_id), **body})


async def captured(at: Scene, visit: UUID, **more: Any) -> httpx.Response:
    body = {"appointment_id": str(visit), "lines": [{"code": "V-EST"}], **more}
    return await at.desk.post("/v1/charges", body)


# ── prices ───────────────────────────────────────────────────────────────────────────────────


async def test_a_new_price_ends_the_old_one_and_both_are_listed_by_page(at: Scene) -> None:
    assert (await price(at, "v-est", 19000, "2026-12-01")).status_code == 201
    path = "/v1/fees"
    query = {"clinic_id": str(at.clinic_id), "limit": 3}
    first = (await at.desk.get(path, **query)).json()
    second = (await at.desk.get(path, **query, cursor=first["next"])).json()
    found = [
        (f["code"], f["amount_cents"], f["effective_to"])
        for f in [*first["items"], *second["items"]]
    ]
    assert found == [
        ("G0008", 2500, None),
        ("V-EST", 18000, "2026-12-01"),
        ("V-EST", 19000, None),
        ("V-NEW", 25000, None),
    ]
    assert second["next"] is None
    of_day = (await at.desk.get(path, clinic_id=str(at.clinic_id), day="2026-12-01")).json()
    assert [f["amount_cents"] for f in of_day["items"]] == [2500, 19000, 25000]
    said = await at.said("fee.priced")
    assert isinstance(said[-1], FeePriced)
    assert (said[-1].service_code, said[-1].amount_cents) == ("V-EST", 19000)


async def test_two_prices_never_hold_on_one_day(at: Scene) -> None:
    refused = await price(at, "V-EST", 19000, "2025-12-01")
    assert (refused.status_code, refused.json()["code"]) == (409, "fee.overlap")
    answers = await asyncio.gather(*(price(at, "V-RACE", 100 + n, "2026-01-01") for n in range(6)))
    assert sorted(a.status_code for a in answers) == [201] + [409] * 5
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"fee.overlap"}


async def test_a_price_that_cannot_be_is_refused(at: Scene) -> None:
    found = {
        "code.service": await price(at, "12", 100, "2026-01-01"),
        "fee.period": await price(at, "V-X", 1, "2026-01-02", effective_to="2026-01-02"),
        "amount.too_large": await price(at, "V-X", 10_000_001, "2026-01-01"),
        "amount.currency_mismatch": await price(at, "V-X", 1, "2026-01-01", currency="EUR"),
        "clinic.not_found": await price(at, "V-X", 1, "2026-01-01", clinic_id=str(new_id())),
        "request.invalid": await price(at, "V-X", -1, "2026-01-01"),
    }
    assert {code: answer.json()["code"] for code, answer in found.items()} == {c: c for c in found}
    desk = await at.desk.post("/v1/fees", {})
    assert desk.status_code == 403


# ── charges ──────────────────────────────────────────────────────────────────────────────────


async def test_a_visit_is_charged_at_the_prices_of_its_own_day(at: Scene) -> None:
    patient = await at.patient()
    visit = await at.visit(patient)
    await price(at, "V-EST", 19000, (TODAY + timedelta(days=1)).isoformat())
    at.clock.move(timedelta(days=2))
    lines = [{"code": "v-est", "diagnoses": [1]}, {"code": "G0008", "units": 2}]
    answer = await captured(at, visit, lines=lines, diagnoses=["j069"])
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["amount_cents"], made["open_cents"]) == (23000, 23000)
    assert made["service_date"] == TODAY.isoformat()
    assert made["business_date"] == (TODAY + timedelta(days=2)).isoformat()
    assert made["diagnoses"] == ["J06.9"]
    assert [(x["code"], x["units"], x["amount_cents"]) for x in made["lines"]] == [
        ("V-EST", 1, 18000),
        ("G0008", 2, 5000),
    ]
    assert (await at.read(answer.headers["location"])) == made
    (said,) = await at.said("charge.captured")
    assert isinstance(said, ChargeCaptured)
    assert (said.amount_cents, said.balance_cents, said.appointment_id) == (23000, 23000, visit)
    await at.ledger_is_sound()


async def test_a_copay_paid_before_meets_the_charge_of_its_visit(at: Scene) -> None:
    patient = await at.patient()
    visit = await at.visit(patient, copay_cents=3000)
    other = await at.visit(patient, copay_cents=2000)
    await at.pay(patient, 3000, appointment_id=str(visit))
    await at.pay(patient, 2000, appointment_id=str(other))
    assert (await at.read(f"/v1/visits/{visit}"))["copay_open_cents"] == 0
    made = await at.charge(visit)
    assert made["open_cents"] == 15000
    assert await at.balance(patient) == 13000
    assert (await at.charge(other))["open_cents"] == 16000
    await at.ledger_is_sound()


async def test_a_visit_is_charged_once_however_many_try(at: Scene) -> None:
    patient = await at.patient()
    visit = await at.visit(patient)
    answers = await asyncio.gather(*(captured(at, visit) for _ in range(6)))
    assert sorted(a.status_code for a in answers) == [201] + [409] * 5
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"charge.exists"}
    assert await at.balance(patient) == 18000


async def test_a_charge_that_cannot_be_is_refused(at: Scene) -> None:
    visit = await at.visit(await at.patient())
    await price(at, "V-LATE", 100, "2027-01-01")
    found = {
        "fee.none": await captured(at, visit, lines=[{"code": "V-NONE"}]),
        "fee.none_on_day": await captured(at, visit, lines=[{"code": "V-LATE"}]),
        "code.service": await captured(at, visit, lines=[{"code": "?"}]),
        "code.diagnosis": await captured(at, visit, diagnoses=["cough"]),
        "charge.pointers": await captured(at, visit, lines=[{"code": "V-EST", "diagnoses": [2]}]),
        "request.invalid": await captured(at, visit, lines=[{"code": "V-EST", "units": 0}]),
        "appointment.not_found": await captured(at, new_id()),
    }
    assert {code: answer.json()["code"] for code, answer in found.items()} == {c: c for c in found}
    pointer = found["fee.none"].json()["errors"][0]["pointer"]
    assert pointer == "/lines/0/code"
    assert list(await at.rows("SELECT 1 FROM charges")) == []


async def test_a_visit_that_did_not_take_place_or_begin_is_not_charged(at: Scene) -> None:
    patient = await at.patient()
    called_off, to_come = at.booked(patient), at.booked(patient)
    await at.hear(called_off, to_come)
    await at.hear(
        AppointmentCancelled(
            appointment_id=called_off.appointment_id,
            patient_id=patient,
            clinic_id=at.clinic_id,
            reason="patient_request",
            notice_minutes=10,
            late=True,
            cancelled_at=at.clock.now(),
        )
    )
    answer = await captured(at, called_off.appointment_id)
    assert (answer.status_code, answer.json()["code"]) == (409, "charge.visit_not_held")
    # The news of its beginning is waited for.
    waiting = asyncio.create_task(captured(at, to_come.appointment_id))
    await asyncio.gather(waiting, at.hear(at.checked_in(to_come)))
    assert waiting.result().status_code == 201
    never = at.booked(patient)
    await at.hear(never)
    answer = await captured(at, never.appointment_id)
    assert (answer.status_code, answer.json()["code"]) == (409, "charge.visit_not_begun")


async def test_a_visit_that_moved_is_priced_on_the_day_it_moved_to(at: Scene) -> None:
    patient = await at.patient()
    booked = at.booked(patient)
    moved_to = booked.starts_at + timedelta(days=40)
    move = AppointmentRescheduled(
        appointment_id=booked.appointment_id,
        patient_id=patient,
        clinic_id=at.clinic_id,
        provider_id=booked.provider_id,
        previous_provider_id=booked.provider_id,
        starts_at=moved_to,
        ends_at=moved_to + timedelta(minutes=20),
        previous_starts_at=booked.starts_at,
        previous_ends_at=booked.ends_at,
        moves=1,
        reason="patient_request",
    )
    await price(at, "V-EST", 19000, "2026-12-01")
    await at.hear(booked, move, at.checked_in(booked))
    at.clock.move(timedelta(days=40))
    assert (await at.charge(booked.appointment_id))["amount_cents"] == 19000


async def test_a_free_service_is_a_charge_that_posts_nothing(at: Scene) -> None:
    await price(at, "V-FREE", 0, "2026-01-01")
    patient = await at.patient()
    made = await at.charge(await at.visit(patient), "V-FREE")
    assert (made["amount_cents"], await at.balance(patient)) == (0, 0)
    assert (await at.close_day()).status_code == 200


async def test_a_visit_costs_nothing_for_a_reason_until_it_is_charged(at: Scene) -> None:
    visit = await at.visit(await at.patient())
    path = f"/v1/visits/{visit}/no-charge"
    for reason in ("courtesy", "administrative"):
        answer = await at.desk.post(path, {"reason": reason, "note": "said the physician"})
        assert (answer.status_code, answer.json()["no_charge_reason"]) == (200, reason)
    wrong = await at.desk.post(path, {"reason": "because"})
    assert wrong.status_code == 422
    card = await at.desk.post(path, {"reason": "courtesy", "note": "4242-4242-4242-4242"})
    assert (card.status_code, card.json()["code"]) == (422, "card_number.not_accepted")
    made = await at.charge(visit)
    seen = await at.read(f"/v1/visits/{visit}")
    assert (seen["charge_id"], seen["no_charge_reason"]) == (made["id"], None)
    again = await at.desk.post(path, {"reason": "courtesy"})
    assert (again.status_code, again.json()["code"]) == (409, "charge.exists")


# ── accounts and the ledger ──────────────────────────────────────────────────────────────────


async def test_an_account_is_read_page_by_page_in_order(at: Scene) -> None:
    patient = await at.patient()
    await at.charge(await at.visit(patient))
    for cents in (100, 200, 300):
        at.clock.move(timedelta(minutes=1))
        await at.pay(patient, cents)
    path = f"/v1/accounts/{patient}"
    first = (await at.biller.get(path, limit=3)).json()
    second = (await at.biller.get(path, limit=3, cursor=first["next"])).json()
    assert (first["balance_cents"], first["currency"]) == (17400, "USD")
    assert second["next"] is None
    found = [(item["kind"], item["cents"]) for item in [*first["items"], *second["items"]]]
    assert found == [("charge", 18000), ("payment", -100), ("payment", -200), ("payment", -300)]
    broken = await at.desk.get(path, cursor="x.y")
    assert (broken.status_code, broken.json()["code"]) == (400, "cursor.invalid")


async def test_an_account_to_which_nothing_was_posted_stands_at_nothing(at: Scene) -> None:
    seen = await at.read(f"/v1/accounts/{await at.patient()}")
    assert (seen["balance_cents"], seen["items"], seen["currency"]) == (0, [], None)


async def test_the_trial_balance_is_zero_for_the_network_and_for_each_clinic(at: Scene) -> None:
    patient, drawer = await at.patient(), await at.drawer()
    visit = await at.visit(patient)
    await at.charge(visit)
    await at.pay(patient, 5000, method="cash", drawer_id=drawer)
    seen = (await at.auditor.get("/v1/ledger/trial-balance")).json()
    assert (seen["balanced"], seen["totals"]) == (True, [{"currency": "USD", "cents": 0}])
    kinds = {line["account_kind"]: line["cents"] for line in seen["accounts"]}
    assert kinds == {
        "cash_drawer": 25000,
        "cash_safe": -20000,
        "patient_receivable": 13000,
        "revenue": -18000,
    }
    bound = at.office.desk("payments", at.network_id, "auditor", clinics=[str(new_id())])
    assert (await bound.get("/v1/ledger/trial-balance")).json()["accounts"] == []
    assert (await at.desk.get("/v1/ledger/trial-balance")).status_code == 403
