"""The book: visits, holds, groups, visits that repeat, who waits for a time, what is in the way.

Each has days of its own, so that all of it can be done at once.
"""

from datetime import datetime, timedelta
from typing import Any

from tests.faults.town import until
from tests.leaks.walk import Body, Person, Walk

DESK = ("front_desk", "appointments")
VISITS = "/v1/appointments"


async def booked(walk: Walk, person: Person, starts: datetime) -> Body:
    """A visit as it is made."""
    return await walk.make(*DESK, VISITS, **walk.booking(person, starts))


async def book(walk: Walk, person: Person, number: int) -> str:
    """A visit of the day is asked for, booked, moved, and confirmed."""
    starts = walk.starts(number)
    await walk.make(*DESK, f"{VISITS}/explain", **walk.booking(person, starts))
    made = await booked(walk, person, starts + timedelta(days=1))
    visit: str = made["id"]
    moved = walk.body(
        *("appointments", "POST", f"{VISITS}/{{appointment_id}}/reschedule"),
        **{"starts_at": starts.isoformat(), "reason": "patient_request"},
    )
    path = f"{VISITS}/{visit}"
    await walk.place.post(*DESK, f"{path}/reschedule", moved, version=made["version"])
    await walk.place.post(*DESK, f"{path}/confirm")
    person.ids["appointment_id"] = visit
    return visit


async def called_off(walk: Walk, visit: str, **more: Any) -> None:
    """A visit is called off by who has it."""
    found = await walk.place.get(*DESK, f"{VISITS}/{visit}")
    why = {"reason": "patient_request", **more}
    await walk.place.post(*DESK, f"{VISITS}/{visit}/cancel", why, version=found["version"])


async def hold(walk: Walk, person: Person) -> None:
    """One time is held for longer and given back, another becomes a visit."""
    place, path = walk.place, "/v1/holds"
    made = await walk.make(*DESK, path, **walk.booking(person, walk.at(2, 0), ttl_minutes=10))
    person.ids["hold_id"] = made["id"]
    await place.post(*DESK, f"{path}/{made['id']}/extend", {"ttl_minutes": 20})
    await place.post(*DESK, f"{path}/{made['id']}/release")
    wish = walk.booking(person, walk.at(2, 1))
    made = await walk.make(*DESK, path, **wish, ttl_minutes=10)
    await walk.make(*DESK, VISITS, **wish, hold_id=made["id"])


async def meet(walk: Walk, people: list[Person]) -> None:
    """A group is opened, its seats are taken, it moves, and is called off."""
    place, path = walk.place, "/v1/sessions"
    made = await place.post(*DESK, path, walk.booking(None, walk.at(2, 4), seats=4))
    ids = {"session_id": made["id"]}
    for person in people:
        person.ids |= ids
        seat = f"{path}/{{session_id}}/seats"
        await walk.make_of(ids, *DESK, seat, patient_id=person.patient)
    later = {"starts_at": walk.at(2, 6).isoformat(), "reason": "clinic_request"}
    at = f"{path}/{made['id']}"
    moved = await place.post(*DESK, f"{at}/move", later, version=made["version"])
    off = {"reason": "provider_unavailable"}
    await place.post(*DESK, f"{at}/cancel", off, version=moved["version"])


async def repeat(walk: Walk, person: Person) -> None:
    """Four weeks: from the third on an hour later, the last called off."""
    place, path = walk.place, "/v1/series"
    wish = walk.booking(person, walk.at(6, 2), rrule="FREQ=WEEKLY;COUNT=4")
    made = await place.post(*DESK, path, wish)
    person.ids["series_id"] = made["id"]
    path, why = f"{path}/{made['id']}", {"reason": "patient_request"}
    later = {"starts_at": walk.at(20, 3).isoformat(), "occurrence": 3, "scope": "following"}
    await place.post(*DESK, f"{path}/reschedule", later | why)
    await place.post(*DESK, f"{path}/cancel", {"occurrence": 4, "scope": "this"} | why)


async def wait(walk: Walk, first: Person, second: Person) -> None:
    """A visit is called off: who is more urgent declines its time and waits no longer, the other
    takes it."""
    place, path, starts = walk.place, "/v1/waitlist", walk.at(8, 1)
    visit = (await booked(walk, second, starts))["id"]
    # For this time alone: what else becomes free is not held for them.
    day = {"earliest": starts.date().isoformat(), "latest": starts.date().isoformat()}
    wish = {**day, **{name: walk.ids[name] for name in ("clinic_id", "appointment_type_id")}}
    for person, priority in ((first, "high"), (second, "normal")):
        made = await walk.make(*(*DESK, path), **wish, patient_id=person.patient, priority=priority)
        person.ids["entry_id"] = made["id"]
        entry = f"{path}/{{entry_id}}"
        changed = walk.body("appointments", "PATCH", entry)
        await walk.change(person.ids, *DESK, "PATCH", entry, changed, version=made["version"])
    await called_off(walk, visit)
    for person, answer in ((first, "decline"), (second, "accept")):
        offer = await _offered(walk, person)
        person.ids["offer_id"] = offer
        await place.post(*DESK, f"/v1/waitlist-offers/{offer}/{answer}")
    await place.post(*DESK, f"{path}/{first.ids['entry_id']}/withdraw")


async def _offered(walk: Walk, person: Person) -> str:
    path = "/v1/waitlist-offers"
    found = await until(
        lambda: walk.place.get(*DESK, path, patient_id=person.patient),
        lambda offers: any(offer["state"] == "made" for offer in offers["items"]),
        "an offer",
    )
    (offer,) = found["items"]
    return str(offer["id"])


async def block(walk: Walk, person: Person) -> None:
    """A meeting is in the way of a visit, which moves out of it; then there is none after all."""
    place, path, starts = walk.place, "/v1/blocks", walk.at(9, 1)
    visit = await booked(walk, person, starts)
    meeting = {
        **{"clinic_id": walk.ids["clinic_id"], "kind": "meeting"},
        **{"starts_at": starts.isoformat(), "ends_at": walk.at(9, 2).isoformat()},
        "provider_ids": [walk.ids["provider_id"]],
    }
    await walk.make(*DESK, f"{path}/preview", **meeting)
    made = await walk.make(*DESK, path, **meeting, on_visits="propose")
    key = walk.ids["block_id"] = made["block"]["id"]
    move = {"appointment_id": visit["id"], "starts_at": walk.at(9, 3).isoformat()}
    report = await place.post(*DESK, f"{path}/{key}/rebook", {"moves": [move]})
    assert report["stay"] == 0, report
    await place.post(*DESK, f"{path}/{key}/lift")


async def ask(walk: Walk, person: Person) -> None:
    """Three times are asked for: one is refused, one taken back, and one becomes a visit."""
    place, path, starts = walk.place, "/v1/appointment-requests", walk.at(13, 1)
    wish = walk.booking(person, starts)
    del wish["starts_at"]
    ends = {
        "decline": {"reason": "no_time_free"},
        "withdraw": {},
        "accept": {"starts_at": starts.isoformat()},
    }
    for verb, answer in ends.items():
        made = await walk.make(*DESK, path, **wish, wished=[starts.isoformat()])
        person.ids["request_id"] = made["id"]
        await place.post(*DESK, f"{path}/{made['id']}/{verb}", answer)
