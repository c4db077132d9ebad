"""Shapes of codes. The CPT-shaped codes here are made up; none is from the licensed list."""

import pytest

from services.payments.domain.codes import (
    CodeSystem,
    code_system,
    diagnosis_code,
    modifiers,
    service_code,
)
from shared.values.errors import Invalid


@pytest.mark.parametrize(
    ("code", "system"),
    [
        ("00000", CodeSystem.CPT),
        ("0000F", CodeSystem.CPT),
        ("0000T", CodeSystem.CPT),
        ("0000U", CodeSystem.CPT),
        ("0000M", CodeSystem.CPT),
        ("0000A", CodeSystem.CPT),
        ("G0463", CodeSystem.HCPCS),
        ("V-NEW", CodeSystem.OWN),
        ("V-EST", CodeSystem.OWN),
        ("N-NOSHOW1", CodeSystem.OWN),
        ("0000X", None),
        ("0000", None),
        ("000000", None),
        ("Z0001", None),
        ("W0000", None),
        ("V-", None),
        ("V-ABCDEFGHIJKLMNO", None),
        ("VV-NEW", None),
        ("", None),
        ("0000\u0660", None),
        ("V-NEW\n", None),
    ],
)
def test_a_service_code_is_known_by_its_shape(code: str, system: CodeSystem | None) -> None:
    assert code_system(code) is system
    if system is None:
        with pytest.raises(Invalid, match=r"code\.service"):
            service_code(code)


def test_a_service_code_is_kept_in_capitals() -> None:
    assert service_code("v-new") == "V-NEW"
    assert service_code("g0463") == "G0463"


def test_modifiers_keep_their_order_and_are_capitals() -> None:
    assert modifiers(["25", "tc"]) == ("25", "TC")
    assert modifiers([]) == ()


@pytest.mark.parametrize(
    "given", [["2"], ["255"], ["25", "25"], ["tc", "TC"], ["A1", "A2", "A3", "A4", "A5"], ["é1"]]
)
def test_modifiers_of_another_shape_are_refused(given: list[str]) -> None:
    with pytest.raises(Invalid, match=r"code\.modifiers"):
        modifiers(given)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("I10", "I10"),
        ("E11.9", "E11.9"),
        ("E119", "E11.9"),
        ("e11.65", "E11.65"),
        ("S72.001A", "S72.001A"),
        ("T36.0X1A", "T36.0X1A"),
        ("M1A.0110", "M1A.0110"),
        ("U07.1", "U07.1"),
        ("C7A.00", "C7A.00"),
    ],
)
def test_a_diagnosis_code_is_kept_with_its_point(given: str, kept: str) -> None:
    assert diagnosis_code(given) == kept


@pytest.mark.parametrize(
    "given", ["", "I1", "110", "I10.", "E11.12345", "E1C.1", "E11..9", "\uff2511"]
)
def test_another_shape_is_no_diagnosis_code(given: str) -> None:
    with pytest.raises(Invalid, match=r"code\.diagnosis"):
        diagnosis_code(given)
