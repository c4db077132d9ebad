"""Reading and writing back: every byte, and every way in which an envelope can be wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.x12 import X12Error, parse
from shared.x12.errors import TITLES
from shared.x12.tests.samples import sample

ISA = (
    "ISA*00*          *00*          *ZZ*SENDER         *ZZ*RECEIVER       "
    "*260102*0304*^*00501*000000007*0*T*:~"
)
BODY = "BHT*0022*13*REF~ZZZ*KEPT**AS:IT^IS*~"
WHOLE = (
    f"{ISA}GS*HS*A*B*20260102*0304*7*X*005010X999~ST*270*0001~{BODY}"
    "SE*4*0001~GE*1*7~IEA*1*000000007~"
)


def refusal(data: bytes | str) -> X12Error:
    """The error with which it is refused."""
    with pytest.raises(X12Error) as caught:
        parse(data.encode() if isinstance(data, str) else data)
    return caught.value


@pytest.mark.parametrize(
    "name",
    [
        "x12/subscriber-health-benefit-check.270",
        "x12/subscriber-health-benefit-check.271",
        "x12/managed-care.835",
    ],
)
def test_public_examples_are_written_back_byte_for_byte(name: str) -> None:
    data = sample(name).read_bytes()
    assert parse(data).to_bytes() == data


def test_what_is_read_can_be_found_and_unknown_segments_are_kept() -> None:
    interchange = parse(WHOLE.encode())
    (transaction,) = interchange.transactions
    assert transaction.code == "270"
    assert [part.id for part in transaction.body] == ["BHT", "ZZZ"]
    unknown = transaction.body[1]
    assert unknown.position == 5
    assert unknown.elements == ("KEPT", "", "AS:IT^IS", "")
    assert interchange.delimiters.repeats(unknown.get(3)) == ("AS:IT", "IS")
    assert interchange.delimiters.components("AS:IT") == ("AS", "IT")
    assert unknown.get(9) == ""
    assert interchange.to_bytes() == WHOLE.encode()


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r", "\n\n"])
def test_line_ends_after_terminators_are_kept(line_end: str) -> None:
    data = WHOLE.replace("~", "~" + line_end).encode()
    assert parse(data).to_bytes() == data


@pytest.mark.parametrize("after", ["", "\n", " \t\r\n"])
def test_white_space_after_the_end_is_kept(after: str) -> None:
    data = (WHOLE + after).encode()
    assert parse(data).to_bytes() == data


@pytest.mark.parametrize("terminator", ["\n", "\r", "\x1c", "|", "'"])
def test_the_terminator_is_what_the_isa_says(terminator: str) -> None:
    data = WHOLE.replace("~", terminator).encode()
    interchange = parse(data)
    assert interchange.delimiters.segment == terminator
    assert interchange.to_bytes() == data


def test_delimiters_may_be_control_characters() -> None:
    data = WHOLE.translate(str.maketrans("*^:~", "\x1d\x1f\x1e\x1c")).encode()
    assert parse(data).to_bytes() == data


def test_letters_beyond_ascii_are_read_as_utf_8() -> None:
    data = WHOLE.replace("KEPT", "JOSÉ").encode()
    assert parse(data).to_bytes() == data


@pytest.mark.parametrize("length", range(len(WHOLE)))
def test_every_cut_short_is_refused(length: int) -> None:
    assert refusal(WHOLE[:length]).code in {"x12.empty", "x12.not_x12", "x12.truncated"}


def test_an_acknowledgement_may_stand_before_the_groups() -> None:
    data = f"{ISA}TA1*000000001*260102*0304*A*000~IEA*0*000000007~".encode()
    interchange = parse(data)
    assert interchange.groups == ()
    assert interchange.to_bytes() == data


def swapped(one: str, other: str) -> str:
    assert one in WHOLE
    return WHOLE.replace(one, other)


@pytest.mark.parametrize(
    ("data", "code", "segment"),
    [
        (b"", "x12.empty", None),
        (b" \r\n", "x12.empty", None),
        (b"<!DOCTYPE html><html></html>", "x12.not_x12", None),
        (b"\xef\xbb\xbf" + WHOLE.encode(), "x12.bom", None),
        (WHOLE.encode("utf-16"), "x12.bom", None),
        (WHOLE.encode("cp500"), "x12.not_x12", None),
        (WHOLE.replace("KEPT", "JOSÉ").encode("latin-1"), "x12.charset", None),
        (WHOLE.lower().encode(), "x12.not_x12", None),
        (ISA[:105].encode(), "x12.truncated", 1),
    ],
)
def test_what_is_no_x12_is_refused(data: bytes, code: str, segment: int | None) -> None:
    error = refusal(data)
    assert (error.code, error.segment) == (code, segment)


@pytest.mark.parametrize(
    ("data", "code", "segment"),
    [
        (swapped("*T*:~", "*T*^~"), "x12.delimiter_clash", 1),
        (swapped("*T*:~", "*T*~~"), "x12.delimiter_clash", 1),
        (swapped("*0304*^*", "*0304***"), "x12.delimiter_clash", 1),
        (swapped("*T*:~", "*T*A~"), "x12.delimiter_unusable", 1),
        (swapped("*T*:~", "*T*: "), "x12.delimiter_unusable", 1),
        (swapped("*0304*^*", "*0304*U*"), "x12.delimiter_unusable", 1),
        (swapped("SENDER         ", "SENDER        *"), "x12.isa_layout", 1),
        (swapped("*00501*", "*00401*"), "x12.version", 1),
        (swapped("ZZZ*", "zzz*"), "x12.segment_id", 5),
        (swapped("ZZZ*", "Z*"), "x12.segment_id", 5),
        (swapped("ZZZ*", "~ZZZ*"), "x12.segment_id", 5),
        (swapped("ZZZ*", " ZZZ*"), "x12.segment_id", 5),
        (swapped("KEPT", "KE\x00PT"), "x12.control_character", 5),
        (swapped("KEPT", "KE\nPT"), "x12.control_character", 5),
        (swapped("KEPT", "KE\x85PT"), "x12.control_character", 5),
        (swapped("GS*", "ST*"), "x12.envelope", 2),
        (swapped("ST*", "STX*"), "x12.envelope", 3),
        (swapped("SE*4*0001~", ""), "x12.envelope", 6),
        (swapped("GE*1*7~", ""), "x12.envelope", 7),
        (swapped("IEA*1", "TA1*1~IEA*1"), "x12.envelope", 8),
        (swapped("0001", ""), "x12.control_number_lies", 6),
        (swapped("SE*4", "SE*5"), "x12.count_lies", 6),
        (swapped("SE*4", "SE*-4"), "x12.count_lies", 6),
        (swapped("SE*4", "SE*"), "x12.count_lies", 6),
        (swapped("GE*1*7", "GE*2*7"), "x12.count_lies", 7),
        (swapped("IEA*1", "IEA*0"), "x12.count_lies", 8),
        (swapped("SE*4*0001", "SE*4*0002"), "x12.control_number_lies", 6),
        (swapped("GE*1*7", "GE*1*8"), "x12.control_number_lies", 7),
        (swapped("IEA*1*000000007", "IEA*1*000000008"), "x12.control_number_lies", 8),
        (WHOLE + WHOLE, "x12.more_than_one", 9),
        (WHOLE + "\n" + WHOLE, "x12.more_than_one", 9),
        (WHOLE + "\x1a", "x12.trailing_data", 9),
        (WHOLE + "GS*", "x12.trailing_data", 9),
    ],
)
def test_an_envelope_that_does_not_hold_is_refused(data: str, code: str, segment: int) -> None:
    error = refusal(data)
    assert (error.code, error.segment) == (code, segment)


def test_limits_on_bytes_and_segments_are_errors() -> None:
    with pytest.raises(X12Error, match=r"x12\.too_large"):
        parse(WHOLE.encode(), bytes_max=len(WHOLE) - 1)
    with pytest.raises(X12Error, match=r"x12\.too_many_segments"):
        parse(WHOLE.encode(), segments_max=7)
    assert parse(WHOLE.encode(), bytes_max=len(WHOLE), segments_max=8)
    assert refusal(b"ISA" + b"*" * 1_000_000).code == "x12.too_large"


def test_no_error_repeats_what_was_read() -> None:
    error = refusal(swapped("KEPT", "SECRET\x07"))
    told = " ".join((str(error), repr(error), error.title, repr(error.facts)))
    assert "SECRET" not in told
    assert "segment 5" in told


def kept_or_refused(data: bytes) -> bool:
    """Whether reading it either keeps every byte or refuses it with a code of this package."""
    try:
        return parse(data).to_bytes() == data
    except X12Error as error:
        return error.code in TITLES


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_and_never_crash(noise: bytes) -> None:
    assert kept_or_refused(noise)
    assert kept_or_refused(ISA.encode() + noise)
    assert kept_or_refused(WHOLE.encode() + noise)


@given(st.integers(0, len(WHOLE) - 1), st.characters(codec="utf-8"))
def test_one_changed_character_is_read_back_exactly_or_refused(place: int, mark: str) -> None:
    assert kept_or_refused((WHOLE[:place] + mark + WHOLE[place + 1 :]).encode())
