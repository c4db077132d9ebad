"""What is read from a 271."""

from datetime import date
from decimal import Decimal

import pytest

from services.eligibility.domain.benefits import (
    Benefit,
    CoverDate,
    Rejection,
    Related,
    Trace,
    UnknownCode,
)
from services.eligibility.domain.question import Identity
from services.eligibility.domain.response_271 import read_271
from services.eligibility.tests.payer_answers import FAMILY, benefits
from shared.x12 import parse
from shared.x12.tests.samples import sample


def test_the_public_271_is_read_in_full() -> None:
    found = read_271(parse(sample("x12/subscriber-health-benefit-check.271").read_bytes()))
    asked_about = ("1", "33", "35", "47", "86", "88", "98", "AL", "MH", "UC")
    assert found.payer_name == "ABC COMPANY"
    assert found.reference == "10001234"
    assert found.traces == (Trace("2", "93175-012547", "9877281234"),)
    assert found.subscriber == Identity("SMITH", "JOHN", date(1963, 5, 19), "123456789")
    assert found.dependent is None
    assert found.dates == (CoverDate("346", date(2006, 1, 1), date(2006, 1, 1), single=True),)
    assert found.unknown == ()
    assert found.lines == (
        Benefit(1, 16, "1", service_types=("30",), plan="GOLD 123 PLAN"),
        Benefit(2, 17, "L", related=(Related("P3", "JONES"),)),
        Benefit(3, 21, "1", service_types=asked_about),
        Benefit(*(4, 22, "B", "", asked_about, "HM", "GOLD 123 PLAN", "27", 1000), network="Y"),
        Benefit(*(5, 23, "B", "", asked_about, "HM", "GOLD 123 PLAN", "27", 3000), network="N"),
    )


def test_every_element_of_a_line_is_kept() -> None:
    line = benefits(
        "EB*F*IND*98^UC*PR*GOLD*29*10.5*.25*VS*12*Y*W*HC:G0438",
        "DTP*348*D8*20260101",
        "MSG*FIRST",
        "MSG*SECOND",
        "LS*2120",
        "NM1*PRP*2*OTHER PAYER",
        "LE*2120",
    ).lines[0]
    assert line == Benefit(
        index=1,
        segment=13,
        code="F",
        level="IND",
        service_types=("98", "UC"),
        insurance_type="PR",
        plan="GOLD",
        period="29",
        amount_cents=1050,
        percent=Decimal("0.25"),
        quantity=("VS", Decimal(12)),
        authorization="Y",
        network="W",
        procedure=("HC", "G0438"),
        dates=(CoverDate("348", date(2026, 1, 1), date(2026, 1, 1), single=True),),
        messages=("FIRST", "SECOND"),
        related=(Related("PRP", "OTHER PAYER"),),
    )


def test_a_dependent_has_lines_and_dates_of_their_own() -> None:
    found = benefits("DTP*346*D8*20260301", "EB*1**30", person=FAMILY)
    assert found.subscriber == Identity("ANDERS", "BERTA", date(1980, 2, 29), "ACT100200")
    assert found.dependent == Identity("ANDERS", "CARL", date(2015, 6, 1), "")
    assert found.patient == found.dependent
    assert [item.start for item in found.dates] == [date(2026, 3, 1)]
    assert [line.code for line in found.lines] == ["1"]


def test_without_dates_of_their_own_the_subscribers_hold() -> None:
    person = (*FAMILY[:3], "DTP*346*D8*20260101", *FAMILY[3:])
    assert [item.start for item in benefits("EB*1**30", person=person).dates] == [date(2026, 1, 1)]


def test_refusals_are_read_at_their_level() -> None:
    found = benefits("AAA*N**75*C", "EB*1**30", "AAA*N**15*N")
    assert found.rejections == (
        Rejection("subscriber", "75", "C", 13),
        Rejection("benefit", "15", "N", 15),
    )


@pytest.mark.parametrize(
    ("line", "unknown"),
    [
        ("EB*ZZ**98", UnknownCode("EB01", "ZZ", 13)),
        ("EB*1*XYZ*98", UnknownCode("EB02", "XYZ", 13)),
        ("EB*B**98***99*10", UnknownCode("EB06", "99", 13)),
        ("EB*1**98********Q", UnknownCode("EB11", "Q", 13)),
        ("EB*1**98*********Q", UnknownCode("EB12", "Q", 13)),
    ],
)
def test_codes_that_are_not_known_are_kept_and_told(line: str, unknown: UnknownCode) -> None:
    found = benefits(line)
    assert found.unknown == (unknown,)
    assert len(found.lines) == 1


@pytest.mark.parametrize(
    ("written", "cents"),
    [("0", 0), ("10", 1000), ("10.5", 1050), ("10.00", 1000), (".01", 1), ("10.500", 1050)],
)
def test_amounts_are_whole_cents(written: str, cents: int) -> None:
    assert benefits(f"EB*B**98***27*{written}").lines[0].amount_cents == cents


@pytest.mark.parametrize(
    ("written", "share"), [("0", "0"), ("1", "1"), (".2", "0.2"), ("0.125", "0.125")]
)
def test_percents_are_exact(written: str, share: str) -> None:
    assert benefits(f"EB*A**98*****{written}").lines[0].percent == Decimal(share)
