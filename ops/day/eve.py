"""The day before: people are registered, covered and booked; some are moved or called off."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

from ops.day.desk import DayFailed, Desk
from ops.day.plan import Course, Cover, Visit
from ops.day.story import CLOSES, OPENS, Place, Played, Story, local

MEMBER_PREFIX = {Cover.ACTIVE: "ACT", Cover.INACTIVE: "INA", Cover.UNANSWERED: "SIL"}
CONSENTS = ("treatment", "privacy_notice")
TEXT_VERSION = "2026-01"


async def play(desk: Desk, story: Story) -> None:
    """Play the day before for every visit that is not a walk-in."""
    ahead = [p for p in story.played if p.visit.course is not Course.WALK_IN]
    await asyncio.gather(*(register(desk, story, played) for played in ahead))
    by_provider: dict[str, list[Played]] = {}
    for played in ahead:
        by_provider.setdefault(story.provider_of(played), []).append(played)
    await asyncio.gather(
        *(_book_all(desk, story, provider, found) for provider, found in by_provider.items())
    )
    await asyncio.gather(*(_before_the_day(desk, story, played) for played in ahead))


async def register(desk: Desk, story: Story, played: Played) -> None:
    """Register a person; with what makes them known, where they are, and their cover."""
    played.patient_id = await _register(desk, story, played.visit)
    if played.visit.person.known:
        await go_through(desk, played.patient_id)
        await consent(desk, played.patient_id)
    await cover(desk, story, played)


async def _register(desk: Desk, story: Story, visit: Visit) -> str:
    person = visit.person
    body: dict[str, Any] = {
        "name": {"family": person.family, "given": person.given},
        "birth_date": person.birth_date.isoformat(),
        "phones": [{"number": person.phone, "use": "mobile"}],
        "addresses": [
            {
                "lines": [f"{100 + person.number} Cedar Street"],
                "city": "Denver",
                "state": "CO",
                "postal_code": "80202",
            }
        ],
    }
    answer = await desk.ask(
        "front_desk", "patients", "POST", "/v1/patients", step="register", json=body,
        accept=(201, 409),
    )  # fmt: skip
    if answer.status_code == 409:
        story.notes["registered although somebody is alike"] += 1
        body["override_reason"] = "Asked: another person of a like name"
        answer = await desk.ask(
            "front_desk", "patients", "POST", "/v1/patients", step="register", json=body
        )
    return str(answer.json()["id"])


async def go_through(desk: Desk, patient_id: str) -> None:
    """Go through the demographics with the person."""
    asked = await desk.get(
        "front_desk", "patients", f"/v1/patients/{patient_id}/verifications", step="verify"
    )
    fields = [f["field"] for f in asked["fields"] if f["asked"]]
    await desk.post(
        "front_desk",
        "patients",
        f"/v1/patients/{patient_id}/verifications",
        {"fields": [{"field": name, "outcome": "confirmed"} for name in fields]},
        step="verify",
    )


async def consent(desk: Desk, patient_id: str) -> None:
    """Let the person sign what a visit needs."""
    for kind in CONSENTS:
        await desk.post(
            "front_desk",
            "patients",
            f"/v1/patients/{patient_id}/consents",
            {"kind": kind, "text_version": TEXT_VERSION},
            step="consent",
        )


async def cover(desk: Desk, story: Story, played: Played) -> None:
    """Enter the card, or that the person pays themselves."""
    person = played.visit.person
    if person.cover is Cover.SELF_PAY:
        path = f"/v1/patients/{played.patient_id}/self-pay"
        await desk.post("front_desk", "eligibility", path, {}, step="self-pay")
        return
    body = {
        "patient_id": played.patient_id,
        "payer_id": story.payer_id,
        "order": "primary",
        "member_id": f"{MEMBER_PREFIX[person.cover]}{100000 + person.number}",
        "subscriber": {
            "family_name": person.family,
            "given_name": person.given,
            "birth_date": person.birth_date.isoformat(),
        },
        "relationship": "self",
        "effective_from": "2026-01-01",
    }
    made = await desk.post("front_desk", "eligibility", "/v1/coverages", body, step="coverage")
    played.coverage_id = made["id"]


async def _book_all(desk: Desk, story: Story, provider: str, visits: list[Played]) -> None:
    """Book a provider's visits one after the other, each at the first time that is offered."""
    for played in sorted(visits, key=lambda p: p.visit.order):
        place = story.place_of(played)
        slot = await first_slot(
            desk, story, place, provider, local(place, OPENS), local(place, CLOSES)
        )
        await book(desk, story, played, slot)


async def first_slot(
    desk: Desk, story: Story, place: Place, provider: str, since: datetime, until: datetime
) -> dict[str, Any]:
    """The first time that a provider can be booked. Raises DayFailed where there is none."""
    found = await desk.get(
        "front_desk",
        "appointments",
        "/v1/availability",
        step="availability",
        appointment_type_id=story.type_id,
        clinic_id=place.clinic_id,
        provider_id=provider,
        since=since.isoformat(),
        until=until.isoformat(),
        grid_minutes=5,
        limit=1,
    )
    if not found["slots"]:
        raise DayFailed(f"no time is free with {provider}: {found['empty']}")
    slot: dict[str, Any] = found["slots"][0]
    return slot


async def book(
    desk: Desk, story: Story, played: Played, slot: dict[str, Any], *, walk_in: bool = False
) -> None:
    """Book a visit at a slot."""
    body = {
        "patient_id": played.patient_id,
        "clinic_id": slot["clinic_id"],
        "provider_id": slot["provider_id"],
        "appointment_type_id": story.type_id,
        "starts_at": slot["starts_at"],
        "walk_in": walk_in,
    }
    made = await desk.post("front_desk", "appointments", "/v1/appointments", body, step="book")
    _take(played, made)
    played.outcome = "booked"


async def _before_the_day(desk: Desk, story: Story, played: Played) -> None:
    visit, path = played.visit, f"/v1/appointments/{played.appointment_id}"
    if visit.confirms:
        made = await desk.post("front_desk", "appointments", f"{path}/confirm", step="confirm")
        _take(played, made)
    if visit.course is Course.CANCELLED:
        body = {"reason": "patient_request"}
        made = await desk.post(
            "front_desk", "appointments", f"{path}/cancel", body, step="cancel",
            version=played.version,
        )  # fmt: skip
        played.outcome = "cancelled"
        story.notes["cancelled late" if made["late_cancel"] else "cancelled in time"] += 1
    if visit.course is Course.MOVED_AND_KEPT:
        await _move(desk, story, played)


async def _move(desk: Desk, story: Story, played: Played) -> None:
    """Move a visit to the end of its provider's day; somebody else may be quicker."""
    place = story.place_of(played)
    last = local(place, 15)
    for _ in range(5):
        slot = await first_slot(
            desk, story, place, story.provider_of(played), last, local(place, CLOSES)
        )
        body = {"starts_at": slot["starts_at"], "reason": "patient_request"}
        answer = await desk.ask(
            "front_desk", "appointments", "POST",
            f"/v1/appointments/{played.appointment_id}/reschedule", step="reschedule",
            version=played.version, json=body, accept=(200, 409),
        )  # fmt: skip
        if answer.status_code == 200:
            _take(played, answer.json())
            return
    raise DayFailed("a visit could not be moved")


def _take(played: Played, made: dict[str, Any]) -> None:
    played.appointment_id = made["id"]
    played.version = made["version"]
    played.starts_at = datetime.fromisoformat(made["starts_at"])
    played.ends_at = datetime.fromisoformat(made["ends_at"])


def early(played: Played) -> datetime:
    """When the patient comes: ten minutes before the visit."""
    if played.starts_at is None:
        raise DayFailed("a visit has no time")
    return played.starts_at - timedelta(minutes=10)
