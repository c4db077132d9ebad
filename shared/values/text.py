"""What text may be kept, and the plain form in which it is searched.

Text is data and nothing else: markup, quotes, braces and formulas are kept as they came. Refused is
only what no person can read or write: controls, marks that turn the direction of what follows, half
characters, and text without anything visible in it (Unicode Technical Report 36, section 3).
"""

import re
import unicodedata

from shared.values.errors import Invalid

LINE_MAX = 200
NOTE_MAX = 4_000

# C0 and C1 controls but tab, line feed and carriage return; surrogates; the byte order mark; marks
# that embed, override or isolate a direction; tag characters; code points that are no characters.
_REFUSED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufeff\u202a-\u202e\u2066-\u2069"
    "\U000e0000-\U000e007f\ufdd0-\ufdef]|[\ufffe\uffff]"
)

# Marks that are dropped in searching: Latin, Greek and Cyrillic accents, Hebrew points, Arabic
# vowel signs. Not those of Indic scripts, where a mark is a vowel and its loss another name.
_ACCENTS = re.compile(
    "[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u0591-\u05c7\u064b-\u0652\u0670\u0640]"
)

# Every apostrophe people type, the okina and the other modifier letters among them.
_APOSTROPHES = re.compile("['`\u00b4\u02b9\u02bb\u02bc\u02bd\u02be\u02bf\u2018\u2019\u201b\u2032]")

# Letters with a stroke and the like are letters of their own to Unicode, not to who searches.
_FOLDED = str.maketrans(
    {
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ħ": "h",
        "\u0131": "i",
        "æ": "ae",
        "œ": "oe",
        "þ": "th",
        "ð": "d",
    }
)


def checked_line(text: str, *, pointer: str, limit: int = LINE_MAX) -> str:
    """One line of text in NFC; any run of white space, line ends among it, becomes one space.

    Raises Invalid at `pointer`: ``text.encoding`` (a character that is refused), ``text.blank``
    (nothing visible), ``text.too_long`` (more than `limit` characters).
    """
    return " ".join(_checked(text, pointer, limit).split())


def checked_note(text: str, *, pointer: str, limit: int = NOTE_MAX) -> str:
    """Text of several lines in NFC, lines ended by a line feed, without white space at the ends.

    Raises Invalid as `checked_line` does.
    """
    lines = _checked(text, pointer, limit).replace("\r\n", "\n").replace("\r", "\n")
    return lines.strip()


def search_form(text: str) -> str:
    """The form in which text is searched: stored in a plain column beside it, indexed by btree.

    Case folded, without accents and apostrophes, hyphens and other punctuation read as a space:
    composed and decomposed letters, O'Brien and OBrien, Smith-Jones and Smith Jones are the same.
    Text that is punctuation alone keeps it, so that nothing has an empty form.
    """
    folded = unicodedata.normalize("NFKD", text).casefold()
    folded = unicodedata.normalize("NFKD", folded).translate(_FOLDED)
    plain = _APOSTROPHES.sub("", _ACCENTS.sub("", folded))
    words = "".join(_plain(char) for char in plain).split()
    return unicodedata.normalize("NFC", " ".join(words) if words else "".join(folded.split()))


def compact_form(text: str) -> str:
    """The search form without spaces: De La Cruz and Delacruz are the same."""
    return search_form(text).replace(" ", "")


def prefix_range(form: str) -> tuple[str, str]:
    """Bounds [low, high) of all forms that begin with `form`, under the collation "C".

    LIKE cannot use an index under row security; two comparisons can. ``%`` and ``_`` are letters.
    """
    return form, form + "\U0010ffff"


def _checked(text: str, pointer: str, limit: int) -> str:
    if len(text) > limit:
        raise Invalid("text.too_long", "The text is too long.", pointer=pointer)
    if _REFUSED.search(text):
        title = "The text holds a character that cannot be kept."
        raise Invalid("text.encoding", title, pointer=pointer)
    composed = unicodedata.normalize("NFC", text)
    if len(composed) > limit:
        raise Invalid("text.too_long", "The text is too long.", pointer=pointer)
    if not any(_visible(char) for char in composed):
        raise Invalid("text.blank", "The text is blank.", pointer=pointer)
    return composed


def _visible(char: str) -> bool:
    """Whether a character shows. Joiners and marks on nothing do not; neither do Hangul fillers."""
    if char in "\u115f\u1160\u3164\uffa0\u2800":
        return False
    return unicodedata.category(char) not in {"Cc", "Cf", "Zs", "Zl", "Zp", "Mn", "Me"}


def _plain(char: str) -> str:
    """A character in the search form: itself, a space for punctuation, nothing for a joiner."""
    category = unicodedata.category(char)
    if category == "Cf":
        return ""
    return " " if category[0] in "PZ" or category in ("Cc", "Sk") else char
