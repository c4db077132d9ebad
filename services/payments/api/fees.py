"""Routes of fee schedules."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from services.payments.api.routes import ROUTES
from services.payments.commands import fees
from services.payments.queries.books import books_of
from services.payments.queries.fees import list_prices as read_prices
from services.payments.schemas.fees import ListPrices, PricePage, PriceView, SetPrice
from shared.contracts.permissions import Permission as May
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.web.calls import Call, Reply, created
from shared.web.pages import read_cursor, sign_cursor


def _locks(call: Call[Any]) -> Sequence[LockKey]:
    return (fees.fees_lock(call.given.clinic_id),)


@ROUTES.post(
    "/v1/fees",
    may=May.FEE_WRITE,
    body=SetPrice,
    reply=PriceView,
    status=201,
    refuses=("clinic.not_found", "code.service", "fee.period", "fee.overlap",
             "amount.too_large", "amount.currency_unknown", "amount.currency_mismatch"),
    locks=_locks,
)  # fmt: skip
async def set_price(work: Work, call: Call[SetPrice]) -> Reply:
    """Price a service at a clinic from a day on."""
    row = await fees.set_price(work, fees.PriceWish(**call.given.model_dump()))
    return created(PriceView.of(row), f"/v1/fees?clinic_id={row.clinic_id}")


@ROUTES.get("/v1/fees", may=May.FEE_READ, query=ListPrices, reply=PricePage)
async def list_prices(work: Work, call: Call[ListPrices]) -> Reply:
    """The prices of a clinic, by code and first day."""
    given = call.given
    books = await books_of(work, given.clinic_id)
    after = (
        _position(read_cursor(call.cursor_secret, given.cursor))
        if given.cursor is not None
        else None
    )
    rows = await read_prices(work, books.clinic_id, given.day, after, given.limit + 1)
    page = rows[: given.limit]
    last = page[-1] if len(rows) > given.limit else None
    position = f"{last.code}|{last.effective_from.isoformat()}" if last else None
    return Reply(
        PricePage(
            items=[PriceView.of(row) for row in page],
            next=sign_cursor(call.cursor_secret, position) if position else None,
        )
    )


def _position(text: str) -> tuple[str, date]:
    code, _, day = text.rpartition("|")
    return code, date.fromisoformat(day)
