"""Charges: what was done at a visit, line by line, and the life of a charge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from services.payments.domain.amounts import AMOUNT_CENTS_MAX
from services.payments.domain.codes import diagnosis_code, modifiers, service_code
from shared.values.errors import IllegalTransition, Invalid
from shared.values.money import Money, total

LINES_MAX = 50
"""Service lines of a professional claim (837P, loop 2400, at most 50)."""
DIAGNOSES_MAX = 12
"""Diagnoses of a professional claim (837P, segment HI of loop 2300; CMS-1500 item 21)."""
POINTERS_MAX = 4
"""Diagnoses that one line points at (837P, SV107; CMS-1500 item 24E)."""
UNITS_MAX = 999


class Status(StrEnum):
    """Where a charge stands. A correction is a reversal and a new charge."""

    CAPTURED = "captured"
    CORRECTED = "corrected"
    VOIDED = "voided"


class Move(StrEnum):
    """What can happen to a charge."""

    CORRECT = "correct"
    VOID = "void"


MOVES: Mapping[Status, Mapping[Move, Status]] = MappingProxyType(
    {
        Status.CAPTURED: {Move.CORRECT: Status.CORRECTED, Move.VOID: Status.VOIDED},
        Status.CORRECTED: {},
        Status.VOIDED: {},
    }
)


class NoChargeReason(StrEnum):
    """Why a visit that took place costs nothing."""

    INCLUDED = "included_in_other_visit"
    COURTESY = "courtesy"
    LEFT_UNSEEN = "left_without_being_seen"
    ADMINISTRATIVE = "administrative"
    RESEARCH = "research"


def next_status(now: Status, move: Move) -> Status:
    """The status of a charge after a move. Raises IllegalTransition."""
    allowed = MOVES[now]
    if move not in allowed:
        raise IllegalTransition("charge", now, move, [each.value for each in allowed])
    return allowed[move]


@dataclass(frozen=True, slots=True)
class ChargeLine:
    """One service of a charge, at the price it had on its day.

    diagnoses: places in the charge's list of diagnoses, counted from 1, the chief one first.
    """

    code: str
    units: int
    unit_price: Money
    modifiers: tuple[str, ...] = ()
    diagnoses: tuple[int, ...] = ()

    @property
    def amount(self) -> Money:
        """Units times price."""
        return Money(self.units * self.unit_price.cents, self.unit_price.currency)


def checked(lines: Sequence[ChargeLine], diagnoses: Sequence[str]) -> tuple[ChargeLine, ...]:
    """The lines with their codes as they are stored, when they make a charge.

    Raises Invalid, with a pointer to the member at fault: ``charge.lines`` (none, or more than
    50), ``charge.diagnoses`` (more than 12, or one twice), ``charge.units``, ``charge.pointers``,
    ``amount.too_large``, ``amount.currency_mismatch`` and what `codes` raises.
    """
    if not 1 <= len(lines) <= LINES_MAX:
        raise Invalid("charge.lines", "A charge has 1 to 50 lines.", pointer="/lines")
    codes = [diagnosis_code(code, pointer=f"/diagnoses/{i}") for i, code in enumerate(diagnoses)]
    if len(codes) > DIAGNOSES_MAX or len(set(codes)) < len(codes):
        raise Invalid(
            "charge.diagnoses",
            "A charge has 12 diagnoses at most, each once.",
            pointer="/diagnoses",
        )
    found = tuple(_line(line, len(codes), f"/lines/{i}") for i, line in enumerate(lines))
    if amount(found).cents > AMOUNT_CENTS_MAX:
        raise Invalid("amount.too_large", "The amount is too large.", pointer="/lines")
    return found


def _line(line: ChargeLine, diagnosis_count: int, at: str) -> ChargeLine:
    whole = isinstance(line.units, int) and not isinstance(line.units, bool)
    if not whole or not 1 <= line.units <= UNITS_MAX:
        raise Invalid("charge.units", "A line has 1 to 999 units.", pointer=f"{at}/units")
    places = line.diagnoses
    in_list = all(1 <= place <= diagnosis_count for place in places)
    if not in_list or len(set(places)) < len(places) or len(places) > POINTERS_MAX:
        raise Invalid(
            "charge.pointers",
            "A line points at 4 of the charge's diagnoses at most, each once.",
            pointer=f"{at}/diagnoses",
        )
    return ChargeLine(
        service_code(line.code, pointer=f"{at}/code"),
        line.units,
        line.unit_price,
        modifiers(line.modifiers, pointer=f"{at}/modifiers"),
        places,
    )


def amount(lines: Sequence[ChargeLine]) -> Money:
    """What the lines come to. Raises Invalid ``amount.currency_mismatch`` on a mixed charge."""
    return total((line.amount for line in lines), lines[0].unit_price.currency)
