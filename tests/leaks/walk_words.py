"""What a clinic says to people: a reminder, an answer that nobody can read, and a call."""

import re
from uuid import UUID

from tests.faults.town import until
from tests.leaks.sinks import messages
from tests.leaks.walk import Person, Walk
from tests.leaks.walk_book import booked

DESK = ("front_desk", "appointments")
_CODE = re.compile(r"reply YES ([0-9A-Z]{12})", re.IGNORECASE)


async def agree(walk: Walk, person: Person) -> None:
    """Somebody lets messages in, and has a visit that they will be reminded of on the day."""
    consent = {"kind": "messages", "text_version": "2026-01"}
    path = f"/v1/patients/{person.patient}/consents"
    await walk.place.post("front_desk", "patients", path, consent)
    visit = await booked(walk, person, walk.at(1, 0))
    person.ids["reminded_id"] = visit["id"]


async def answer(walk: Walk, person: Person) -> None:
    """The reminder comes, with a code that is a canary as well; they say what nobody can read, so
    that somebody has to call."""
    place, visit = walk.place, person.ids["reminded_id"]

    async def look() -> list[str]:
        return _CODE.findall(messages(place).decode())

    (code,) = await until(look, bool, "a reminder")
    walk.mint.keep(code, "a reminder's code")
    path = "/v1/reminders/replies"
    said = walk.body("appointments", "POST", path, code=code)
    token = place.token("portal", patient=UUID(person.patient))
    told = await place.post("portal", "appointments", path, said, token=token)
    assert told == {"outcome": "to_be_called"}
    calls = await place.get(*DESK, "/v1/calls", clinic_id=walk.ids["clinic_id"])
    (call,) = [each["id"] for each in calls["items"] if each["appointment_id"] == visit]
    walk.ids["call_id"] = call
    for verb, body in (
        ("take", None),
        ("give-back", None),
        ("take", None),
        ("finish", {"outcome": "reached"}),
    ):
        await place.post(*DESK, f"/v1/calls/{call}/{verb}", body)
