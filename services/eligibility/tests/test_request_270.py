"""The 270 that goes out."""

from dataclasses import replace
from datetime import date

import pytest

from services.eligibility.domain.check_270 import faults_of_270
from services.eligibility.domain.question import Identity, read_270
from services.eligibility.domain.request_270 import Inquiry, Payer, Receiver, build_270
from services.eligibility.tests.payer_answers import CHILD, INQUIRY, inquiry, of_subscriber
from shared.values.errors import DomainError, Invalid
from shared.x12 import Interchange, X12Error, parse
from shared.x12.tests.samples import sample

BODY = """ST*270*0001*005010X279A1
BHT*0022*13*0190a1b2-0000-7000-8000-000000000022*20261123*1500
HL*1**20*1
NM1*PR*2*SIMULATED HEALTH*****PI*SIM01
HL*2*1*21*1
NM1*1P*2*CLINIC OF THE NORTH*****XX*1234567893
HL*3*2*22*0
TRN*1*0190a1b2-0000-7000-8000-000000000022*9CLINICBUS
NM1*IL*1*ANDERS*BERTA****MI*ACT100200
DMG*D8*19800229*F
DTP*291*D8*20261130
EQ*30
SE*13*0001"""
FAMILY_BODY = """HL*3*2*22*1
NM1*IL*1*ANDERS*BERTA****MI*ACT100200
REF*6P*G-77
DMG*D8*19800229*F
HL*4*3*23*0
TRN*1*0190a1b2-0000-7000-8000-000000000022*9CLINICBUS
NM1*03*1*ANDERS*CARL
DMG*D8*20150601*M
INS*N*19
DTP*291*D8*20261130
EQ*30^98
SE*18*0001"""


def lines_of(built: Interchange) -> str:
    return built.to_bytes().decode().replace("~", "\n")


def test_a_subscriber_is_asked_about() -> None:
    built = build_270(INQUIRY)
    assert BODY in lines_of(built)
    assert built.control_number == "000000042"
    assert faults_of_270(built) == []


def test_a_dependent_is_asked_about_at_a_level_of_their_own() -> None:
    family = inquiry(
        dependent=CHILD,
        subscriber=replace(INQUIRY.subscriber, group_number="g-77"),
        service_types=("30", "98"),
    )
    built = build_270(family)
    assert FAMILY_BODY in lines_of(built)
    assert faults_of_270(built) == []


@pytest.mark.parametrize(
    "asked",
    [
        INQUIRY,
        inquiry(dependent=CHILD),
        inquiry(service_types=("98", "30")),
        of_subscriber(first_name=""),
        of_subscriber(sex=None),
    ],
)
def test_our_own_parser_reads_the_question_back(asked: Inquiry) -> None:
    read = read_270(parse(build_270(asked).to_bytes()))
    question = asked.question
    assert (read.trace, read.originator, read.reference) == (
        question.trace,
        question.originator,
        question.reference,
    )
    assert (read.service_date, read.service_types) == (asked.service_date, asked.service_types)
    assert read.subscriber.member_id == asked.subscriber.member_id
    assert read.patient.birth_date == question.patient.birth_date
    assert read.patient.last_name == question.patient.last_name.upper()
    assert (read.dependent is None) is (asked.dependent is None)


def test_a_public_270_is_read() -> None:
    path = sample("x12/subscriber-health-benefit-check.270")
    question = read_270(parse(path.read_bytes()))
    assert question.subscriber == Identity("SMITH", "ROBERT", date(1943, 5, 19), "11122333301")
    assert question.service_date == date(2006, 5, 1)
    assert (question.trace, question.service_types) == ("93175-012547", ("30",))
    assert faults_of_270(parse(path.read_bytes())) == []


def test_names_go_out_in_capitals_without_accents() -> None:
    built = build_270(of_subscriber(last_name="Muñoz-O\u2019Hara", first_name="José"))
    assert "NM1*IL*1*MUNOZ-O'HARA*JOSE****MI*" in lines_of(built)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (of_subscriber(member_id=" "), "request.incomplete"),
        (of_subscriber(last_name=""), "request.incomplete"),
        (of_subscriber(birth_date=None), "request.incomplete"),
        (inquiry(dependent=replace(CHILD, first_name="")), "request.incomplete"),
        (inquiry(service_types=()), "request.incomplete"),
        (inquiry(trace=""), "request.incomplete"),
        (inquiry(originator="SHORT"), "request.incomplete"),
        (inquiry(payer=Payer("Simulated", "")), "request.incomplete"),
        (inquiry(receiver=Receiver("", "1234567893")), "request.incomplete"),
        (inquiry(receiver=Receiver("Clinic", "1234567890")), "request.npi"),
        (of_subscriber(last_name="Secret" * 11), "request.too_long"),
        (of_subscriber(member_id="9" * 81), "request.too_long"),
        (inquiry(trace="t" * 51), "request.too_long"),
        (of_subscriber(last_name="Secret*Name"), "x12.delimiter_in_data"),
        (of_subscriber(member_id="12~SE*3"), "x12.delimiter_in_data"),
        (inquiry(trace="one~two"), "x12.delimiter_in_data"),
        (of_subscriber(first_name="王小明"), "x12.charset"),
        (inquiry(sender_id="A" * 16), "x12.too_long"),
        (inquiry(control_number=0), "x12.control_number"),
    ],
)
def test_what_cannot_be_asked_is_refused_without_repeating_it(asked: Inquiry, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        build_270(asked)
    assert caught.value.code == code
    assert "SECRET" not in told(caught.value).upper()


def told(error: DomainError) -> str:
    return f"{error} {error.title} {error.facts}"


def test_a_subscriber_who_is_not_the_patient_needs_no_birth_date() -> None:
    built = build_270(
        inquiry(dependent=CHILD, subscriber=replace(INQUIRY.subscriber, birth_date=None))
    )
    assert faults_of_270(built) == []


@pytest.mark.parametrize(
    ("one", "other", "fault"),
    [
        ("BHT*0022*13*", "BHT*0022*01*", "270 BHT02"),
        ("NM1*PR*2*SIMULATED HEALTH*", "NM1*PR*2**", "2100A NM103"),
        ("*XX*1234567893", "", "2100B NM108"),
        ("TRN*1*", "TRN*2*", "2000C TRN01"),
        ("*MI*ACT100200", "*MI*", "2100C NM109"),
        ("DMG*D8*19800229*F", "DMG*D8", "2100C DMG02"),
        ("DTP*291*", "DTP*346*", "2100C DTP01"),
        ("DMG*D8*19800229*F~DTP*291*D8*20261130", "DTP*291*D8*20261130~DMG*D8*19800229*F", "2100C"),
        ("EQ*30", "EQ", "2110C EQ01"),
        ("EQ*30", "ZZ*30", "2110C EQ"),
    ],
)
def test_the_second_look_finds_what_is_missing_or_out_of_order(
    one: str, other: str, fault: str
) -> None:
    text = build_270(INQUIRY).to_bytes().decode()
    assert one in text
    assert fault in faults_of_270(parse(text.replace(one, other).encode()))


@pytest.mark.parametrize(
    ("one", "other", "code"),
    [
        ("ST*270*", "ST*271*", "question.not_a_270"),
        ("NM1*IL*", "ZZZ*IL*", "question.no_subscriber"),
        ("20261130", "20261131", "x12.date"),
    ],
)
def test_a_270_that_asks_nothing_is_refused(one: str, other: str, code: str) -> None:
    text = build_270(INQUIRY).to_bytes().decode().replace(one, other)
    with pytest.raises(X12Error) as caught:
        read_270(parse(text.encode()))
    assert caught.value.code == code


def test_another_transaction_is_no_270_to_the_second_look() -> None:
    text = build_270(INQUIRY).to_bytes().decode().replace("ST*270*", "ST*271*")
    assert faults_of_270(parse(text.encode())) == ["ST01"]
