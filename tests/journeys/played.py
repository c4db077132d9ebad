"""A visit with everything that belongs to one, and the ids of all that came of it."""

from typing import Any

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
    patient = ids["patient_id"] = await clinic.register(family)
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
    consents = await clinic.sees("dana", "patients", f"{path}/consents")
    ids["consent_id"] = consents["items"][0]["id"]
    spouse = {"kind": "emergency", "relationship": "spouse", "name": {"given": "Rafael"}}
    made = await clinic.does("dana", "patients", f"{path}/contacts", spouse)
    ids["contact_id"] = made["id"]
    why = {"reason": "patient_unable", "note": "Cannot tell which medicines they take."}
    glass = await clinic.does("noor", "patients", f"{path}/emergency-access", why)
    ids["access_id"] = glass["id"]
    found = {"finding": "justified", "note": "The chart was opened for the right person."}
    path = f"/v1/emergency-accesses/{glass['id']}/review"
    await clinic.does("ute", "patients", path, found)
    cover = await clinic.sees("dana", "eligibility", f"/v1/visits/{visit['id']}/cover")
    ids["check_id"] = cover["check_id"]
    ids |= {
        "clinic_id": clinic.clinic_id,
        "provider_id": clinic.provider_id,
        "appointment_type_id": clinic.type_id,
        "payer_id": clinic.payer_id,
        "subject_id": visit["id"],
    }
    house.clock.at = denver(4, 10)
    await house.settled(clinic.network_id)
    house.clock.at = denver(5, 9, 45)
    return ids | await _the_day(clinic, patient, visit["id"])


async def _the_day(clinic: Clinic, patient: str, visit_id: str) -> dict[str, str]:
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
    path = f"/v1/appointments/{visit_id}"
    await clinic.does("dana", "appointments", f"{path}/check-in", {"balance_acknowledged": True})
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
