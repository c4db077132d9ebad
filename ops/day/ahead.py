"""What lies ahead of the day: holidays of each clinic, and visits on either side of the night in
which the clocks of both zones change."""

import asyncio
from datetime import date, timedelta
from typing import Any

from ops.day.desk import DayFailed, Desk
from ops.day.eve import first_slot
from ops.day.plan import Cover
from ops.day.story import DATE, Place, Played, Story, local

SATURDAY = date(2027, 3, 13)
"""The last day before summer time."""
SUNDAY = SATURDAY + timedelta(days=1)
CHRISTMAS = {"day": "2026-12-25", "name": "Christmas Day"}
HOLIDAYS: tuple[tuple[dict[str, str], ...], ...] = (
    (
        {"day": "2026-12-24", "name": "Christmas Eve", "opens": "08:00:00", "closes": "12:00:00"},
        CHRISTMAS,
        {"day": "2027-01-01", "name": "New Year's Day"},
    ),
    (CHRISTMAS, {"day": "2027-03-15", "name": "Staff training"}),
)
"""Of each clinic. The second is closed on the Monday after the change as well."""


async def enter_holidays(desk: Desk, story: Story) -> None:
    """Enter each clinic's hours and holidays."""
    week = [{"weekday": n, "opens": "07:00:00", "closes": "19:00:00"} for n in range(1, 7)]
    for place, holidays in zip(story.places, HOLIDAYS, strict=True):
        path = f"/v1/clinics/{place.clinic_id}/hours"
        was = await desk.get("admin", "appointments", path, step="hours")
        body = {"hours": week, "holidays": list(holidays)}
        await desk.ask(
            "admin", "appointments", "PUT", path, step="hours", json=body, version=was["version"]
        )


async def play(desk: Desk, story: Story) -> None:
    """For a patient of each provider book the last visit before the clocks change, and the first
    one after; ask for a visit on each day on which a clinic is closed, which is refused."""
    for number, place in enumerate(story.places):
        mine = [p for p in story.played if p.visit.clinic == number and p.patient_id]
        # A payer that does not answer is waited for; there are enough of them on the day.
        mine.sort(key=lambda p: p.visit.person.cover is Cover.UNANSWERED)
        await _refused_on_holidays(desk, story, place, mine[0], HOLIDAYS[number])
        of_provider = {story.provider_of(played): played for played in reversed(mine)}
        await asyncio.gather(
            *(_either_side(desk, story, place, *pair) for pair in of_provider.items())
        )


async def _either_side(
    desk: Desk, story: Story, place: Place, provider: str, played: Played
) -> None:
    for first, days in ((SATURDAY, 1), (SUNDAY, 4)):
        ahead = (first - DATE).days
        since, until = (local(place, 0, days=ahead + n) for n in (0, days))
        slot = await first_slot(desk, story, place, provider, since, until)
        body = _booking(story, place, provider, played, slot["starts_at"])
        await desk.post("front_desk", "appointments", "/v1/appointments", body, step="book")
        story.ahead += 1


async def _refused_on_holidays(
    desk: Desk, story: Story, place: Place, played: Played, holidays: tuple[dict[str, str], ...]
) -> None:
    for holiday in holidays:
        # On a day with short hours in the afternoon.
        hour = 13 if "opens" in holiday else 10
        at = local(place, hour, days=(date.fromisoformat(holiday["day"]) - DATE).days)
        provider = place.provider_ids[0]
        body = _booking(story, place, provider, played, at.isoformat())
        answer = await desk.ask(
            "front_desk", "appointments", "POST", "/v1/appointments", step="book", json=body,
            accept=(409,),
        )  # fmt: skip
        if answer.json()["code"] != "clinic.closed":
            raise DayFailed(f"a visit on a holiday was refused for {answer.json()['code']}")
        story.notes["visits refused on holidays"] += 1


def _booking(
    story: Story, place: Place, provider: str, played: Played, starts_at: str
) -> dict[str, Any]:
    return {
        "patient_id": played.patient_id,
        "clinic_id": place.clinic_id,
        "provider_id": provider,
        "appointment_type_id": story.type_id,
        "starts_at": starts_at,
    }
