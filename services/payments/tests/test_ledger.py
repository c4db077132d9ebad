"""The ledger: what an entry may be, and that every builder makes one. By number of list M."""

from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.domain import postings
from services.payments.domain.accounts import (
    OWNERS,
    Account,
    Kind,
    Owner,
    account,
    natural,
)
from services.payments.domain.ledger import (
    Entry,
    EntryKind,
    Line,
    balances,
    checked,
    postable,
    reversal,
    reversible,
    sums,
)
from services.payments.domain.payment import Method
from services.payments.tests.builders import (
    CARD,
    CLINIC,
    CREDIT,
    DRAWER,
    OTHER_CLINIC,
    PATIENT,
    RECEIVABLE,
    REVENUE,
    SAFE,
)
from shared.values.errors import Conflict, Invalid
from shared.values.money import Money

TODAY = date(2026, 11, 30)
CHARGE = postings.charge_captured(PATIENT, CLINIC, Money(18000))

amounts = st.integers(1, 10_000_000)
methods = st.sampled_from(Method)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """Any entry that a builder can make."""
    cents = draw(amounts)
    money = Money(cents, draw(st.sampled_from(["USD", "CAD"])))
    part = draw(st.integers(0, cents))
    counted = Money(draw(st.integers(0, 10_000_000)), money.currency)
    granted = postings.refund_granted(PATIENT, money, from_credit_cents=part)
    closed = postings.drawer_closed(CLINIC, expected=money, counted=counted)
    opened = postings.drawer_opened(CLINIC, money)
    assert closed is not None
    assert opened is not None
    return draw(
        st.sampled_from(
            [
                postings.charge_captured(PATIENT, CLINIC, money),
                postings.adjusted(PATIENT, CLINIC, money),
                postings.payment_posted(draw(methods), PATIENT, CLINIC, money, applied_cents=part),
                postings.credit_applied(PATIENT, money),
                granted,
                postings.refund_paid(draw(st.sampled_from([Method.CARD, Method.CHECK])), money),
                postings.refund_in_cash(PATIENT, CLINIC, money, from_credit_cents=part),
                opened,
                closed,
            ]
        )
    )


@given(entries())
def test_every_builder_makes_an_entry_that_sums_to_zero(entry: Entry) -> None:
    assert checked(entry) == entry
    assert set(sums(entry.lines).values()) == {0}
    assert len(entry.lines) >= 2


@given(entries())
def test_the_reversal_of_a_reversal_is_the_original(entry: Entry) -> None:
    undone = reversal(entry)
    assert undone != entry
    assert undone.reversed
    assert reversal(undone) == entry


@given(st.lists(entries(), max_size=20))
def test_all_accounts_together_sum_to_zero_whatever_was_posted(posted: list[Entry]) -> None:
    by_currency: dict[str, int] = {}
    for (_, currency), cents in balances(posted).items():
        by_currency[currency] = by_currency.get(currency, 0) + cents
    assert all(cents == 0 for cents in by_currency.values())


@given(st.lists(entries(), max_size=10))
def test_what_is_posted_and_reversed_leaves_every_account_at_zero(posted: list[Entry]) -> None:
    found = balances([*posted, *(reversal(entry) for entry in posted)])
    assert all(cents == 0 for cents in found.values())


def _entry(*lines: Line) -> Entry:
    return Entry(EntryKind.CHARGE, lines)


@pytest.mark.parametrize(
    ("number", "entry", "code"),
    [
        ("M17", _entry(Line(RECEIVABLE, 100), Line(REVENUE, -99)), "ledger.unbalanced"),
        (
            "M17 by currency",
            _entry(Line(RECEIVABLE, 100), Line(REVENUE, -100, "CAD")),
            "ledger.unbalanced",
        ),
        ("M18", _entry(Line(RECEIVABLE, 100)), "ledger.too_few_lines"),
        ("M18 none", _entry(), "ledger.too_few_lines"),
        ("M19", _entry(Line(RECEIVABLE, 100), Line(RECEIVABLE, -100)), "ledger.account_twice"),
        (
            "M19 one side twice",
            _entry(Line(DRAWER, 50), Line(DRAWER, 50), Line(REVENUE, -100)),
            "ledger.account_twice",
        ),
        ("zero line", _entry(Line(RECEIVABLE, 0), Line(REVENUE, 0)), "ledger.line_amount"),
        (
            "M11",
            _entry(Line(RECEIVABLE, 2**53), Line(REVENUE, -(2**53))),
            "ledger.line_amount",
        ),
        ("M16", _entry(Line(RECEIVABLE, True), Line(REVENUE, -1)), "ledger.line_amount"),
        (
            "M13",
            _entry(Line(RECEIVABLE, 1, "XXX"), Line(REVENUE, -1, "XXX")),
            "amount.currency_unknown",
        ),
    ],
)
def test_an_entry_that_is_not_whole_is_refused(number: str, entry: Entry, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        checked(entry)
    assert caught.value.code == code, number


def test_an_unbalanced_entry_says_by_how_much_in_which_currency() -> None:
    with pytest.raises(Invalid) as caught:
        checked(_entry(Line(RECEIVABLE, 100), Line(REVENUE, -99), Line(SAFE, 7, "CAD")))
    assert caught.value.facts == {"off": {"CAD": 7, "USD": 1}}


def test_m20_a_closed_account_takes_no_entry() -> None:
    with pytest.raises(Conflict, match=r"ledger\.account_closed"):
        postable(CHARGE, business_date=TODAY, today=TODAY, accounts_closed={REVENUE})


def test_m22_a_closed_day_takes_no_entry_and_another_day_does() -> None:
    with pytest.raises(Conflict, match=r"ledger\.day_closed"):
        postable(CHARGE, business_date=TODAY, today=TODAY, days_closed={TODAY})
    yesterday = date(2026, 11, 29)
    kept = postable(CHARGE, business_date=TODAY, today=TODAY, days_closed={yesterday})
    assert kept == CHARGE


def test_m23_a_day_to_come_takes_no_entry() -> None:
    with pytest.raises(Invalid, match=r"ledger\.future"):
        postable(CHARGE, business_date=date(2026, 12, 1), today=TODAY)


def test_what_is_postable_is_also_checked() -> None:
    with pytest.raises(Invalid, match=r"ledger\.too_few_lines"):
        postable(_entry(Line(DRAWER, 1)), business_date=TODAY, today=TODAY)


def test_m28_an_entry_is_reversed_once_and_a_reversal_never() -> None:
    assert reversible(CHARGE, reversed_already=False) == CHARGE
    with pytest.raises(Conflict, match=r"ledger\.already_reversed"):
        reversible(CHARGE, reversed_already=True)
    with pytest.raises(Conflict, match=r"ledger\.is_reversal"):
        reversible(reversal(CHARGE), reversed_already=False)


def test_m33_an_overpayment_is_the_patients_credit() -> None:
    paid = postings.payment_posted(Method.CASH, PATIENT, CLINIC, Money(20000), applied_cents=18000)
    assert balances([CHARGE, paid])[CREDIT, "USD"] == -2000
    assert balances([CHARGE, paid])[RECEIVABLE, "USD"] == 0
    assert postings.owed_cents(balances([CHARGE, paid]), PATIENT, "USD") == -2000


def test_a_copay_before_the_charge_becomes_what_is_left_to_pay_after_it() -> None:
    copay = postings.payment_posted(Method.CARD, PATIENT, CLINIC, Money(3000), applied_cents=0)
    met = postings.credit_applied(PATIENT, Money(3000))
    found = balances([copay, CHARGE, met])
    assert found[CREDIT, "USD"] == 0
    assert found[CARD, "USD"] == 3000
    assert postings.owed_cents(found, PATIENT, "USD") == 15000


def test_more_cannot_meet_charges_than_was_paid() -> None:
    for applied in (-1, 101):
        with pytest.raises(Invalid, match=r"allocation\.over"):
            postings.payment_posted(Method.CASH, PATIENT, CLINIC, Money(100), applied_cents=applied)


def test_more_cannot_come_out_of_credit_than_is_refunded() -> None:
    for part in (-1, 101):
        with pytest.raises(Invalid, match=r"refund\.split"):
            postings.refund_in_cash(PATIENT, CLINIC, Money(100), from_credit_cents=part)


def test_a_card_refund_is_payable_until_the_processor_has_paid_it() -> None:
    granted = postings.refund_granted(PATIENT, Money(500), from_credit_cents=0)
    paid = postings.refund_paid(Method.CARD, Money(500))
    payable = (Account(Kind.REFUNDS_PAYABLE), "USD")
    assert balances([granted])[payable] == -500
    assert balances([granted, paid])[payable] == 0
    assert balances([granted, paid])[CARD, "USD"] == -500
    with pytest.raises(Invalid, match=r"refund\.method"):
        postings.refund_paid(Method.CASH, Money(500))


@pytest.mark.parametrize(("counted", "variance"), [(26000, 0), (25999, 1), (26001, -1), (0, 26000)])
def test_closing_a_drawer_empties_it_into_the_safe(counted: int, variance: int) -> None:
    opened = postings.drawer_opened(CLINIC, Money(20000))
    paid = postings.payment_posted(Method.CASH, PATIENT, CLINIC, Money(6000), applied_cents=0)
    closed = postings.drawer_closed(CLINIC, expected=Money(26000), counted=Money(counted))
    assert opened is not None
    assert closed is not None
    found = balances([opened, paid, closed])
    assert found[DRAWER, "USD"] == 0
    assert found[SAFE, "USD"] == counted - 20000
    assert found.get((Account(Kind.OVER_SHORT, CLINIC), "USD"), 0) == variance


def test_an_empty_drawer_opens_and_closes_without_an_entry() -> None:
    assert postings.drawer_opened(CLINIC, Money(0)) is None
    assert postings.drawer_closed(CLINIC, expected=Money(0), counted=Money(0)) is None


def test_another_patients_balance_is_not_mixed_in() -> None:
    other = postings.charge_captured(UUID(int=99), CLINIC, Money(700))
    assert postings.owed_cents(balances([CHARGE, other]), PATIENT, "USD") == 18000
    assert postings.owed_cents(balances([CHARGE, other]), PATIENT, "CAD") == 0


def test_every_kind_of_account_has_an_owner_and_a_code_that_reads_back() -> None:
    for kind in Kind:
        owner = None if OWNERS[kind] is Owner.NETWORK else OTHER_CLINIC
        assert account(Account(kind, owner).code) == Account(kind, owner)
        with pytest.raises(Invalid, match=r"ledger\.account_owner"):
            Account(kind, None if owner else OTHER_CLINIC)


@pytest.mark.parametrize("code", ["", "revenue", "revenue:", "revenue:x", "gold", "card_clearing:"])
def test_a_code_of_no_account_is_refused(code: str) -> None:
    with pytest.raises(Invalid, match=r"ledger\.account"):
        account(code)


def test_a_balance_is_shown_from_its_owners_side() -> None:
    assert natural(Kind.CASH_DRAWER, 500) == 500
    assert natural(Kind.REVENUE, -18000) == 18000
    assert natural(Kind.PATIENT_CREDIT, -2000) == 2000
