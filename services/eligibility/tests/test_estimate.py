"""Estimates, case by case. Amounts are cents; the fee is 200.00 unless the case says otherwise."""

from dataclasses import dataclass
from datetime import date

import pytest

from services.eligibility.domain.estimate import Estimate, Service, estimate
from services.eligibility.domain.verdict import Verdict
from services.eligibility.tests.payer_answers import benefits
from shared.values.errors import Invalid

ACTIVE = Verdict("active", "payer.active")
VISIT = Service("V-EST", "f1", 20_000)
PLAN = "EB*1**30**GOLD"


def priced(
    *lines: str, services: tuple[Service, ...] = (VISIT,), in_network: bool = True
) -> Estimate:
    return estimate(ACTIVE, services, benefits(PLAN, *lines), in_network=in_network)


def written(found: Estimate) -> list[str]:
    return [
        f"{line.side} {line.code} {line.cents} {' '.join(line.sources)}" for line in found.lines
    ]


@dataclass(frozen=True)
class Case:
    name: str
    lines: tuple[str, ...]
    written: tuple[str, ...]


COPAY = "EB*B*IND*98***27*25.00*****Y"
LEFT = "EB*C*IND*30***29*50.00*****Y"
SHARE = "EB*A*IND*30*****.2****Y"
CASES = [
    Case("copay", (COPAY,), ("patient copay 2500 eb:2", "payer payer 17500 fee:f1")),
    Case(
        "a copay leaves deductible and coinsurance alone",
        (LEFT, SHARE, COPAY),
        ("patient copay 2500 eb:4", "payer payer 17500 fee:f1"),
    ),
    Case(
        "a copay before coinsurance of the same rank",
        (LEFT, "EB*A*IND*98*****.2****Y", COPAY),
        ("patient copay 2500 eb:4", "payer payer 17500 fee:f1"),
    ),
    Case(
        "office visit before the plan",
        ("EB*B*IND*30***27*99.00*****Y", COPAY),
        ("patient copay 2500 eb:3", "payer payer 17500 fee:f1"),
    ),
    Case(
        "the plan where the office visit has none",
        ("EB*B*IND*30***27*40.00*****Y", "EB*B*IND*86***27*250*****Y"),
        ("patient copay 4000 eb:2", "payer payer 16000 fee:f1"),
    ),
    Case(
        "in network before unstated, out of network not at all",
        ("EB*B**98***27*70*****N", "EB*B**98***27*60", COPAY),
        ("patient copay 2500 eb:4", "payer payer 17500 fee:f1"),
    ),
    Case(
        "a copay above the fee is the fee",
        ("EB*B**98***27*500",),
        ("patient copay 20000 eb:2", "payer payer 0 fee:f1"),
    ),
    Case(
        "a copay of nothing, and nothing else",
        ("EB*B**98***27*0",),
        ("patient copay 0 eb:2", "payer payer 20000 fee:f1"),
    ),
    Case(
        "deductible, then coinsurance",
        (LEFT, SHARE),
        (
            "patient deductible 5000 eb:2",
            "patient coinsurance 3000 eb:3",
            "payer payer 12000 fee:f1",
        ),
    ),
    Case(
        "a copay of nothing beside coinsurance is none",
        ("EB*B**98***27*0", LEFT, SHARE),
        (
            "patient deductible 5000 eb:3",
            "patient coinsurance 3000 eb:4",
            "payer payer 12000 fee:f1",
        ),
    ),
    Case(
        "coinsurance for the office visit before a copay of the plan",
        ("EB*B**30***27*25", LEFT, "EB*A**98*****.1"),
        (
            "patient deductible 5000 eb:3",
            "patient coinsurance 1500 eb:4",
            "payer payer 13500 fee:f1",
        ),
    ),
    Case(
        "a deductible above the fee takes it all",
        ("EB*C**30***29*900", SHARE),
        ("patient deductible 20000 eb:2", "payer payer 0 fee:f1"),
    ),
    Case(
        "a deductible that is met",
        ("EB*C**30***29*0", SHARE),
        ("patient coinsurance 4000 eb:3", "payer payer 16000 fee:f1"),
    ),
    Case(
        "what is left is the year's less what was used",
        ("EB*C**30***23*500", "EB*C**30***24*450.01", SHARE),
        (
            "patient deductible 4999 eb:2 eb:3",
            "patient coinsurance 3000 eb:4",
            "payer payer 12001 fee:f1",
        ),
    ),
    Case(
        "the family's deductible is met before the person's",
        (LEFT, "EB*C*FAM*30***29*10*****Y", SHARE),
        (
            "patient deductible 1000 eb:2 eb:3",
            "patient coinsurance 3800 eb:4",
            "payer payer 15200 fee:f1",
        ),
    ),
    Case(
        "no more than is left of the maximum",
        (LEFT, SHARE, "EB*G*IND*30***29*60.00*****Y"),
        (
            "patient deductible 5000 eb:2",
            "patient coinsurance 1000 eb:3 eb:4",
            "payer payer 14000 fee:f1",
        ),
    ),
    Case(
        "a maximum that is reached",
        (COPAY, "EB*G*IND*30***29*0*****Y"),
        ("patient copay 0 eb:2 eb:3", "payer payer 20000 fee:f1"),
    ),
    Case(
        "the family's maximum is reached before the person's",
        (COPAY, "EB*G*IND*30***29*500*****Y", "EB*G*FAM*30***29*10*****Y"),
        ("patient copay 1000 eb:2 eb:3 eb:4", "payer payer 19000 fee:f1"),
    ),
    Case(
        "a maximum without what is left counts as unused",
        (COPAY, "EB*G*IND*30***23*10.00*****Y"),
        ("patient copay 1000 eb:2 eb:3", "payer payer 19000 fee:f1"),
    ),
    Case(
        "not covered",
        ("EB*I**98", COPAY),
        ("patient not_covered 20000 fee:f1 eb:2",),
    ),
    Case(
        "inactive for this service alone",
        ("EB*6**98", COPAY),
        ("patient not_covered 20000 fee:f1 eb:2",),
    ),
    Case(
        "something else is not covered",
        ("EB*I**35", COPAY),
        ("patient copay 2500 eb:3", "payer payer 17500 fee:f1"),
    ),
    Case(
        "an old plan is inactive",
        ("EB*6**30**OLD", COPAY),
        ("patient copay 2500 eb:3", "payer payer 17500 fee:f1"),
    ),
    Case(
        "a line about one procedure is not for others",
        ("EB*B**98***27*5*****Y*HC:G0438", COPAY),
        ("patient copay 2500 eb:3", "payer payer 17500 fee:f1"),
    ),
    Case(
        "a line that says the same twice",
        (COPAY, COPAY),
        ("patient copay 2500 eb:2 eb:3", "payer payer 17500 fee:f1"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_plain_answer_gives_one_figure(case: Case) -> None:
    found = priced(*case.lines)
    assert written(found) == list(case.written)
    assert found.certain
    assert found.reasons == ()
    assert found.patient_cents + found.payer_cents == found.fee_cents == 20_000


@pytest.mark.parametrize(
    ("lines", "low", "high", "reasons"),
    [
        ((), 0, 20_000, ("deductible.unknown", "coinsurance.unknown")),
        ((LEFT,), 5_000, 20_000, ("coinsurance.unknown",)),
        ((SHARE,), 4_000, 20_000, ("deductible.unknown",)),
        (("EB*C**30***23*100", SHARE), 4_000, 12_000, ("deductible.left_unknown",)),
        (
            ("EB*C**30***29*10", "EB*C**30***29*20", SHARE),
            4_800,
            5_600,
            ("deductible.conflicting",),
        ),
        ((LEFT, SHARE, "EB*A*IND*30*****.3****Y"), 8_000, 9_500, ("coinsurance.conflicting",)),
        ((COPAY, "EB*B*IND*98***27*40*****Y"), 2_500, 4_000, ("copay.conflicting",)),
        (("EB*1**98", "EB*I**98", COPAY), 2_500, 20_000, ("cover.conflicting",)),
        (
            (COPAY, "EB*G**30***29*10", "EB*G**30***29*20"),
            1_000,
            2_000,
            ("out_of_pocket.conflicting",),
        ),
    ],
)
def test_what_the_answer_leaves_open_is_a_range_with_its_reasons(
    lines: tuple[str, ...], low: int, high: int, reasons: tuple[str, ...]
) -> None:
    found = priced(*lines)
    assert (found.low_cents, found.high_cents) == (low, high)
    assert (found.patient_cents, found.reasons) == (high, reasons)
    assert not found.certain
    assert sum(line.cents for line in found.lines) == 20_000


def test_what_makes_no_difference_is_not_open() -> None:
    found = priced("EB*C**30***29*900")
    assert (found.patient_cents, found.reasons) == (20_000, ())
    assert found.certain


def test_a_contract_below_the_fee_is_a_discount_and_not_the_patients() -> None:
    service = Service("V-EST", "f1", 20_000, allowed_cents=12_000)
    found = priced(LEFT, SHARE, services=(service,))
    assert written(found) == [
        "patient deductible 5000 eb:2",
        "patient coinsurance 1400 eb:3",
        "payer payer 5600 fee:f1",
        "payer discount 8000 fee:f1",
    ]
    assert (found.patient_cents, found.payer_cents, found.fee_cents) == (6_400, 13_600, 20_000)


def test_what_is_not_covered_costs_the_fee_and_not_the_contract() -> None:
    service = Service("V-EST", "f1", 20_000, allowed_cents=12_000)
    assert priced("EB*I**98", services=(service,)).patient_cents == 20_000


def test_out_of_network_is_another_figure() -> None:
    lines = (COPAY, "EB*B**98***27*50.00*****N")
    assert priced(*lines).patient_cents == 2_500
    assert priced(*lines, in_network=False).patient_cents == 5_000


def test_one_copay_a_visit_and_one_deductible_for_all_services() -> None:
    second = Service("V-LAB", "f2", 10_000)
    assert written(priced(COPAY, services=(VISIT, second))) == [
        "patient copay 2500 eb:2",
        "payer payer 17500 fee:f1",
        "patient copay 0 eb:2",
        "payer payer 10000 fee:f2",
    ]
    deducted = priced("EB*C**30***29*250", SHARE, services=(VISIT, second))
    assert written(deducted) == [
        "patient deductible 20000 eb:2",
        "payer payer 0 fee:f1",
        "patient deductible 5000 eb:2",
        "patient coinsurance 1000 eb:3",
        "payer payer 4000 fee:f2",
    ]
    assert deducted.fee_cents == 30_000


def test_a_copay_above_the_first_service_goes_on_to_the_next() -> None:
    services = (Service("V-A", "f1", 1_000), Service("V-B", "f2", 10_000))
    found = priced(COPAY, services=services)
    assert [line.cents for line in found.lines if line.code == "copay"] == [1_000, 1_500]
    assert found.copay_cents == 2_500


def test_a_service_of_another_type_has_its_own_terms() -> None:
    chiropractic = Service("V-CHI", "f2", 10_000, service_types=("33",))
    found = priced(COPAY, "EB*B**33***27*15*****Y", services=(VISIT, chiropractic))
    assert [line.cents for line in found.lines if line.code == "copay"] == [2_500, 1_500]


def test_lines_of_other_days_are_not_used() -> None:
    lines = ("EB*B**98***27*10*****Y", "DTP*291*RD8*20250101-20251231", COPAY)
    data = benefits(PLAN, *lines)
    assert estimate(ACTIVE, [VISIT], data, on=date(2026, 11, 30)).patient_cents == 2_500
    assert not estimate(ACTIVE, [VISIT], data).certain


@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        (Verdict("self_pay", "coverage.none"), "self_pay"),
        (Verdict("inactive", "payer.inactive"), "inactive"),
    ],
)
def test_without_active_cover_the_patient_pays_the_fee(verdict: Verdict, code: str) -> None:
    service = Service("V-EST", "f1", 20_000, allowed_cents=12_000)
    found = estimate(verdict, [service], benefits(PLAN, COPAY))
    assert written(found) == [f"patient {code} 20000 fee:f1"]
    assert found.certain
    assert found.lines[0].label == f"estimate.{code}"


def test_unverified_cover_gives_a_range_and_the_verdicts_reason() -> None:
    found = estimate(Verdict("unverified", "payer.no_answer"), [VISIT], None)
    assert (found.low_cents, found.high_cents) == (0, 20_000)
    assert written(found) == ["patient unverified 20000 fee:f1"]
    assert found.reasons == ("payer.no_answer",)


def test_coinsurance_is_rounded_half_up_to_the_cent() -> None:
    service = Service("V-EST", "f1", 1_005)
    found = priced("EB*C**30***29*0", "EB*A**30*****.1", services=(service,))
    assert found.patient_cents == 101


@pytest.mark.parametrize(("fee", "allowed"), [(-1, None), (100, 101), (100, -1)])
def test_an_allowed_amount_outside_the_fee_is_refused(fee: int, allowed: int | None) -> None:
    with pytest.raises(Invalid):
        Service("V-EST", "f1", fee, allowed)


def test_there_must_be_something_to_price() -> None:
    with pytest.raises(Invalid):
        estimate(ACTIVE, [], None)
