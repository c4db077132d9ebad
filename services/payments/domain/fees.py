"""Fee schedules: what a clinic asks for a service from a day on, until another price takes over."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

from services.payments.domain.amounts import price
from services.payments.domain.codes import modifiers, service_code
from shared.values.errors import Conflict, Invalid
from shared.values.money import Money


@dataclass(frozen=True, slots=True)
class Fee:
    """A price of one code at one clinic on the days [effective_from, effective_to).

    modifier: the price when a line carries this modifier; None for the plain price.
    effective_to: the first day on which it no longer holds; None for ever.
    """

    code: str
    price: Money
    effective_from: date
    effective_to: date | None = None
    modifier: str | None = None

    def holds_on(self, day: date) -> bool:
        """Whether this is the price on a day of the clinic's calendar."""
        return self.effective_from <= day and (self.effective_to is None or day < self.effective_to)


def checked(fee: Fee) -> Fee:
    """The fee with its codes as they are stored.

    Raises Invalid ``fee.period`` for days that end before they begin, and what `codes` and
    `amounts.price` raise.
    """
    if fee.effective_to is not None and fee.effective_to <= fee.effective_from:
        raise Invalid("fee.period", "A price must hold for a day or more.", pointer="/effective_to")
    price(fee.price.cents, fee.price.currency, pointer="/amount_cents")
    modifier = fee.modifier
    if modifier is not None:
        (modifier,) = modifiers([modifier], pointer="/modifier")
    return replace(fee, code=service_code(fee.code), modifier=modifier)


def price_on(fees: Iterable[Fee], code: str, day: date, given: Sequence[str] = ()) -> Fee:
    """The price of a code on a day: that of its first priced modifier, else the plain one.

    fees: those of one clinic. Raises Invalid ``fee.none`` where the clinic has no price for the
    code, ``fee.none_on_day`` where it has one on other days only.
    """
    of_code = [fee for fee in fees if fee.code == code]
    if not of_code:
        raise Invalid("fee.none", "The clinic has no price for this code.", pointer="/code")
    holding = {fee.modifier: fee for fee in of_code if fee.holds_on(day)}
    wanted: list[str | None] = [*given, None]
    for modifier in wanted:
        if modifier in holding:
            return holding[modifier]
    raise Invalid("fee.none_on_day", "This code has no price on that day.", pointer="/code")


@dataclass(frozen=True, slots=True)
class Repricing:
    """What a new price does to a schedule: `ended` replaces `current`, then `added` goes in."""

    added: Fee
    current: Fee | None = None
    ended: Fee | None = None


def repriced(fees: Iterable[Fee], new: Fee) -> Repricing:
    """Put a new price into a schedule: an open one of the same code ends on the day it begins.

    fees: those of one clinic, with no two for a code, modifier and day. Raises Conflict
    ``fee.overlap`` where the new price would begin on or before the day on which another began,
    or fall into days that have an end.
    """
    new = checked(new)
    same = [fee for fee in fees if (fee.code, fee.modifier) == (new.code, new.modifier)]
    current = next((f for f in same if f.effective_to is None), None)
    if current is not None and current.effective_from < new.effective_from:
        ended = replace(current, effective_to=new.effective_from)
        others = [fee for fee in same if fee is not current]
    else:
        current, ended, others = None, None, same
    if any(_overlap(fee, new) for fee in others):
        raise Conflict("fee.overlap", "Another price holds on some of these days.")
    return Repricing(new, current, ended)


def _overlap(one: Fee, other: Fee) -> bool:
    ends_first = one.effective_to is not None and one.effective_to <= other.effective_from
    ends_last = other.effective_to is not None and other.effective_to <= one.effective_from
    return not (ends_first or ends_last)
