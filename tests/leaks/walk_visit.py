"""The day of a visit: in, seen, and out; who comes without one; who is no patient."""

from tests.leaks.walk import Body, Person, Walk
from tests.leaks.walk_book import VISITS

DESK, NURSE = ("front_desk", "appointments"), ("nurse", "appointments")
VISIT = f"{VISITS}/{{appointment_id}}"
PAPER = {"code": "identity_document"}


async def does(walk: Walk, person: Person, verb: str, body: Body | None = None) -> Body:
    """Something happens to a visit."""
    return await walk.place.post(*NURSE, f"{VISITS}/{person.visit}/{verb}", body)


async def says_why(walk: Walk, person: Person, verb: str, role: str = "nurse", **more: str) -> None:
    """Something happens to a visit, for a reason that is told."""
    await walk.make_of(person.ids, role, "appointments", f"{VISIT}/{verb}", **more)


async def come(walk: Walk, person: Person) -> None:
    """In, and out."""
    await does(walk, person, "requirement-checks", PAPER)
    await check_in(walk, person)
    await does(walk, person, "check-out")


async def be_seen(walk: Walk, person: Person) -> None:
    """By each step there is, some taken back; they have no paper, wait, and are moved once."""
    await does(walk, person, "requirement-checks", PAPER)
    await says_why(walk, person, "requirement-checks/withdraw", **PAPER)
    await says_why(walk, person, "waivers", "admin", **PAPER)
    await does(walk, person, "arrive")
    await says_why(walk, person, "undo-arrival")
    await does(walk, person, "arrive")
    await says_why(walk, person, "priority", priority="urgent")
    await check_in(walk, person)
    await says_why(walk, person, "undo-check-in")
    await check_in(walk, person)
    await ask_what_it_costs(walk, person)
    room, other = walk.ids["room_id"], walk.ids["next_room_id"]
    await does(walk, person, "room", {"room_id": room})
    await does(walk, person, "change-room", {"room_id": other})
    await walk.place.post(*NURSE, f"/v1/rooms/{room}/clean")
    for verb in ("with-nurse", "with-provider", "ready", "check-out"):
        await does(walk, person, verb)


async def check_in(walk: Walk, person: Person) -> None:
    """Once the payer's word is there, with reasons to go on without it."""
    told = walk.body("appointments", "POST", f"{VISIT}/check-in", balance_acknowledged=True)
    at = f"{VISITS}/{person.visit}/check-in"
    await walk.place.succeed(*DESK, "POST", at, told, unheard=(404, 409))


async def ask_what_it_costs(walk: Walk, person: Person) -> None:
    """The estimate is made again, once the price is known."""
    at = f"/v1/visits/{person.visit}/estimate"
    await walk.place.succeed("front_desk", "eligibility", "POST", at, unheard=(404, 409))


async def walk_in(walk: Walk, person: Person, number: int) -> None:
    """Somebody without a visit gets one of the day, and it was the wrong one."""
    wish = walk.booking(person, walk.starts(number))
    made = await walk.make(*DESK, "/v1/walk-ins", **wish)
    at = f"{VISITS}/{made['id']}/enter-in-error"
    await walk.make_at(at, "admin", "appointments", f"{VISIT}/enter-in-error")


async def visitor(walk: Walk) -> None:
    """Somebody comes who is no patient, and goes."""
    made = await walk.make_of(walk.ids, *DESK, "/v1/clinics/{clinic_id}/visitors")
    walk.ids["visitor_id"] = made["id"]
    await walk.place.post(*DESK, f"/v1/visitors/{made['id']}/leave")
