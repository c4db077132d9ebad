"""Answers to reminders, and the call list: replays, late ones, and two who want the same call."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.appointments.domain.messages import Lost
from services.appointments.tests.reminding import Reminding, reminding
from shared.testing.apps import Office
from shared.values.clock import FixedClock
from shared.values.ids import new_id

STARTS = datetime(2026, 11, 12, 17, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
KEPT_APART = ("lifecycle", "flow", "starts_at", "provider_id", "clinic_id", "moves")


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Reminding:
    return await reminding(environment, clinic_office, network_id, clock)


async def reminded(at: Reminding) -> tuple[str, str]:
    """A visit that was reminded of once, and the code of the message."""
    visit = await at.book(await at.patient())
    await at.later(to=STARTS - 72 * HOUR)
    return visit, at.mail.sent[0][0].code


async def seen(at: Reminding, visit: str) -> Any:
    return (await at.at.desk.get(f"/v1/appointments/{visit}")).json()


@pytest.mark.parametrize(
    ("text", "outcome", "confirmation", "event"),
    [
        ("Yes", "confirmed", "confirmed", "appointment.confirmed"),
        ("NO {code}", "declined", "declined", "appointment.declined"),
    ],
)
async def test_an_answer_changes_the_confirmation_and_nothing_else(
    at: Reminding, text: str, outcome: str, confirmation: str, event: str
) -> None:
    visit, code = await reminded(at)
    before = await seen(at, visit)
    for expected in (outcome, "repeated", "repeated"):
        assert await at.answers(code, text.format(code=code)) == expected
    after = await seen(at, visit)
    assert after == {**before, "confirmation": confirmation, "version": before["version"] + 1}
    assert (await at.said("appointment")).count(event) == 1
    assert await at.calls() == []


async def test_who_said_no_is_not_reminded_again_and_who_then_says_yes_is(at: Reminding) -> None:
    visit, code = await reminded(at)
    await at.answers(code, "no")
    assert (await at.ledger(visit))["email", 24] == ("suppressed", "visit_declined")
    # The same code once more is another word: a person asks what is meant.
    assert await at.answers(code, "yes") == "to_be_called"
    assert [c["reasons"] for c in await at.calls()] == [["second_answer"]]
    assert (await seen(at, visit))["confirmation"] == "declined"
    await at.does(f"/v1/appointments/{visit}/confirm")
    assert (await at.ledger(visit))["email", 24] == ("planned", None)


async def test_two_answers_at_once_are_one_change(at: Reminding) -> None:
    visit, code = await reminded(at)
    answers = await asyncio.gather(
        *(
            at.machine().post("/v1/reminders/replies", {"code": code, "text": "yes"})
            for _ in range(8)
        )
    )
    outcomes = sorted(answer.json()["outcome"] for answer in answers)
    assert outcomes == ["confirmed"] + ["repeated"] * 7
    assert (await at.said("appointment")).count("appointment.confirmed") == 1
    assert (await seen(at, visit))["version"] == 2


async def test_anything_else_puts_the_patient_on_the_call_list_and_is_not_kept(
    at: Reminding,
) -> None:
    visit, code = await reminded(at)
    before = await seen(at, visit)
    words = "my knee hurts so much"
    assert await at.answers(code, words) == "to_be_called"
    asked = {"confirmation": "callback_requested", "version": before["version"] + 1}
    assert await seen(at, visit) == before | asked
    assert [c["reasons"] for c in await at.calls()] == [["unclear_answer"]]
    for table in ("reminders", "call_tasks", "outbox", "audit", "idempotency"):
        rows = await at.rows(f"SELECT t::text AS row FROM {table} t WHERE network_id = $1")
        assert not [row for row in rows if "knee" in row["row"]]


@pytest.mark.rule("45 CFR 164.522(b)")
async def test_stop_ends_messages_of_all_visits_at_once_and_tells_the_patients_service(
    at: Reminding,
) -> None:
    patient = await at.patient()
    first = await at.book(patient)
    second = await at.book(patient, "2026-11-13T10:00:00-07:00")
    await at.later(to=STARTS - 72 * HOUR)
    before = await seen(at, first)
    assert await at.answers(at.mail.sent[0][0].code, "STOP") == "stopped"
    for visit in (first, second):
        ledger = await at.ledger(visit)
        assert ledger["email", 24] == ("suppressed", "opted_out")
    assert await seen(at, first) == before
    assert await at.said("messages") == ["messages.stopped"]
    # What was said before the stop and is heard after it does not open the channel again.
    at.clock.move(-HOUR)
    await at.prefers(patient, "email")
    at.clock.move(HOUR)
    await at.later(to=STARTS)
    assert len(at.mail.sent) == 1
    assert await at.calls() == []
    # What they choose afterwards does.
    await at.prefers(patient, "email")
    third = await at.book(patient, "2026-11-25T10:00:00-07:00")
    assert (await at.ledger(third))["email", 24] == ("planned", None)


async def test_stop_between_due_and_sent_is_seen_in_the_last_moment(at: Reminding) -> None:
    visit, code = await reminded(at)
    at.clock.at = STARTS - 24 * HOUR
    await at.fire()
    assert (await at.ledger(visit))["email", 24] == ("due", None)
    await at.answers(code, "stop")
    await at.run()
    assert len(at.mail.sent) == 1
    assert (await at.ledger(visit))["email", 24] == ("suppressed", "opted_out")


async def test_an_answer_after_cancellation_revives_nothing(at: Reminding) -> None:
    visit, code = await reminded(at)
    await at.does(f"/v1/appointments/{visit}/cancel", {"reason": "clinic_request"}, version=1)
    before = await seen(at, visit)
    assert await at.answers(code, "yes") == "too_late"
    assert await seen(at, visit) == before
    assert [c["reasons"] for c in await at.calls()] == [["answered_after_cancellation"]]


async def test_an_answer_to_an_old_time_confirms_no_new_one(at: Reminding) -> None:
    visit, code = await reminded(at)
    moved = {"starts_at": "2026-11-18T10:00:00-07:00", "reason": "clinic_request"}
    await at.does(f"/v1/appointments/{visit}/reschedule", moved, version=1)
    assert await at.answers(code, "yes") == "to_be_called"
    assert (await seen(at, visit))["confirmation"] == "unsent"
    assert [c["reasons"] for c in await at.calls()] == [["answered_old_time"]]
    # The message about the new time has a code of its own, and that one counts.
    await at.later(to=datetime(2026, 11, 17, 17, tzinfo=UTC))
    assert await at.answers(at.mail.sent[-1][0].code, "yes") == "confirmed"


async def test_an_answer_to_a_message_of_unknown_outcome_counts(at: Reminding) -> None:
    at.mail.answers = [Lost()]
    visit, code = await reminded(at)
    assert await at.answers(code, "yes") == "confirmed"
    assert (await seen(at, visit))["confirmation"] == "confirmed"


async def test_a_code_that_nobody_was_given_is_none(at: Reminding, clinic_office: Office) -> None:
    visit, code = await reminded(at)
    other = clinic_office.desk("appointments", new_id(), "service", sub="webhook")
    for who, guess in ((at.machine(), "A" * 12), (other, code)):
        refused = await who.post("/v1/reminders/replies", {"code": guess, "text": "yes"})
        assert (refused.status_code, refused.json()["code"]) == (404, "reminder.code_unknown")
    assert (await seen(at, visit))["confirmation"] == "sent"


async def test_in_the_portal_a_patient_answers_for_themselves_alone(
    at: Reminding, clinic_office: Office
) -> None:
    patient = await at.patient()
    visit = await at.book(patient)
    await at.later(to=STARTS - 72 * HOUR)
    body = {"code": at.mail.sent[0][0].code, "text": "yes"}
    for who, status in ((str(new_id()), 404), (str(patient), 200)):
        portal = clinic_office.desk("appointments", at.at.network_id, "portal", patient=who)
        assert (await portal.post("/v1/reminders/replies", body)).status_code == status
    assert (await seen(at, visit))["confirmation"] == "confirmed"


# ── the call list ────────────────────────────────────────────────────────────────────────────


async def to_call(at: Reminding) -> tuple[str, str]:
    """A visit whose patient has to be called, and the call."""
    visit = await at.book(await at.patient(consent=False))
    await at.later(to=STARTS - 72 * HOUR)
    (call,) = await at.calls()
    return visit, str(call["id"])


async def test_two_people_cannot_take_the_same_call(at: Reminding, clinic_office: Office) -> None:
    _, call = await to_call(at)
    people = [
        clinic_office.desk("appointments", at.at.network_id, "front_desk", sub=f"desk-{n}")
        for n in range(6)
    ]
    answers = await asyncio.gather(*(who.post(f"/v1/calls/{call}/take") for who in people))
    assert sorted(answer.status_code for answer in answers) == [200, *[409] * 5]
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"call.taken"}
    ((winner, won),) = [
        (who, a.json()) for who, a in zip(people, answers, strict=True) if a.status_code == 200
    ]
    assert (await winner.post(f"/v1/calls/{call}/take")).json() == won
    loser = next(who for who in people if who is not winner)
    refused = await loser.post(f"/v1/calls/{call}/finish", {"outcome": "reached"})
    assert (refused.status_code, refused.json()["code"]) == (409, "call.taken")
    for _ in range(2):
        done = await winner.post(f"/v1/calls/{call}/finish", {"outcome": "left_message"})
        assert (done.status_code, done.json()["outcome"]) == (200, "left_message")
    assert await at.calls() == []
    again = await loser.post(f"/v1/calls/{call}/take")
    assert (again.status_code, again.json()["code"]) == (409, "call.done")


async def test_a_call_is_given_back_and_taken_by_somebody_else(
    at: Reminding, clinic_office: Office
) -> None:
    _, call = await to_call(at)
    path = f"/v1/calls/{call}"
    untaken = await at.at.desk.post(f"{path}/finish", {"outcome": "reached"})
    assert (untaken.status_code, untaken.json()["code"]) == (409, "call.not_taken")
    await at.does(f"{path}/take")
    assert (await at.does(f"{path}/give-back"))["state"] == "open"
    other = clinic_office.desk("appointments", at.at.network_id, "nurse", sub="noor")
    assert (await other.post(f"{path}/take")).json()["taken_by"] == "person/noor"


async def test_a_new_reason_opens_a_call_again_and_a_known_one_does_not(at: Reminding) -> None:
    visit, call = await to_call(at)
    await at.does(f"/v1/calls/{call}/take")
    await at.does(f"/v1/calls/{call}/finish", {"outcome": "left_message"})
    await at.later(to=STARTS - 30 * HOUR)
    assert await at.calls() == []
    patient = UUID((await seen(at, visit))["patient_id"])
    await at.consents(patient)
    at.mail.answers = [Lost()]
    await at.later(to=STARTS - 23 * HOUR)
    (again,) = await at.calls()
    assert (again["id"], again["state"]) == (call, "open")
    assert again["reasons"] == ["no_consent", "unknown_outcome"]


async def test_a_visit_that_is_off_needs_no_call(at: Reminding) -> None:
    visit, _ = await to_call(at)
    await at.does(f"/v1/appointments/{visit}/cancel", {"reason": "patient_request"}, version=1)
    assert await at.calls() == []
    assert await at.value("SELECT outcome FROM call_tasks WHERE network_id = $1") == "not_needed"


async def test_calls_are_listed_by_urgency_in_pages(at: Reminding, clinic_office: Office) -> None:
    for hour in (15, 9, 12):
        patient = await at.patient(consent=False, visits=1)
        await at.book(patient, f"2026-11-12T{hour:02d}:00:00-07:00")
    await at.later(to=STARTS - 48 * HOUR)
    whole = await at.calls()
    assert [c["due_by"][11:13] for c in whole] == ["16", "19", "22"]
    found: list[Any] = []
    cursor: dict[str, Any] = {}
    for _ in range(3):
        page = (
            await at.at.desk.get("/v1/calls", clinic_id=at.at.clinic_id, limit="1", **cursor)
        ).json()
        found += page["items"]
        cursor = {"cursor": page["next"]}
    assert (found, cursor) == (whole, {"cursor": None})
    elsewhere = clinic_office.desk(
        "appointments", at.at.network_id, "front_desk", clinics=[str(new_id())]
    )
    assert (await elsewhere.get("/v1/calls", clinic_id=at.at.clinic_id)).status_code == 404
    refused = await elsewhere.post(f"/v1/calls/{whole[0]['id']}/take")
    assert (refused.status_code, refused.json()["code"]) == (404, "call.not_found")
