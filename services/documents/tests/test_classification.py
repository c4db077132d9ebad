"""Kinds of document, and who may file and open which."""

import pytest

from services.documents.domain.classification import (
    FILES,
    GENERATED,
    GROUP_OF,
    MEMBERS,
    READS,
    DocumentClass,
    Group,
    document_class,
    may_file,
    may_know,
    may_open,
)
from shared.values.errors import Forbidden, Invalid

ADMINISTRATIVE = {k for k, g in GROUP_OF.items() if g in (Group.ADMIN, Group.MESSAGE)}
FILED = {
    "front_desk": (ADMINISTRATIVE | {DocumentClass.HEALTH_HISTORY}) - GENERATED,
    "nurse": set(DocumentClass) - GENERATED,
    "provider": set(DocumentClass) - GENERATED,
}
OPENED = {
    "front_desk": ADMINISTRATIVE,
    "biller": {
        DocumentClass.BILLING,
        DocumentClass.INSURANCE_CARD,
        DocumentClass.INSURANCE_APPROVAL,
        DocumentClass.INSURANCE_DENIAL,
        DocumentClass.REFERRAL,
        DocumentClass.PHYSICIAN_AUTHORIZATION,
        DocumentClass.SIGNED_ORDER,
    },
    "nurse": set(DocumentClass),
    "provider": set(DocumentClass),
    "ehr_client": set(DocumentClass),
    "portal": set(DocumentClass),
}
ROLES = [
    *("front_desk", "biller", "nurse", "provider", "admin"),
    *("auditor", "ehr_client", "portal", "ops", "service", "nobody"),
]


def test_every_kind_is_in_one_group() -> None:
    assert sum(len(kinds) for kinds in MEMBERS.values()) == len(DocumentClass)
    assert set(GROUP_OF) == set(DocumentClass)


@pytest.mark.parametrize("role", ROLES)
def test_the_matrix_of_filing_and_opening(role: str) -> None:
    for kind in DocumentClass:
        assert may_open([role], kind, received_by_caller=True) == (kind in OPENED.get(role, ()))
        if kind in FILED.get(role, ()):
            may_file([role], kind)
            continue
        with pytest.raises(Forbidden, match=r"document\.class_forbidden"):
            may_file([role], kind)


@pytest.mark.parametrize("role", ROLES)
def test_what_nobody_has_classified_is_for_clinical_staff_and_whoever_took_it_in(
    role: str,
) -> None:
    assert may_open([role], None, received_by_caller=False) == (role in ("nurse", "provider"))
    assert may_open([role], None, received_by_caller=True)


@pytest.mark.parametrize("role", ROLES)
def test_who_knows_of_a_document_knows_of_its_kind(role: str) -> None:
    for kind in DocumentClass:
        assert may_know([role], kind) == (kind in OPENED.get(role, ()))
    assert may_know([role], None) == (role in OPENED and role != "biller")


def test_roles_add_up() -> None:
    may_file(["biller", "front_desk"], DocumentClass.INSURANCE_CARD)
    assert may_open(["biller", "nurse"], DocumentClass.LAB_RESULT, received_by_caller=False)


def test_a_packet_is_filed_by_nobody() -> None:
    for role in (*FILES, *READS):
        with pytest.raises(Forbidden):
            may_file([role], DocumentClass.CHART_PACKET)


def test_a_kind_is_known_by_its_code() -> None:
    assert document_class("insurance_card") is DocumentClass.INSURANCE_CARD
    for code in ("", "INSURANCE_CARD", "selfie"):
        with pytest.raises(Invalid, match=r"document\.class$"):
            document_class(code)
