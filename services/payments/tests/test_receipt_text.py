"""What a receipt says."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from services.payments.domain.payment import Method
from services.payments.domain.receipt_text import (
    Direction,
    Instrument,
    Item,
    Letterhead,
    Receipt,
    content,
    instrument_text,
    moment_text,
    number_text,
)
from shared.values.errors import Invalid
from shared.values.money import Money

DENVER = ZoneInfo("America/Denver")

RECEIPT = Receipt(
    number=42,
    direction=Direction.PAYMENT,
    letterhead=Letterhead("Cedar Street Family Clinic", ("1200 Cedar Street",)),
    issued_at=datetime(2026, 11, 30, 16, 5, tzinfo=UTC),
    zone=DENVER,
    instrument=Instrument(Method.CASH, tendered=Money(5000)),
    items=[Item("Copay", Money(3000)), Item("Earlier balance", Money(1000))],
    amount=Money(4000),
    owed_after=Money(11000),
    visit_on=date(2026, 11, 30),
    received_from="Ana Łukasiewicz",
    mrn="MRN-1042",
)


def test_a_receipt_says_who_paid_what_for_what_and_what_is_left() -> None:
    found = content(RECEIPT)
    assert found["title"] == "Receipt 000042"
    assert found["facts"] == [
        {"label": "Date", "text": "Monday, November 30, 2026, 9:05 AM MST"},
        {"label": "Received from", "text": "Ana Łukasiewicz"},
        {"label": "Record number", "text": "MRN-1042"},
        {"label": "Visit", "text": "Monday, November 30, 2026"},
        {"label": "Paid by", "text": "Cash"},
        {"label": "Handed over", "text": "$50.00"},
        {"label": "Change", "text": "$10.00"},
    ]
    assert found["items"][0] == {"text": "Copay", "cents": 3000, "amount": "$30.00"}
    assert found["total"] == {"text": "Paid", "cents": 4000, "amount": "$40.00"}
    assert found["balance"] == {"text": "Balance still owed", "cents": 11000, "amount": "$110.00"}


def test_a_receipt_is_plain_json() -> None:
    found = content(RECEIPT)
    assert json.loads(json.dumps(found)) == found


def test_a_receipt_without_names_has_none() -> None:
    found = json.dumps(content(replace(RECEIPT, received_from=None, mrn=None)))
    assert "Received from" not in found
    assert "Record number" not in found


@pytest.mark.parametrize(
    ("owed", "text", "amount"),
    [
        (Money(1), "Balance still owed", "$0.01"),
        (Money(0), "Balance owed", "$0.00"),
        (Money(-1500), "Credit on the account", "$15.00"),
    ],
)
def test_what_is_left_is_owed_nothing_or_credit(owed: Money, text: str, amount: str) -> None:
    found = content(replace(RECEIPT, owed_after=owed))["balance"]
    assert found == {"text": text, "cents": owed.cents, "amount": amount}


def test_a_refund_says_so_throughout() -> None:
    card = Instrument(Method.CARD, card_brand="Visa", card_last4="4242", approval_code="048213")
    found = content(replace(RECEIPT, direction=Direction.REFUND, instrument=card))
    labels = {fact["label"]: fact["text"] for fact in found["facts"]}
    assert found["title"] == "Refund receipt 000042"
    assert found["total"]["text"] == "Refunded"
    assert labels["Refunded to"] == "Ana Łukasiewicz"
    assert labels["Refunded by"] == "Visa card ending in 4242"
    assert labels["Approval code"] == "048213"


def test_items_that_do_not_sum_to_the_amount_are_refused() -> None:
    with pytest.raises(Invalid, match=r"receipt\.items"):
        content(replace(RECEIPT, amount=Money(4001)))


@pytest.mark.parametrize(
    ("instrument", "text"),
    [
        (Instrument(Method.CASH), "Cash"),
        (Instrument(Method.CHECK, check_number="1042"), "Check 1042"),
        (Instrument(Method.CHECK), "Check"),
        (Instrument(Method.CARD), "Card"),
        (Instrument(Method.CARD, card_brand="Visa"), "Visa card"),
        (Instrument(Method.CARD, card_last4="4242"), "Card ending in 4242"),
    ],
)
def test_what_was_paid_with(instrument: Instrument, text: str) -> None:
    assert instrument_text(instrument) == text


@pytest.mark.parametrize(
    ("instant", "zone", "text"),
    [
        (datetime(2026, 7, 1, 6, 0, tzinfo=UTC), DENVER, "Wednesday, July 1, 2026, 12:00 AM MDT"),
        (datetime(2026, 7, 1, 18, 9, tzinfo=UTC), DENVER, "Wednesday, July 1, 2026, 12:09 PM MDT"),
        (datetime(2026, 11, 1, 7, 30, tzinfo=UTC), DENVER, "Sunday, November 1, 2026, 1:30 AM MDT"),
        (datetime(2026, 11, 1, 8, 30, tzinfo=UTC), DENVER, "Sunday, November 1, 2026, 1:30 AM MST"),
        (
            datetime(2027, 1, 1, 4, 59, tzinfo=UTC),
            ZoneInfo("America/New_York"),
            "Thursday, December 31, 2026, 11:59 PM EST",
        ),
    ],
)
def test_a_moment_is_shown_as_the_clinics_clocks_show_it(
    instant: datetime, zone: ZoneInfo, text: str
) -> None:
    assert moment_text(instant, zone) == text


def test_a_number_has_six_digits_and_grows() -> None:
    assert number_text(1) == "000001"
    assert number_text(1_234_567) == "1234567"
