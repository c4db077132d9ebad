"""Values to an interchange."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.x12 import (
    STANDARD,
    Address,
    Delimiters,
    Envelope,
    Segment,
    Unsendable,
    control_number,
    made,
    parse,
    segment,
)

AT = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


def envelope(**changes: object) -> Envelope:
    values: dict[str, object] = {
        "sender": Address("SENDER"),
        "receiver": Address("RECEIVER", "30"),
        "made_at": AT,
        "control_number": 7,
        "functional_id": "HS",
        "transaction": "270",
        "version": "005010X999",
        **changes,
    }
    return Envelope(**values)  # type: ignore[arg-type]


def test_an_interchange_is_written_as_the_standard_lays_it_out() -> None:
    built = made(envelope(), [segment("BHT", "0022", "13")])
    assert built.to_bytes().decode() == (
        "ISA*00*          *00*          *ZZ*SENDER         *30*RECEIVER       "
        "*260102*0304*^*00501*000000007*0*P*:~"
        "GS*HS*SENDER*RECEIVER*20260102*0304*7*X*005010X999~"
        "ST*270*0001*005010X999~BHT*0022*13~SE*3*0001~GE*1*7~IEA*1*000000007~"
    )
    assert parse(built.to_bytes()) == built


def test_the_instant_is_written_in_utc() -> None:
    local = datetime(2026, 1, 1, 20, 4, tzinfo=timezone(timedelta(hours=-7)))
    assert made(envelope(made_at=local), []).header.elements[8:10] == ("260102", "0304")


def test_other_delimiters_and_line_ends_are_used_throughout() -> None:
    marks = Delimiters("|", "!", ">", "\n")
    built = made(envelope(delimiters=marks), [segment("EQ", ("30", "98"), "A*B", delimiters=marks)])
    assert b"EQ|30!98|A*B\n" in built.to_bytes()
    lines = made(envelope(line_end="\r\n"), [segment("BHT", "1")]).to_bytes().split(b"\r\n")
    assert [line[-1:] for line in lines] == [b"~"] * 7 + [b""]


def test_empty_elements_at_the_end_are_left_off_and_others_kept() -> None:
    assert segment("NM1", "IL", "", "X", "", "") == Segment("NM1", ("IL", "", "X"))


@pytest.mark.parametrize("mark", list(STANDARD))
def test_a_delimiter_inside_a_value_is_refused(mark: str) -> None:
    with pytest.raises(Unsendable) as caught:
        segment("NM1", "IL", f"SECRET{mark}NAME")
    assert caught.value.code == "x12.delimiter_in_data"
    assert caught.value.facts == {"element": "NM102"}
    assert "SECRET" not in str(caught.value) + caught.value.title


@pytest.mark.parametrize("value", ["JOSÉ", "A\nB", "\x00", "王"])
def test_what_the_character_set_does_not_hold_is_refused(value: str) -> None:
    with pytest.raises(Unsendable) as caught:
        segment("NM1", value)
    assert caught.value.code == "x12.charset"


@pytest.mark.parametrize(
    ("number", "written"), [(1, "000000001"), (907, "000000907"), (999_999_999, "999999999")]
)
def test_control_numbers_have_nine_digits(number: int, written: str) -> None:
    assert control_number(number) == written


@pytest.mark.parametrize("number", [-1, 0, 1_000_000_000])
def test_a_control_number_outside_nine_digits_is_refused(number: int) -> None:
    with pytest.raises(Unsendable):
        made(envelope(control_number=number), [])


@pytest.mark.parametrize("name", ["", "X" * 16])
def test_an_address_that_does_not_fit_is_refused(name: str) -> None:
    with pytest.raises(Unsendable):
        made(envelope(receiver=Address(name)), [])


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        made(envelope(made_at=AT.replace(tzinfo=None)), [])


TEXT = st.text(
    st.characters(codec="ascii", min_codepoint=32, max_codepoint=126, exclude_characters="*^:~")
)
SEGMENTS = st.builds(
    lambda name, elements: segment(name, *elements),
    st.from_regex(r"[A-Z][A-Z0-9]{1,2}", fullmatch=True).filter(
        lambda name: name not in {"ISA", "GS", "ST", "SE", "GE", "IEA"}
    ),
    st.lists(TEXT | st.lists(TEXT, min_size=1, max_size=3), max_size=6),
)


@given(st.lists(SEGMENTS, max_size=8), st.sampled_from(["", "\n", "\r\n"]))
def test_whatever_is_built_is_read_back_and_written_the_same(
    body: list[Segment], line_end: str
) -> None:
    data = made(envelope(line_end=line_end), body).to_bytes()
    (transaction,) = parse(data).transactions
    assert [(part.id, part.elements) for part in transaction.body] == [
        (part.id, part.elements) for part in body
    ]
    assert parse(data).to_bytes() == data
