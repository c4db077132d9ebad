"""Reminders from booking to what came of them: once each, to nobody who should get none."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.appointments.domain.messages import Lost, NotSent, Refused
from services.appointments.domain.reminder_states import STEPS, State
from services.appointments.tests.reminding import Reminding, reminding
from shared.contracts.patients import PatientMerged
from shared.db import failpoints
from shared.db.actor import Actor
from shared.db.errands import claim, run_one
from shared.db.failpoints import FailpointHit
from shared.db.work import Context
from shared.testing.apps import Office
from shared.values.clock import FixedClock
from shared.values.ids import new_id

STARTS = datetime(2026, 11, 12, 17, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
FIRST, SECOND = ("email", 72), ("email", 24)


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Reminding:
    return await reminding(environment, clinic_office, network_id, clock)


async def test_a_visit_is_reminded_of_twice_and_each_of_it_is_told(at: Reminding) -> None:
    visit = await at.book(await at.patient())
    assert await at.ledger(visit) == {FIRST: ("planned", None), SECOND: ("planned", None)}
    await at.later(to=STARTS - 73 * HOUR)
    assert at.mail.sent == []
    await at.later(to=STARTS - 72 * HOUR)
    assert len(at.mail.sent) == 1
    await at.later(to=STARTS - HOUR)
    assert await at.ledger(visit) == {FIRST: ("sent", None), SECOND: ("sent", None)}
    assert await at.said("reminder") == ["reminder.due", "reminder.sent"] * 2
    assert [address for _, address in at.mail.sent] == ["lupe@example.org"] * 2
    assert await at.calls() == []


@pytest.mark.rule("45 CFR 164.522(b)")
async def test_the_message_says_where_and_when_and_no_more(at: Reminding) -> None:
    await at.book(await at.patient())
    await at.later(to=STARTS)
    message = at.mail.sent[0][0]
    assert message.text == (
        "You have an appointment at Northside on Thursday, November 12, 2026 at 10:00 AM (MST).\n"
        "\n"
        f"Will you come? Reply YES {message.code} or NO {message.code}.\n"
        f"To get no more of these messages, reply STOP {message.code}.\n"
    )
    kept = str(await at.rows("SELECT * FROM reminders WHERE network_id = $1"))
    assert message.code not in kept
    assert "example.org" not in kept + str(
        await at.rows("SELECT * FROM intent WHERE network_id = $1")
    )
    events = await at.rows("SELECT value FROM outbox WHERE network_id = $1")
    assert all(b"example" not in bytes(row["value"]) for row in events)


async def test_each_message_is_audited_with_whom_it_went_to(at: Reminding) -> None:
    patient = await at.patient()
    await at.book(patient)
    await at.later(to=STARTS)
    rows = await at.rows("SELECT * FROM audit WHERE network_id = $1 AND action = 'send_reminder'")
    assert [(r["patient_ids"], r["outcome"], r["actor"]) for r in rows] == [
        ([patient], "ok", "timer/remind")
    ] * 2


# ── what changes ─────────────────────────────────────────────────────────────────────────────


async def test_a_visit_that_is_cancelled_is_not_reminded_of(at: Reminding) -> None:
    visit = await at.book(await at.patient())
    await at.does(f"/v1/appointments/{visit}/cancel", {"reason": "patient_request"}, version=1)
    assert set((await at.ledger(visit)).values()) == {("suppressed", "visit_cancelled")}
    await at.later(to=STARTS)
    assert at.mail.sent == []


async def test_a_cancellation_between_due_and_sent_is_seen_in_the_last_moment(
    at: Reminding,
) -> None:
    visit = await at.book(await at.patient())
    at.clock.at = STARTS - 72 * HOUR
    await at.fire()
    assert (await at.ledger(visit))[FIRST] == ("due", None)
    cancel = f"/v1/appointments/{visit}/cancel"
    assert (
        await at.at.desk.post(cancel, {"reason": "patient_request"}, version=1)
    ).status_code == 200
    await at.run()
    assert at.mail.sent == []
    assert (await at.ledger(visit))[FIRST] == ("suppressed", "visit_cancelled")
    assert await at.said("reminder") == ["reminder.due", "reminder.suppressed"]


async def test_a_record_that_was_given_up_gets_no_message_and_somebody_calls(
    at: Reminding,
) -> None:
    patient = await at.patient()
    visit = await at.book(patient)
    await at.hear(PatientMerged(patient_id=patient, survivor_id=new_id(), merged_at=at.clock.now()))
    await at.fire()
    assert set((await at.ledger(visit)).values()) == {("suppressed", "patient_merged")}
    later = await at.book(patient, "2026-11-12T14:00:00-07:00")
    await at.later(to=STARTS)
    assert at.mail.sent == []
    assert await at.ledger(later) == {}
    assert {c["appointment_id"]: c["reasons"] for c in await at.calls()} == {
        visit: ["patient_merged"],
        later: ["patient_merged"],
    }


async def test_a_record_given_up_between_due_and_sent_gets_no_message(at: Reminding) -> None:
    patient = await at.patient()
    visit = await at.book(patient)
    at.clock.at = STARTS - 72 * HOUR
    await at.fire()
    await at.hear(PatientMerged(patient_id=patient, survivor_id=new_id(), merged_at=at.clock.now()))
    await at.run()
    assert at.mail.sent == []
    assert (await at.ledger(visit))[FIRST] == ("suppressed", "patient_merged")


async def test_a_moved_visit_is_reminded_of_at_its_new_time(at: Reminding) -> None:
    visit = await at.book(await at.patient())
    await at.does(
        f"/v1/appointments/{visit}/reschedule",
        {"starts_at": "2026-11-18T10:00:00-07:00", "reason": "patient_request"},
        version=1,
    )
    await at.later(to=STARTS)
    assert at.mail.sent == []
    await at.later(to=STARTS + timedelta(days=6))
    assert len(at.mail.sent) == 2
    assert "November 18" in at.mail.sent[0][0].text


async def test_a_move_between_due_and_sent_puts_the_reminder_off(at: Reminding) -> None:
    visit = await at.book(await at.patient())
    at.clock.at = STARTS - 72 * HOUR
    await at.fire()
    moved = {"starts_at": "2026-11-18T10:00:00-07:00", "reason": "patient_request"}
    await at.at.desk.post(f"/v1/appointments/{visit}/reschedule", moved, version=1)
    await at.run()
    assert at.mail.sent == []
    await at.later(to=STARTS + timedelta(days=6))
    assert ["November 18" in message.text for message, _ in at.mail.sent] == [True, True]
    assert set((await at.ledger(visit)).values()) == {("sent", None)}


async def test_who_was_told_a_time_that_no_longer_is_gets_a_call_and_no_second_message(
    at: Reminding,
) -> None:
    visit = await at.book(await at.patient())
    await at.later(to=STARTS - 20 * HOUR)
    assert len(at.mail.sent) == 2
    moved = {"starts_at": "2026-11-18T10:00:00-07:00", "reason": "provider_unavailable"}
    await at.does(f"/v1/appointments/{visit}/reschedule", moved, version=1)
    assert [(c["reasons"], c["due_by"]) for c in await at.calls()] == [
        (["time_changed"], "2026-11-18T17:00:00Z")
    ]
    await at.later(to=STARTS + timedelta(days=6))
    assert len(at.mail.sent) == 2


async def test_a_consent_that_is_revoked_stops_messages_and_one_that_is_given_lets_them(
    at: Reminding,
) -> None:
    patient = await at.patient(consent=False)
    consent = await at.consents(patient)
    visit = await at.book(patient)
    await at.revokes(patient, consent)
    await at.fire()
    assert set((await at.ledger(visit)).values()) == {("suppressed", "opted_out")}
    at.clock.move(timedelta(seconds=1))
    await at.consents(patient)
    await at.fire()
    assert set((await at.ledger(visit)).values()) == {("planned", None)}


async def test_a_revocation_between_due_and_sent_is_seen_in_the_last_moment(
    at: Reminding,
) -> None:
    patient = await at.patient(consent=False)
    consent = await at.consents(patient)
    visit = await at.book(patient)
    at.clock.at = STARTS - 72 * HOUR
    await at.fire()
    await at.revokes(patient, consent)
    await at.work_off()
    assert at.mail.sent == []
    assert (await at.ledger(visit))[FIRST] == ("suppressed", "opted_out")
    assert await at.calls() == []


async def test_a_clock_that_is_behind_sees_what_was_taken_back_by_one_that_is_not(
    at: Reminding,
) -> None:
    """A worker whose clock is three minutes slow has one in hand as its consent goes."""
    patient = await at.patient(consent=False)
    consent = await at.consents(patient)
    visit = await at.book(patient)
    at.clock.at = STARTS - 72 * HOUR
    await at.fire()
    await at.revokes(patient, consent)
    at.clock.at -= timedelta(minutes=3)
    await at.run()
    assert at.mail.sent == []
    assert (await at.ledger(visit))[FIRST] == ("suppressed", "opted_out")


async def test_who_never_agreed_to_messages_is_called_once_for_both_leads(at: Reminding) -> None:
    visit = await at.book(await at.patient(consent=False))
    assert await at.calls() == []
    await at.later(to=STARTS - HOUR)
    assert [(c["appointment_id"], c["reasons"]) for c in await at.calls()] == [
        (visit, ["no_consent"])
    ]
    assert at.mail.sent == []
    assert at.patients.asked == []


@pytest.mark.rule("45 CFR 164.522(b)")
async def test_what_a_patient_prefers_changes_channel_and_zone(at: Reminding) -> None:
    patient = await at.patient()
    visit = await at.book(patient)
    await at.prefers(patient, "sms", time_zone="Pacific/Honolulu")
    await at.fire()
    assert await at.ledger(visit) == {
        FIRST: ("suppressed", "another_channel"),
        SECOND: ("suppressed", "another_channel"),
        ("sms", 72): ("planned", None),
        ("sms", 24): ("planned", None),
    }
    await at.prefers(patient, "email", time_zone="Pacific/Honolulu")
    await at.later(to=STARTS)
    # 10:00 in Denver is 7:00 in Honolulu, where nothing is sent before 9:00.
    due = await at.rows("SELECT due_at FROM reminders WHERE network_id = $1 AND state = 'sent'")
    assert sorted(row["due_at"] for row in due) == [STARTS - 70 * HOUR, STARTS - 22 * HOUR]
    assert "at 7:00 AM (HST); at the clinic it is 10:00 AM (MST) then" in at.mail.sent[0][0].text


async def test_nobody_came_and_nobody_is_reminded(at: Reminding) -> None:
    visit = await at.book(await at.patient(), "2026-11-05T10:00:00-07:00")
    await at.later(to=datetime(2026, 11, 5, 18, tzinfo=UTC))
    assert {state for state, _ in (await at.ledger(visit)).values()} <= {"sent", "suppressed"}
    open_timers = "SELECT count(*) FROM timer WHERE network_id = $1 AND ended_at IS NULL"
    assert await at.value(open_timers) == 0


async def test_settings_of_a_clinic_are_its_policy(at: Reminding) -> None:
    path = f"/v1/clinics/{at.at.clinic_id}/reminder-settings"
    before = (await at.at.admin.get(path)).json()
    assert before["lead_minutes"] == [4320, 1440]
    wish = {
        "lead_minutes": [120],
        "channels": ["email"],
        "quiet_from": "22:00:00",
        "quiet_until": "06:00:00",
    }
    assert (await at.at.admin.put(path, wish)).status_code == 200
    assert (await at.at.admin.put(path, wish)).json() == (await at.at.admin.get(path)).json()
    visit = await at.book(await at.patient(), "2026-11-12T08:00:00-07:00")
    assert set(await at.ledger(visit)) == {("email", 2)}
    twice = await at.at.admin.put(path, {**wish, "lead_minutes": [120, 120]})
    assert (twice.status_code, twice.json()["code"]) == (422, "reminders.repeated")


# ── what comes of sending ────────────────────────────────────────────────────────────────────


async def test_without_an_address_the_next_channel_is_tried_and_then_somebody_calls(
    at: Reminding,
) -> None:
    patient = await at.patient()
    await at.prefers(patient, "sms", "email")
    visit = await at.book(patient)
    at.patients.addresses["email"] = None
    await at.later(to=STARTS - 72 * HOUR)
    assert (await at.ledger(visit))["sms", 72] == ("failed", "no_messenger")
    assert (await at.ledger(visit))[FIRST] == ("failed", "no_address")
    assert [c["reasons"] for c in await at.calls()] == [["not_reached"]]
    # For the channel without a messenger nobody is asked for a number.
    assert [wish["channel"] for wish in at.patients.asked] == ["email"]
    assert await at.said("reminder") == ["reminder.due", "reminder.failed"] * 2


async def test_two_reasons_that_come_at_once_are_one_call(at: Reminding) -> None:
    """The new time of a visit that moved after its first reminder cannot be told."""
    visit = await at.book(await at.patient())
    await at.later(to=STARTS - 71 * HOUR)
    assert (await at.ledger(visit))[FIRST] == ("sent", None)
    at.mail.answers = [Refused("mail_refused")]
    await at.does(
        f"/v1/appointments/{visit}/reschedule",
        {"starts_at": "2026-11-13T10:00:00-07:00", "reason": "patient_request"},
        version=1,
    )
    await at.later(to=STARTS + HOUR)
    assert (await at.ledger(visit))[SECOND] == ("failed", "mail_refused")
    assert [c["reasons"] for c in await at.calls()] == [["not_reached", "time_changed"]]


async def test_what_a_messenger_has_surely_not_sent_is_tried_again(at: Reminding) -> None:
    visit = await at.book(await at.patient())
    at.mail.answers = [NotSent("mail_away"), NotSent("mail_away")]
    await at.later(to=STARTS - 72 * HOUR)
    assert (await at.ledger(visit))[FIRST] == ("planned", "mail_away")
    await at.later(by=timedelta(minutes=31))
    assert (await at.ledger(visit))[FIRST] == ("sent", None)
    assert len(at.mail.sent) == 3
    assert len({message.code for message, _ in at.mail.sent}) == 3


async def test_after_three_tries_somebody_calls(at: Reminding) -> None:
    visit = await at.book(await at.patient())
    at.mail.answers = [NotSent("mail_away")] * 3
    await at.later(to=STARTS - 60 * HOUR)
    assert len(at.mail.sent) == 3
    assert (await at.ledger(visit))[FIRST] == ("failed", "mail_away")
    assert [c["reasons"] for c in await at.calls()] == [["not_reached"]]
    path = f"/v1/appointments/{visit}"
    assert (await at.at.desk.get(path)).json()["confirmation"] == "unreachable"
    # The next lead is tried anew, and then they are reached.
    await at.later(to=STARTS - 24 * HOUR)
    assert (await at.at.desk.get(path)).json()["confirmation"] == "sent"


async def test_what_a_messenger_refuses_is_not_tried_again(at: Reminding) -> None:
    visit = await at.book(await at.patient())
    at.mail.answers = [Refused("mail_refused")]
    await at.later(to=STARTS - 60 * HOUR)
    assert (await at.ledger(visit))[FIRST] == ("failed", "mail_refused")
    assert len(at.mail.sent) == 1


async def test_an_unknown_outcome_is_never_sent_again_and_somebody_calls(at: Reminding) -> None:
    visit = await at.book(await at.patient())
    at.mail.answers = [Lost()]
    await at.later(to=STARTS - 25 * HOUR)
    assert (await at.ledger(visit))[FIRST] == ("unknown", "unknown_outcome")
    assert len(at.mail.sent) == 1
    assert [c["reasons"] for c in await at.calls()] == [["unknown_outcome"]]
    assert await at.said("reminder") == ["reminder.due", "reminder.failed"]


async def test_while_patients_is_away_nothing_is_sent_and_nothing_is_lost(at: Reminding) -> None:
    visit = await at.book(await at.patient())
    at.patients.status = 503
    at.clock.at = STARTS - 72 * HOUR
    await at.fire()
    for _ in range(6):
        await at.run()
        await at.retry_now()
    await at.fire()
    assert (await at.ledger(visit))[FIRST] == ("planned", "patients.busy")
    at.patients.status = 200
    await at.later(by=timedelta(minutes=16))
    assert (await at.ledger(visit))[FIRST] == ("sent", None)


KILLED = ["asked", "prepared", "after_call"]


@pytest.mark.parametrize("place", KILLED)
async def test_a_process_that_dies_sends_nothing_twice(at: Reminding, place: str) -> None:
    """Before `sending` is kept it is sent later; once it is, it is of unknown outcome."""
    visit = await at.book(await at.patient())
    at.clock.at = STARTS - 72 * HOUR
    await at.fire()
    failpoints.arm(f"errand.send_reminder.{place}:raise:1")
    try:
        with pytest.raises(FailpointHit):
            await at.run()
    finally:
        failpoints.arm("")
    assert len(at.mail.sent) == (place == "after_call")
    await at.run()
    # The lease has not run out: nobody takes it up.
    assert (await at.ledger(visit))[FIRST][0] == ("due" if place == "asked" else "sending")
    await at.retry_now()
    await at.run()
    if place == "asked":
        assert (await at.ledger(visit))[FIRST] == ("sent", None)
    else:
        assert (await at.ledger(visit))[FIRST] == ("unknown", "unknown_outcome")
        assert [c["reasons"] for c in await at.calls()] == [["unknown_outcome"]]
    assert len(at.mail.sent) == (place != "prepared")


async def test_a_worker_that_comes_back_after_its_lease_sends_nothing(at: Reminding) -> None:
    """Two have claimed it, the first slowly: only one comes to send it."""
    visit = await at.book(await at.patient())
    at.clock.at = STARTS - 72 * HOUR
    await at.fire()
    (slow,) = [i for i in await claim(at.at.database) if i.network_id == at.at.network_id]
    await at.retry_now()
    (quick,) = [i for i in await claim(at.at.database) if i.network_id == at.at.network_id]
    await asyncio.gather(
        *(run_one(at.at.database, at.errands, at.clock, intent) for intent in (quick, slow))
    )
    await at.retry_now()
    await at.run()
    assert len(at.mail.sent) == 1
    assert (await at.ledger(visit))[FIRST][0] in ("sent", "unknown")


async def test_three_workers_whose_clocks_differ_send_one(at: Reminding) -> None:
    from services.appointments.timers import TIMERS
    from shared.db.timers import fire_due

    visit = await at.book(await at.patient())
    at.clock.at = STARTS - 72 * HOUR - timedelta(minutes=1)
    clocks = [FixedClock(at.clock.now() + timedelta(minutes=skew)) for skew in (-3, 0, 3)]
    for _ in range(3):
        await asyncio.gather(*(fire_due(at.at.database, TIMERS, clock) for clock in clocks))
        for clock in clocks:
            for intent in await claim(at.at.database):
                if intent.network_id == at.at.network_id:
                    await run_one(at.at.database, at.errands, clock, intent)
    assert (await at.ledger(visit))[FIRST] == ("sent", None)
    assert len(at.mail.sent) == 1


async def test_a_version_that_somebody_has_on_a_screen_stays_the_newest(at: Reminding) -> None:
    visit = await at.book(await at.patient())
    before = (await at.at.desk.get(f"/v1/appointments/{visit}")).json()
    await at.later(to=STARTS - HOUR)
    assert len(at.mail.sent) == 2
    after = (await at.at.desk.get(f"/v1/appointments/{visit}")).json()
    assert after == before | {"confirmation": "sent"}
    answer = await at.at.desk.post(
        f"/v1/appointments/{visit}/cancel", {"reason": "patient_request"}, version=1
    )
    assert answer.status_code == 200


# ── what the database holds by itself ────────────────────────────────────────────────────────


async def written(at: Reminding, statement: str, *arguments: Any) -> None:
    context = Context(at.at.network_id, Actor("person", "test"), at.clock.now())
    async with at.at.database.work(context) as work:
        await work.raw.execute(statement, *arguments)


async def test_there_is_one_reminder_of_a_key(at: Reminding) -> None:
    await at.book(await at.patient())
    with pytest.raises(asyncpg.UniqueViolationError, match="reminders_once"):
        await written(
            at,
            "INSERT INTO reminders (id, network_id, appointment_id, patient_id, clinic_id, channel,"
            " lead_minutes, due_at, state, tries, move, version) SELECT $1, network_id,"
            " appointment_id, patient_id, clinic_id, channel, lead_minutes, due_at, 'planned', 0,"
            " 0, 1 FROM reminders LIMIT 1",
            uuid4(),
        )


_COPY = """
INSERT INTO reminders (id, network_id, appointment_id, patient_id, clinic_id, channel, lead_minutes,
  due_at, state, tries, move, sending_at, code_digest, version)
SELECT $1::uuid, network_id, appointment_id, patient_id, clinic_id, 'voice', $2, due_at, $3, 0, 0,
  now(), ($1::uuid)::text, 1 FROM reminders WHERE network_id = $4 LIMIT 1
"""


@pytest.mark.parametrize("was", list(State))
async def test_the_database_lets_a_reminder_take_the_steps_of_the_table_alone(
    at: Reminding, was: State
) -> None:
    await at.book(await at.patient())
    refused = set()
    for lead, state in enumerate(State, 1):
        key = uuid4()
        await written(at, _COPY, key, lead, was.value, at.at.network_id)
        try:
            await written(at, "UPDATE reminders SET state = $2 WHERE id = $1", key, state.value)
        except asyncpg.CheckViolationError:
            refused.add(state)
    assert set(State) - refused == {after for (s, _), after in STEPS.items() if s is was} | {was}
