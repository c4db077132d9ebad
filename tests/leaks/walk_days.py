"""The days of a clinic: who comes on which, and what happens to them one after the other."""

import asyncio
from datetime import timedelta

from tests.leaks import walk_book, walk_clinic, walk_money, walk_people, walk_visit, walk_words
from tests.leaks.walk import DAY, Person, Walk
from tests.leaks.walk_book import VISITS

METHODS = ("check", "card", "cash")


async def eve(walk: Walk, number: int, prefix: str) -> Person:
    """Somebody of a number is registered, covered and booked."""
    person = await walk_people.register(walk, "death_date")
    await walk_people.known(walk, person)
    await walk_people.emergency(walk, person)
    await walk_people.acted_for(walk, person)
    await walk_people.cover(walk, person, prefix)
    if prefix == "ACT":
        await walk_people.ask_payer(walk, person)
    await walk_book.book(walk, person, number)
    if prefix == "INA":
        wish = {"appointment_id": person.visit}
        path = f"/v1/patients/{person.patient}/self-pay"
        await walk.place.post("front_desk", "eligibility", path, wish)
    return person


async def the_book(walk: Walk, people: list[Person]) -> None:
    """What else is booked, for later."""
    first, second, third = people[:3]
    await asyncio.gather(
        walk_book.hold(walk, first),
        walk_book.meet(walk, [first, second]),
        walk_book.repeat(walk, first),
        walk_book.wait(walk, first, second),
        walk_book.block(walk, third),
        walk_book.ask(walk, second),
        walk_words.agree(walk, second),
    )
    await walk_clinic.subscribed(walk)


async def day(walk: Walk, number: int, person: Person) -> None:
    """They come, and pay in each way; of every other one nothing is charged."""
    for method in METHODS[: 1 + number % 3]:
        await walk_money.pay(walk, person, method)
    await walk_money.scan(walk, person)
    await (walk_visit.come if number else walk_visit.be_seen)(walk, person)
    if number % 2:
        await walk_money.unfile(walk, person)
        await walk_money.charge(walk, person)
    else:
        await walk_money.charge_nothing(walk, person)


async def at_the_desk(walk: Walk, person: Person, number: int) -> None:
    """Who comes besides those who are expected."""
    await walk_visit.visitor(walk)
    await walk_visit.walk_in(walk, person, number)


async def not_coming(walk: Walk, number: int) -> None:
    """Somebody calls off one visit, comes late to the next after all, and takes much of what they
    said back."""
    place, desk = walk.place, walk_book.DESK
    person = await eve(walk, number, "ACT")
    await walk_book.called_off(walk, person.visit, frees_slot=False)
    await place.post(*desk, f"{VISITS}/{person.visit}/free-slot")
    late = await walk_book.book(walk, person, number)
    await place.post(*desk, f"{VISITS}/{late}/decline")
    place.clock.set(walk.starts(number) + timedelta(minutes=1))
    await place.post(*desk, f"{VISITS}/{late}/no-show")
    await place.post(*desk, f"{VISITS}/{late}/came-late")
    path, ids = f"/v1/patients/{person.patient}", person.ids
    clerk = walk_people.DESK
    await place.post(*clerk, f"{path}/consents/{ids['consent_id']}/revoke", {})
    await place.post(*clerk, f"{path}/contacts/{ids['contact_id']}/end", {})
    await place.post(
        *("front_desk", "eligibility", f"/v1/coverages/{ids['coverage_id']}/terminate"),
        {"effective_to": DAY.date().isoformat()},
    )
