"""Names as the payer's system can take them, and whether two of them name one person."""

import re
import unicodedata

# Letters without a decomposition, and the apostrophes and hyphens that keyboards put in names.
_LETTERS = str.maketrans(
    {
        "Ø": "O",
        "Æ": "AE",
        "Œ": "OE",
        "Ł": "L",
        "Đ": "D",
        "Ð": "D",
        "Þ": "TH",
        "\u2019": "'",
        "\u2018": "'",
        "\u02bb": "'",
        "\u02bc": "'",
        "\u2010": "-",
        "\u2011": "-",
        "\u2013": "-",
    }
)
_NOT_LETTER = re.compile(r"[^A-Z]")
_PREFIX_MIN = 3


def as_sent(text: str) -> str:
    """Upper case, accents off, blanks joined.

    The basic character set of X12.6 has capitals only; what is left beyond ASCII (another script)
    is refused when the request is built, for a payer could not match it.
    """
    upper = text.upper().translate(_LETTERS)
    plain = "".join(
        mark for mark in unicodedata.normalize("NFKD", upper) if not unicodedata.combining(mark)
    )
    return " ".join(plain.split())


def same_member(one: str, other: str) -> bool:
    """Whether two member ids are one; blanks, hyphens and case do not count, zeros do."""
    return _bare(one) == _bare(other)


def _bare(member_id: str) -> str:
    return member_id.upper().replace(" ", "").replace("-", "")


def same_last_name(one: str, other: str) -> bool:
    """Whether two last names agree by their letters. A system that cuts names short is allowed."""
    return _agree(_NOT_LETTER.sub("", as_sent(one)), _NOT_LETTER.sub("", as_sent(other)))


def same_first_name(one: str, other: str) -> bool:
    """Whether two first names agree in their first word; an initial alone is not enough."""
    return _agree(_first_word(one), _first_word(other))


def _first_word(name: str) -> str:
    words = as_sent(name).split()
    return _NOT_LETTER.sub("", words[0]) if words else ""


def _agree(one: str, other: str) -> bool:
    """Equal, or one is the beginning of the other, three letters at least.

    Twins share a last name and a birth date, so a first name must really be compared.
    """
    short, long = sorted((one, other), key=len)
    return short == long or (len(short) >= _PREFIX_MIN and long.startswith(short))
