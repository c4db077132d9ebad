"""What messages may come by: the patient's word, and the one address a message needs."""

from typing import Any
from uuid import UUID

import pytest

from services.patients.domain.messages import MessageChannel, checked_channels, without
from services.patients.tests.builders import Scene, scene
from shared.contracts.appointments import MessagesStopped
from shared.testing.apps import Desk, Office
from shared.values.clock import FixedClock
from shared.values.errors import Invalid
from shared.values.ids import new_id

EMAIL, SMS, VOICE = MessageChannel


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


async def asked(who: Desk, patient_id: str, channel: str) -> Any:
    body = {"patient_id": patient_id, "channel": channel}
    return await who.post("/v1/contact-points/lookup", body)


def stopped(patient_id: str, channel: str, at: Scene) -> MessagesStopped:
    return MessagesStopped.model_validate(
        {
            "appointment_id": new_id(),
            "patient_id": patient_id,
            "clinic_id": new_id(),
            "channel": channel,
            "stopped_at": at.clock.now(),
        }
    )


@pytest.mark.parametrize(
    ("chosen", "gone", "left"),
    [
        (None, EMAIL, (SMS, VOICE)),
        ((EMAIL, SMS), EMAIL, (SMS,)),
        ((SMS, EMAIL), VOICE, (SMS, EMAIL)),
        ((EMAIL,), EMAIL, ()),
        ((), EMAIL, ()),
    ],
)
def test_a_channel_that_is_stopped_is_gone_and_the_others_stay(
    chosen: tuple[MessageChannel, ...] | None,
    gone: MessageChannel,
    left: tuple[MessageChannel, ...],
) -> None:
    assert without(chosen, gone) == left


def test_a_channel_is_named_once() -> None:
    assert checked_channels([SMS, EMAIL]) == (SMS, EMAIL)
    with pytest.raises(Invalid, match=r"channels\.repeated"):
        checked_channels([SMS, EMAIL, SMS])


async def test_what_is_chosen_is_kept_and_said(at: Scene) -> None:
    patient = (await at.register())["id"]
    path = f"/v1/patients/{patient}/message-preference"
    assert (await at.desk.get(path)).json()["channels"] is None
    body = {"channels": ["sms", "email"], "time_zone": "Pacific/Honolulu"}
    kept = await at.desk.put(path, body)
    assert kept.status_code == 200, kept.text
    assert (await at.desk.get(path)).json() == kept.json()
    assert kept.json()["channels"] == ["sms", "email"]
    assert (await at.said(patient))[-1] == "messages.preferred"
    (event,) = await at.rows("SELECT value FROM outbox WHERE type LIKE '%messages.preferred%'")
    assert b"Honolulu" in bytes(event["value"])
    assert b"example" not in bytes(event["value"]).lower()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"channels": ["sms", "sms"]}, "channels.repeated"),
        ({"channels": ["email"], "time_zone": "EST"}, "time.zone_unknown"),
        ({"channels": ["pigeon"]}, "request.invalid"),
    ],
    ids=["twice", "zone", "channel"],
)
async def test_what_cannot_be_kept_is_refused(at: Scene, body: Any, code: str) -> None:
    patient = (await at.register())["id"]
    refused = await at.desk.put(f"/v1/patients/{patient}/message-preference", body)
    assert (refused.status_code, refused.json()["code"]) == (422, code)


async def test_a_word_that_stops_messages_stops_one_channel_whenever_it_is_heard(
    at: Scene,
) -> None:
    patient = (await at.register())["id"]
    path = f"/v1/patients/{patient}/message-preference"
    event = stopped(patient, "email", at)
    for _ in range(2):
        await at.hear(event, at.clock.now())
        assert (await at.desk.get(path)).json()["channels"] == ["sms", "voice"]
    assert (await at.said(patient)).count("messages.preferred") == 1
    # What they choose afterwards counts again.
    await at.desk.put(path, {"channels": ["email"]})
    assert (await at.desk.get(path)).json()["channels"] == ["email"]


async def test_a_stop_of_somebody_unknown_changes_nothing(at: Scene) -> None:
    await at.hear(stopped(str(new_id()), "email", at), at.clock.now())
    assert await at.rows("SELECT 1 FROM message_preferences") == []


async def test_the_service_that_sends_is_told_one_address_and_the_audit_keeps_it(
    at: Scene,
) -> None:
    patient = (await at.register(phones=[{"number": "303-555-0142", "use": "home"}]))["id"]
    sender = at.office.desk("patients", at.network_id, "service", sub="appointments")
    found = {c.value: (await asked(sender, patient, c.value)).json() for c in MessageChannel}
    assert found == {
        "email": {"channel": "email", "address": "Lupe@example.org"},
        "sms": {"channel": "sms", "address": None},
        "voice": {"channel": "voice", "address": "+13035550142"},
    }
    audited = await at.audited("look_up_contact_point")
    assert [row["patient_ids"] for row in audited] == [[UUID(patient)]] * 3
    assert all(row["actor"] == "service/appointments" for row in audited)
    assert "example.org" not in str(audited)
    assert (await asked(sender, str(new_id()), "email")).status_code == 404
    elsewhere = at.office.desk("patients", new_id(), "service", sub="appointments")
    assert (await asked(elsewhere, patient, "email")).status_code == 404


async def test_nobody_who_died_is_reached(at: Scene) -> None:
    patient = (await at.register(death_date="2026-10-30"))["id"]
    sender = at.office.desk("patients", at.network_id, "service", sub="appointments")
    assert (await asked(sender, patient, "email")).json()["address"] is None


@pytest.mark.parametrize(
    "role", ["front_desk", "nurse", "provider", "biller", "admin", "auditor", "ops", "portal"]
)
async def test_no_person_asks_for_an_address_to_send_to(at: Scene, role: str) -> None:
    patient = (await at.register())["id"]
    who = at.office.desk("patients", at.network_id, role, patient=patient)
    refused = await asked(who, patient, "email")
    assert (refused.status_code, refused.json()["code"]) == (403, "permission.missing")
