"""Two processes of a service settle at the same time: each thing is done once."""

from typing import Any
from uuid import UUID

from shared.bus import parked, settle
from shared.bus.settle import Settler
from shared.bus.tests.company import TOPIC, Company, ThingChanged, said
from shared.bus.tests.test_consumer import heard, running
from shared.values.ids import new_id

POISON = 987123654


def settler(company: Company) -> Settler:
    """Of one process."""
    return Settler(company.beta, company.clock, company.subscriptions, lambda: 0.0)


async def two_poisons(company: Company, network_id: UUID, thing_id: UUID) -> None:
    """A key whose second and third event fail, with a follower."""
    company.poisons = {POISON}
    values = (1, POISON, POISON, 4)
    await company.append(*(said(network_id, thing_id, n, v) for n, v in enumerate(values, 1)))
    async with running(company.consumer()):
        await heard(company)


async def asked(
    company: Company, thing_id: UUID, verb: parked.Verb, edited: bytes | None = None
) -> Any:
    """What an operator asks, as each process reads it before either has begun."""
    async with company.beta.raw("worker") as raw:
        key = await parked.find(raw, f"thing/{thing_id}")
        await parked.ask(raw, key, verb, who="ann", why="lost", edited=edited)
        (row,) = await raw.fetch(settle._ASKED)
    return row


async def test_a_skip_seen_by_two_processes_skips_one_event(company: Company) -> None:
    """The second does not take the next event for the one that was meant."""
    network_id, thing_id = new_id(), new_id()
    await two_poisons(company, network_id, thing_id)
    row = await asked(company, thing_id, "skip")
    await settler(company)._do(row)
    await settler(company)._do(row)
    assert await company.parked() == {f"thing/{thing_id}": ("poison", "thing.poison", [3, 4])}


async def test_an_edit_seen_by_two_processes_edits_one_event(company: Company) -> None:
    """Nor does the next event get the data that was meant for the first."""
    network_id, thing_id = new_id(), new_id()
    await two_poisons(company, network_id, thing_id)
    good = ThingChanged(thing_id=thing_id, value=2).model_dump_json().encode()
    row = await asked(company, thing_id, "edit", good)
    await settler(company)._do(row)
    await settler(company)._do(row)
    assert await company.values(thing_id) == [1, 2]
    assert await company.parked() == {f"thing/{thing_id}": ("poison", "thing.poison", [3, 4])}


async def test_a_failure_heard_of_late_does_not_park_what_another_has_applied(
    company: Company,
) -> None:
    """Else the key waits for an event that nobody holds, and no retry ends it."""
    network_id, thing_id = new_id(), new_id()
    await two_poisons(company, network_id, thing_id)
    late = settler(company)
    delivery = await late._head(network_id, (TOPIC, f"thing/{thing_id}"))
    assert delivery is not None
    company.poisons = set()
    await settler(company).replay(network_id, delivery.key)
    await late._fails(network_id, delivery, "permanent", "thing.poison")
    assert await company.parked() == {}
    assert await company.values(thing_id) == [1, POISON, POISON, 4]
