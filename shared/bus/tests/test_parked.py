"""Retry and skip, asked by an operator and done by the service's worker."""

import asyncio
from uuid import UUID

import pytest

from shared.bus import parked
from shared.bus.tests.company import TOPIC, Company, ThingChanged, said, until
from shared.bus.tests.test_consumer import heard, running
from shared.db.work import Work
from shared.values.errors import Invalid, NotFound
from shared.values.ids import new_id


async def ask(
    company: Company, thing_id: UUID, verb: parked.Verb, edited: bytes | None = None
) -> str:
    """Ask and wait for the outcome."""
    async with company.beta.raw("worker") as raw:
        key = await parked.find(raw, f"thing/{thing_id}")
        why = "the cause is mended"
        action = await parked.ask(raw, key, verb, who="ann", why=why, edited=edited)

        async def done() -> bool:
            return await parked.outcome(raw, key.network_id, action) is not None

        await until(done)
        return str(await parked.outcome(raw, key.network_id, action))


async def poisoned(company: Company, network_id: UUID, thing_id: UUID) -> None:
    """A key whose second event fails, with two followers."""
    company.poisons = {987123654}
    values = (1, 987123654, 3, 4)
    await company.append(
        *(said(network_id, thing_id, seq, value) for seq, value in enumerate(values, 1))
    )


async def test_a_retry_after_the_cause_is_mended_applies_all_in_order(company: Company) -> None:
    """And what comes meanwhile does not overtake."""
    network_id, thing_id = new_id(), new_id()
    await poisoned(company, network_id, thing_id)
    async with running(company.consumer()):
        await heard(company)
        company.poisons = set()
        await company.append(said(network_id, thing_id, 5, 5))
        assert await ask(company, thing_id, "retry") in {"applied 3", "applied 4"}
        await company.append(said(network_id, thing_id, 6, 6))

        async def all_six() -> bool:
            return await company.values(thing_id) == [1, 987123654, 3, 4, 5, 6]

        await until(all_six)
    assert await company.parked() == {}
    done = await company.beta_super.fetch("SELECT who, why, done_at FROM operator_action")
    assert [(r["who"], r["why"], r["done_at"] is None) for r in done] == [
        ("ann", "the cause is mended", False)
    ]


async def test_a_retry_that_fails_again_keeps_everything_parked(company: Company) -> None:
    """The outcome says so, with a code and no value."""
    network_id, thing_id = new_id(), new_id()
    await poisoned(company, network_id, thing_id)
    async with running(company.consumer()):
        await heard(company)
        assert await ask(company, thing_id, "retry") == "fails: thing.poison"
    assert await company.parked() == {f"thing/{thing_id}": ("poison", "thing.poison", [2, 3, 4])}
    assert await company.values(thing_id) == [1]


async def test_a_skip_gives_the_first_event_up_and_applies_the_rest(company: Company) -> None:
    """The event leaves no effect; its number counts as heard."""
    network_id, thing_id = new_id(), new_id()
    await poisoned(company, network_id, thing_id)
    async with running(company.consumer()):
        await heard(company)
        assert await ask(company, thing_id, "skip") == "skipped 2, then applied 2"
        await company.append(
            said(network_id, thing_id, 2, 987123654), said(network_id, thing_id, 5, 5)
        )
        await heard(company)
    assert await company.values(thing_id) == [1, 3, 4, 5]
    assert await company.parked() == {}


async def test_an_edit_gives_the_failing_event_other_data_and_applies_the_rest(
    company: Company,
) -> None:
    """It has an id of its own; what it was, who changed it and why is kept."""
    network_id, thing_id = new_id(), new_id()
    await poisoned(company, network_id, thing_id)
    async with running(company.consumer()):
        await heard(company)
        good = ThingChanged(thing_id=thing_id, value=2).model_dump_json().encode()
        assert await ask(company, thing_id, "edit", good) == "edited, then applied 3"
    assert await company.values(thing_id) == [1, 2, 3, 4]
    assert await company.parked() == {}
    (row,) = await company.beta_super.fetch("SELECT * FROM operator_action")
    assert (row["who"], row["edited"]) == ("ann", good)
    assert b"987123654" in row["before_value"]
    old_id = dict(zip(row["before_headers"][::2], row["before_headers"][1::2], strict=True))[
        "ce_id"
    ]
    effects = {e["seq"]: str(e["event_id"]) for e in await company.effects()}
    assert effects[2] == str(row["id"]) != old_id


@pytest.mark.parametrize("value", [b"", b"not json", b'{"value": 2}', b'{"value": "2"}'])
async def test_an_edit_that_could_not_be_read_changes_nothing(
    company: Company, value: bytes
) -> None:
    """And one without a value is no edit."""
    network_id, thing_id = new_id(), new_id()
    await poisoned(company, network_id, thing_id)
    async with running(company.consumer()):
        await heard(company)
        outcome = await ask(company, thing_id, "edit", value)
    assert outcome == "refused: it could not be read like this"
    assert await company.values(thing_id) == [1]
    assert await company.parked() == {f"thing/{thing_id}": ("poison", "thing.poison", [2, 3, 4])}
    async with company.beta.raw("worker") as raw:
        key = await parked.find(raw, f"thing/{thing_id}")
        with pytest.raises(Invalid):
            await parked.ask(raw, key, "edit", who="ann", why="x")
        with pytest.raises(Invalid):
            await parked.ask(raw, key, "skip", who="ann", why="x", edited=value)


async def test_a_key_that_waits_for_a_missing_event_has_nothing_to_edit(company: Company) -> None:
    """The first that is held is not the one that fails."""
    network_id, thing_id = new_id(), new_id()
    await company.append(said(network_id, thing_id, 3, 3))
    async with running(company.consumer()):
        await heard(company)
        good = ThingChanged(thing_id=thing_id, value=2).model_dump_json().encode()
        assert (await ask(company, thing_id, "edit", good)).startswith("refused: it waits")
    assert await company.parked() == {f"thing/{thing_id}": ("hole", "waits for 1", [3])}


async def test_a_skipped_hole_lets_its_followers_go(company: Company) -> None:
    """Where the missing event will never come."""
    network_id, thing_id = new_id(), new_id()
    await company.append(said(network_id, thing_id, 3, 3), said(network_id, thing_id, 4, 4))
    async with running(company.consumer()):
        await heard(company)
        assert await ask(company, thing_id, "skip") == "skipped 1 to 2, then applied 2"
        await company.append(said(network_id, thing_id, 2, 2))
        await heard(company)
    assert await company.values(thing_id) == [3, 4]
    assert await company.applied(thing_id) == 4


async def test_a_missing_event_that_fails_when_it_comes_turns_the_hole_into_a_poison(
    company: Company,
) -> None:
    """The followers go on waiting behind it."""
    network_id, thing_id = new_id(), new_id()
    company.poisons = {987123654}
    await company.append(said(network_id, thing_id, 2, 2), said(network_id, thing_id, 1, 987123654))
    async with running(company.consumer()):
        await heard(company)
    assert await company.parked() == {f"thing/{thing_id}": ("poison", "thing.poison", [1, 2])}


async def test_followers_that_arrive_during_a_retry_do_not_slip_through(company: Company) -> None:
    """The key's lock stands between the last parked event and the first that flows again."""
    network_id, thing_id = new_id(), new_id()
    await poisoned(company, network_id, thing_id)
    async with running(company.consumer()):
        await heard(company)
        company.poisons = set()

        async def arrive() -> None:
            for seq in range(5, 15):
                await company.append(said(network_id, thing_id, seq, seq + 100))
                await asyncio.sleep(0)

        await asyncio.gather(ask(company, thing_id, "retry"), arrive())

        async def whole() -> bool:
            return await company.applied(thing_id) == 14

        await until(whole)
    assert await company.values(thing_id) == [1, 987123654, 3, 4, *range(105, 115)]
    assert await company.parked() == {}


async def test_listing_and_showing_tell_no_value(company: Company) -> None:
    """Kind, code, order and headers are there; of the data the names of its members."""
    network_id, thing_id = new_id(), new_id()
    await poisoned(company, network_id, thing_id)
    async with running(company.consumer()):
        await heard(company)
    async with company.beta.raw("worker") as raw:
        (key,) = await parked.list_parked(raw)
        events, actions = await parked.show(raw, key)
        with pytest.raises(NotFound):
            await parked.find(raw, "thing/unknown")
        with pytest.raises(Invalid):
            await parked.ask(raw, key, "skip", who=" ", why="")
        assert await parked.list_unreadable(raw) == []
    assert (key.network_id, key.topic, key.subject) == (network_id, TOPIC, f"thing/{thing_id}")
    assert (key.kind, key.problem, key.held, key.first_seq) == ("poison", "thing.poison", 3, 2)
    assert [event.seq for event in events] == [2, 3, 4]
    assert events[0].members == ("thing_id", "value")
    assert "987123654" not in repr(events)
    assert actions == []


async def test_the_problem_of_a_parked_key_holds_no_value(company: Company) -> None:
    """A handler that fails with a person's data in its message leaves the error's kind alone."""
    network_id, thing_id = new_id(), new_id()

    async def fail(_work: Work, _value: int) -> None:
        raise ValueError("Jane Roe, born 1980-01-01")

    company.failing = fail
    await company.append(said(network_id, thing_id, 1, 1))
    async with running(company.consumer()):
        await heard(company)
    assert await company.parked() == {f"thing/{thing_id}": ("poison", "ValueError", [1])}
