"""One plain sentence from a 271."""

import pytest

from services.eligibility.domain.response_271 import read_271
from services.eligibility.domain.sentence import dollars, sentence
from services.eligibility.tests.payer_answers import ACTIVE, benefits
from shared.x12 import parse
from shared.x12.tests.samples import sample


def test_the_public_271_in_one_sentence() -> None:
    data = sample("x12/subscriber-health-benefit-check.271").read_bytes()
    assert sentence(read_271(parse(data))) == (
        "GOLD 123 PLAN is active from 2006-01-01; "
        "copay $10.00 in network, $30.00 out of network per visit."
    )


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (ACTIVE, "GOLD 123 PLAN is active from 2026-01-01."),
        (("EB*1**30",), "The plan is active."),
        (
            ("DTP*346*D8*20260101", "DTP*347*D8*20261231", "EB*1**30"),
            "The plan is active from 2026-01-01 to 2026-12-31.",
        ),
        (("EB*6**30**OLD PLAN",), "OLD PLAN is not active."),
        (("EB*6**30",), "The plan is not active."),
        (
            ("EB*1**30", "EB*6**30"),
            "The payer says both that the plan is active and that it is not.",
        ),
        (("EB*U**30",), "The payer asks to be called about this person."),
        (("EB*D**30",), "The payer does not say whether the plan is active."),
        (("EB*1**30", "EB*B**98***27*25"), "The plan is active; copay $25.00 per visit."),
        (("EB*1**30", "EB*B**98****25"), "The plan is active; copay $25.00."),
        (
            ("EB*1**30", "EB*B**98***27*10*****Y", "EB*B**98***27*40*****Y"),
            "The plan is active; copay $10.00 or $40.00 in network per visit.",
        ),
        (
            ("EB*1**30", "EB*B**30***27*99", "EB*B**98***27*25"),
            "The plan is active; copay $25.00 per visit.",
        ),
        (
            ("EB*1**30", "EB*B**98***27*25", "EB*B**98***36*1500.5"),
            "The plan is active; copay $25.00 per visit, $1,500.50 per admission.",
        ),
        (
            ("EB*1**30", "EB*B**86***27*250"),
            "The plan is active.",
        ),
        (
            ("EB*1**30", "EB*C**30***23*1000*****Y", "EB*C**30***29*250*****Y"),
            "The plan is active; deductible $250.00 left in network.",
        ),
        (
            ("EB*1**30", "EB*A**98*****.2****Y", "EB*A**98*****.125****N"),
            "The plan is active; coinsurance 20 % in network, 12.5 % out of network.",
        ),
        (
            ("EB*1**30", "EB*ZZ**98", "EB*ZZ**98", "EB*B**98***99*5"),
            "The plan is active; copay $5.00 period 99; not understood: EB01 ZZ, EB06 99.",
        ),
        (("AAA*N**75*C",), "The payer does not find the person (AAA 75)."),
        (
            ("AAA*N**71*C", "AAA*N**73*C"),
            "The payer has another birth date (AAA 71) and has another name (AAA 73).",
        ),
        (
            ("AAA*N**Q9*C",),
            "The payer refuses for a reason that is not known here (AAA Q9).",
        ),
    ],
)
def test_what_the_sentence_says(lines: tuple[str, ...], told: str) -> None:
    assert sentence(benefits(*lines)) == told


def test_the_sentence_names_no_person() -> None:
    told = sentence(benefits(*ACTIVE, "LS*2120", "NM1*P3*1*JONES*MARCUS", "LE*2120"))
    assert not {"ANDERS", "BERTA", "JONES", "ACT100200"} & set(told.replace(";", " ").split())


@pytest.mark.parametrize(("cents", "written"), [(0, "$0.00"), (5, "$0.05"), (123_456, "$1,234.56")])
def test_dollars_are_written_from_whole_cents(cents: int, written: str) -> None:
    assert dollars(cents) == written
