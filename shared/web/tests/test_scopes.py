"""SMART scopes: which are known, and how they narrow what a role may."""

import pytest

from shared.contracts.permissions import (
    MATRIX,
    NEEDS,
    Permission,
    Role,
    Scope,
    permissions_of,
    scope_of,
)


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("system/Patient.rs", Scope("system", "Patient", "rs")),
        ("patient/*.cruds", Scope("patient", "*", "cruds")),
        ("user/Appointment.u", Scope("user", "Appointment", "u")),
    ],
)
def test_a_scope_is_read(text: str, scope: Scope) -> None:
    assert scope_of(text) == scope


@pytest.mark.parametrize(
    "text",
    [
        *("", "openid", "system", "system/", "system/Patient", "system/Patient.", "Patient.rs"),
        *("system/Patient.sr", "system/Patient.rr", "system/Patient.read", "system/Patient.*"),
        *("system/patient.rs", "system/Nothing.rs", "system/*.x", "admin/*.cruds", "SYSTEM/*.r"),
        *("system/Patient.rs?name=x", "system/Patient.rs#", "system/Patient.rs\n", " system/*.r"),
    ],
)
def test_any_other_text_is_none_that_is_known(text: str) -> None:
    assert scope_of(text) is None


def test_all_scopes_give_a_machine_its_role_and_no_more() -> None:
    assert permissions_of(["ehr_client"], "system/*.cruds") == MATRIX[Role.EHR_CLIENT]
    assert Permission.PAYMENT_READ not in MATRIX[Role.EHR_CLIENT]
    assert permissions_of(["ehr_client"], "system/Account.cruds") == frozenset()


def test_every_permission_of_machines_and_patients_has_a_scope() -> None:
    of_a_minimum = {
        Permission.PATIENT_READ_MINIMUM,
        Permission.LEDGER_READ_MINIMUM,
        Permission.DOCUMENT_READ_CLAIMS,
    }
    assert MATRIX[Role.EHR_CLIENT] | MATRIX[Role.PORTAL] == set(NEEDS) - of_a_minimum


def test_scopes_narrow_a_minimum_as_they_do_the_whole() -> None:
    assert permissions_of(["biller"], "user/Patient.rs") == {Permission.PATIENT_READ_MINIMUM}
    assert permissions_of(["biller"], "user/Patient.r") == frozenset()
    only = permissions_of(["biller"], "user/DocumentReference.rs")
    assert only == {Permission.DOCUMENT_READ_CLAIMS}


def test_a_permission_needs_all_that_it_names() -> None:
    half = permissions_of(["ehr_client"], "system/Patient.c system/Location.rs")
    assert half == frozenset()
    whole = permissions_of(["ehr_client"], "system/Patient.c system/Patient.u system/Encounter.c")
    assert whole == {Permission.PATIENT_WRITE, Permission.VISIT_CHECK_IN}


def test_a_scope_narrows_a_person_and_widens_nobody() -> None:
    assert permissions_of(["nurse"], "openid profile") == MATRIX[Role.NURSE]
    assert permissions_of(["nurse"], "user/*.cruds") <= MATRIX[Role.NURSE]
    assert permissions_of(["nurse"], "user/Patient.cruds") == {
        Permission.PATIENT_READ,
        Permission.PATIENT_FIND,
        Permission.PATIENT_LOOKUP,
    }
    for dropped in ("user/Nothing.rs", "system/*.cruds", "user/Patient.read", "patient/*.rs"):
        assert permissions_of(["nurse"], dropped) == frozenset(), dropped


def test_the_portal_is_a_patients() -> None:
    assert permissions_of(["portal"]) == frozenset()
    assert permissions_of(["portal"], patient=True) == MATRIX[Role.PORTAL]
    assert permissions_of(["portal"], "patient/Coverage.rs", patient=True) == {
        Permission.COVERAGE_READ
    }


def test_a_role_nobody_knows_grants_nothing() -> None:
    assert permissions_of(["boss", "", "FRONT_DESK"], "user/*.cruds system/*.cruds") == frozenset()
