"""Processes are killed at the worst moments, under load; afterwards nothing is lost or doubled."""

import asyncio
import json
from uuid import UUID

import pytest

from tests.faults.bus.lengths import within
from tests.faults.buses import ON_POSTGRES, SHORT_ON_POSTGRES
from tests.faults.town import LISTENERS, Town, at_once, until, utc

pytestmark = [pytest.mark.asyncio(loop_scope="session"), within(240)]

CLIENTS = 6


@SHORT_ON_POSTGRES
async def test_what_was_acknowledged_is_kept_and_said_when_appointments_is_killed(
    town: Town,
) -> None:
    bodies = await town.bookings(utc(2, 17), 36)
    keys = [f"kept-{number}" for number in range(len(bodies))]
    # It dies with bookings committed and not published, or with one committed and not answered.
    await town.armed("appointments", "relay.after_read:exit:3,route.before_reply:exit:9")
    load = asyncio.create_task(
        at_once(
            CLIENTS,
            [town.book(b, k) for b, k in zip(bodies, keys, strict=True)],
        )
    )
    await town.died("appointments")
    half = len(bodies) // 2
    await until(lambda: town.booked_on(2), lambda n: n >= half or load.done(), "half of it")
    town.kill("appointments")
    answers = await load
    assert [answer.status_code for answer in answers] == [201] * len(bodies)
    assert town.lived_through.total() > 0
    await town.whole()
    booked = [answer.json()["id"] for answer in answers]
    await town.visits_are_everywhere(booked)
    # Whoever asks again under an old key is told the same again, and nothing happens.
    again = [await town.book(b, k) for b, k in list(zip(bodies, keys, strict=True))[::8]]
    assert [answer.json()["id"] for answer in again] == booked[::8]
    assert {answer.headers["idempotency-replayed"] for answer in again} == {"true"}
    assert await town.booked_on(2) == len(bodies)


@ON_POSTGRES
async def test_of_many_who_want_one_time_one_gets_it_whoever_dies(town: Town) -> None:
    (body,) = await town.bookings(utc(7, 17), 1)
    patients = await town.people()
    await town.armed("appointments", "work.before_commit:exit:4,route.before_reply:exit:3")
    race = asyncio.create_task(at_once(8, [town.book({**body, "patient_id": p}) for p in patients]))
    await town.died("appointments")
    answers = await race
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 11
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"slot.taken"}
    await town.whole()
    won = [a.json()["id"] for a in answers if a.status_code == 201]
    await town.visits_are_everywhere(won)
    assert await town.booked_on(7) == 1


async def test_subscribers_killed_before_and_after_their_commit_apply_each_event_once(
    town: Town,
) -> None:
    bodies = await town.bookings(utc(3, 17), 24)
    await asyncio.gather(
        town.armed("appointments", "relay.after_append:exit:3"),
        town.armed("eligibility", "consumer.after_offset:exit:2"),
        town.armed("payments", "consumer.after_effect:exit:2"),
        town.armed("documents", "consumer.after_commit:exit:2"),
        town.armed("patients", "consumer.after_commit:exit:1"),
    )
    load = asyncio.create_task(at_once(CLIENTS, [town.book(b) for b in bodies]))
    await town.died("appointments", *LISTENERS)
    answers = await load
    assert [answer.status_code for answer in answers] == [201] * len(bodies)
    await town.whole()
    await town.visits_are_everywhere([answer.json()["id"] for answer in answers])


_RECEIPTS = "SELECT number FROM receipts ORDER BY number"


async def balances(town: Town) -> dict[str, int]:
    """What all patients owe, in cents, as the services that hear of it know it."""
    text = "SELECT coalesce(sum(balance_cents), 0)::bigint AS cents FROM known_patients"
    services = ("appointments", "documents")
    return {service: (await town.rows(service, text))[0]["cents"] for service in services}


@ON_POSTGRES
async def test_a_card_is_charged_once_when_payments_dies_after_the_call(town: Town) -> None:
    patients = await town.people()
    (clinic_id, *_) = town.facts["clinics"]
    numbered, heard = len(await town.rows("payments", _RECEIPTS)), await balances(town)
    await town.armed("payments", "errand.charge_card.after_call:exit:1")

    def card(number: int) -> dict[str, object]:
        return {
            "patient_id": patients[number],
            "clinic_id": clinic_id,
            "method": "card",
            "amount_cents": 2_500,
            "card_token": "sim_ok",
        }

    wanted = [card(number) for number in range(4)]
    paying = asyncio.create_task(
        at_once(
            4,
            [town.insist("front_desk", "payments", "/v1/payments", w) for w in wanted],
        )
    )
    await town.died("payments")
    answers = await paying
    assert {answer.status_code for answer in answers} <= {201, 202}
    ids = [answer.json()["id"] for answer in answers]
    # The lease of a dead process runs out after a minute. Let it be over.
    await town.rows(
        "payments", "UPDATE intent SET next_try_at = now() WHERE state = 'calling' RETURNING 1"
    )

    async def open_payments() -> list[str]:
        paths = [f"/v1/payments/{key}" for key in ids]
        found = [await town.get("front_desk", "payments", path) for path in paths]
        return [payment["id"] for payment in found if payment["status"] != "posted"]

    await until(open_payments, lambda found: not found, "the payments")
    await town.whole()
    book = town.system.layout.objects / "payments" / "payments" / "card-processor"
    for key in ids:
        (charged,) = [json.loads(path.read_text()) for path in book.glob(f"{key}.json")]
        assert charged["wish"]["amount"]["cents"] == 2_500
    posted = "SELECT source_id FROM ledger_entries WHERE kind = 'payment' AND source_id = ANY($1)"
    rows = await town.rows("payments", posted, [UUID(key) for key in ids])
    assert sorted(str(row["source_id"]) for row in rows) == sorted(ids)
    numbers = [row["number"] for row in await town.rows("payments", _RECEIPTS)]
    assert numbers == list(range(1, numbered + len(ids) + 1))
    tried = "SELECT attempts FROM intent WHERE kind = 'charge_card' ORDER BY 1 DESC"
    attempts = [row["attempts"] for row in await town.rows("payments", tried)]
    assert attempts[0] == 2
    less = 2_500 * len(ids)
    assert await balances(town) == {service: cents - less for service, cents in heard.items()}


@ON_POSTGRES
async def test_postgres_killed_under_load_comes_back_with_all_that_was_acknowledged(
    town: Town,
) -> None:
    bodies = await town.bookings(utc(4, 17), 30)
    before, restarts = dict(town.lived_through), town.restarts("postgres")
    load = asyncio.create_task(at_once(CLIENTS, [town.book(b) for b in bodies]))
    people = asyncio.create_task(town.register(24, "Crash"))

    await until(lambda: town.booked_on(4), lambda count: count >= 6, "the first bookings")
    town.kill("postgres")
    answers, registered = await load, await people
    assert town.restarts("postgres") == restarts + 1
    assert dict(town.lived_through) != before
    assert [answer.status_code for answer in answers] == [201] * len(bodies)
    assert [answer.status_code for answer in registered] == [201] * 24
    await town.whole()
    await town.visits_are_everywhere([answer.json()["id"] for answer in answers])
    ids = [UUID(answer.json()["id"]) for answer in registered]
    for service, known in (
        ("patients", "SELECT id FROM patients WHERE id = ANY($1)"),
        ("appointments", "SELECT 1 FROM known_patients WHERE patient_id = ANY($1) AND registered"),
        ("eligibility", "SELECT 1 FROM known_patients WHERE patient_id = ANY($1)"),
    ):
        assert len(await town.rows(service, known, ids)) == len(ids), service
