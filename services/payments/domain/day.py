"""The close of a clinic's business day: what stands in the way, and the report once nothing does.

The report is made from facts alone and in a fixed order: the same facts give the same bytes.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from services.payments.domain import drawer, payment
from services.payments.domain.accounts import Kind
from services.payments.domain.charge import NoChargeReason
from services.payments.domain.ledger import Line, sums
from services.payments.domain.payment import Method
from shared.values.errors import Conflict, Invalid


@dataclass(frozen=True, slots=True)
class PaymentFact:
    """A payment or a refund of the day. drawer_id: where cash and checks went in or out."""

    payment_id: UUID
    method: Method
    status: payment.Status
    cents: int
    drawer_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class DrawerFact:
    """A drawer session of the day; `closing` once it is closed."""

    drawer_id: UUID
    status: drawer.Status
    float_cents: int
    closing: drawer.Closing | None = None


@dataclass(frozen=True, slots=True)
class VisitFact:
    """A visit that was checked out on the day."""

    appointment_id: UUID
    charged: bool
    no_charge_reason: NoChargeReason | None = None


@dataclass(frozen=True, slots=True)
class Day:
    """All that a clinic's business day holds. lines: the ledger lines posted to it."""

    clinic_id: UUID
    business_date: date
    currency: str
    payments: Sequence[PaymentFact] = ()
    refunds: Sequence[PaymentFact] = ()
    drawers: Sequence[DrawerFact] = ()
    visits: Sequence[VisitFact] = ()
    lines: Sequence[Line] = ()


@dataclass(frozen=True, slots=True, order=True)
class Blocker:
    """One rule that stands in the way, and the rows that break it."""

    rule: str
    ids: tuple[str, ...] = ()

    def as_fact(self) -> dict[str, Any]:
        """As a member of a problem document."""
        return {"rule": self.rule, "ids": list(self.ids)}


def blockers(day: Day) -> tuple[Blocker, ...]:
    """What stands in the way of closing, by rule; none when the day may be closed.

    Rules: ``drawer.open``, ``drawer.variance_unexplained``, ``drawer.disagrees`` (closed on
    figures that its payments do not bear out), ``cash.outside_drawer``, ``payment.pending``,
    ``payment.unknown``, ``refund.pending``, ``refund.unknown``, ``visit.no_charge`` (checked out
    with neither a charge nor a reason for none), ``ledger.unbalanced``, ``ledger.drawer_not_empty``
    (all drawers closed, and cash left in the account).
    """
    everything = [*_drawer_rules(day), *_money_rules(day), *_ledger_rules(day)]
    uncharged = [v.appointment_id for v in day.visits if not v.charged and not v.no_charge_reason]
    return tuple(_grouped([*everything, *(("visit.no_charge", each) for each in uncharged)]))


def _drawer_rules(day: Day) -> Iterable[tuple[str, UUID]]:
    for each in day.drawers:
        if each.closing is None or each.status is not drawer.Status.CLOSED:
            yield "drawer.open", each.drawer_id
            continue
        if each.closing.variance != drawer.NOTHING and each.closing.reason is None:
            yield "drawer.variance_unexplained", each.drawer_id
        if each.closing.expected != _expected(day, each):
            yield "drawer.disagrees", each.drawer_id


def _expected(day: Day, session: DrawerFact) -> drawer.Tally:
    inside = [p for p in _settled(day.payments) if p.drawer_id == session.drawer_id]
    back = [r for r in _settled(day.refunds) if r.drawer_id == session.drawer_id]
    checks = [p for p in inside if p.method is Method.CHECK]
    return drawer.expected(
        session.float_cents,
        cash_in_cents=_cents(inside, Method.CASH),
        cash_out_cents=_cents(back, Method.CASH),
        check_count=len(checks),
        check_cents=_cents(inside, Method.CHECK),
    )


def _money_rules(day: Day) -> Iterable[tuple[str, UUID]]:
    known = {each.drawer_id for each in day.drawers}
    for name, facts in (("payment", day.payments), ("refund", day.refunds)):
        for each in facts:
            if each.status is payment.Status.UNKNOWN:
                yield f"{name}.unknown", each.payment_id
            elif each.status in payment.UNSETTLED:
                yield f"{name}.pending", each.payment_id
            elif each.method is Method.CASH and each.drawer_id not in known:
                yield "cash.outside_drawer", each.payment_id


def _ledger_rules(day: Day) -> Iterable[tuple[str, UUID]]:
    if any(sums(day.lines).values()):
        yield "ledger.unbalanced", day.clinic_id
    all_closed = all(each.status is drawer.Status.CLOSED for each in day.drawers)
    in_drawers = [line for line in day.lines if line.account.kind is Kind.CASH_DRAWER]
    mine = [line for line in in_drawers if line.account.owner == day.clinic_id]
    if all_closed and any(sums(mine).values()):
        yield "ledger.drawer_not_empty", day.clinic_id


def _grouped(found: Iterable[tuple[str, UUID]]) -> Iterable[Blocker]:
    by_rule: dict[str, list[str]] = {}
    for rule, row in found:
        by_rule.setdefault(rule, []).append(str(row))
    return [Blocker(rule, tuple(sorted(by_rule[rule]))) for rule in sorted(by_rule)]


@dataclass(frozen=True, slots=True)
class MethodTotal:
    """One method's share of the day. Declined and cancelled payments count for nothing."""

    method: Method
    payment_count: int
    payment_cents: int
    refund_count: int
    refund_cents: int

    @property
    def net_cents(self) -> int:
        """What came in less what went back."""
        return self.payment_cents - self.refund_cents


@dataclass(frozen=True, slots=True)
class DayReport:
    """A closed day in figures. `ledger_cents` is the sum of all its lines, zero by construction."""

    clinic_id: UUID
    business_date: date
    currency: str
    methods: tuple[MethodTotal, ...]
    charge_cents: int
    ledger_cents: int
    drawers: tuple[tuple[UUID, int, drawer.Closing], ...]
    visit_count: int
    no_charge: tuple[tuple[str, int], ...]

    def as_document(self) -> dict[str, Any]:
        """The report as JSON, in a fixed order."""
        return {
            "clinic_id": str(self.clinic_id),
            "business_date": self.business_date.isoformat(),
            "currency": self.currency,
            "methods": [
                {
                    "method": each.method.value,
                    "payment_count": each.payment_count,
                    "payment_cents": each.payment_cents,
                    "refund_count": each.refund_count,
                    "refund_cents": each.refund_cents,
                    "net_cents": each.net_cents,
                }
                for each in self.methods
            ],
            "payment_cents": sum(each.payment_cents for each in self.methods),
            "refund_cents": sum(each.refund_cents for each in self.methods),
            "net_cents": sum(each.net_cents for each in self.methods),
            "charge_cents": self.charge_cents,
            "ledger_cents": self.ledger_cents,
            "drawers": [_drawer_document(*each) for each in self.drawers],
            "visit_count": self.visit_count,
            "no_charge": [{"reason": reason, "count": n} for reason, n in self.no_charge],
        }


def _drawer_document(drawer_id: UUID, float_cents: int, closing: drawer.Closing) -> dict[str, Any]:
    return {
        "drawer_id": str(drawer_id),
        "float_cents": float_cents,
        "expected_cents": closing.expected.cash_cents,
        "counted_cents": closing.counted.cash_cents,
        "variance_cents": closing.variance.cash_cents,
        "check_count": closing.counted.check_count,
        "check_cents": closing.counted.check_cents,
        "check_variance_cents": closing.variance.check_cents,
        "explained": closing.reason is not None,
    }


def close(day: Day, *, today: date, closed_already: bool = False) -> DayReport:
    """The report of a day that may be closed.

    today: the clinic's own date now. Raises Invalid ``day.future``, Conflict ``day.already_closed``
    and ``day.not_closable`` whose facts list every reason: {"reasons": [{"rule", "ids"}]}.
    """
    if day.business_date > today:
        raise Invalid("day.future", "A day to come cannot be closed.")
    if closed_already:
        raise Conflict("day.already_closed", "This day is closed.")
    reasons = blockers(day)
    if reasons:
        facts = {"reasons": [each.as_fact() for each in reasons]}
        raise Conflict("day.not_closable", "Some of the day's money is unexplained.", facts=facts)
    return report(day)


def report(day: Day) -> DayReport:
    """The day in figures as it stands, closed or not; only closed drawers are in it."""
    earned = [line for line in day.lines if line.account.kind is Kind.REVENUE]
    reasons = Counter(v.no_charge_reason.value for v in day.visits if v.no_charge_reason)
    closed = [(d.drawer_id, d.float_cents, d.closing) for d in day.drawers if d.closing]
    return DayReport(
        clinic_id=day.clinic_id,
        business_date=day.business_date,
        currency=day.currency,
        methods=tuple(_of_method(day, method) for method in Method),
        charge_cents=-sum(line.cents for line in earned),
        ledger_cents=sum(line.cents for line in day.lines),
        drawers=tuple(sorted(closed, key=lambda each: each[0].int)),
        visit_count=len(day.visits),
        no_charge=tuple(sorted(reasons.items())),
    )


def _of_method(day: Day, method: Method) -> MethodTotal:
    came = [each for each in _settled(day.payments) if each.method is method]
    went = [each for each in _settled(day.refunds) if each.method is method]
    return MethodTotal(method, len(came), _cents(came), len(went), _cents(went))


def _settled(facts: Iterable[PaymentFact]) -> list[PaymentFact]:
    return [each for each in facts if each.status in payment.IN_LEDGER]


def _cents(facts: Iterable[PaymentFact], method: Method | None = None) -> int:
    return sum(each.cents for each in facts if method is None or each.method is method)
