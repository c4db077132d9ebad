"""Turns a Typst template and plain data into an accessible PDF, without network or files.

The compiler is loaded by the first document (0.1 s, 35 MB), so a process that makes none is spared.
Data reaches a template only as JSON in `sys.inputs`, so no text in it is ever read as markup. The
compiler sees one folder, `typst/` beside this module, and the fonts that come with its wheel
(Latin, Greek, Cyrillic, Hebrew, Arabic, Devanagari). PDF/UA-1 forbids a missing glyph: a character
that no font has is printed as a box, and the template is told (`missing`) so that it can say so.
"""

import asyncio
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import typst

BOX = "\u25a1"
_ROOT = Path(__file__).parent / "typst"
_TRIES_MAX = 3
_LACKING = re.compile(r'the text (?:contains the disallowed codepoint )?`"(.+?)"`')
_ESCAPED = re.compile(r"\\u\{([0-9a-f]{1,6})\}")
_LONG_WORD = re.compile(r"\S{40}(?=\S)")
"""Where a word gets a place to break (U+200B): a longer one would run off the page."""
_BIDI_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They make a text read differently from what it holds (Unicode UAX #9, CVE-2021-42574)."""


class RenderError(Exception):
    """A template did not compile. It says where in the template; never what the data held."""


@cache
def fonts_with(*folders: Path) -> "typst.Fonts":
    """The fonts inside the wheel, and those of some folders for scripts that the wheel lacks.

    Never those of the machine: the same fonts everywhere give the same bytes.
    """
    import typst

    return typst.Fonts(include_system_fonts=False, font_paths=[str(each) for each in folders])


@cache
def template(package: str, name: str) -> str:
    """The source of a template that lies in the folder `templates` of a package."""
    return resources.files(package).joinpath("templates", name).read_text("utf-8")


async def render(
    source: str, data: Mapping[str, Any], *, fonts: "typst.Fonts | None" = None
) -> bytes:
    """The PDF of a template filled with `data` (JSON values); made in a thread.

    fonts: of `fonts_with`; those of the wheel where none are given. The same source, data and
    fonts give the same bytes. Raises RenderError where the template
    asks for what the data does not have, ValueError where the data is not JSON.
    """
    return await asyncio.to_thread(_render, source, data, fonts)


def _render(source: str, data: Mapping[str, Any], fonts: "typst.Fonts | None") -> bytes:
    import typst

    text = json.dumps(_tidy(data), ensure_ascii=False, allow_nan=False)
    lacking: set[str] = set()
    for _ in range(_TRIES_MAX):
        shown = text.translate({ord(character): BOX for character in lacking})
        inputs = {"data": shown, "missing": "true" if BOX in shown else "false"}
        try:
            return _compile(source, inputs, fonts or fonts_with())
        except typst.TypstError as error:
            more = set(_lacking(error.diagnostic)) - lacking
            if not more:
                raise RenderError(_where(error)) from None
            lacking |= more
    raise RenderError("characters that no font has are left after they were replaced")


def _compile(source: str, inputs: dict[str, str], fonts: "typst.Fonts") -> bytes:
    import typst

    compiler = typst.Compiler(
        source.encode(),
        root=str(_ROOT),
        font_paths=fonts,
        ignore_system_fonts=True,
        sys_inputs=inputs,
    )
    made = compiler.compile(format="pdf", pdf_standards=["ua-1"], timestamp=0)
    if not isinstance(made, bytes):
        raise RenderError("the compiler gave no document")
    return made


def _lacking(diagnostic: str) -> Iterable[str]:
    for quoted in _LACKING.findall(diagnostic):
        unescaped = _ESCAPED.sub(lambda match: chr(int(match.group(1), 16)), quoted)
        yield from (character for character in unescaped if _is_drawn(character))


def _is_drawn(character: str) -> bool:
    """Whether it is a character of the text and not one that only steers it, as U+200B does."""
    return not character.isascii() and unicodedata.category(character) != "Cf"


def _where(error: "typst.TypstError") -> str:
    at = re.search(r"([\w-]+\.typ:\d+:\d+)", error.diagnostic)
    return f"the template does not compile, at {at.group(1) if at else 'no known place'}"


def _tidy(value: Any) -> Any:
    if isinstance(value, str):
        text = "".join(map(_tidy_character, unicodedata.normalize("NFC", value)))
        return _LONG_WORD.sub(lambda word: f"{word.group()}\u200b", text)
    if isinstance(value, Mapping):
        return {key: _tidy(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_tidy(each) for each in value]
    return value


def _tidy_character(character: str) -> str:
    if character in "\n\t" or (character.isascii() and character.isprintable()):
        return character
    if character in _BIDI_OVERRIDES:
        return ""
    unprintable = unicodedata.category(character) in {"Cc", "Cs"}
    return BOX if unprintable or character == "\ufeff" else character
