"""Dates, periods, decimal numbers."""

from datetime import date
from decimal import Decimal

import pytest

from shared.x12 import Period, X12Error, read_date, read_decimal, read_period

DAY = date(2028, 2, 29)


def test_dates_and_periods_are_read() -> None:
    assert read_date("20280229") == DAY
    assert read_period("D8", "20280229") == Period(DAY, DAY)
    assert read_period("RD8", "20280229-20280301") == Period(DAY, date(2028, 3, 1))


@pytest.mark.parametrize(
    "text",
    ["", "2028229", "20270229", "20281301", "20280001", "2028-02-29", "２０２８0229", "00000101"],
)
def test_a_date_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(X12Error, match=r"x12\.date"):
        read_date(text, 3)


@pytest.mark.parametrize(
    ("qualifier", "text", "code"),
    [
        ("RD8", "20280301-20280229", "x12.date_reversed"),
        ("RD8", "20280301", "x12.date"),
        ("RD8", "20280301-", "x12.date"),
        ("D6", "280301", "x12.date"),
        ("", "20280301", "x12.date"),
    ],
)
def test_a_period_that_is_none_is_refused(qualifier: str, text: str, code: str) -> None:
    with pytest.raises(X12Error) as caught:
        read_period(qualifier, text, 3)
    assert (caught.value.code, caught.value.segment) == (code, 3)


@pytest.mark.parametrize(
    ("text", "value"), [("10", "10"), ("10.50", "10.50"), (".2", "0.2"), ("5.", "5"), ("-3", "-3")]
)
def test_decimals_are_exact(text: str, value: str) -> None:
    assert read_decimal(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", ".", "1,000.00", "+1", "1e3", "NaN", "1 0", "٣", "9" * 19])
def test_a_number_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(X12Error, match=r"x12\.number"):
        read_decimal(text)
