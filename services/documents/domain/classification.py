"""What kinds of document there are, and who may file which.

The kinds are those of the athenahealth document classes, flat: a kind belongs to one group.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType

from shared.values.errors import Forbidden, Invalid


class Group(StrEnum):
    """What a kind of document is part of."""

    ADMIN = "admin"
    CLINICAL = "clinical"
    ENCOUNTER = "encounter"
    RESULT = "result"
    ORDER = "order"
    MESSAGE = "message"


class DocumentClass(StrEnum):
    """The kinds of document."""

    BILLING = "billing"
    CONSENT = "consent"
    PRIVACY_NOTICE = "privacy_notice"
    IDENTIFICATION = "identification"
    INSURANCE_CARD = "insurance_card"
    INSURANCE_APPROVAL = "insurance_approval"
    INSURANCE_DENIAL = "insurance_denial"
    LEGAL = "legal"
    RECORDS_REQUEST = "records_request"
    REFERRAL = "referral"
    SIGNED_FORM = "signed_form"
    CHART_PACKET = "chart_packet"
    CLINICAL_DOCUMENT = "clinical_document"
    MEDICAL_RECORD = "medical_record"
    HEALTH_HISTORY = "health_history"
    IMAGE = "image"
    PROCEDURE_NOTE = "procedure_note"
    PROGRESS_NOTE = "progress_note"
    LAB_RESULT = "lab_result"
    IMAGING_RESULT = "imaging_result"
    PHYSICIAN_AUTHORIZATION = "physician_authorization"
    SIGNED_ORDER = "signed_order"
    PHONE_MESSAGE = "phone_message"


_C = DocumentClass

MEMBERS: Mapping[Group, frozenset[DocumentClass]] = MappingProxyType(
    {
        Group.ADMIN: frozenset(
            {
                _C.BILLING,
                _C.CONSENT,
                _C.PRIVACY_NOTICE,
                _C.IDENTIFICATION,
                _C.INSURANCE_CARD,
                _C.INSURANCE_APPROVAL,
                _C.INSURANCE_DENIAL,
                _C.LEGAL,
                _C.RECORDS_REQUEST,
                _C.REFERRAL,
                _C.SIGNED_FORM,
                _C.CHART_PACKET,
            }
        ),
        Group.CLINICAL: frozenset({_C.CLINICAL_DOCUMENT, _C.MEDICAL_RECORD}),
        Group.ENCOUNTER: frozenset(
            {_C.HEALTH_HISTORY, _C.IMAGE, _C.PROCEDURE_NOTE, _C.PROGRESS_NOTE}
        ),
        Group.RESULT: frozenset({_C.LAB_RESULT, _C.IMAGING_RESULT}),
        Group.ORDER: frozenset({_C.PHYSICIAN_AUTHORIZATION, _C.SIGNED_ORDER}),
        Group.MESSAGE: frozenset({_C.PHONE_MESSAGE}),
    }
)

GROUP_OF: Mapping[DocumentClass, Group] = MappingProxyType(
    {kind: group for group, kinds in MEMBERS.items() for kind in kinds}
)

GENERATED = frozenset({DocumentClass.CHART_PACKET})
"""Kinds that the service makes itself; nobody files a document as one of them."""

_EVERYTHING = frozenset(Group)

FILES: Mapping[str, frozenset[Group]] = MappingProxyType(
    {
        "front_desk": frozenset({Group.ADMIN, Group.MESSAGE}),
        "nurse": _EVERYTHING,
        "provider": _EVERYTHING,
    }
)
"""The groups that each role may file. The desk takes in and scans everything, and files what is
administrative; clinical paper waits in the queue for clinical staff."""

_ALL = frozenset(DocumentClass)

CLAIMS = frozenset(
    {
        _C.BILLING,
        _C.INSURANCE_CARD,
        _C.INSURANCE_APPROVAL,
        _C.INSURANCE_DENIAL,
        _C.REFERRAL,
        _C.PHYSICIAN_AUTHORIZATION,
        _C.SIGNED_ORDER,
    }
)
"""The kinds that a claim needs: who pays, what was approved, referred and ordered."""

READS: Mapping[str, frozenset[DocumentClass]] = MappingProxyType(
    {
        "front_desk": MEMBERS[Group.ADMIN] | MEMBERS[Group.MESSAGE],
        "biller": CLAIMS,
        "nurse": _ALL,
        "provider": _ALL,
        "ehr_client": _ALL,
        "portal": _ALL,
    }
)
"""The kinds whose documents each role may open. A role that is not named opens none. A biller
reads what a claim needs (45 CFR 164.502(b), minimum necessary). A patient is shown their own
alone, whatever the kind: it is their record (45 CFR 164.524)."""

KNOWS_UNCLASSIFIED = frozenset(READS) - {"biller"}
"""The roles that are told of what nobody has classified: it waits to be filed. Nobody can say yet
whether a claim needs it."""

HEALTH_HISTORY_AT_DESK = frozenset({DocumentClass.HEALTH_HISTORY})
"""Clinical by group, yet handed over at the desk: the desk may file it, and not open it again."""


def document_class(code: str) -> DocumentClass:
    """The kind of a code. Raises Invalid ``document.class`` for any other text."""
    try:
        return DocumentClass(code)
    except ValueError as error:
        raise Invalid(
            "document.class", "There is no such kind of document.", pointer="/document_class"
        ) from error


def may_file(roles: Iterable[str], kind: DocumentClass) -> None:
    """Raise Forbidden ``document.class_forbidden`` unless one of the roles may file this kind."""
    names = set(roles)
    at_desk = "front_desk" in names and kind in HEALTH_HISTORY_AT_DESK
    if kind in GENERATED or not (at_desk or _granted(FILES, names, kind)):
        raise Forbidden("document.class_forbidden", "You may not file this kind of document.")


def may_open(roles: Iterable[str], kind: DocumentClass | None, *, received_by_caller: bool) -> bool:
    """Whether one of the roles may open a document.

    kind: None while nobody has said what it is. Then those who may file everything may open it,
    and the person who took it in.
    """
    names = set(roles)
    if kind is None:
        return received_by_caller or any(FILES.get(name) == _EVERYTHING for name in names)
    return any(kind in READS.get(name, frozenset()) for name in names)


def may_know(roles: Iterable[str], kind: DocumentClass | None) -> bool:
    """Whether one of the roles may know that there is such a document."""
    if kind is None:
        return not KNOWS_UNCLASSIFIED.isdisjoint(roles)
    return may_open(roles, kind, received_by_caller=False)


def _granted(
    table: Mapping[str, frozenset[Group]], roles: Iterable[str], kind: DocumentClass
) -> bool:
    return any(GROUP_OF[kind] in table.get(role, frozenset()) for role in roles)
