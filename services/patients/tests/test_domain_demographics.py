"""Dates, gender, telephone, e-mail, addresses, other people."""

import re
from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.patients.domain.address import Address, address_key, checked_address
from services.patients.domain.birth import (
    Gender,
    age_on,
    checked_birth_date,
    checked_death_date,
    checked_gender,
    year_told,
)
from services.patients.domain.contact import (
    checked_email,
    checked_phone,
    checked_relation,
    email_search,
)
from shared.values.errors import Invalid

TODAY = date(2027, 3, 1)


@pytest.mark.parametrize(
    ("born", "code"),
    [
        (date(2027, 3, 2), "birth_date.future"),
        (date(1879, 12, 31), "birth_date.too_early"),
        (date(2027, 3, 1), None),
        (date(1880, 1, 1), None),
    ],
)
def test_a_birth_lies_between_1880_and_today_p29_p30(born: date, code: str | None) -> None:
    if code is None:
        assert checked_birth_date(born, TODAY) == born
    else:
        with pytest.raises(Invalid) as refused:
            checked_birth_date(born, TODAY)
        assert (refused.value.code, refused.value.pointer) == (code, "/birth_date")


@pytest.mark.parametrize(
    ("died", "code"),
    [
        (date(1999, 12, 31), "death_date.before_birth"),
        (date(2027, 3, 2), "death_date.future"),
        (date(2000, 1, 1), None),
        (date(2027, 3, 1), None),
    ],
)
def test_a_death_lies_between_birth_and_today_p32(died: date, code: str | None) -> None:
    born = date(2000, 1, 1)
    if code is None:
        assert checked_death_date(died, born, TODAY) == died
    else:
        with pytest.raises(Invalid) as refused:
            checked_death_date(died, born, TODAY)
        assert refused.value.code == code


@pytest.mark.parametrize(
    ("born", "day", "age"),
    [
        (date(2000, 3, 1), date(2027, 3, 1), 27),
        (date(2000, 3, 2), date(2027, 3, 1), 26),
        (date(2004, 2, 29), date(2027, 2, 28), 22),
        (date(2004, 2, 29), date(2027, 3, 1), 23),
        (date(2027, 3, 1), date(2027, 3, 1), 0),
    ],
)
def test_age_is_counted_in_completed_years(born: date, day: date, age: int) -> None:
    assert age_on(born, day) == age


def test_gender_is_a_code_of_fhir_p37() -> None:
    assert [checked_gender(code) for code in ("male", "female", "other", "unknown")] == list(Gender)
    for code in ("M", "Male", "", "nonbinary"):
        with pytest.raises(Invalid) as refused:
            checked_gender(code)
        assert refused.value.code == "gender.unknown_code"


@pytest.mark.parametrize(
    "text",
    [
        "303-555-0142",
        "(303) 555-0142",
        "303.555.0142",
        "1 303 555 0142",
        "+1 303 555 0142",
        "3035550142",
        "+13035550142",
        "303\u2011555\u20110142",
        "303\u00a0555\u00a00142",
    ],
)
def test_north_american_numbers_are_kept_in_one_form(text: str) -> None:
    assert checked_phone(text) == "+13035550142"


def test_a_number_may_be_padded_to_forty_characters() -> None:
    assert checked_phone("303-555-0142".rjust(40)) == "+13035550142"
    with pytest.raises(Invalid) as refused:
        checked_phone("303-555-0142".rjust(41))
    assert refused.value.code == "phone.too_long"


def test_numbers_of_other_countries_begin_with_a_plus() -> None:
    assert checked_phone("+44 20 7946 0018") == "+442079460018"
    assert checked_phone("+49 (30) 901820") == "+4930901820"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("1" * 2000, "phone.too_long", id="P35"),
        ("", "phone.invalid"),
        ("555-0142", "phone.invalid"),
        ("103-555-0142", "phone.invalid"),
        ("303-155-0142", "phone.invalid"),
        ("911-555-0142", "phone.invalid"),
        ("303-911-0142", "phone.invalid"),
        ("+1 1 303 555 0142", "phone.invalid"),
        ("+1 303 555 014", "phone.invalid"),
        ("+0 303 555 0142", "phone.invalid"),
        ("+4412345", "phone.invalid"),
        ("+4412345678901234", "phone.invalid"),
        ("303-555-0142 x3", "phone.invalid"),
        ("303-555-\u0660\u0661\u0664\u0662", "phone.invalid"),
        ("303-555-0142\n", "phone.invalid"),
        ("3\x0003-555-0142", "phone.invalid"),
    ],
)
def test_what_is_no_telephone_number_is_refused(text: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        checked_phone(text, pointer="/phones/0")
    assert (refused.value.code, refused.value.pointer) == (code, "/phones/0")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.text(alphabet="0123456789+-. ()x", max_size=20))
def test_a_number_that_is_kept_is_e164_and_kept_again(text: str) -> None:
    try:
        kept = checked_phone(text)
    except Invalid:
        return
    assert re.fullmatch(r"\+[1-9][0-9]{7,14}", kept)
    assert checked_phone(kept) == kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("ada@example.com", "ada@example.com"),
        (" Ada.L+clinic@EXAMPLE.com ", "Ada.L+clinic@example.com"),
        ("o'brien_1@sub.example.co.uk", "o'brien_1@sub.example.co.uk"),
        ("jos\u00e9@ex\u00e4mple.com", "jos\u00e9@ex\u00e4mple.com"),
        ("a@" + "b" * 63 + ".com", "a@" + "b" * 63 + ".com"),
        ("a" * 64 + "@example.com", "a" * 64 + "@example.com"),
        ("a@" + "b.cd" * 63, "a@" + "b.cd" * 63),
    ],
)
def test_an_email_is_kept_with_its_domain_in_lower_case(text: str, kept: str) -> None:
    assert checked_email(text) == kept
    assert email_search(kept) == kept.lower()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("a@" + "b.cd" * 62 + "b.cde", "email.too_long", id="P36"),
        ("a" * 65 + "@example.com", "email.too_long"),
        ("example.com", "email.invalid"),
        ("@example.com", "email.invalid"),
        ("ada@", "email.invalid"),
        ("ada@localhost", "email.invalid"),
        ("ada@example..com", "email.invalid"),
        ("ada@-example.com", "email.invalid"),
        ("ada@example-.com", "email.invalid"),
        ("ada@exa_mple.com", "email.invalid"),
        ("a@" + "b" * 64 + ".com", "email.invalid"),
        (".ada@example.com", "email.invalid"),
        ("a..b@example.com", "email.invalid"),
        ("a b@example.com", "email.invalid"),
        ("a@b@example.com", "email.invalid"),
        ("ada@example.com\nBcc: x@example.com", "email.invalid"),
        ("a\u200bda@example.com", "email.invalid"),
        ("a\x00da@example.com", "text.encoding"),
        ("", "text.blank"),
    ],
)
def test_what_is_no_email_is_refused(text: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        checked_email(text)
    assert refused.value.code == code


def address(**change: object) -> Address:
    parts: dict[str, object] = {
        "lines": ["100 Main St", "G-442"],
        "city": "Madison",
        "state": "WI",
        "postal_code": "53703",
        "country": "US",
    }
    return checked_address(**{**parts, **change})  # type: ignore[arg-type]


def test_an_address_is_kept_by_its_parts() -> None:
    expected = Address(("100 Main St", "G-442"), "Madison", "WI", "53703", "US")
    assert address() == expected
    assert len(address(lines=["1", "2", "3", "4"]).lines) == 4
    assert address(lines=[" 100  Main St", "G-442"], state="wi", postal_code=" 53703 ") == expected


@pytest.mark.parametrize(
    ("country", "state", "code"),
    [
        ("US", "WI", "53703-1234"),
        ("CA", "ON", "K1A 0B1"),
        ("CA", None, "k1a0b1"),
        ("GB", None, "SW1A 1AA"),
        ("IE", "Co. Cork", None),
        ("DE", None, "10115"),
    ],
)
def test_postal_codes_are_those_of_the_country(
    country: str, state: str | None, code: str | None
) -> None:
    kept = address(country=country, state=state, postal_code=code)
    assert kept.postal_code == (code.upper() if code else None)
    assert kept.state == state


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"lines": []}, "address.lines", "/address/lines"),
        ({"lines": ["a"] * 5}, "address.lines", "/address/lines"),
        ({"lines": ["a", " "]}, "text.blank", "/address/lines/1"),
        ({"city": "x" * 101}, "text.too_long", "/address/city"),
        ({"country": "USA"}, "address.country", "/address/country"),
        ({"country": "us"}, "address.country", "/address/country"),
        ({"state": "XX"}, "address.state", "/address/state"),
        ({"state": None}, "address.state", "/address/state"),
        ({"postal_code": "5370"}, "address.postal_code", "/address/postal_code"),
        ({"postal_code": "00000"}, "address.postal_code", "/address/postal_code"),
        ({"postal_code": "53703-12"}, "address.postal_code", "/address/postal_code"),
        ({"postal_code": None}, "address.postal_code", "/address/postal_code"),
        (
            {"country": "CA", "state": "ON", "postal_code": "D1A 0B1"},
            "address.postal_code",
            "/address/postal_code",
        ),
        (
            {"country": "DE", "state": "\x00", "postal_code": "10115"},
            "text.encoding",
            "/address/state",
        ),
        (
            {"country": "DE", "postal_code": "\u0661\u0662\u0663"},
            "address.postal_code",
            "/address/postal_code",
        ),
    ],
)
def test_a_faulty_address_is_refused_at_its_part_p38(
    change: dict[str, object], code: str, pointer: str
) -> None:
    with pytest.raises(Invalid) as refused:
        address(**change)
    assert (refused.value.code, refused.value.pointer) == (code, pointer)


def test_two_writings_of_an_address_have_one_key() -> None:
    one = address(lines=["100 Main-St."], postal_code="53703-1234")
    assert address_key(one) == address_key(address(lines=["100 MAIN ST", "Apt 2"]))
    assert address_key(one) != address_key(address(lines=["101 Main St"]))
    irish = address(country="IE", state=None, postal_code=None, city="Cork")
    assert address_key(irish).endswith("|cork")


def test_nobody_is_their_own_guardian_p39() -> None:
    me, other = UUID(int=1), UUID(int=2)
    for fine in (other, None):
        checked_relation(me, fine)
    with pytest.raises(Invalid) as refused:
        checked_relation(me, UUID(int=1))
    assert refused.value.code == "contact.self"


@pytest.mark.parametrize(
    ("born", "told"),
    [(date(1984, 2, 29), 1984), (date(1936, 12, 31), 1936), (date(1912, 5, 1), 1936)],
)
def test_nobody_is_told_to_be_older_than_ninety(born: date, told: int) -> None:
    assert year_told(born, datetime(2026, 11, 2, tzinfo=UTC)) == told
