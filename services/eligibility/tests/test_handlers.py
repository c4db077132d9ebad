"""What is heard: whatever comes first, the visits end the same."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.eligibility.commands.asking import patient_lock
from services.eligibility.commands.reckoning import reckon
from services.eligibility.queries.standing import OF_A_DAY, facts_of
from services.eligibility.tables import SelfPayMark
from services.eligibility.tests.builders import VISIT_AT, Scene, open_scene, scene, simulated_payer
from shared.db.actor import Actor
from shared.db.together import load_together
from shared.db.work import Context
from shared.testing.apps import Office
from shared.values.clock import FixedClock
from shared.values.ids import new_id

LATER = datetime(2026, 12, 2, 17, 0, tzinfo=UTC)


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


@pytest.fixture
async def ready(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Scene:
    return await open_scene(environment, clinic_office, network_id, clock)


def interleavings(*subjects: Sequence[str]) -> Iterator[list[str]]:
    """Every order that keeps each subject's own."""
    if not any(subjects):
        yield []
    for index, subject in enumerate(subjects):
        if subject:
            rest = [*subjects[:index], subject[1:], *subjects[index + 1 :]]
            for tail in interleavings(*rest):
                yield [subject[0], *tail]


def test_interleavings_keep_each_subject_s_own_order() -> None:
    orders = list(interleavings(["a1", "a2"], ["b"]))
    assert orders == [["a1", "a2", "b"], ["a1", "b", "a2"], ["b", "a1", "a2"]]


async def state(at: Scene, appointment_id: UUID) -> dict[str, Any]:
    """What stands in the end of one visit. Ids, times and how often something was said differ."""
    covers = await at.rows(
        "SELECT verdict, reason, coverage_id FROM visit_covers WHERE appointment_id = $1",
        appointment_id,
    )
    estimates = await at.rows(
        "SELECT verdict, verdict_reason, service_code, fee_cents, patient_cents, copay_cents,"
        " low_cents, high_cents, jsonb_path_query_array(lines, '$[*].cents')::text AS parts"
        " FROM estimate_revisions r JOIN estimates e USING (network_id, appointment_id, revision)"
        " WHERE appointment_id = $1",
        appointment_id,
    )
    visits = await at.rows(
        "SELECT state, starts_at, clinic_id FROM known_visits WHERE appointment_id = $1",
        appointment_id,
    )
    checks = await at.rows(
        "SELECT c.state, c.service_date, c.number FROM checks c JOIN visit_covers v"
        " ON v.check_id = c.id AND v.network_id = c.network_id WHERE v.appointment_id = $1",
        appointment_id,
    )
    return {"covers": covers, "estimates": estimates, "visits": visits, "checks": checks}


async def test_without_cover_every_order_ends_the_same(at: Scene) -> None:
    ends = []
    orders = 0
    for order in interleavings(["clinic"], ["kind"], ["fee"], ["booked", "moved"]):
        orders += 1
        # A clinic, kind and price of their own for each order: one network hears them all.
        at.clinic_id, at.type_id, at.fee_id = new_id(), new_id(), new_id()
        booked = at.booked(await at.patient())
        events = {
            "clinic": at.clinic_opened(),
            "kind": at.type_published(),
            "fee": at.fee_priced(),
            "booked": booked,
            "moved": at.moved(booked, LATER),
        }
        for name in order:
            await at.hear(events[name])
        found = await state(at, booked.appointment_id)
        found["visits"][0].pop("clinic_id")
        ends.append(found)
        said = await at.said(f"visit_cover/{booked.appointment_id}")
        assert [e["reason"] for e in said] == ["coverage.none"]
        assert len(await at.said(f"estimate/{booked.appointment_id}")) == 1
    assert orders == 60
    assert all(end == ends[0] for end in ends)
    assert ends[0]["covers"] == [
        {"verdict": "self_pay", "reason": "coverage.none", "coverage_id": None}
    ]
    assert [e["patient_cents"] for e in ends[0]["estimates"]] == [15_000]


async def test_with_cover_every_order_ends_the_same(at: Scene) -> None:
    ends = []
    for order in interleavings(["clinic"], ["kind"], ["fee"], ["booked", "moved"]):
        at.clinic_id, at.type_id, at.fee_id = new_id(), new_id(), new_id()
        patient = await at.patient()
        made = await at.coverage(patient, "DED100200")
        booked = at.booked(patient)
        events = {
            "clinic": at.clinic_opened(),
            "kind": at.type_published(),
            "fee": at.fee_priced(amount_cents=40_000),
            "booked": booked,
            "moved": at.moved(booked, LATER),
        }
        for name in order:
            await at.hear(events[name])
        await at.ask(simulated_payer())
        found = await state(at, booked.appointment_id)
        found["visits"][0].pop("clinic_id")
        assert found["covers"][0].pop("coverage_id") == UUID(made["id"])
        # How many questions came before depends on when the clinic was heard of.
        assert found["checks"][0].pop("number") in (1, 2)
        ends.append(found)
    assert all(end == ends[0] for end in ends)
    assert ends[0]["checks"] == [{"state": "verified", "service_date": date(2026, 12, 2)}]
    assert [e["patient_cents"] for e in ends[0]["estimates"]] == [25_000 + 3_000]


async def test_the_answer_may_come_before_the_price(at: Scene) -> None:
    patient = await at.patient()
    await at.coverage(patient)
    visit = at.booked(patient)
    await at.hear(at.clinic_opened(), visit)
    await at.ask(simulated_payer())
    assert await at.verdict(visit) == ("active", "payer.active")
    path = f"/v1/visits/{visit.appointment_id}/estimate"
    assert (await at.desk.get(path)).status_code == 404
    refused = await at.desk.post(path)
    assert (refused.status_code, refused.json()["missing"]) == (409, ["service"])
    await at.hear(at.type_published())
    refused = await at.desk.post(path)
    assert refused.json()["missing"] == ["fee"]
    await at.hear(at.fee_priced())
    assert (await at.estimate(visit))["patient_cents"] == 2500


async def test_the_day_is_the_clinic_s_own(ready: Scene) -> None:
    patient = await ready.patient()
    await ready.coverage(patient, effective_from="2026-01-01", effective_to="2026-11-04")
    visit = await ready.visit(patient, VISIT_AT)
    (check,) = await ready.rows("SELECT service_date, request FROM checks")
    assert check["service_date"] == date(2026, 11, 4)
    assert b"DTP*291*D8*20261104~" in check["request"]
    await ready.ask(simulated_payer())
    assert await ready.verdict(visit) == ("active", "payer.active")


async def test_a_cancelled_visit_is_not_checked(at: Scene) -> None:
    patient = await at.patient()
    visit = at.booked(patient)
    await at.hear(visit, at.cancelled(visit), at.clinic_opened())
    await at.coverage(patient)
    assert await at.rows("SELECT 1 FROM checks") == []
    assert await at.said("visit_cover") == []


async def test_nor_is_one_to_which_nobody_came(ready: Scene) -> None:
    patient = await ready.patient()
    visit = await ready.visit(patient)
    await ready.hear(ready.no_show(visit))
    await ready.coverage(patient)
    assert await ready.rows("SELECT 1 FROM checks") == []
    assert [e["reason"] for e in await ready.said("visit_cover")] == ["coverage.none"]


async def test_a_move_to_another_day_asks_anew(ready: Scene) -> None:
    patient = await ready.patient()
    await ready.coverage(patient)
    visit = await ready.visit(patient)
    await ready.ask(simulated_payer())
    await ready.hear(ready.moved(visit, LATER))
    assert await ready.verdict(visit) == ("unverified", "check.pending")
    await ready.ask(simulated_payer())
    assert await ready.verdict(visit) == ("active", "payer.active")
    assert [e["verdict"] for e in await ready.said("visit_cover")] == [
        "active",
        "unverified",
        "active",
    ]
    assert len(await ready.said("estimate/")) == 1


async def test_a_move_within_the_day_asks_nothing(ready: Scene) -> None:
    patient = await ready.patient()
    await ready.coverage(patient)
    visit = await ready.visit(patient)
    await ready.ask(simulated_payer())
    await ready.hear(ready.moved(visit, VISIT_AT + timedelta(hours=1)))
    assert await ready.claimed() == []
    assert await ready.verdict(visit) == ("active", "payer.active")


async def test_after_silence_a_new_booking_asks_again(ready: Scene) -> None:
    patient = await ready.patient()
    await ready.coverage(patient, "SIL100200")
    first = await ready.visit(patient)
    await ready.ask(simulated_payer(0.05))
    ready.clock.move(timedelta(minutes=5))
    second = await ready.visit(patient, VISIT_AT + timedelta(hours=1))
    assert await ready.verdict(first) == ("unverified", "payer.no_answer")
    assert await ready.verdict(second) == ("unverified", "check.pending")
    assert len(await ready.claimed()) == 1


async def test_two_visits_of_a_day_are_one_question(ready: Scene) -> None:
    patient = await ready.patient()
    await ready.coverage(patient)
    visits = [await ready.visit(patient, VISIT_AT - timedelta(hours=n)) for n in (0, 2)]
    assert await ready.ask(simulated_payer()) == 1
    assert {await ready.verdict(v) for v in visits} == {("active", "payer.active")}


async def test_news_of_one_day_leaves_nothing_for_the_others(ready: Scene) -> None:
    """Bookings, moves and answers look at their own day; to reckon all that the patient has changes
    nothing afterwards."""
    patient = await ready.patient()
    await ready.coverage(patient)
    visits = [await ready.visit(patient, VISIT_AT + timedelta(days=n)) for n in range(4)]
    await ready.ask(simulated_payer())
    await ready.hear(ready.moved(visits[1], VISIT_AT + timedelta(days=6, hours=7)))
    await ready.hear(ready.moved(visits[2], VISIT_AT + timedelta(days=3, hours=2)))
    await ready.ask(simulated_payer())
    said = await ready.said()
    context = Context(ready.network_id, Actor("service", "test"), ready.clock.now())
    async with ready.database.work(context, patient_lock(patient)) as work:
        await reckon(work, patient)
    assert await ready.claimed() == []
    assert await ready.said() == said
    assert {await ready.verdict(visit) for visit in visits} == {("active", "payer.active")}


async def test_a_booking_costs_the_same_however_many_visits_are_to_come(ready: Scene) -> None:
    patient = await ready.patient()
    await ready.coverage(patient)
    for n in range(12):
        await ready.visit(patient, VISIT_AT + timedelta(days=7 * n))
    context = Context(ready.network_id, Actor("service", "test"), ready.clock.now())
    async with ready.database.work(context, patient_lock(patient)) as work:
        assert len((await facts_of(work, patient, None)).visits) == 12
        day = (VISIT_AT + timedelta(days=21)).date()
        near = await facts_of(work, patient, day, alone=True)
    assert [v.row.starts_at for v in near.visits] == [VISIT_AT + timedelta(days=21)]
    assert [check.service_date for check in near.checks] == [near.visits[0].on]


async def test_what_is_read_together_is_what_is_read_one_by_one(ready: Scene) -> None:
    """Every column of every table, JSON and answers among them; and nothing of another patient for
    whoever is bound to one."""
    patient, other = await ready.patient(), await ready.patient()
    await ready.coverage(patient)
    for n in range(2):
        await ready.visit(patient, VISIT_AT + timedelta(days=n))
    await ready.ask(simulated_payer())
    bounds = (patient, VISIT_AT - timedelta(days=1), VISIT_AT + timedelta(days=9))
    for seer, sees in ((None, True), ({patient}, True), ({other}, False)):
        actor = Actor("person", "test", patient_ids=frozenset(seer) if seer else None)
        async with ready.database.work(Context(ready.network_id, actor, ready.clock.now())) as work:
            together = await load_together(work, OF_A_DAY, *bounds)
            apart = [
                await work.load_where(
                    model,
                    f"{where} AND $2::uuid IS NOT NULL AND $3::timestamptz < $4::timestamptz",
                    *bounds,
                )
                if "ORDER BY" not in where
                else await work.load_where(
                    model,
                    where.replace(
                        "ORDER BY",
                        "AND $2::uuid IS NOT NULL AND $3::timestamptz < $4::timestamptz ORDER BY",
                    ),
                    *bounds,
                )
                for model, where in OF_A_DAY
            ]
            assert [[row.model_dump() for row in rows] for rows in together] == [
                [row.model_dump() for row in rows] for rows in apart
            ]
            assert [bool(rows) for rows in together] == [
                model is not SelfPayMark and (sees or "patient_id" not in model.model_fields)
                for model, _ in OF_A_DAY
            ]


async def test_a_new_price_is_a_new_revision_for_visits_to_come(ready: Scene) -> None:
    patient = await ready.patient()
    visit = await ready.visit(patient)
    await ready.hear(
        ready.fee_priced(fee_id=new_id(), amount_cents=17_500, effective_from=date(2026, 11, 1))
    )
    estimate = await ready.estimate(visit)
    assert (estimate["revision"], estimate["patient_cents"]) == (2, 17_500)
    await ready.hear(
        ready.fee_priced(fee_id=new_id(), amount_cents=99_900, effective_from=date(2026, 11, 5))
    )
    assert (await ready.estimate(visit))["revision"] == 2
    said = await ready.said("estimate/")
    assert [(e["seq"], e["patient_cents"]) for e in said] == [(1, 15_000), (2, 17_500)]


async def test_a_visit_that_is_over_keeps_its_estimate(ready: Scene) -> None:
    patient = await ready.patient()
    visit = await ready.visit(patient)
    ready.clock.move(timedelta(days=3))
    await ready.hear(
        ready.fee_priced(fee_id=new_id(), amount_cents=17_500, effective_from=date(2026, 11, 1))
    )
    assert (await ready.desk.post(f"/v1/visits/{visit.appointment_id}/estimate")).json()[
        "patient_cents"
    ] == 15_000


async def test_a_new_patient_s_visit_is_priced_as_such(ready: Scene) -> None:
    await ready.hear(ready.fee_priced(fee_id=new_id(), service_code="V-NEW", amount_cents=24_000))
    patient = await ready.patient()
    visit = ready.booked(patient, new_patient=True)
    await ready.hear(visit)
    estimate = await ready.estimate(visit)
    assert (estimate["service_code"], estimate["fee_cents"]) == ("V-NEW", 24_000)


async def test_booking_and_clinic_at_once_miss_nothing(at: Scene) -> None:
    """The events share a lock, so whichever is second sees the first."""
    await at.hear(at.type_published(), at.fee_priced())
    for _ in range(10):
        at.clinic_id = new_id()
        fee = at.fee_priced(fee_id=new_id())
        visit = at.booked(await at.patient())
        await asyncio.gather(
            at.hear(visit, fire=False),
            at.hear(at.clinic_opened(), fire=False),
            at.hear(fee, fire=False),
        )
        await at.fire()
        assert await at.verdict(visit) == ("self_pay", "coverage.none")
        assert (await at.estimate(visit))["patient_cents"] == 15_000
