"""What a clinic enters before the first patient comes: itself, who works there, and when."""

from tests.leaks.walk import VISIT_MINUTES, Walk

ADMIN = ("admin", "appointments")
HOURS = {"opens": "06:00:00", "closes": "20:00:00"}
HELD = {"kind": "license", "region": "US-CO"}


async def open_clinic(walk: Walk) -> None:
    """All that a clinic needs."""
    clinic = await walk.make(*ADMIN, "/v1/clinics", time_zone="America/Denver")
    walk.ids["clinic_id"] = clinic["id"]
    await _things(walk)
    await _provider(walk)
    made = await walk.make(
        *(*ADMIN, "/v1/appointment-types"),
        **{"minutes_new": VISIT_MINUTES, "minutes_known": 20},
        **{"service_code_new": "V-NEW", "service_code_known": "V-EST"},
    )
    walk.ids["appointment_type_id"] = made["id"]
    await _asked(walk)
    await calendar(walk)
    await _prices(walk)


async def _things(walk: Walk) -> None:
    """Two rooms, and a scanner that is being mended."""
    clinic = walk.ids["clinic_id"]
    for name in ("room_id", "next_room_id"):
        made = await walk.make(*ADMIN, "/v1/rooms", clinic_id=clinic)
        walk.ids[name] = made["id"]
    made = await walk.make(*ADMIN, "/v1/equipment", clinic_id=clinic, kind="scanner")
    walk.ids["equipment_id"] = made["id"]
    days = {"since": "2026-12-28", "until": "2026-12-29"}
    await walk.place.post(*ADMIN, f"/v1/equipment/{made['id']}/out-of-service", days)


async def _provider(walk: Walk) -> None:
    clinic = walk.ids["clinic_id"]
    made = await walk.make(*ADMIN, "/v1/providers", clinic_ids=[clinic], npi="1000000004")
    walk.ids["provider_id"] = made["id"]
    hours = {"clinic_id": clinic, "opens": "08:00:00", "closes": "17:00:00"}
    path = f"/v1/providers/{made['id']}/schedules"
    for weekday in range(1, 6):
        await walk.place.post(*ADMIN, path, {**hours, "weekday": weekday})


async def _asked(walk: Walk) -> None:
    """What the clinic asks of visits, of who works there, and when it is open and reminds."""
    place, clinic = walk.place, walk.ids["clinic_id"]
    rule = {"kind": "horizon", "value": {"days": 600}, "clinic_id": clinic}
    made = await place.post(*ADMIN, "/v1/booking-rules", rule)
    walk.ids["rule_id"] = made["id"]
    last = {"effective_until": "2099-12-31"}
    await place.post(*ADMIN, f"/v1/booking-rules/{made['id']}/end", last, version=1)
    asked = {"clinic_id": clinic, "identity_document_asked": True}
    await walk.change({}, *ADMIN, "PUT", "/v1/visit-policies", asked)
    told = {"lead_minutes": [24 * 60], "channels": ["email"]}
    told |= {"quiet_from": "21:00:00", "quiet_until": "07:00:00"}
    path = "/v1/clinics/{clinic_id}/reminder-settings"
    await walk.change(walk.ids, *ADMIN, "PUT", path, told)
    path = "/v1/clinics/{clinic_id}/hours"
    week = [{"weekday": weekday, **HOURS} for weekday in range(1, 7)]
    hours = walk.body("appointments", "PUT", path, hours=week)
    hours["holidays"][0]["day"] = "2026-12-25"
    await walk.change(walk.ids, *ADMIN, "PUT", path, hours, version=1)


async def calendar(walk: Walk) -> None:
    """What else is entered of the provider: hours that change, days away, a license, a shift."""
    place, ids = walk.place, walk.ids
    await _hours(walk)
    days = {"first_day": "2027-01-04", "last_day": "2027-01-08"}
    path = f"/v1/providers/{ids['provider_id']}/exceptions"
    away = await place.post(*ADMIN, path, days)
    ids["exception_id"] = away["id"]
    await place.post(*ADMIN, f"/v1/exceptions/{away['id']}/withdraw")
    path = "/v1/providers/{provider_id}/credentials"
    for kind in ("license", "certificate"):
        held = {**HELD, "kind": kind, "effective_from": "2026-01-01"}
        made = await walk.make_of(ids, *ADMIN, path, **held)
    ids["credential_id"] = made["id"]
    last = {"last_day": "2026-12-31"}
    await place.post(*ADMIN, f"/v1/credentials/{made['id']}/end", last)
    await walk.change(ids, *ADMIN, "PUT", "/v1/clinics/{clinic_id}/credential-policy", HELD)
    shift = {"clinic_id": ids["clinic_id"], "provider_id": ids["provider_id"], "role": "triage"}
    shift |= {"starts_at": "2026-12-01T12:00:00-07:00", "ends_at": "2026-12-08T12:00:00-07:00"}
    made = await place.post(*ADMIN, "/v1/on-call-shifts", shift)
    ids["shift_id"] = made["id"]
    await place.post(*ADMIN, f"/v1/on-call-shifts/{made['id']}/withdraw")


async def _hours(walk: Walk) -> None:
    place, provider = walk.place, walk.ids["provider_id"]
    saturday = {"clinic_id": walk.ids["clinic_id"], "weekday": 6, **HOURS}
    made = await place.post(*ADMIN, f"/v1/providers/{provider}/schedules", saturday)
    later = {"first_day": "2027-01-02", "closes": "12:00:00"}
    made = await place.post(*ADMIN, f"/v1/schedules/{made['id']}/change", later)
    last = {"last_day": "2027-01-30"}
    walk.ids["schedule_id"] = made["id"]
    await place.post(*ADMIN, f"/v1/schedules/{made['id']}/end", last)


async def _prices(walk: Walk) -> None:
    """Who pays, and how much."""
    made = await walk.make(
        *("biller", "eligibility", "/v1/payers"),
        **{"payer_id": "EVG01", "sender_id": "CLINICBUS", "receiver_id": "EVG01"},
        provider_npi="1000000004",
    )
    walk.ids["payer_id"] = made["id"]
    for code in ("V-NEW", "V-EST"):
        fee = {"clinic_id": walk.ids["clinic_id"], "code": code, "amount_cents": 9_000}
        fee |= {"effective_from": "2026-01-01"}
        await walk.place.post("biller", "payments", "/v1/fees", fee)


async def subscribed(walk: Walk) -> None:
    """A calendar subscribes by an address whose secret is a canary as well; it is taken back."""
    place, staff = walk.place, ("front_desk", "appointments")
    made = await place.post(*staff, "/v1/calendar-feeds", {"clinic_id": walk.ids["clinic_id"]})
    walk.ids["feed_id"] = made["id"]
    path = f"/v1/calendar-feeds/{made['id']}"
    address = (await place.post(*staff, f"{path}/rotate"))["path"]
    walk.mint.keep(address.rpartition("/")[2].removesuffix(".ics"), "a feed's secret")
    asked = place.http.build_request("GET", place.state.urls["appointments"] + address)
    answer = await place.send(asked)
    assert (answer.status_code, "BEGIN:VEVENT" in answer.text) == (200, True), answer.text
    await place.post(*staff, f"{path}/revoke")
    assert (await place.send(asked)).status_code == 404
