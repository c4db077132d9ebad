"""Charges: their lines and their life."""

from dataclasses import replace
from itertools import product

import pytest

from services.payments.domain.charge import ChargeLine, Move, Status, amount, checked, next_status
from shared.values.errors import IllegalTransition, Invalid
from shared.values.money import Money

LINE = ChargeLine("V-EST", 1, Money(18000), ("25",), (1, 2))
DIAGNOSES = ["I10", "E11.9"]


def test_the_lines_are_kept_with_tidy_codes_and_sum_to_the_charge() -> None:
    lines = checked([replace(LINE, code="v-est"), ChargeLine("G0463", 3, Money(100))], DIAGNOSES)
    assert [line.code for line in lines] == ["V-EST", "G0463"]
    assert amount(lines) == Money(18300)


@pytest.mark.parametrize(
    ("lines", "diagnoses", "code", "pointer"),
    [
        ([], [], "charge.lines", "/lines"),
        ([LINE] * 51, DIAGNOSES, "charge.lines", "/lines"),
        ([replace(LINE, units=0)], DIAGNOSES, "charge.units", "/lines/0/units"),
        ([replace(LINE, units=1000)], DIAGNOSES, "charge.units", "/lines/0/units"),
        ([replace(LINE, units=True)], DIAGNOSES, "charge.units", "/lines/0/units"),
        ([LINE], ["I10"], "charge.pointers", "/lines/0/diagnoses"),
        ([replace(LINE, diagnoses=(0,))], DIAGNOSES, "charge.pointers", "/lines/0/diagnoses"),
        ([replace(LINE, diagnoses=(1, 1))], DIAGNOSES, "charge.pointers", "/lines/0/diagnoses"),
        (
            [replace(LINE, diagnoses=(1, 2, 3, 4, 5))],
            ["I10", "E11.9", "J45", "M54.5", "R05"],
            "charge.pointers",
            "/lines/0/diagnoses",
        ),
        ([LINE], ["I10", "I1"], "code.diagnosis", "/diagnoses/1"),
        ([LINE], ["E11.9", "E119"], "charge.diagnoses", "/diagnoses"),
        ([LINE], [f"I{n}" for n in range(10, 23)], "charge.diagnoses", "/diagnoses"),
        ([LINE, replace(LINE, code="?")], DIAGNOSES, "code.service", "/lines/1/code"),
        ([replace(LINE, modifiers=("2",))], DIAGNOSES, "code.modifiers", "/lines/0/modifiers"),
        ([replace(LINE, units=999)], DIAGNOSES, "amount.too_large", "/lines"),
    ],
)
def test_what_is_no_charge_is_refused_with_the_place_at_fault(
    lines: list[ChargeLine], diagnoses: list[str], code: str, pointer: str
) -> None:
    with pytest.raises(Invalid) as caught:
        checked(lines, diagnoses)
    assert (caught.value.code, caught.value.pointer) == (code, pointer)


def test_m14_a_charge_is_in_one_currency() -> None:
    with pytest.raises(Invalid, match=r"amount\.currency_mismatch"):
        checked([LINE, replace(LINE, unit_price=Money(1, "CAD"))], DIAGNOSES)


@pytest.mark.parametrize(("now", "move"), list(product(Status, Move)))
def test_only_a_captured_charge_is_corrected_or_voided(now: Status, move: Move) -> None:
    after = {Move.CORRECT: Status.CORRECTED, Move.VOID: Status.VOIDED}[move]
    if now is Status.CAPTURED:
        assert next_status(now, move) is after
        return
    with pytest.raises(IllegalTransition, match=r"charge\.illegal_transition"):
        next_status(now, move)
