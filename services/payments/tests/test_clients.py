"""The card processor's contract, on each of its implementations."""

import asyncio
from collections.abc import Callable
from itertools import count
from pathlib import Path
from uuid import UUID

import pytest

from services.payments.clients import (
    CARDS,
    Book,
    CardProcessor,
    FolderBook,
    IdReused,
    MemoryBook,
    NoAnswer,
    SimulatedProcessor,
    Unreachable,
)
from shared.values.money import Money

THIRTY = Money(3000)
Ids = Callable[[], UUID]


@pytest.fixture
def new_id() -> Ids:
    numbers = count(1)
    return lambda: UUID(int=next(numbers))


@pytest.fixture(params=["memory", "folder"])
def book(request: pytest.FixtureRequest, tmp_path: Path) -> Book:
    return MemoryBook() if request.param == "memory" else FolderBook(tmp_path / "book")


@pytest.fixture
def processor(book: Book) -> CardProcessor:
    return SimulatedProcessor(book, slow_seconds=0)


async def test_a_good_card_is_charged_and_found_again(
    processor: CardProcessor, new_id: Ids
) -> None:
    our_id = new_id()
    answer = await processor.charge(our_id, "sim_ok", THIRTY)
    assert answer.approved
    assert answer.amount == THIRTY
    assert answer.our_id == our_id
    assert answer.approval_code is not None
    assert answer.approval_code.isdigit()
    assert await processor.find(our_id) == answer


async def test_an_id_that_was_never_sent_is_not_found(
    processor: CardProcessor, new_id: Ids
) -> None:
    assert await processor.find(new_id()) is None


async def test_the_same_id_twice_is_charged_once(
    processor: CardProcessor, book: Book, new_id: Ids
) -> None:
    our_id = new_id()
    answers = await asyncio.gather(*(processor.charge(our_id, "sim_ok", THIRTY) for _ in range(20)))
    assert len(set(answers)) == 1
    assert len(book.all()) == 1


async def test_the_same_id_for_something_else_is_refused(
    processor: CardProcessor, new_id: Ids
) -> None:
    our_id = new_id()
    await processor.charge(our_id, "sim_ok", THIRTY)
    with pytest.raises(IdReused):
        await processor.charge(our_id, "sim_ok", Money(3001))
    with pytest.raises(IdReused):
        await processor.refund(our_id, our_id, THIRTY)


@pytest.mark.parametrize(
    ("card", "code"),
    [
        ("sim_declined", "do_not_honor"),
        ("sim_insufficient_funds", "insufficient_funds"),
        ("no such card", "invalid_card"),
    ],
)
async def test_a_declined_card_is_declined_for_good(
    processor: CardProcessor, new_id: Ids, card: str, code: str
) -> None:
    our_id = new_id()
    answer = await processor.charge(our_id, card, THIRTY)
    assert (answer.approved, answer.decline_code, answer.approval_code) == (False, code, None)
    assert await processor.charge(our_id, card, THIRTY) == answer


async def test_a_lost_answer_is_found_and_not_charged_again(
    processor: CardProcessor, book: Book, new_id: Ids
) -> None:
    our_id = new_id()
    with pytest.raises(NoAnswer):
        await processor.charge(our_id, "sim_answer_lost", THIRTY)
    found = await processor.find(our_id)
    assert found is not None
    assert found.approved
    assert await processor.charge(our_id, "sim_answer_lost", THIRTY) == found
    assert len(book.all()) == 1


async def test_a_lost_request_is_not_found_and_may_be_sent_again(
    processor: CardProcessor, new_id: Ids
) -> None:
    our_id = new_id()
    with pytest.raises(NoAnswer):
        await processor.charge(our_id, "sim_request_lost", THIRTY)
    assert await processor.find(our_id) is None
    assert (await processor.charge(our_id, "sim_request_lost", THIRTY)).approved


async def test_an_unreachable_processor_did_nothing(processor: CardProcessor, new_id: Ids) -> None:
    our_id = new_id()
    with pytest.raises(Unreachable):
        await processor.charge(our_id, "sim_unreachable", THIRTY)
    assert await processor.find(our_id) is None


async def test_a_slow_answer_that_is_given_up_on_is_found(book: Book, new_id: Ids) -> None:
    begun = asyncio.Event()

    async def for_ever(_: float) -> None:
        begun.set()
        await asyncio.Event().wait()

    processor = SimulatedProcessor(book, pause=for_ever)
    our_id = new_id()
    asked = asyncio.create_task(processor.charge(our_id, "sim_slow", THIRTY))
    await begun.wait()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    found = await processor.find(our_id)
    assert found is not None
    assert found.approved


async def test_a_slow_card_waits_as_long_as_it_is_told(book: Book, new_id: Ids) -> None:
    waited: list[float] = []

    async def pause(seconds: float) -> None:
        waited.append(seconds)

    processor = SimulatedProcessor(book, slow_seconds=2.5, pause=pause)
    assert (await processor.charge(new_id(), "sim_slow", THIRTY)).approved
    assert waited == [2.5]


async def test_refunds_go_up_to_what_was_charged(processor: CardProcessor, new_id: Ids) -> None:
    charge = new_id()
    await processor.charge(charge, "sim_ok", THIRTY)
    assert (await processor.refund(new_id(), charge, Money(1000))).approved
    last = new_id()
    assert (await processor.refund(last, charge, Money(2000))).approved
    assert (await processor.refund(last, charge, Money(2000))).approved
    over = await processor.refund(new_id(), charge, Money(1))
    assert (over.approved, over.decline_code) == (False, "amount_too_large")


async def test_of_two_refunds_at_once_only_what_fits_is_given(
    processor: CardProcessor, new_id: Ids
) -> None:
    charge = new_id()
    await processor.charge(charge, "sim_ok", THIRTY)
    answers = await asyncio.gather(
        *(processor.refund(new_id(), charge, Money(2000)) for _ in range(8))
    )
    assert sum(answer.approved for answer in answers) == 1


@pytest.mark.parametrize("card", ["sim_declined", "no such card"])
async def test_what_was_not_charged_is_not_refunded(
    processor: CardProcessor, new_id: Ids, card: str
) -> None:
    charge = new_id()
    await processor.charge(charge, card, THIRTY)
    for refund_of in (charge, new_id()):
        answer = await processor.refund(new_id(), refund_of, Money(1))
        assert (answer.approved, answer.decline_code) == (False, "unknown_charge")


async def test_a_refund_is_not_refunded(processor: CardProcessor, new_id: Ids) -> None:
    charge, refund = new_id(), new_id()
    await processor.charge(charge, "sim_ok", THIRTY)
    await processor.refund(refund, charge, Money(1000))
    assert not (await processor.refund(new_id(), refund, Money(1))).approved


async def test_trouble_may_wait_for_the_refund(processor: CardProcessor, new_id: Ids) -> None:
    charge, refund = new_id(), new_id()
    assert (await processor.charge(charge, "sim_refund_answer_lost", THIRTY)).approved
    with pytest.raises(NoAnswer):
        await processor.refund(refund, charge, THIRTY)
    found = await processor.find(refund)
    assert found is not None
    assert found.approved
    other = new_id()
    assert (await processor.charge(other, "sim_refund_declined", THIRTY)).approved
    assert not (await processor.refund(new_id(), other, THIRTY)).approved


async def test_a_folder_is_shared_and_outlives_the_processor(tmp_path: Path, new_id: Ids) -> None:
    our_id = new_id()
    with pytest.raises(NoAnswer):
        await SimulatedProcessor(FolderBook(tmp_path)).charge(our_id, "sim_answer_lost", THIRTY)
    found = await SimulatedProcessor(FolderBook(tmp_path)).find(our_id)
    assert found is not None
    assert found.approved
    assert len(FolderBook(tmp_path).all()) == 1


def test_every_kind_of_trouble_has_a_card() -> None:
    for trouble in ("slow", "answer_lost", "request_lost", "unreachable", "decline_code"):
        assert any(getattr(card, trouble) for card in CARDS.values()), trouble
