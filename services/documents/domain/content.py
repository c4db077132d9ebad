"""What a file must be to be taken in: its type by content, its name, its size, its checksum.

A name is kept for people to read. Files are stored under the hash of their bytes, so no name ever
becomes a path.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from types import MappingProxyType
from uuid import UUID

from shared.values.errors import Invalid, TooLarge, Unsupported

BYTES_MAX = 25 * 1024 * 1024
"""A scan of about a hundred pages. Exactly this much is taken."""

NAME_BYTES_MAX = 255
"""The longest file name of common file systems (NAME_MAX of POSIX on Linux), in UTF-8."""

EXTENSIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "application/pdf": ("pdf",),
        "image/jpeg": ("jpg", "jpeg"),
        "image/png": ("png",),
        "image/tiff": ("tif", "tiff"),
    }
)
"""The types that are taken, each with the extensions it may have; the first is the usual one.

No office files, archives, HTML or SVG: they can carry programs, and a scanner makes none of them.
"""

_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{port}{n}" for port in ("com", "lpt") for n in "0123456789\u00b9\u00b2\u00b3"}
)
"""Names that Windows gives to devices, whatever their extension (Win32, Naming Files)."""


@dataclass(frozen=True, slots=True)
class Upload:
    """What came in. sniffed: the type that the bytes themselves show, None where none is known.

    declared: the part's Content-Type, None without one. declared_sha256: what the sender says the
    hash is, None where they say nothing.
    """

    name: str
    declared: str | None
    sniffed: str | None
    byte_count: int
    sha256: str
    declared_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """A file that may be kept, with the name and type it is kept under."""

    name: str
    content_type: str
    byte_count: int
    sha256: str


def accepted(upload: Upload, *, byte_count_max: int = BYTES_MAX) -> Accepted:
    """The file as it is kept.

    Raises TooLarge ``document.too_large``; Invalid ``document.empty``, ``document.checksum``,
    ``filename.*``; Unsupported ``document.type_missing``, ``document.type`` (unknown, or not one
    taken) and ``document.type_mismatch`` (declared as something else than it is).
    """
    within_limit(upload.byte_count, byte_count_max)
    if upload.byte_count == 0:
        raise Invalid("document.empty", "The file is empty.", pointer="/file")
    name = file_name(upload.name)
    content_type = _content_type(upload)
    _extension_fits(name, content_type)
    said = upload.declared_sha256
    if said is not None and said.lower() != upload.sha256:
        raise Invalid(
            "document.checksum", "The file is not the one the checksum is of.", pointer="/sha256"
        )
    return Accepted(name, content_type, upload.byte_count, upload.sha256)


def within_limit(byte_count: int, byte_count_max: int = BYTES_MAX) -> None:
    """Raise TooLarge ``document.too_large`` above the limit; asked while bytes still come in."""
    if byte_count > byte_count_max:
        facts = {"byte_count_max": byte_count_max}
        raise TooLarge("document.too_large", "The file is too large.", facts=facts)


def _content_type(upload: Upload) -> str:
    if upload.declared is None or not upload.declared.strip():
        raise Unsupported("document.type_missing", "The file's content type is missing.")
    declared = upload.declared.partition(";")[0].strip().lower()
    declared = "image/jpeg" if declared == "image/jpg" else declared
    if upload.sniffed not in EXTENSIONS or declared not in EXTENSIONS:
        facts = {"accepted": sorted(EXTENSIONS)}
        raise Unsupported("document.type", "Files of this type are not taken.", facts=facts)
    if declared != upload.sniffed:
        raise Unsupported("document.type_mismatch", "The file is not of the type it claims.")
    return declared


def file_name(name: str) -> str:
    """The name as it is kept: in composed form (NFC), for people to read.

    Raises Invalid: ``filename.empty`` (or only dots and blanks), ``filename.too_long``,
    ``filename.character`` (a control, a path separator, an invisible or direction-changing
    character: a name must look like what it is), ``filename.reserved`` (a device of Windows),
    ``filename.ending`` (a blank or a dot, which Windows drops).
    """
    tidy = unicodedata.normalize("NFC", name)
    if not tidy.strip(" ."):
        raise _bad_name("filename.empty", "The file has no name.")
    if any(_unfit(character) for character in tidy):
        raise _bad_name("filename.character", "The file's name holds a character that may not be.")
    if len(tidy.encode()) > NAME_BYTES_MAX:
        raise _bad_name("filename.too_long", "The file's name is too long.")
    if tidy[-1] in " .":
        raise _bad_name("filename.ending", "The file's name ends in a blank or a dot.")
    if tidy.partition(".")[0].strip().lower() in _DEVICES:
        raise _bad_name("filename.reserved", "The file's name is that of a device.")
    return tidy


def _unfit(character: str) -> bool:
    unseen = unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return unseen or character in "/\\"


def _extension_fits(name: str, content_type: str) -> None:
    extension = PurePosixPath(name).suffix.lower().lstrip(".")
    if extension and extension not in EXTENSIONS[content_type]:
        facts = {"accepted": list(EXTENSIONS[content_type])}
        raise Invalid(
            "filename.extension",
            "The file's name ends in another type's extension.",
            pointer="/file",
            facts=facts,
        )


def _bad_name(code: str, title: str) -> Invalid:
    return Invalid(code, title, pointer="/file")


class Sameness(StrEnum):
    """How a file that came in before relates to the one that comes in now."""

    NEW = "new"
    SAME = "same"
    """The same bytes, for the same patient or not filed with anyone yet: a duplicate."""
    ELSEWHERE = "elsewhere"
    """The same bytes, filed with another patient: one of the two is probably misfiled."""


@dataclass(frozen=True, slots=True)
class Known:
    """A document of the same network with the same bytes that is not entered in error."""

    document_id: UUID
    patient_id: UUID | None


def sameness(known: Sequence[Known], patient_id: UUID | None) -> tuple[Sameness, tuple[UUID, ...]]:
    """How an upload relates to documents with the same SHA-256, and which those are.

    patient_id: whom the new one is for, None where that is not yet said. A sender who says nobody
    sends a duplicate of whatever is there.
    """
    same = [k for k in known if patient_id is None or k.patient_id in (None, patient_id)]
    found = same or list(known)
    ids = tuple(sorted((each.document_id for each in found), key=lambda each: each.int))
    if same:
        return Sameness.SAME, ids
    return (Sameness.ELSEWHERE, ids) if known else (Sameness.NEW, ())
