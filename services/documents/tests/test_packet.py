"""The chart packet: what is missing, what it says, and that it prints."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pypdfium2 as pdfium
import pytest

from services.documents.domain.classification import DocumentClass
from services.documents.domain.packet import (
    Consent,
    Cover,
    Estimate,
    Heard,
    Verdict,
    in_words,
    missing,
)
from services.documents.domain.packet_text import Names, content, money_text
from services.documents.tests.builders import MADE, NAMES, READY, STARTS, filed
from shared.pdf import render, template


def _codes(heard: Heard) -> list[str]:
    return [each.code for each in missing(heard)]


def _cover(verdict: Verdict) -> Cover:
    return Cover(verdict, "payer.said_so", MADE)


def _without(kind: DocumentClass) -> Callable[[Heard], Heard]:
    return lambda h: replace(h, filed=[f for f in h.filed if f.document_class is not kind])


def _new(heard: Heard) -> Heard:
    return replace(heard, visit=replace(heard.visit, new_patient=True))


CASES: list[tuple[str, Callable[[Heard], Heard]]] = [
    ("identity.never_verified", lambda h: replace(h, identity_verified_at=None)),
    (
        "identity.stale",
        lambda h: replace(h, identity_verified_at=STARTS - timedelta(days=180, seconds=1)),
    ),
    ("cover.not_checked", lambda h: replace(h, cover=None)),
    ("cover.unverified", lambda h: replace(h, cover=_cover(Verdict.UNVERIFIED))),
    ("cover.inactive", lambda h: replace(h, cover=_cover(Verdict.INACTIVE))),
    ("estimate.none", lambda h: replace(h, estimate=None)),
    ("consent.treatment", lambda h: replace(h, consents=[Consent("privacy_notice")])),
    ("consent.privacy_notice", lambda h: replace(h, consents=[Consent("treatment")])),
    (
        "consent.treatment",
        lambda h: replace(
            h, consents=[Consent("treatment", date(2026, 11, 29)), Consent("privacy_notice")]
        ),
    ),
    ("document.identification", _without(DocumentClass.IDENTIFICATION)),
    ("document.insurance_card", _without(DocumentClass.INSURANCE_CARD)),
    ("document.health_history", _new),
    ("balance.owed", lambda h: replace(h, owed_cents=1)),
]


def test_nothing_is_missing_when_all_is_there() -> None:
    assert missing(READY) == ()
    edge = replace(READY, identity_verified_at=STARTS - timedelta(days=180), owed_cents=-500)
    assert missing(edge) == ()


@pytest.mark.parametrize(("code", "without"), CASES)
def test_each_thing_that_is_not_there_is_missing_and_nothing_else(
    code: str, without: Callable[[Heard], Heard]
) -> None:
    assert _codes(without(READY)) == [code]


def test_a_patient_who_pays_needs_no_card_and_a_history_is_asked_of_new_patients_only() -> None:
    self_pay = replace(READY, cover=_cover(Verdict.SELF_PAY))
    assert _codes(_without(DocumentClass.INSURANCE_CARD)(self_pay)) == []
    history = filed(13, DocumentClass.HEALTH_HISTORY)
    assert _codes(_new(replace(READY, filed=[*READY.filed, history]))) == []


def test_of_a_visit_nobody_knows_anything_about_everything_is_missing() -> None:
    assert _codes(Heard(READY.visit)) == [
        "identity.never_verified",
        "cover.not_checked",
        "estimate.none",
        "consent.treatment",
        "consent.privacy_notice",
        "document.identification",
        "document.insurance_card",
    ]


def test_a_packet_says_when_with_whom_for_whom_and_what_it_costs() -> None:
    found = content(READY, NAMES, revision=2, made_at=MADE)
    assert found["title"] == "Chart packet MRN-1042, Mon, November 30, 2026"
    assert {each["label"]: each["text"] for each in found["facts"]} == {
        "Record number": "MRN-1042",
        "Born": "February 29, 1984 (age 42)",
        "Visit": "Mon, November 30, 2026, 9:00 AM to 9:30 AM MST",
        "Kind": "Office visit",
        "Provider": "Dr. Kaya Brandt",
    }
    assert found["cover"] == {
        "verdict": "Active",
        "reason": "Payer: active",
        "when": "as of Sun, November 29, 2026, 11:00 AM MST",
    }
    assert [line["cents"] for line in found["estimate"]["lines"]] == [
        *(18000, -12600, 5400),
        *(3000, 2400),
    ]
    assert [each["kind"] for each in found["documents"]] == ["Insurance card", "Identification"]
    assert found["owed"] is None
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize(
    ("fee", "share", "copay"), [(18000, 3000, 3000), (18000, 18000, 0), (0, 0, 0), (100, 100, 100)]
)
def test_an_estimate_adds_up_to_the_cent(fee: int, share: int, copay: int) -> None:
    heard = replace(READY, estimate=Estimate(fee, share, copay, "USD", certain=False))
    lines = content(heard, NAMES, revision=1, made_at=MADE)["estimate"]["lines"]
    by_text = {line["text"].strip(): line["cents"] for line in lines}
    price, plan = (
        by_text.get("Price of the visit", 0),
        by_text.get("Paid by the plan or taken off", 0),
    )
    assert price + plan == by_text.get("Patient's share", 0) == share
    parts = [cents for text, cents in by_text.items() if text.startswith("of it")]
    assert sum(parts) == share


@pytest.mark.parametrize(
    ("born", "age"),
    [(date(2026, 11, 30), 0), (date(2000, 11, 30), 26), (date(2000, 12, 1), 25)],
)
def test_the_age_is_that_on_the_day_of_the_visit(born: date, age: int) -> None:
    facts = content(READY, replace(NAMES, birth_date=born), revision=1, made_at=MADE)["facts"]
    assert any(each["text"].endswith(f"(age {age})") for each in facts)


def test_a_visit_over_midnight_of_the_zone_is_on_the_clinics_day() -> None:
    visit = replace(
        READY.visit,
        starts_at=datetime(2026, 12, 1, 6, 30, tzinfo=UTC),
        ends_at=datetime(2026, 12, 1, 6, 45, tzinfo=UTC),
    )
    found = content(replace(READY, visit=visit), NAMES, revision=1, made_at=MADE)
    assert found["title"].endswith("Mon, November 30, 2026")


def test_money_and_codes_in_words() -> None:
    assert money_text(-123456, "USD") == "-$1,234.56"
    assert money_text(5, "CAD") == "CAD 0.05"
    assert in_words("payer.no_answer") == "payer: no answer"


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        hidden = ("title", "code", "document_id")
        return [t for key, each in value.items() if key not in hidden for t in _texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize(
    "heard",
    [
        READY,
        Heard(READY.visit),
        replace(
            READY,
            cover=_cover(Verdict.UNVERIFIED),
            estimate=Estimate(18000, 5400, 3000, "USD", certain=False),
            owed_cents=12345,
            filed=[filed(100 + n, kind) for n, kind in enumerate([*DocumentClass] * 4)],
        ),
    ],
)
@pytest.mark.parametrize("names", [NAMES, Names("#clinic", "*山田*", "MRN-1")])
async def test_every_text_of_the_structure_is_printed(heard: Heard, names: Names) -> None:
    structure = content(heard, names, revision=1, made_at=MADE)
    pdf = await render(template("services.documents", "chart_packet.typ"), structure)
    document = pdfium.PdfDocument(pdf)
    pages = [page.get_textpage().get_text_bounded() for page in document]
    found = "".join("".join(pages).split())
    shown = [text.replace("山田", "□□") for text in _texts(structure)]
    assert [text for text in shown if "".join(text.split()) not in found] == []
    assert document.is_tagged()
    assert document.get_metadata_dict()["Title"] == structure["title"]


async def test_every_page_of_a_packet_names_its_patient() -> None:
    many = replace(
        READY, filed=[filed(100 + n, kind) for n, kind in enumerate([*DocumentClass] * 4)]
    )
    structure = content(many, NAMES, revision=1, made_at=MADE)
    pdf = await render(template("services.documents", "chart_packet.typ"), structure)
    pages = [page.get_textpage().get_text_bounded() for page in pdfium.PdfDocument(pdf)]
    assert len(pages) > 2
    assert all(NAMES.mrn in page and NAMES.patient in page for page in pages)
