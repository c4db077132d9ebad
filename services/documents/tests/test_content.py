"""What is taken in: list D of bad inputs, D27 to D39, by number; and duplicates."""

import hashlib
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.documents.domain.content import (
    BYTES_MAX,
    EXTENSIONS,
    Accepted,
    Known,
    Sameness,
    Upload,
    accepted,
    file_name,
    sameness,
)
from shared.values.errors import DomainError, Invalid, TooLarge, Unsupported

PDF = "application/pdf"
SHA256 = hashlib.sha256(b"a file").hexdigest()
UPLOAD = Upload("card.pdf", PDF, PDF, 6, SHA256)


def test_a_file_that_is_what_it_says_is_taken() -> None:
    assert accepted(UPLOAD) == Accepted("card.pdf", PDF, 6, SHA256)


@pytest.mark.parametrize(
    ("number", "change", "kind", "code"),
    [
        ("D27", {"declared": "image/png"}, Unsupported, "document.type_mismatch"),
        ("D27 html as pdf", {"sniffed": "text/html"}, Unsupported, "document.type"),
        ("D27 unknown", {"sniffed": None}, Unsupported, "document.type"),
        ("D27 a zip", {"declared": "application/zip"}, Unsupported, "document.type"),
        ("D28", {"declared": None}, Unsupported, "document.type_missing"),
        ("D28 blank", {"declared": " "}, Unsupported, "document.type_missing"),
        ("D29", {"name": "card.pdf.exe"}, Invalid, "filename.extension"),
        ("D29 other type", {"name": "card.png"}, Invalid, "filename.extension"),
        ("D30", {"name": "card\u202efdp.exe"}, Invalid, "filename.character"),
        ("D31", {"name": "card.pdf\x00.exe"}, Invalid, "filename.character"),
        ("D32 CR", {"name": "card\r.pdf"}, Invalid, "filename.character"),
        ("D32 LF", {"name": "card\n.pdf"}, Invalid, "filename.character"),
        ("D33", {"name": "a" * 296 + ".pdf"}, Invalid, "filename.too_long"),
        ("D34", {"name": ""}, Invalid, "filename.empty"),
        ("D34 blank", {"name": " . "}, Invalid, "filename.empty"),
        ("D35", {"name": "CON"}, Invalid, "filename.reserved"),
        ("D35 with extension", {"name": "con.pdf"}, Invalid, "filename.reserved"),
        ("D35 two extensions", {"name": "LPT1.x.pdf"}, Invalid, "filename.reserved"),
        ("D35 superscript", {"name": "COM\u00b2.pdf"}, Invalid, "filename.reserved"),
        ("D36", {"byte_count": 0}, Invalid, "document.empty"),
        ("D37", {"byte_count": BYTES_MAX + 1}, TooLarge, "document.too_large"),
        ("D39", {"declared_sha256": "0" * 64}, Invalid, "document.checksum"),
        ("a path", {"name": "../../etc/passwd.pdf"}, Invalid, "filename.character"),
        ("a Windows path", {"name": "c:\\card.pdf"}, Invalid, "filename.character"),
        ("a surrogate", {"name": "card\ud83d.pdf"}, Invalid, "filename.character"),
        ("zero width", {"name": "ca\u200brd.pdf"}, Invalid, "filename.character"),
        ("a dot at the end", {"name": "card.pdf."}, Invalid, "filename.ending"),
        ("a blank at the end", {"name": "card.pdf "}, Invalid, "filename.ending"),
    ],
)
def test_what_is_not_taken_is_refused_by_its_code(
    number: str, change: dict[str, object], kind: type[DomainError], code: str
) -> None:
    with pytest.raises(kind) as caught:
        accepted(replace(UPLOAD, **change))  # type: ignore[arg-type]
    assert caught.value.code == code, number


def test_d38_exactly_the_limit_is_taken() -> None:
    assert accepted(replace(UPLOAD, byte_count=BYTES_MAX)).byte_count == BYTES_MAX


def test_d39_a_right_checksum_is_taken_in_capitals_too() -> None:
    assert accepted(replace(UPLOAD, declared_sha256=SHA256.upper())).sha256 == SHA256


@pytest.mark.parametrize(
    ("name", "declared", "sniffed"),
    [
        ("scan.PDF", "application/pdf; name=scan", PDF),
        ("photo.jpg", "image/jpg", "image/jpeg"),
        ("photo.jpeg", "Image/JPEG", "image/jpeg"),
        ("fax.tif", "image/tiff", "image/tiff"),
        ("fax.tiff", "image/tiff", "image/tiff"),
        ("card.png", "image/png", "image/png"),
        ("no extension", PDF, PDF),
        ("scan 10:42 \u2013 copy (2).pdf", PDF, PDF),
        ("Ausweis Müller.pdf", PDF, PDF),
        ("保険証.pdf", PDF, PDF),
        ("a" * 251 + ".pdf", PDF, PDF),
        ("console.pdf", PDF, PDF),
    ],
)
def test_names_and_types_that_people_use_are_taken(name: str, declared: str, sniffed: str) -> None:
    kept = accepted(Upload(name, declared, sniffed, 6, SHA256))
    assert (kept.name, kept.content_type) == (name, sniffed)


def test_every_type_has_an_extension_of_its_own() -> None:
    everything = [extension for each in EXTENSIONS.values() for extension in each]
    assert len(everything) == len(set(everything))
    assert all(EXTENSIONS.values())


def test_a_name_is_kept_in_composed_form() -> None:
    assert file_name("Mu\u0308ller.pdf") == "M\u00fcller.pdf"


@given(st.text(max_size=300))
def test_a_name_that_is_kept_is_one_line_without_a_path_and_keeps_to_itself(name: str) -> None:
    try:
        kept = file_name(name)
    except Invalid:
        return
    assert file_name(kept) == kept
    assert len(kept.splitlines()) == 1
    assert not set(kept) & set("/\\\x00\u202e")
    assert 1 <= len(kept.encode()) <= 255


PATIENT, OTHER = UUID(int=1), UUID(int=2)
UNFILED = Known(UUID(int=11), None)
HERS = Known(UUID(int=12), PATIENT)
HIS = Known(UUID(int=13), OTHER)


@pytest.mark.parametrize(
    ("known", "patient", "verdict", "ids"),
    [
        ([], PATIENT, Sameness.NEW, ()),
        ([], None, Sameness.NEW, ()),
        ([HERS], PATIENT, Sameness.SAME, (HERS.document_id,)),
        ([UNFILED], PATIENT, Sameness.SAME, (UNFILED.document_id,)),
        ([HIS], PATIENT, Sameness.ELSEWHERE, (HIS.document_id,)),
        ([HIS, HERS], PATIENT, Sameness.SAME, (HERS.document_id,)),
        ([HIS, HERS], None, Sameness.SAME, (HERS.document_id, HIS.document_id)),
    ],
)
def test_the_same_bytes_are_a_duplicate_or_a_misfiled_page(
    known: list[Known], patient: UUID | None, verdict: Sameness, ids: tuple[UUID, ...]
) -> None:
    assert sameness(known, patient) == (verdict, ids)
