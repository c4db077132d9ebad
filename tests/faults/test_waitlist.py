"""A visit is called off on a running system: the time is held for who waits, whoever dies."""

import asyncio
import time
from typing import Any

import pytest

from tests.faults.audited import audited
from tests.faults.bus.lengths import within
from tests.faults.buses import ON_POSTGRES
from tests.faults.town import Town, until, utc

pytestmark = [pytest.mark.asyncio(loop_scope="session"), within(240), ON_POSTGRES]

OFFERED_SECONDS = 5.0


async def waiting_for_a_visit(town: Town, day: int) -> tuple[str, str]:
    """A visit that is booked, and another patient who waits for that day. Both ids."""
    (body,) = await town.bookings(utc(day, 17), 1)
    visit = await town.book(body)
    patient = (await town.people())[1]
    wish = {
        "patient_id": patient,
        "clinic_id": body["clinic_id"],
        "appointment_type_id": body["appointment_type_id"],
        "earliest": f"2026-12-{day:02}",
        "latest": f"2026-12-{day:02}",
    }
    entered = await town.insist("front_desk", "appointments", "/v1/waitlist", wish)
    assert entered.status_code == 201, entered.text
    return visit.json()["id"], patient


async def offered(town: Town, patient: str) -> dict[str, Any]:
    """Wait for the one offer that a patient has open."""

    async def look() -> list[dict[str, Any]]:
        path = f"/v1/waitlist-offers?patient_id={patient}"
        items = (await town.get("front_desk", "appointments", path))["items"]
        return [item for item in items if item["state"] == "made"]

    (offer,) = await until(look, bool, "the offer")
    return dict(offer)


async def accepted(town: Town, offer: dict[str, Any], patient: str) -> None:
    path = f"/v1/waitlist-offers/{offer['id']}/accept"
    answer = await town.insist("front_desk", "appointments", path, {})
    assert answer.status_code == 200, answer.text
    made = answer.json()["appointment"]
    assert (made["patient_id"], made["lifecycle"]) == (patient, "booked")
    await town.settled()
    await town.visits_are_everywhere([made["id"]])


async def test_within_five_seconds_who_waits_has_an_offer_and_books_it(town: Town) -> None:
    visit, patient = await waiting_for_a_visit(town, 16)
    assert (await town.cancel(visit)).status_code == 200
    since = time.monotonic()
    offer = await offered(town, patient)
    assert time.monotonic() - since < OFFERED_SECONDS
    await accepted(town, offer, patient)


async def test_a_kill_between_the_cancellation_and_its_answer_loses_no_offer(town: Town) -> None:
    visit, patient = await waiting_for_a_visit(town, 17)
    await town.armed("appointments", "route.before_reply:exit:1")
    # Nobody is answered: the cancellation is committed, and whoever asked tries again.
    path = f"/v1/appointments/{visit}/cancel"
    wish = {"reason": "patient_request"}
    cancelling = asyncio.create_task(
        town.insist("front_desk", "appointments", path, wish, version=1)
    )
    await town.died("appointments")
    assert (await cancelling).status_code == 200
    await accepted(town, await offered(town, patient), patient)
    text = "SELECT state FROM waitlist_offers WHERE patient_id = $1 AND starts_at >= $2"
    rows = await town.rows("appointments", text, patient, utc(17, 0))
    assert [row["state"] for row in rows] == ["accepted"]


async def test_a_kill_as_the_offer_is_made_loses_neither_the_time_nor_the_offer(
    town: Town,
) -> None:
    visit, patient = await waiting_for_a_visit(town, 18)
    await town.settled()
    # The worker dies in the transaction of the offer, and again each time it is started anew.
    await town.armed("appointments", "worker.before_commit:exit:1", again=True)
    cancelling = asyncio.create_task(town.cancel(visit))
    await town.died("appointments")
    text = "SELECT state FROM waitlist_offers WHERE patient_id = $1 AND starts_at >= $2"
    assert await town.rows("appointments", text, patient, utc(18, 0)) == []
    await town.armed("appointments")
    assert (await cancelling).status_code == 200
    await accepted(town, await offered(town, patient), patient)
    rows = await town.rows("appointments", text, patient, utc(18, 0))
    assert [row["state"] for row in rows] == ["accepted"]
    await audited(town)
