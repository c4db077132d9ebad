"""The day itself, ten minutes at a time: people come, are checked in, pay, and go."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

from ops.day import eve
from ops.day.desk import Desk
from ops.day.money import pay, refund
from ops.day.plan import Course, Cover
from ops.day.story import CLOSES, OPENS, Played, Story, local

STEP = timedelta(minutes=10)
GRACE = timedelta(minutes=31)

# The smallest picture there is: one white pixel.
PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010800000000"
    "3a7e9b550000000a49444154789c63f80f00010101001bb6ee560000000049454e44ae426082"
)


async def play(desk: Desk, story: Story) -> None:
    """Play the day until the last visit is over."""
    start = min(local(place, OPENS) for place in story.places) - timedelta(minutes=30)
    end = max(local(place, CLOSES) for place in story.places) + timedelta(hours=1)
    now = start
    while now <= end:
        desk.at(now)
        await asyncio.gather(*(_turn(desk, story, played, now) for played in story.played))
        now += STEP


async def _turn(desk: Desk, story: Story, played: Played, now: datetime) -> None:
    """What happens to one visit in these ten minutes."""
    visit = played.visit
    if visit.course is Course.WALK_IN and played.outcome == "planned":
        if now >= _walks_in_at(story, played):
            await _walk_in(desk, story, played, now)
        return
    if played.starts_at is None or played.ends_at is None:
        return
    if visit.course is Course.NO_SHOW:
        if now >= played.starts_at + GRACE and not played.waited_for_no_show:
            await _nobody_came(desk, played)
    elif played.outcome == "booked" and now >= eve.early(played):
        await _arrive(desk, story, played)
    elif played.outcome == "checked_in" and now >= played.ends_at:
        await _leave(desk, story, played)


def _walks_in_at(story: Story, played: Played) -> datetime:
    hour, part = divmod(played.visit.number * 7 % 40, 6)
    return local(story.place_of(played), OPENS + 1 + hour, part * 10)


async def _walk_in(desk: Desk, story: Story, played: Played, now: datetime) -> None:
    """Somebody comes without an appointment and gets the next free time."""
    place = story.place_of(played)
    await eve.register(desk, story, played)
    for provider in place.provider_ids:
        answer = await desk.get(
            "front_desk", "appointments", "/v1/availability", step="availability",
            appointment_type_id=story.type_id, clinic_id=place.clinic_id, provider_id=provider,
            since=now.isoformat(), until=local(place, CLOSES).isoformat(), grid_minutes=5, limit=1,
        )  # fmt: skip
        if answer["slots"] and await _booked(desk, story, played, answer["slots"][0]):
            return
    played.outcome = "sent_away"
    story.notes["walk-ins for whom no time was free"] += 1


async def _booked(desk: Desk, story: Story, played: Played, slot: dict[str, Any]) -> bool:
    """Whether the slot was still free."""
    body = {
        "patient_id": played.patient_id,
        "clinic_id": slot["clinic_id"],
        "provider_id": slot["provider_id"],
        "appointment_type_id": story.type_id,
        "starts_at": slot["starts_at"],
        "walk_in": True,
    }
    answer = await desk.ask(
        "front_desk", "appointments", "POST", "/v1/appointments", step="book", json=body,
        accept=(201, 409),
    )  # fmt: skip
    if answer.status_code == 409:
        story.notes["slots that somebody else took first"] += 1
        return False
    made = answer.json()
    played.appointment_id, played.version = made["id"], made["version"]
    played.starts_at = datetime.fromisoformat(made["starts_at"])
    played.ends_at = datetime.fromisoformat(made["ends_at"])
    played.outcome = "booked"
    return True


async def _nobody_came(desk: Desk, played: Played) -> None:
    """The service's own clock records it; the player only looks."""
    played.waited_for_no_show = True
    path = f"/v1/appointments/{played.appointment_id}"
    await desk.until(
        lambda: desk.get("front_desk", "appointments", path, step="look"),
        lambda found: bool(found["lifecycle"] == "no_show"),
        "a no-show",
    )
    played.outcome = "no_show"


async def _arrive(desk: Desk, story: Story, played: Played) -> None:
    """Check a patient in: everything that is open is closed first, in front of the person."""
    if played.visit.uploads:
        await _scan_card(desk, played)
    path = f"/v1/appointments/{played.appointment_id}"
    asked = await desk.get("front_desk", "appointments", f"{path}/requirements", step="look")
    open_codes = {item["code"] for item in asked["items"] if item["state"] == "open"}
    if "identity" in open_codes:
        await eve.go_through(desk, played.patient_id)
    if any(code.startswith("consent.") for code in open_codes):
        await eve.consent(desk, played.patient_id)
    await pay(desk, story, played, await _copay(desk, played))
    body: dict[str, Any] = {"balance_acknowledged": True}
    if played.visit.person.cover is Cover.INACTIVE:
        body["self_pay_acknowledged"] = True
    if played.visit.person.cover is Cover.UNANSWERED:
        body["cover_override_reason"] = "The payer does not answer today"
    await _check_in(desk, story, played, body)


async def _check_in(desk: Desk, story: Story, played: Played, body: dict[str, Any]) -> None:
    """Check in. What was settled a moment ago may still be on its way: then once more."""

    async def tried() -> dict[str, Any]:
        answer = await desk.ask(
            "front_desk", "appointments", "POST",
            f"/v1/appointments/{played.appointment_id}/check-in", step="check in", json=body,
            accept=(200, 409),
        )  # fmt: skip
        found: dict[str, Any] = answer.json()
        if answer.status_code == 409:
            story.notes["check-ins that had to wait for news"] += 1
        return found

    await desk.until(tried, lambda found: found.get("lifecycle") == "checked_in", "a check-in")
    played.outcome = "checked_in"


async def _copay(desk: Desk, played: Played) -> int:
    """What is expected at the desk before the visit, in cents."""
    path = f"/v1/visits/{played.appointment_id}"
    found = await desk.get("front_desk", "payments", path, step="look")
    return int(found["copay_open_cents"])


async def _scan_card(desk: Desk, played: Played) -> None:
    """Scan the insurance card and file it with the visit."""
    picture = PICTURE + b"\x00" * (played.visit.number + 1)
    made = await desk.ask(
        "front_desk", "documents", "POST", "/v1/documents", step="upload",
        files={"file": (f"card-{played.visit.number}.png", picture, "image/png")},
        data={"source": "scan", "document_class": "insurance_card"},
    )  # fmt: skip
    body = {"patient_id": played.patient_id, "appointment_id": played.appointment_id}
    await desk.post(
        "front_desk", "documents", f"/v1/documents/{made.json()['id']}/index", body,
        step="index", version=made.json()["version"],
    )  # fmt: skip


async def _leave(desk: Desk, story: Story, played: Played) -> None:
    """Check a patient out, charge the visit, take what is owed, give a little back to some."""
    path = f"/v1/appointments/{played.appointment_id}/check-out"
    made = await desk.post("front_desk", "appointments", path, step="check out")
    if played.visit.number % 29 == 7:
        body = {"reason": "courtesy"}
        path = f"/v1/visits/{played.appointment_id}/no-charge"
        await desk.post("biller", "payments", path, body, step="no charge")
        story.notes["visits without a charge, for a reason"] += 1
    else:
        code = "V-NEW" if made["new_patient"] else "V-EST"
        lines = {"appointment_id": played.appointment_id, "lines": [{"code": code}]}
        charge = await desk.post("front_desk", "payments", "/v1/charges", lines, step="charge")
        if played.visit.person.cover in (Cover.SELF_PAY, Cover.INACTIVE):
            await pay(desk, story, played, int(charge["open_cents"]))
    if played.visit.refund:
        await refund(desk, story, played)
    played.outcome = "fulfilled"
