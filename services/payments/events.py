"""What payments says: from rows and facts to contract events, pure."""

from datetime import datetime
from typing import cast
from uuid import UUID

from services.payments.domain.day import DayReport
from services.payments.domain.payment import Method
from services.payments.tables import (
    Account,
    BusinessDay,
    Charge,
    Drawer,
    FeePrice,
    Payment,
    Refund,
)
from shared.contracts import payments as contract


def fee_priced(row: FeePrice) -> contract.FeePriced:
    """A clinic's price was entered."""
    return contract.FeePriced(
        fee_id=row.id,
        clinic_id=row.clinic_id,
        service_code=row.code,
        amount_cents=row.amount_cents,
        currency=row.currency,
        effective_from=row.effective_from,
    )


def charge_captured(row: Charge, account: Account) -> contract.ChargeCaptured:
    """Something was charged. `account` stands as it does after."""
    return contract.ChargeCaptured(
        charge_id=row.id,
        patient_id=row.patient_id,
        appointment_id=row.appointment_id,
        amount_cents=row.amount_cents,
        currency=row.currency,
        balance_cents=account.balance_cents,
        occurred_at=row.captured_at,
    )


def payment_posted(row: Payment, account: Account, at: datetime) -> contract.PaymentPosted:
    """Money came in. `account` stands as it does after."""
    return contract.PaymentPosted(
        payment_id=row.id,
        clinic_id=row.clinic_id,
        method=_method(row.method),
        patient_id=row.patient_id,
        appointment_id=row.appointment_id,
        amount_cents=row.amount_cents,
        currency=row.currency,
        balance_cents=account.balance_cents,
        occurred_at=at,
    )


def payment_failed(
    row: Payment, account: Account, reason: str, at: datetime
) -> contract.PaymentFailed:
    """A card payment did not come about."""
    return contract.PaymentFailed(
        payment_id=row.id,
        clinic_id=row.clinic_id,
        method=_method(row.method),
        reason=reason,
        patient_id=row.patient_id,
        appointment_id=row.appointment_id,
        amount_cents=row.amount_cents,
        currency=row.currency,
        balance_cents=account.balance_cents,
        occurred_at=at,
    )


def payment_refunded(
    row: Refund, account: Account, appointment_id: UUID | None, at: datetime
) -> contract.PaymentRefunded:
    """Money went back. `account` stands as it does after."""
    return contract.PaymentRefunded(
        payment_id=row.payment_id,
        refund_id=row.id,
        clinic_id=row.clinic_id,
        method=_method(row.method),
        patient_id=row.patient_id,
        appointment_id=appointment_id,
        amount_cents=row.amount_cents,
        currency=row.currency,
        balance_cents=account.balance_cents,
        occurred_at=at,
    )


def drawer_opened(row: Drawer) -> contract.DrawerOpened:
    """A drawer was opened."""
    return contract.DrawerOpened(
        drawer_id=row.id,
        clinic_id=row.clinic_id,
        business_date=row.business_date,
        float_cents=row.float_cents,
        opened_at=row.opened_at,
    )


def drawer_closed(row: Drawer, expected: int, counted: int, at: datetime) -> contract.DrawerClosed:
    """A drawer was counted and closed. Cents of cash."""
    return contract.DrawerClosed(
        drawer_id=row.id,
        clinic_id=row.clinic_id,
        business_date=row.business_date,
        expected_cents=expected,
        counted_cents=counted,
        variance_cents=counted - expected,
        closed_at=at,
    )


def day_closed(row: BusinessDay, report: DayReport) -> contract.DayClosed:
    """A clinic's day was closed."""
    came = {each.method: each.payment_cents for each in report.methods}
    return contract.DayClosed(
        business_day_id=row.id,
        clinic_id=row.clinic_id,
        business_date=row.business_date,
        cash_cents=came[Method.CASH],
        check_cents=came[Method.CHECK],
        card_cents=came[Method.CARD],
        refund_cents=sum(each.refund_cents for each in report.methods),
        currency=report.currency,
        closed_at=row.closed_at,
    )


def _method(text: str) -> contract.Method:
    # The table's CHECK knows the same three.
    return cast("contract.Method", text)
