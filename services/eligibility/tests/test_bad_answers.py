"""Bad answers, by the numbers of the catalogue (E1 to E43): held back, and never "inactive"."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import pytest

from services.eligibility.domain.answers import BadResponse, Rejected, Verified, judge
from services.eligibility.domain.coverage import Coverage
from services.eligibility.domain.rejections import Action
from services.eligibility.domain.verdict import Check, Verdict, visit_verdict
from services.eligibility.tests.payer_answers import (
    ACTIVE,
    AT,
    INQUIRY,
    PAYER_AND_CLINIC,
    SUBSCRIBER,
    TRACE,
    VISIT_ON,
    answer,
    text_of,
)

GOOD = answer(*ACTIVE)
COVERAGE = Coverage(UUID(int=1), "primary", AT.date().replace(month=1, day=1))


def verdict_on(data: bytes) -> Verdict:
    outcome = judge(INQUIRY.question, data)
    return visit_verdict(VISIT_ON, [COVERAGE], Check(COVERAGE.id, VISIT_ON, outcome))


def swapped(one: str, other: str, within: bytes = GOOD) -> bytes:
    assert one.encode() in within
    return within.replace(one.encode(), other.encode())


def with_lines(*lines: str) -> bytes:
    return answer(*ACTIVE, *lines)


def without(segment: str) -> bytes:
    """The good answer without a segment, its count put right."""
    body = (*PAYER_AND_CLINIC, *SUBSCRIBER, *ACTIVE)
    assert segment in body
    return text_of(*(text for text in body if text != segment))


@dataclass(frozen=True)
class Case:
    number: str
    data: Callable[[], bytes]
    reason: str


BAD = [
    Case("E1 empty", lambda: b"", "x12.empty"),
    Case("E2 ISA below 106", lambda: GOOD[:105], "x12.truncated"),
    Case(
        "E2 ISA not of its width",
        lambda: swapped("CLINICBUS      *", "CLINICBUS     **"),
        "x12.isa",
    ),
    Case("E3 delimiter twice", lambda: swapped("*P*:~", "*P*^~"), "x12.delimiter_clash"),
    Case("E5 no IEA", lambda: GOOD[: GOOD.index(b"IEA")], "x12.truncated"),
    Case("E6 IEA count", lambda: swapped("IEA*1", "IEA*2"), "x12.count_lies"),
    Case("E7 GE count", lambda: swapped("GE*1*", "GE*3*"), "x12.count_lies"),
    Case("E8 SE count", lambda: swapped("SE*13", "SE*14"), "x12.count_lies"),
    Case("E9 ST is not SE", lambda: swapped("SE*13*0001", "SE*13*0002"), "x12.control_number"),
    Case(
        "E10 ISA13 is not IEA02",
        lambda: swapped("IEA*1*000000042", "IEA*1*000000043"),
        "x12.control_number",
    ),
    Case("E11 two interchanges", lambda: GOOD + GOOD, "x12.more_than_one"),
    Case("E12 trailing junk", lambda: GOOD + b"junk", "x12.trailing_data"),
    Case("E13 BOM", lambda: b"\xef\xbb\xbf" + GOOD, "x12.bom"),
    Case("E14 Latin-1", lambda: swapped("GOLD", "G\u00d6LD").decode().encode("latin-1"), "x12.c"),
    Case("E14 EBCDIC", lambda: GOOD.decode().encode("cp500"), "x12.not_x12"),
    Case("E15 cut in the middle", lambda: GOOD[: len(GOOD) // 2], "x12.truncated"),
    Case("E16 50 MB", lambda: GOOD + b" " * 50_000_000, "x12.too_large"),
    Case("E17 interchange version", lambda: swapped("*00501*", "*00401*"), "x12.version"),
    Case("E17 guide version", lambda: swapped("005010X279A1", "004010X092A1"), "answer.version"),
    Case("E17 guide of ST", lambda: swapped("1*005010X279A1~B", "1*005010X217~B"), "answer.v"),
    Case("E18 lower-case ids", lambda: swapped("~EB*", "~eb*"), "x12.segment_id"),
    Case("E18 all lower-case", lambda: GOOD.lower(), "x12.not_x12"),
    Case(
        "E19 999 instead",
        lambda: text_of("AK1*HS*42", "AK9*A*1*1*1", transaction="999"),
        "answer.acknowledgement",
    ),
    Case(
        "E20 TA1 instead",
        lambda: GOOD[:106] + b"TA1*000000042*261123*1500*A*000~IEA*0*000000042~",
        "answer.acknowledgement",
    ),
    Case("another set instead", lambda: text_of("BPR*I", transaction="835"), "answer.not_a_271"),
    Case("nobody answers", lambda: text_of("BHT*0022*11*X"), "answer.no_source"),
    Case("E21 HL cycle", lambda: swapped("HL*2*1*21", "HL*2*3*21"), "x12.hl_parent"),
    Case("E22 missing parent", lambda: swapped("HL*3*2*22", "HL*3*9*22"), "x12.hl_parent"),
    Case("E23 no TRN", lambda: without(TRACE), "no_trace"),
    Case("E24 TRN mismatch", lambda: swapped("00000022*9CL", "00000023*9CL"), "wrong_trace"),
    Case("E24 TRN of another", lambda: swapped("*9CLINICBUS", "*9SOMEBODY1"), "wrong_trace"),
    Case("E24 TRN of the payer", lambda: swapped("TRN*2*", "TRN*1*"), "no_trace"),
    Case("E25 last name", lambda: swapped("*ANDERS*", "*OLSEN*"), "other_person"),
    Case("E25 first name", lambda: swapped("*BERTA*", "*CARLA*"), "other_person"),
    Case("E25 birth date", lambda: swapped("*19800229*", "*19800228*"), "other_person"),
    Case("E25 member id", lambda: swapped("*ACT100200", "*ACT100201"), "other_person"),
    Case("E26 EB01 missing", lambda: with_lines("EB**IND*98"), "answer.benefit_code"),
    Case("E27 unknown EB01 alone", lambda: answer("EB*ZZ**30"), "no_status"),
    Case("E28 active and inactive", lambda: with_lines("EB*6**30"), "contradictory"),
    Case("E29 bad DTP", lambda: swapped("*20260101~EB", "*20261301~EB"), "x12.date"),
    Case("E29 bad DTP format", lambda: with_lines("DTP*348*TM*1200"), "x12.date"),
    Case("E30 range", lambda: with_lines("DTP*291*RD8*20261231-20260101"), "x12.date_reversed"),
    Case("E31 1,000.00", lambda: with_lines("EB*C**30***29*1,000.00"), "x12.number"),
    Case("E31 third decimal", lambda: with_lines("EB*C**30***29*10.005"), "answer.amount"),
    Case("E31 beyond all money", lambda: with_lines("EB*C**30***29*" + "9" * 15), "answer.amount"),
    Case("E32 negative", lambda: with_lines("EB*C**30***29*-5.00"), "answer.amount_negative"),
    Case("E33 percent 20", lambda: with_lines("EB*A**30*****20"), "answer.percent"),
    Case("E33 percent below zero", lambda: with_lines("EB*A**30*****-.2"), "answer.percent"),
    Case("E35 * in a name", lambda: swapped("*ANDERS*", "*AND*ERS*"), "other_person"),
    Case("E35 ~ in a name", lambda: swapped("*ANDERS*", "*AND~ERS*"), "x12.count_lies"),
    Case(
        "E36 100,000 segments",
        lambda: swapped("~SE*13*", "~" + "ZZZ*1~" * 100_000 + "SE*100013*"),
        "x12.too_many_segments",
    ),
    Case("E37 second name", lambda: with_lines("NM1*IL*1*OLSEN*EVA"), "x12.loop_repeated"),
    Case("E37 second subscriber", lambda: with_lines("HL*4*2*22*0"), "x12.loop_repeated"),
    Case("E37 second payer", lambda: with_lines("HL*4**20*0"), "x12.loop_repeated"),
    Case("E37 same number", lambda: with_lines("HL*3*3*23*0"), "x12.hl_repeated"),
    Case("a level of no kind", lambda: with_lines("HL*4*3*24*0"), "x12.hl_level"),
    Case("a box left open", lambda: with_lines("LS*2120", "EB*6**30"), "x12.loop_open"),
    Case("a page of HTML", lambda: b"<html>ISA*00*</html>", "x12.not_x12"),
]


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.number)
def test_a_bad_answer_is_held_back_and_the_visit_unverified(case: Case) -> None:
    data = case.data()
    outcome = judge(INQUIRY.question, data)
    assert isinstance(outcome, BadResponse)
    assert outcome.reason.startswith(case.reason)
    assert verdict_on(data) == Verdict("unverified", "payer.bad_response", COVERAGE.id)


@pytest.mark.parametrize(
    ("number", "data"),
    [
        ("E4 newline terminator", GOOD.replace(b"~", b"\n")),
        ("E4 newline after the terminator", GOOD.replace(b"~", b"~\r\n")),
        ("E27 unknown EB01 beside active", with_lines("EB*ZZ**98")),
        ("E38 unknown segment", with_lines("ZZZ*1*2")),
    ],
)
def test_what_is_only_unusual_is_accepted(number: str, data: bytes) -> None:
    outcome = judge(INQUIRY.question, data)
    assert isinstance(outcome, Verified), number
    assert (outcome.status, outcome.plan) == ("active", "GOLD 123 PLAN")
    assert verdict_on(data).status == "active"


def test_e34_future_coverage_is_unverified_with_its_dates_kept() -> None:
    data = answer("DTP*346*D8*20270101", "EB*1**30**GOLD 123 PLAN")
    outcome = judge(INQUIRY.question, data)
    assert isinstance(outcome, Verified)
    assert str(outcome.starts_on) == "2027-01-01"
    assert verdict_on(data) == Verdict("unverified", "plan.not_in_force", COVERAGE.id)


@pytest.mark.parametrize(
    ("number", "code", "follow_up", "reason", "action", "retry"),
    [
        ("E39", "42", "R", "payer.busy", "retry", True),
        ("E39", "42", "P", "payer.busy", "retry", True),
        ("E39", "42", "N", "payer.busy", "retry", False),
        ("E39", "42", "X", "payer.busy", "retry", False),
        ("E40", "71", "C", "card.birth_date", "fix_data", False),
        ("E40", "72", "C", "card.member_id", "fix_data", False),
        ("E40", "73", "C", "card.name", "fix_data", False),
        ("E41", "75", "C", "person.not_found", "fix_data", False),
        ("E42", "79", "C", "setup.participant", "fix_setup", False),
        ("E43", "80", "R", "payer.unknown", "retry", True),
        ("known", "62", "C", "date.refused", "fix_date", False),
        ("known", "95", "N", "person.not_eligible", "ask_payer", False),
        ("not known", "Q9", "R", "payer.refused", "ask_payer", False),
    ],
)
def test_a_refusal_says_what_to_do_and_never_inactive(
    number: str, code: str, follow_up: str, reason: str, action: Action, retry: bool
) -> None:
    data = answer(f"AAA*N**{code}*{follow_up}")
    assert judge(INQUIRY.question, data) == Rejected(
        "subscriber", code, follow_up, reason, action, retry
    ), number
    assert verdict_on(data) == Verdict("unverified", reason, COVERAGE.id)


@pytest.mark.parametrize("whole", [GOOD, answer("EB*6**30")], ids=["active", "inactive"])
def test_e15_no_answer_cut_short_says_anything(whole: bytes) -> None:
    assert verdict_on(whole).status in {"active", "inactive"}
    cut_short = {verdict_on(whole[:length]).status for length in range(len(whole))}
    assert cut_short == {"unverified"}
