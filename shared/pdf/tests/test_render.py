"""Rendering: what goes in comes out as text, tagged, without network or files, byte for byte."""

import asyncio
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pypdfium2 as pdfium
import pytest

from shared.pdf import RenderError, fonts_with, render

SOURCE = """
#import "/letter.typ": *
#show: letter.with(title: data.title, foot: "foot")
= #data.title
#facts(((label: "Name", text: data.text),))
== Rows
#rows(("A", "B"), ((data.text, "1"),), right-from: 1)
"""


async def rendered(text: str, source: str = SOURCE) -> bytes:
    """A small document that holds the text."""
    return await render(source, {"title": "A title", "text": text})


def text_of(pdf: bytes) -> str:
    """All the text of a PDF, as a reader would copy it."""
    document = pdfium.PdfDocument(pdf)
    pages = [page.get_textpage().get_text_bounded() for page in document]
    return "\n".join(pages).replace("\r\n", "\n")


async def test_it_is_tagged_as_pdf_ua_with_title_and_language() -> None:
    pdf = await rendered("text")
    document = pdfium.PdfDocument(pdf)
    assert document.is_tagged()
    assert b"<pdfuaid:part>1</pdfuaid:part>" in pdf
    assert b"/Lang (en-US)" in pdf or b"/Lang(en-US)" in pdf
    assert document.get_metadata_dict()["Title"] == "A title"


async def test_it_is_on_letter_paper() -> None:
    page = pdfium.PdfDocument(await rendered("text"))[0]
    assert page.get_size() == (612.0, 792.0)


@pytest.mark.parametrize(
    "text",
    [
        '#panic("no")',
        '#read("/etc/passwd")',
        "*bold* _it_ $x^2$ `raw` @ref <label> #let x = 1",
        "= no heading",
        "// no comment",
        "\\ no break \\u{41}",
        "]{)(}[",
        '"); #import "x"',
        "{{7*7}} ${jndi:ldap://x}",
        "O'Brien \u2013 5 < 6 & 7 > 2",
        "https://example.test/a#b",
    ],
)
async def test_text_is_never_read_as_markup(text: str) -> None:
    found = text_of(await rendered(text))
    # Text is compared without the typographer's hyphens and line breaks.
    assert found.replace("\n", "").count(text) == 2


@pytest.mark.parametrize(
    "text",
    [
        "Ana-Sofía Łukasiewicz",
        "Nguyễn Thị Ánh",
        "Ὀδυσσεύς Иванова",
        "\u02bbOkina",
        "e\u0301 is \u00e9",
        "שלום",
        "محمد",
        "नमस्ते",
    ],
)
async def test_names_in_many_scripts_are_printed(text: str) -> None:
    found = text_of(await rendered(text))
    assert "\u25a1" not in found


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("山田 Taro", "□□ Taro"),
        ("a\U00020000b", "a□b"),
        ("ok 👍", "ok □"),
        ("nul\x00bell\x07", "nul□bell□"),
        ("lone \ud83d surrogate", "lone □ surrogate"),
        ("mark\ufeffed", "mark□ed"),
        ("paid \u202e00.5$", "paid 00.5$"),
    ],
)
async def test_what_no_font_has_is_a_box_and_the_document_says_so(text: str, shown: str) -> None:
    found = text_of(await rendered(text))
    assert shown in found
    assert ("no font for" in found) == ("□" in shown)


async def test_a_word_that_is_longer_than_a_line_is_broken_not_cut_off() -> None:
    word = "".join(chr(ord("a") + n % 26) for n in range(900))
    found = text_of(await rendered(word))
    assert found.translate({0x200B: None, 0x0A: None}).count(word) == 2


async def test_a_thousand_characters_that_no_font_has_are_boxes_too() -> None:
    text = "".join(chr(0x4E00 + n) for n in range(1000))
    assert text_of(await rendered(text)).count("□") >= 2000


def test_the_same_data_gives_the_same_bytes_here_and_in_another_process() -> None:
    here = asyncio.run(rendered("山 text"))
    assert asyncio.run(rendered("山 text")) == here
    code = (
        "import asyncio, sys; from shared.pdf.tests.test_render import rendered;"
        "sys.stdout.buffer.write(asyncio.run(rendered('山 text')))"
    )
    root = Path(__file__).parents[3]
    other = subprocess.run(
        [sys.executable, "-c", code],
        cwd="/",
        env={"PYTHONPATH": str(root), "TZ": "Asia/Tokyo", "SOURCE_DATE_EPOCH": "1"},
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert other.stdout == here


async def test_other_data_gives_other_bytes() -> None:
    assert await rendered("one") != await rendered("two")


def test_the_fonts_are_those_of_the_wheel_and_of_folders_and_none_of_the_machine(
    tmp_path: Path,
) -> None:
    embedded = fonts_with()
    assert {font.path for font in embedded.fonts()} == {None}
    assert "Libertinus Serif" in embedded.families()
    assert fonts_with(tmp_path).families() == embedded.families()


def test_a_process_that_makes_no_document_does_not_load_the_compiler() -> None:
    code = "import sys, shared.pdf; print('typst' in sys.modules)"
    root = Path(__file__).parents[3]
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, check=True, timeout=60
    )
    assert found.stdout == b"False\n"


@pytest.mark.parametrize(
    "source",
    [
        "#data.nothing",
        '#import "/letter.typ": data\n= #data.nothing',
        "= no title",
        '#import "/letter.typ": data\n#panic(data.text)',
    ],
)
async def test_a_template_at_fault_raises_without_repeating_the_data(source: str) -> None:
    with pytest.raises(RenderError) as caught:
        await rendered("a secret name", source)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../render.py", "../../../pyproject.toml", "/../render.py"]
)
async def test_a_template_sees_no_file_outside_its_folder(path: str) -> None:
    source = f'#import "/letter.typ": *\n#show: letter.with(title: "t")\n#read("{path}")'
    with pytest.raises(RenderError):
        await rendered("text", source)


@pytest.mark.parametrize("data", [{"title": float("nan")}, {"title": b"bytes"}])
async def test_data_that_is_not_json_is_refused(data: Mapping[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        await render(SOURCE, data)
