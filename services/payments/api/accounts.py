"""Routes of patient accounts and of the ledger."""

from collections import defaultdict
from datetime import datetime
from uuid import UUID

from services.payments.api.routes import ROUTES
from services.payments.queries.accounts import (
    StatementItem,
    account_of,
    open_charges,
    statement,
    trial_balance,
)
from services.payments.queries.books import require_patient
from services.payments.schemas.accounts import (
    AccountMinimum,
    AccountView,
    KindTotalView,
    OpenChargeView,
    ReadAccount,
    StatementItemView,
    TotalView,
    TrialBalanceTotals,
    TrialBalanceView,
    TrialLineView,
)
from shared.contracts.permissions import Permission as May
from shared.db.work import Work
from shared.web.calls import Call, Reply
from shared.web.minimum import Lesser
from shared.web.pages import read_cursor, sign_cursor


@ROUTES.get(
    "/v1/accounts/{patient_id}",
    may=May.ACCOUNT_READ,
    query=ReadAccount,
    reply=AccountView,
    lesser=(Lesser(May.LEDGER_READ_MINIMUM, AccountMinimum),),
)
async def read_account(work: Work, call: Call[ReadAccount]) -> Reply:
    """What a patient owes, what is open of each visit, and a page of what moved it, oldest first.

    What is open is of the clinics that the caller may know of; the balance is of the network.
    """
    patient_id, given = call.id("patient_id"), call.given
    call.concerns(patient_id)
    await require_patient(work, patient_id)
    row = await account_of(work, patient_id)
    after = (
        _position(read_cursor(call.cursor_secret, given.cursor))
        if given.cursor is not None
        else None
    )
    items = await statement(work, patient_id, after, given.limit + 1)
    page = items[: given.limit]
    last = page[-1] if len(items) > given.limit else None
    position = f"{last.posted_at.isoformat()}|{last.entry_id}" if last else None
    view = AccountView(
        patient_id=patient_id,
        balance_cents=row.balance_cents if row else 0,
        currency=row.currency if row else None,
        open_charges=[
            OpenChargeView(
                appointment_id=due.visit_id,
                charge_id=due.charge_id,
                service_date=due.business_date,
                open_cents=due.open_cents,
            )
            for due in await open_charges(work, patient_id)
        ],
        items=[_item(each) for each in page],
        next=sign_cursor(call.cursor_secret, position) if position else None,
    )
    return Reply(view, version=row.version if row else None)


def _item(item: StatementItem) -> StatementItemView:
    return StatementItemView(
        entry_id=item.entry_id,
        kind=item.kind,
        source_id=item.source_id,
        clinic_id=item.clinic_id,
        business_date=item.business_date,
        posted_at=item.posted_at,
        currency=item.currency,
        cents=item.receivable_cents + item.credit_cents,
        receivable_cents=item.receivable_cents,
        credit_cents=item.credit_cents,
    )


def _position(text: str) -> tuple[datetime, UUID]:
    moment, _, key = text.partition("|")
    return datetime.fromisoformat(moment), UUID(key)


@ROUTES.get(
    "/v1/ledger/trial-balance",
    may=May.LEDGER_READ,
    reply=TrialBalanceView,
    lesser=(Lesser(May.LEDGER_READ_TOTALS, TrialBalanceTotals),),
)
async def read_trial_balance(work: Work, call: Call[None]) -> Reply:
    """Every account with its balance, and the sums by kind; the whole is zero in each currency.

    A caller who is bound to clinics sees the entries of these.
    """
    lines = await trial_balance(work)
    totals: defaultdict[str, int] = defaultdict(int)
    kinds: defaultdict[tuple[str, str], int] = defaultdict(int)
    for line in lines:
        totals[line.currency] += line.cents
        kinds[line.account_kind, line.currency] += line.cents
    call.detail["accounts"] = len(lines)
    view = TrialBalanceView(
        accounts=[
            TrialLineView(**{n: getattr(line, n) for n in TrialLineView.model_fields})
            for line in lines
        ],
        kinds=[
            KindTotalView(account_kind=kind, currency=currency, cents=cents)
            for (kind, currency), cents in sorted(kinds.items())
        ],
        totals=[TotalView(currency=c, cents=cents) for c, cents in sorted(totals.items())],
        balanced=not any(totals.values()),
    )
    return Reply(view)
