"""What a payment is for, by rule and as asked; and that it agrees with the ledger throughout."""

from collections.abc import Sequence
from datetime import date, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.payments.domain import postings
from services.payments.domain.accounts import Account, Kind
from services.payments.domain.allocation import (
    Applied,
    Credit,
    Due,
    Part,
    Purpose,
    allocate,
    allocate_as_asked,
    applied_cents,
    apply_credit,
    taken_back,
)
from services.payments.domain.ledger import Entry, balances
from services.payments.domain.payment import Method
from services.payments.tests.builders import CLINIC, PATIENT
from shared.values.errors import Invalid
from shared.values.money import Money

TODAY = date(2026, 11, 30)
VISIT, OTHER_VISIT = UUID(int=0xB1), UUID(int=0xB2)
NEW = Due(UUID(int=3), VISIT, TODAY, 15000)
OLD = Due(UUID(int=2), OTHER_VISIT, TODAY - timedelta(days=60), 4000)
OLDER = Due(UUID(int=1), None, TODAY - timedelta(days=90), 500)


def test_a_copay_before_any_charge_is_kept_for_its_visit() -> None:
    parts = allocate(3000, [], visit_id=VISIT, copay_open_cents=3000)
    assert parts == (Part(Purpose.COPAY, 3000, None, VISIT),)
    assert applied_cents(parts) == 0


def test_todays_copay_then_the_oldest_balance_then_credit() -> None:
    parts = allocate(23500, [NEW, OLD, OLDER], visit_id=VISIT, copay_open_cents=3000)
    assert parts == (
        Part(Purpose.COPAY, 3000, NEW.charge_id, VISIT),
        Part(Purpose.BALANCE, 500, OLDER.charge_id),
        Part(Purpose.BALANCE, 4000, OLD.charge_id),
        Part(Purpose.BALANCE, 12000, NEW.charge_id),
        Part(Purpose.CREDIT, 4000),
    )
    assert applied_cents(parts) == 19500


def test_a_payment_below_the_copay_is_all_copay() -> None:
    parts = allocate(1000, [NEW, OLD], visit_id=VISIT, copay_open_cents=3000)
    assert parts == (Part(Purpose.COPAY, 1000, NEW.charge_id, VISIT),)


def test_a_payment_for_no_visit_goes_to_the_oldest_balance() -> None:
    assert allocate(600, [NEW, OLD, OLDER], copay_open_cents=3000) == (
        Part(Purpose.BALANCE, 500, OLDER.charge_id),
        Part(Purpose.BALANCE, 100, OLD.charge_id),
    )


def test_charges_of_one_day_go_in_the_order_of_their_ids() -> None:
    first, second = Due(UUID(int=8), None, TODAY, 10), Due(UUID(int=9), None, TODAY, 10)
    assert allocate(15, [second, first]) == allocate(15, [first, second])


@given(
    st.integers(1, 100_000),
    st.lists(st.integers(0, 30_000), max_size=6),
    st.integers(0, 10_000),
    st.booleans(),
)
def test_the_parts_sum_to_the_payment_and_never_exceed_what_is_open(
    cents: int, opens: list[int], copay: int, at_visit: bool
) -> None:
    dues = [Due(UUID(int=i), VISIT if i % 2 else None, TODAY, o) for i, o in enumerate(opens)]
    visit = VISIT if at_visit else None
    parts = allocate(cents, dues, visit_id=visit, copay_open_cents=copay)
    assert sum(part.cents for part in parts) == cents
    assert all(part.cents > 0 for part in parts)
    for due in dues:
        met = sum(part.cents for part in parts if part.charge_id == due.charge_id)
        assert met <= due.open_cents
    in_hand = sum(part.cents for part in parts if part.charge_id is None)
    if in_hand and not at_visit:
        assert applied_cents(parts) == sum(opens)


def test_a_person_may_say_otherwise_with_a_reason() -> None:
    asked = [(NEW.charge_id, 100)]
    parts = allocate_as_asked(150, [NEW, OLD], asked, "the patient asked for it")
    assert parts == (Part(Purpose.BALANCE, 100, NEW.charge_id), Part(Purpose.CREDIT, 50))


@pytest.mark.parametrize(
    ("asked", "reason", "code"),
    [
        ([(NEW.charge_id, 100)], " ", "allocation.reason"),
        ([(UUID(int=77), 100)], "so", "allocation.charge"),
        ([(OLD.charge_id, 4001)], "so", "allocation.over"),
        ([(OLD.charge_id, 0)], "so", "allocation.over"),
        ([(OLD.charge_id, -5)], "so", "allocation.over"),
        ([(NEW.charge_id, 4000), (OLD.charge_id, 1001)], "so", "allocation.over"),
        ([(OLD.charge_id, 1), (OLD.charge_id, 1)], "so", "allocation.twice"),
    ],
)
def test_m29_and_m30_what_cannot_be_asked_is_refused(
    asked: list[tuple[UUID, int]], reason: str, code: str
) -> None:
    with pytest.raises(Invalid) as caught:
        allocate_as_asked(5000, [NEW, OLD], asked, reason)
    assert caught.value.code == code


def test_a_charge_meets_what_was_kept_for_its_visit_and_then_free_credit() -> None:
    kept = Credit(UUID(int=5), TODAY, 3000, VISIT)
    free = Credit(UUID(int=6), TODAY - timedelta(days=5), 20000)
    elsewhere = Credit(UUID(int=7), TODAY - timedelta(days=9), 900, OTHER_VISIT)
    assert apply_credit([free, elsewhere, kept], NEW) == (
        Applied(kept.payment_id, NEW.charge_id, 3000),
        Applied(free.payment_id, NEW.charge_id, 12000),
    )


def test_credit_kept_for_another_visit_stays() -> None:
    elsewhere = Credit(UUID(int=7), TODAY, 900, OTHER_VISIT)
    assert apply_credit([elsewhere], NEW) == ()
    assert apply_credit([elsewhere], OLDER) == ()


def test_a_refund_comes_out_of_credit_and_then_reopens_what_was_met_last() -> None:
    payment = UUID(int=5)
    met = [Applied(payment, OLDER.charge_id, 500), Applied(payment, OLD.charge_id, 4000)]
    assert taken_back(100, 250, met) == (100, ())
    assert taken_back(4300, 250, met) == (
        250,
        (Applied(payment, OLD.charge_id, 4000), Applied(payment, OLDER.charge_id, 50)),
    )
    with pytest.raises(Invalid, match=r"refund\.split"):
        taken_back(4751, 250, met)


class AnAccount(RuleBasedStateMachine):
    """One patient's account, driven at random; the ledger must agree with the open items."""

    def __init__(self) -> None:
        super().__init__()
        self.posted: list[Entry] = []
        self.dues: dict[UUID, Due] = {}
        self.credits: dict[UUID, Credit] = {}
        self.met: dict[UUID, list[Applied]] = {}
        self.next = 0

    def new_id(self) -> UUID:
        self.next += 1
        return UUID(int=self.next)

    def reduce_due(self, charge_id: UUID, cents: int) -> None:
        due = self.dues[charge_id]
        self.dues[charge_id] = Due(
            charge_id, due.visit_id, due.business_date, due.open_cents - cents
        )

    def reduce_credit(self, payment_id: UUID, cents: int) -> None:
        credit = self.credits[payment_id]
        left = credit.open_cents - cents
        self.credits[payment_id] = Credit(payment_id, credit.business_date, left, credit.visit_id)

    @rule(cents=st.integers(1, 30_000), visit=st.sampled_from([VISIT, OTHER_VISIT, None]))
    def charge(self, cents: int, visit: UUID | None) -> None:
        due = Due(self.new_id(), visit, TODAY, cents)
        self.dues[due.charge_id] = due
        self.posted.append(postings.charge_captured(PATIENT, CLINIC, Money(cents)))
        applied = apply_credit(list(self.credits.values()), due)
        for each in applied:
            self.reduce_due(due.charge_id, each.cents)
            self.reduce_credit(each.payment_id, each.cents)
            self.met[each.payment_id].append(each)
        met = sum(each.cents for each in applied)
        if met:
            self.posted.append(postings.credit_applied(PATIENT, Money(met)))

    @rule(
        cents=st.integers(1, 40_000),
        visit=st.sampled_from([VISIT, None]),
        copay=st.integers(0, 5_000),
        method=st.sampled_from(Method),
    )
    def pay(self, cents: int, visit: UUID | None, copay: int, method: Method) -> None:
        payment = self.new_id()
        dues = [due for due in self.dues.values() if due.open_cents > 0]
        parts = allocate(cents, dues, visit_id=visit, copay_open_cents=copay)
        self.keep(payment, parts)
        self.posted.append(
            postings.payment_posted(
                method, PATIENT, CLINIC, Money(cents), applied_cents=applied_cents(parts)
            )
        )

    def keep(self, payment: UUID, parts: Sequence[Part]) -> None:
        self.met[payment] = []
        credit, kept_for = 0, None
        for part in parts:
            if part.charge_id is None:
                credit += part.cents
                kept_for = kept_for or part.visit_id
            else:
                self.reduce_due(part.charge_id, part.cents)
                self.met[payment].append(Applied(payment, part.charge_id, part.cents))
        self.credits[payment] = Credit(payment, TODAY, credit, kept_for)

    @precondition(lambda self: self.met)
    @rule(data=st.data())
    def refund(self, data: st.DataObject) -> None:
        payment = data.draw(st.sampled_from(sorted(self.met)))
        credit = self.credits[payment].open_cents
        most = credit + sum(each.cents for each in self.met[payment])
        if most == 0:
            return
        cents = data.draw(st.integers(1, most))
        from_credit, again = taken_back(cents, credit, self.met[payment])
        self.reduce_credit(payment, from_credit)
        for each in again:
            self.reduce_due(each.charge_id, -each.cents)
            self.met[payment].append(Applied(payment, each.charge_id, -each.cents))
        self.met[payment] = self.netted(payment)
        self.posted.append(
            postings.refund_in_cash(PATIENT, CLINIC, Money(cents), from_credit_cents=from_credit)
        )

    def netted(self, payment: UUID) -> list[Applied]:
        sums: dict[UUID, int] = {}
        for each in self.met[payment]:
            sums[each.charge_id] = sums.get(each.charge_id, 0) + each.cents
        return [Applied(payment, charge, cents) for charge, cents in sums.items() if cents]

    @invariant()
    def the_ledger_agrees_with_what_is_open(self) -> None:
        found = balances(self.posted)
        open_dues = sum(due.open_cents for due in self.dues.values())
        open_credit = sum(credit.open_cents for credit in self.credits.values())
        assert found.get((Account(Kind.PATIENT_RECEIVABLE, PATIENT), "USD"), 0) == open_dues
        assert found.get((Account(Kind.PATIENT_CREDIT, PATIENT), "USD"), 0) == -open_credit
        assert postings.owed_cents(found, PATIENT, "USD") == open_dues - open_credit
        assert sum(found.values()) == 0

    @invariant()
    def nothing_is_met_twice(self) -> None:
        assert all(due.open_cents >= 0 for due in self.dues.values())
        assert all(credit.open_cents >= 0 for credit in self.credits.values())


TestAnAccount = AnAccount.TestCase
TestAnAccount.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
