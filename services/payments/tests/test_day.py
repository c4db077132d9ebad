"""The close of the day: every rule that stands in the way, and the report."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.domain import drawer, postings
from services.payments.domain.accounts import Account, Kind
from services.payments.domain.charge import NoChargeReason
from services.payments.domain.day import (
    Blocker,
    Day,
    DrawerFact,
    PaymentFact,
    VisitFact,
    blockers,
    close,
    report,
)
from services.payments.domain.drawer import Closing, Tally
from services.payments.domain.ledger import Entry, Line
from services.payments.domain.payment import Method, Status
from services.payments.tests.builders import CLINIC, OTHER_CLINIC, PATIENT
from shared.values.errors import Conflict, Invalid
from shared.values.money import Money

TODAY = date(2026, 11, 30)
TILL, OTHER_TILL = UUID(int=0xD1), UUID(int=0xD2)
CASH, CHECK, CARD, BACK = (UUID(int=0x100 + n) for n in range(4))
SEEN, FREE = UUID(int=0x201), UUID(int=0x202)

CLOSING = Closing(Tally(25000, 1, 3000), Tally(25000, 1, 3000), None)


def _posted(*entries: Entry | None) -> tuple[Line, ...]:
    return tuple(line for entry in entries if entry for line in entry.lines)


def a_day() -> Day:
    """A day that may be closed: a float of 200, 60 in cash, 30 by check, 90 by card, 10 back."""
    return Day(
        CLINIC,
        TODAY,
        "USD",
        payments=[
            PaymentFact(CASH, Method.CASH, Status.PARTIALLY_REFUNDED, 6000, TILL),
            PaymentFact(CHECK, Method.CHECK, Status.POSTED, 3000, TILL),
            PaymentFact(CARD, Method.CARD, Status.POSTED, 9000),
            PaymentFact(UUID(int=0x10F), Method.CARD, Status.DECLINED, 9000),
        ],
        refunds=[PaymentFact(BACK, Method.CASH, Status.POSTED, 1000, TILL)],
        drawers=[DrawerFact(TILL, drawer.Status.CLOSED, 20000, CLOSING)],
        visits=[VisitFact(SEEN, True), VisitFact(FREE, False, NoChargeReason.COURTESY)],
        lines=_posted(
            postings.drawer_opened(CLINIC, Money(20000)),
            postings.charge_captured(PATIENT, CLINIC, Money(18000)),
            postings.payment_posted(Method.CASH, PATIENT, CLINIC, Money(6000), applied_cents=6000),
            postings.payment_posted(Method.CHECK, PATIENT, CLINIC, Money(3000), applied_cents=3000),
            postings.payment_posted(Method.CARD, PATIENT, CLINIC, Money(9000), applied_cents=9000),
            postings.refund_in_cash(PATIENT, CLINIC, Money(1000), from_credit_cents=0),
            postings.drawer_closed(CLINIC, expected=Money(25000), counted=Money(25000)),
        ),
    )


def _with_payment(fact: PaymentFact) -> Callable[[Day], Day]:
    return lambda day: replace(day, payments=[*day.payments, fact])


def _with_refund(fact: PaymentFact) -> Callable[[Day], Day]:
    return lambda day: replace(day, refunds=[*day.refunds, fact])


def _with_drawer(fact: DrawerFact) -> Callable[[Day], Day]:
    return lambda day: replace(day, drawers=[fact])


def _with_lines(*lines: Line) -> Callable[[Day], Day]:
    return lambda day: replace(day, lines=[*day.lines, *lines])


NEW = UUID(int=0x999)
OFF_BY_A_CENT = Closing(CLOSING.expected, Tally(24999, 1, 3000), None)
WRONG_FIGURES = Closing(Tally(24999, 1, 3000), Tally(24999, 1, 3000), None)
DRAWER_LINE = Line(Account(Kind.CASH_DRAWER, CLINIC), 1)
SAFE_LINE = Line(Account(Kind.CASH_SAFE, CLINIC), -1)

FAULTS: list[tuple[str, Callable[[Day], Day], str]] = [
    ("drawer.open", _with_drawer(DrawerFact(TILL, drawer.Status.OPEN, 20000)), str(TILL)),
    ("drawer.open", _with_drawer(DrawerFact(TILL, drawer.Status.COUNTED, 20000)), str(TILL)),
    (
        "drawer.variance_unexplained",
        _with_drawer(DrawerFact(TILL, drawer.Status.CLOSED, 20000, OFF_BY_A_CENT)),
        str(TILL),
    ),
    (
        "drawer.disagrees",
        _with_drawer(DrawerFact(TILL, drawer.Status.CLOSED, 20000, WRONG_FIGURES)),
        str(TILL),
    ),
    (
        "cash.outside_drawer",
        _with_payment(PaymentFact(NEW, Method.CASH, Status.POSTED, 1)),
        str(NEW),
    ),
    (
        "cash.outside_drawer",
        _with_refund(PaymentFact(NEW, Method.CASH, Status.POSTED, 1, OTHER_TILL)),
        str(NEW),
    ),
    (
        "payment.pending",
        _with_payment(PaymentFact(NEW, Method.CARD, Status.INITIATED, 1)),
        str(NEW),
    ),
    ("payment.pending", _with_payment(PaymentFact(NEW, Method.CARD, Status.PENDING, 1)), str(NEW)),
    ("payment.unknown", _with_payment(PaymentFact(NEW, Method.CARD, Status.UNKNOWN, 1)), str(NEW)),
    ("refund.pending", _with_refund(PaymentFact(NEW, Method.CARD, Status.PENDING, 1)), str(NEW)),
    ("refund.unknown", _with_refund(PaymentFact(NEW, Method.CARD, Status.UNKNOWN, 1)), str(NEW)),
    (
        "visit.no_charge",
        lambda day: replace(day, visits=[*day.visits, VisitFact(NEW, False)]),
        str(NEW),
    ),
    ("ledger.unbalanced", _with_lines(Line(Account(Kind.CARD_CLEARING), 1)), str(CLINIC)),
    ("ledger.drawer_not_empty", _with_lines(DRAWER_LINE, SAFE_LINE), str(CLINIC)),
]


@pytest.mark.parametrize(("rule", "plant", "row"), FAULTS)
def test_a_planted_fault_stands_in_the_way_and_is_named(
    rule: str, plant: Callable[[Day], Day], row: str
) -> None:
    assert blockers(a_day()) == ()
    faulty = plant(a_day())
    assert Blocker(rule, (row,)) in blockers(faulty)
    with pytest.raises(Conflict) as caught:
        close(faulty, today=TODAY)
    assert caught.value.code == "day.not_closable"
    assert {"rule": rule, "ids": [row]} in caught.value.facts["reasons"]


def test_every_rule_has_a_case() -> None:
    documented = {word.strip("`") for word in (blockers.__doc__ or "").split() if "``" in word}
    rules = {each.strip("`,()") for each in documented}
    assert rules == {rule for rule, _, _ in FAULTS}


def test_all_reasons_are_given_at_once_each_with_all_its_rows() -> None:
    more = [PaymentFact(UUID(int=n), Method.CARD, Status.PENDING, 1) for n in (9, 8)]
    day = replace(a_day(), payments=more, drawers=[DrawerFact(TILL, drawer.Status.OPEN, 0)])
    found = {each.rule: each.ids for each in blockers(day)}
    assert found["payment.pending"] == (str(UUID(int=8)), str(UUID(int=9)))
    assert "drawer.open" in found


def test_a_drawer_of_another_clinic_does_not_matter() -> None:
    elsewhere = postings.drawer_opened(OTHER_CLINIC, Money(100))
    assert elsewhere is not None
    assert blockers(_with_lines(*elsewhere.lines)(a_day())) == ()


def test_m22_and_m23_a_closed_day_and_a_day_to_come_are_not_closed() -> None:
    with pytest.raises(Conflict, match=r"day\.already_closed"):
        close(a_day(), today=TODAY, closed_already=True)
    with pytest.raises(Invalid, match=r"day\.future"):
        close(a_day(), today=TODAY - timedelta(days=1))


def test_the_report_of_a_day() -> None:
    found = close(a_day(), today=TODAY + timedelta(days=1)).as_document()
    assert found == {
        "clinic_id": str(CLINIC),
        "business_date": "2026-11-30",
        "currency": "USD",
        "methods": [
            _method("cash", 1, 6000, 1, 1000),
            _method("check", 1, 3000, 0, 0),
            _method("card", 1, 9000, 0, 0),
        ],
        "payment_cents": 18000,
        "refund_cents": 1000,
        "net_cents": 17000,
        "charge_cents": 18000,
        "ledger_cents": 0,
        "drawers": [
            {
                "drawer_id": str(TILL),
                "float_cents": 20000,
                "expected_cents": 25000,
                "counted_cents": 25000,
                "variance_cents": 0,
                "check_count": 1,
                "check_cents": 3000,
                "check_variance_cents": 0,
                "explained": False,
            }
        ],
        "visit_count": 2,
        "no_charge": [{"reason": "courtesy", "count": 1}],
    }


def _method(name: str, count: int, cents: int, back: int, back_cents: int) -> dict[str, object]:
    return {
        "method": name,
        "payment_count": count,
        "payment_cents": cents,
        "refund_count": back,
        "refund_cents": back_cents,
        "net_cents": cents - back_cents,
    }


@given(st.permutations(range(4)), st.booleans())
def test_the_same_facts_give_the_same_bytes_in_any_order(order: list[int], turned: bool) -> None:
    day = a_day()
    shuffled = replace(
        day,
        payments=[day.payments[i] for i in order],
        visits=list(reversed(day.visits)) if turned else day.visits,
        lines=list(reversed(day.lines)) if turned else day.lines,
    )
    assert json.dumps(report(shuffled).as_document()) == json.dumps(report(day).as_document())


def test_the_cash_of_the_report_is_what_the_drawers_took() -> None:
    found = report(a_day())
    cash = next(each for each in found.methods if each.method is Method.CASH)
    in_drawers = sum(closing.expected.cash_cents - start for _, start, closing in found.drawers)
    assert cash.net_cents == in_drawers == 5000


def test_an_empty_day_closes_on_zeros() -> None:
    found = close(Day(CLINIC, TODAY, "USD"), today=TODAY).as_document()
    assert found["net_cents"] == found["ledger_cents"] == found["visit_count"] == 0
