"""A visit with everything that belongs to one, and the ids of all that came of it."""

from typing import Any

from services.appointments.domain.messages import code_digest
from services.appointments.schemas.reminders import CODE
from tests.journeys.clinic import Body, Clinic, denver

PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010800000000"
    "3a7e9b550000000a49444154789c63f80f00010101001bb6ee560000000049454e44ae426082"
)
"""The smallest PNG: one white pixel."""


async def played(clinic: Clinic, family: str = "Fontaine") -> dict[str, str]:
    """Play a visit; the ids by what paths call them, such as `appointment_id`."""
    house, ids = clinic.house, {}
    house.clock.at = denver(2, 9)
    patient = ids["patient_id"] = await clinic.register(family, emails=["patient@example.org"])
    await house.settled(clinic.network_id)
    ids["coverage_id"] = await clinic.cover(patient, "ACT100200")
    visit = await clinic.book(patient, denver(5, 10))
    ids["appointment_id"] = visit["id"]
    wish = clinic.booking(patient, denver(6, 10), ttl_minutes=30)
    group = clinic.booking(patient, denver(6, 13), seats=4)
    del group["patient_id"]
    ids["session_id"] = (await clinic.does("dana", "appointments", "/v1/sessions", group))["id"]
    weeks = clinic.booking(patient, denver(6, 15), rrule="FREQ=WEEKLY;COUNT=5")
    ids["series_id"] = (await clinic.does("dana", "appointments", "/v1/series", weeks))["id"]
    item = {"clinic_id": clinic.clinic_id, "kind": "scanner", "name": "Scanner"}
    made = await clinic.does("ada", "appointments", "/v1/equipment", item)
    ids["equipment_id"] = made["id"]
    ids["hold_id"] = (await clinic.does("dana", "appointments", "/v1/holds", wish))["id"]
    waiting = {"patient_id": patient, "clinic_id": clinic.clinic_id}
    waiting["appointment_type_id"] = clinic.type_id
    # For this one time alone: what else is called off later is not held for them.
    waiting |= {"latest": denver(6, 9).date().isoformat(), "closes": "10:00:00"}
    entry = await clinic.does("dana", "appointments", "/v1/waitlist", waiting)
    ids["entry_id"] = entry["id"]
    asked: Body = {"patient_id": patient, "clinic_id": clinic.clinic_id}
    asked |= {"appointment_type_id": clinic.type_id, "note": "After ten, please."}
    asked["wished"] = [denver(23, 11).isoformat()]
    made = await clinic.does("dana", "appointments", "/v1/appointment-requests", asked)
    ids["request_id"] = made["id"]
    off = await clinic.book(patient, denver(6, 9))
    path, why = f"/v1/appointments/{off['id']}/cancel", {"reason": "patient_request"}
    await clinic.does("dana", "appointments", path, why, version=off["version"])
    await house.settled(clinic.network_id)
    offers = await clinic.rows("appointments", "waitlist_offers")
    ids["offer_id"] = str(offers[0]["id"])
    await clinic.verify(patient)
    await clinic.consent(patient)
    await house.settled(clinic.network_id)
    path = f"/v1/patients/{patient}"
    await clinic.does(
        "dana", "patients", f"{path}/consents", {"kind": "messages", "text_version": "2026-01"}
    )
    consents = await clinic.sees("dana", "patients", f"{path}/consents")
    ids["consent_id"] = consents["items"][0]["id"]
    spouse = {"kind": "emergency", "relationship": "spouse", "name": {"given": "Rafael"}}
    made = await clinic.does("dana", "patients", f"{path}/contacts", spouse)
    ids["contact_id"] = made["id"]
    permission: Body = {
        "proxy_subject": "a-neighbour",
        "authority": "patient_permission",
        "scope": ["appointment:read"],
    }
    made = await clinic.does("dana", "patients", f"{path}/proxies", permission)
    ids["proxy_id"] = made["id"]
    why = {"reason": "patient_unable", "note": "Cannot tell which medicines they take."}
    glass = await clinic.does("noor", "patients", f"{path}/emergency-access", why)
    ids["access_id"] = glass["id"]
    found = {"finding": "justified", "note": "The chart was opened for the right person."}
    path = f"/v1/emergency-accesses/{glass['id']}/review"
    await clinic.does("ute", "patients", path, found)
    cover = await clinic.sees("dana", "eligibility", f"/v1/visits/{visit['id']}/cover")
    ids["check_id"] = cover["check_id"]
    room = {"clinic_id": clinic.clinic_id, "name": "Room 1"}
    ids["room_id"] = (await clinic.does("ada", "appointments", "/v1/rooms", room))["id"]
    ids |= {
        "clinic_id": clinic.clinic_id,
        "provider_id": clinic.provider_id,
        "appointment_type_id": clinic.type_id,
        "payer_id": clinic.payer_id,
        "subject_id": visit["id"],
    }
    cap = {"kind": "daily_cap", "value": {"visits": 900}, "clinic_id": clinic.clinic_id}
    ids["rule_id"] = (await clinic.does("ada", "appointments", "/v1/booking-rules", cap))["id"]
    ids |= await _calendar(clinic)
    ids["call_id"] = await _the_reminder(clinic, visit["id"])
    house.clock.at = denver(5, 9, 45)
    return ids | await _the_day(clinic, patient, visit["id"], ids["room_id"])


async def _calendar(clinic: Clinic) -> dict[str, str]:
    """What else was entered of the provider: hours, days away, a license, a meeting, a shift."""
    provider = f"/v1/providers/{clinic.provider_id}"
    hours = {"clinic_id": clinic.clinic_id, "weekday": 7, "opens": "08:00:00", "closes": "17:00:00"}
    made = await clinic.does("ada", "appointments", f"{provider}/schedules", hours)
    days = {"first_day": "2027-01-04", "last_day": "2027-01-08"}
    away = await clinic.does("ada", "appointments", f"{provider}/exceptions", days)
    held = {"kind": "license", "region": "US-UT", "number": "7", "effective_from": "2026-01-01"}
    credential = await clinic.does("ada", "appointments", f"{provider}/credentials", held)
    meeting = {
        "clinic_id": clinic.clinic_id,
        "kind": "meeting",
        "starts_at": "2026-11-05T16:40:00-07:00",
        "ends_at": "2026-11-05T17:40:00-07:00",
        "provider_ids": [clinic.provider_id],
    }
    block = await clinic.does("dana", "appointments", "/v1/blocks", meeting)
    # One that nobody lifts, for whoever looks at what there is; and so with the shifts below.
    await clinic.does("dana", "appointments", "/v1/blocks", {**meeting, "kind": "freeze"})
    whose = {"clinic_id": clinic.clinic_id}
    feed = await clinic.does("dana", "appointments", "/v1/calendar-feeds", whose)
    shift = {
        "clinic_id": clinic.clinic_id,
        "provider_id": clinic.provider_id,
        "role": "triage",
        "starts_at": "2026-11-01T12:00:00-07:00",
        "ends_at": "2026-11-29T12:00:00-07:00",
    }
    on_call = await clinic.does("ada", "appointments", "/v1/on-call-shifts", shift)
    other = {**shift, "role": "nurse-line"}
    await clinic.does("ada", "appointments", "/v1/on-call-shifts", other)
    return {
        "shift_id": on_call["id"],
        "feed_id": feed["id"],
        "block_id": block["block"]["id"],
        "schedule_id": made["id"],
        "exception_id": away["id"],
        "credential_id": credential["id"],
    }


async def _the_reminder(clinic: Clinic, visit_id: str) -> str:
    """The day before: a reminder with the code of the documents' example, an answer that nobody can
    read, and a call that somebody takes."""
    house = clinic.house
    # What was planned before the first of the two came due.
    await house.settled(clinic.network_id)
    house.clock.at = denver(4, 10)
    await house.settled(clinic.network_id)
    await was_told_the_code(clinic, visit_id)
    path = f"/v1/appointments/{visit_id}/reminders"
    reminders = (await clinic.sees("dana", "appointments", path))["items"]
    assert [reminder["state"] for reminder in reminders] == ["suppressed", "sent"], reminders
    webhook = house.office.desk("appointments", clinic.network_id, "service", sub="webhook")
    answer = {"code": CODE, "text": "Can I come at noon?"}
    assert (await webhook.post("/v1/reminders/replies", answer)).status_code == 200
    listed = await clinic.sees("dana", "appointments", "/v1/calls", clinic_id=clinic.clinic_id)
    (call,) = [call for call in listed["items"] if call["appointment_id"] == visit_id]
    await clinic.does("dana", "appointments", f"/v1/calls/{call['id']}/take")
    return str(call["id"])


async def was_told_the_code(clinic: Clinic, visit_id: str) -> None:
    """Let the newest message about a visit be one that named the code of the documents' example.

    A code is drawn when a message goes out, and none can be known from what is kept of it.
    """
    newest = "SELECT id FROM reminders WHERE appointment_id = $1 AND state = 'sent'"
    changed = await clinic.house.rows(
        "appointments",
        "UPDATE reminders SET code_digest = $2 WHERE id ="
        f" ({newest} ORDER BY lead_minutes LIMIT 1) RETURNING id",
        visit_id,
        code_digest(CODE),
    )
    assert len(changed) == 1


async def _the_day(clinic: Clinic, patient: str, visit_id: str, room_id: str) -> dict[str, str]:
    """The day of the visit: a scan, the copay, in and out, the charge, something given back."""
    ids = {"drawer_id": await clinic.open_drawer()}
    await clinic.sees("dana", "eligibility", f"/v1/visits/{visit_id}/cover")
    scan = {"source": "scan", "document_class": "insurance_card", "patient_id": patient}
    files = {"file": ("card.png", PICTURE, "image/png")}
    answer = await clinic.person("dana", "documents").post("/v1/documents", data=scan, files=files)
    assert answer.status_code == 201, answer.text
    ids["document_id"] = answer.json()["id"]
    cash = {"drawer_id": ids["drawer_id"], "appointment_id": visit_id}
    paid = await clinic.pay(patient, 2_500, "cash", **cash)
    ids |= {"payment_id": paid["id"], "receipt_id": paid["receipt_id"]}
    guest = {"name": "Ines Duarte", "purpose": "Inspection", "visits": "Facilities", "badge": "V-1"}
    visitors = f"/v1/clinics/{clinic.clinic_id}/visitors"
    ids["visitor_id"] = (await clinic.does("dana", "appointments", visitors, guest))["id"]
    path = f"/v1/appointments/{visit_id}"
    await clinic.does("dana", "appointments", f"{path}/arrive")
    await clinic.does("dana", "appointments", f"{path}/check-in", {"balance_acknowledged": True})
    await clinic.does("noor", "appointments", f"{path}/room", {"room_id": room_id})
    await clinic.house.settled(clinic.network_id)
    await clinic.does("dana", "appointments", f"{path}/check-out")
    lines: Body = {"appointment_id": visit_id, "lines": [{"code": "V-NEW"}]}
    ids["charge_id"] = (await clinic.does("bo", "payments", "/v1/charges", lines))["id"]
    back: dict[str, Any] = {"amount_cents": 500, "reason": "courtesy"}
    back["drawer_id"] = ids["drawer_id"]
    refund = f"/v1/payments/{paid['id']}/refund"
    ids["refund_id"] = (await clinic.does("bo", "payments", refund, back))["id"]
    await clinic.house.settled(clinic.network_id)
    return ids
