"""The card processor: the port through which cards are charged and refunded, and a simulated one.

Every call carries OUR id as its idempotency key: asking twice with one id charges once. A call that
ends without an answer (`NoAnswer`, a timeout, a cancellation, a dead process) says nothing about
the money; `find` does. Where `find` knows of nothing, the call may be made again with the same id.
"""

import asyncio
import hashlib
import json
import os
import tempfile
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol
from uuid import UUID

from shared.values.money import Money


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one id. Of the card only its brand and last four digits are known to us.

    reference: the processor's own id. decline_code: why not, where it was not approved.
    """

    our_id: UUID
    approved: bool
    amount: Money
    reference: str
    approval_code: str | None = None
    decline_code: str | None = None
    card_brand: str | None = None
    card_last4: str | None = None


class NoAnswer(Exception):
    """The processor may or may not have done it: ask with `find`."""


class Unreachable(Exception):
    """The processor was not reached: nothing was done, and nothing can be asked now."""


class IdReused(Exception):
    """The id has been used for another amount, card or charge. A fault of ours; never retried."""


class CardProcessor(Protocol):
    """Charges and refunds cards that the processor itself has read."""

    async def charge(self, our_id: UUID, card: str, amount: Money) -> Answer:
        """Charge a card once per `our_id`. card: the processor's opaque token, never a number.

        Raises NoAnswer, Unreachable, IdReused.
        """
        ...

    async def refund(self, our_id: UUID, charge_id: UUID, amount: Money) -> Answer:
        """Give back from a charge, once per `our_id`. charge_id: our id of that charge.

        Declined, not raised, where the charge is unknown or has less left. Raises as `charge`.
        """
        ...

    async def find(self, our_id: UUID) -> Answer | None:
        """What became of an id; None where the processor never heard of it. Raises Unreachable."""
        ...


Record = dict[str, Any]


class Book(Protocol):
    """Where the simulated processor remembers; as durable as what it is kept in."""

    def get(self, our_id: UUID) -> Record | None:
        """The record of an id."""
        ...

    def put(self, our_id: UUID, record: Record) -> Record:
        """Keep the record if the id has none; answers the one that is kept."""
        ...

    def all(self) -> list[Record]:
        """Every record."""
        ...

    def tried(self, our_id: UUID) -> int:
        """Count one more try for an id; answers how many there have been."""
        ...


class MemoryBook:
    """Remembers as long as the process lives."""

    def __init__(self) -> None:
        self._records: dict[UUID, Record] = {}
        self._tries: dict[UUID, int] = {}

    def get(self, our_id: UUID) -> Record | None:
        """As `Book.get`."""
        return self._records.get(our_id)

    def put(self, our_id: UUID, record: Record) -> Record:
        """As `Book.put`."""
        return self._records.setdefault(our_id, record)

    def all(self) -> list[Record]:
        """As `Book.all`."""
        return list(self._records.values())

    def tried(self, our_id: UUID) -> int:
        """As `Book.tried`."""
        self._tries[our_id] = self._tries.get(our_id, 0) + 1
        return self._tries[our_id]


class FolderBook:
    """Remembers in a folder that several processes share and that outlives them: a file an id."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def get(self, our_id: UUID) -> Record | None:
        """As `Book.get`."""
        try:
            return self._read(self._folder / f"{our_id}.json")
        except FileNotFoundError:
            return None

    def put(self, our_id: UUID, record: Record) -> Record:
        """As `Book.put`."""
        kept = self._folder / f"{our_id}.json"
        handle, name = tempfile.mkstemp(dir=self._folder, prefix=".new-")
        try:
            with os.fdopen(handle, "w") as file:
                json.dump(record, file)
                file.flush()
                os.fsync(file.fileno())
            os.link(name, kept)
        except FileExistsError:
            return self._read(kept)
        finally:
            Path(name).unlink()
        return record

    def all(self) -> list[Record]:
        """As `Book.all`."""
        return [self._read(path) for path in sorted(self._folder.glob("*.json"))]

    def tried(self, our_id: UUID) -> int:
        """As `Book.tried`."""
        with (self._folder / f"{our_id}.tries").open("ab") as file:
            file.write(b".")
            file.flush()
            return file.tell()

    def _read(self, path: Path) -> Record:
        record: Record = json.loads(path.read_text())
        return record


@dataclass(frozen=True, slots=True)
class Card:
    """How a simulated card behaves; `on_refund` moves the trouble from the charge to its refund."""

    decline_code: str | None = None
    slow: bool = False
    answer_lost: bool = False
    request_lost: bool = False
    unreachable: bool = False
    on_refund: bool = False


CARDS: Mapping[str, Card] = MappingProxyType(
    {
        "sim_ok": Card(),
        "sim_declined": Card(decline_code="do_not_honor"),
        "sim_insufficient_funds": Card(decline_code="insufficient_funds"),
        "sim_slow": Card(slow=True),
        "sim_answer_lost": Card(answer_lost=True),
        "sim_request_lost": Card(request_lost=True),
        "sim_unreachable": Card(unreachable=True),
        "sim_refund_declined": Card(decline_code="do_not_honor", on_refund=True),
        "sim_refund_answer_lost": Card(answer_lost=True, on_refund=True),
    }
)
"""The tokens of the simulated cards. Trouble befalls the first try of an id; any other token is
declined as `invalid_card`."""


class SimulatedProcessor:
    """A processor for the demo and for tests: slow, declining, or losing its answer, as asked."""

    def __init__(
        self,
        book: Book,
        *,
        slow_seconds: float = 3.0,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._book = book
        self._slow_seconds = slow_seconds
        self._pause = pause
        self._settling = threading.Lock()

    async def charge(self, our_id: UUID, card: str, amount: Money) -> Answer:
        """As `CardProcessor.charge`; `card` is one of CARDS."""
        behaviour = CARDS.get(card, Card(decline_code="invalid_card"))
        wish = {"kind": "charge", "card": card, "amount": asdict(amount)}
        return await self._do(our_id, wish, behaviour, refund=False)

    async def refund(self, our_id: UUID, charge_id: UUID, amount: Money) -> Answer:
        """As `CardProcessor.refund`; behaves as the card of the charge does."""
        charged = await asyncio.to_thread(self._book.get, charge_id)
        behaviour = CARDS.get(charged["card"], Card()) if charged else Card()
        wish = {"kind": "refund", "charge_id": str(charge_id), "amount": asdict(amount)}
        return await self._do(our_id, wish, behaviour, refund=True)

    async def find(self, our_id: UUID) -> Answer | None:
        """As `CardProcessor.find`."""
        record = await asyncio.to_thread(self._book.get, our_id)
        return _answer(our_id, record) if record else None

    async def _do(self, our_id: UUID, wish: Record, behaviour: Card, *, refund: bool) -> Answer:
        trouble = behaviour if behaviour.on_refund == refund else Card()
        first = await asyncio.to_thread(self._book.tried, our_id) == 1
        if trouble.unreachable and first:
            raise Unreachable
        if trouble.request_lost and first:
            raise NoAnswer
        record = await asyncio.to_thread(self._settle, our_id, wish, trouble.decline_code)
        if record["wish"] != wish:
            raise IdReused
        if trouble.slow and first:
            await self._pause(self._slow_seconds)
        if trouble.answer_lost and first:
            raise NoAnswer
        return _answer(our_id, record)

    def _settle(self, our_id: UUID, wish: Record, decline_code: str | None) -> Record:
        with self._settling:
            earlier = self._book.get(our_id)
            if earlier is not None:
                return earlier
            if wish["kind"] == "refund" and decline_code is None:
                decline_code = self._refund_refused(wish)
            record = {"wish": wish, "card": wish.get("card"), "decline_code": decline_code}
            return self._book.put(our_id, record)

    def _refund_refused(self, wish: Record) -> str | None:
        charged = self._book.get(UUID(wish["charge_id"]))
        if charged is None or charged["decline_code"] or charged["wish"]["kind"] != "charge":
            return "unknown_charge"
        back = sum(
            other["wish"]["amount"]["cents"]
            for other in self._book.all()
            if other["wish"].get("charge_id") == wish["charge_id"] and not other["decline_code"]
        )
        whole, asked = charged["wish"]["amount"], wish["amount"]
        fits = back + asked["cents"] <= whole["cents"] and asked["currency"] == whole["currency"]
        return None if fits else "amount_too_large"


def _answer(our_id: UUID, record: Record) -> Answer:
    digest = hashlib.sha256(our_id.bytes).hexdigest()
    approved = record["decline_code"] is None
    return Answer(
        our_id=our_id,
        approved=approved,
        amount=Money(**record["wish"]["amount"]),
        reference=f"sim_{digest[:16]}",
        approval_code=f"{int(digest[16:24], 16) % 1_000_000:06d}" if approved else None,
        decline_code=record["decline_code"],
        card_brand="Visa",
        card_last4="4242",
    )
