"""Who may do what: the role matrix as data, in one place.

A token names roles; a role is a set of permissions; a route declares the one permission it needs.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum


class Role(StrEnum):
    """The roles that a token may name. `service` is one service asking another."""

    FRONT_DESK = "front_desk"
    BILLER = "biller"
    NURSE = "nurse"
    PROVIDER = "provider"
    ADMIN = "admin"
    AUDITOR = "auditor"
    EHR_CLIENT = "ehr_client"
    PORTAL = "portal"
    OPS = "ops"
    SERVICE = "service"


class Permission(StrEnum):
    """What a route asks for."""

    CLINIC_READ = "clinic:read"
    CLINIC_WRITE = "clinic:write"
    APPOINTMENT_READ = "appointment:read"
    APPOINTMENT_BOOK = "appointment:book"
    APPOINTMENT_OVERBOOK = "appointment:overbook"
    VISIT_FLOW = "visit:flow"
    PATIENT_READ = "patient:read"
    PATIENT_WRITE = "patient:write"
    PATIENT_LOOKUP = "patient:lookup"
    CONSENT_WRITE = "consent:write"
    PAYER_READ = "payer:read"
    PAYER_WRITE = "payer:write"
    COVERAGE_READ = "coverage:read"
    COVERAGE_WRITE = "coverage:write"
    ELIGIBILITY_CHECK = "eligibility:check"
    ESTIMATE_READ = "estimate:read"
    FEE_READ = "fee:read"
    FEE_WRITE = "fee:write"
    CHARGE_WRITE = "charge:write"
    PAYMENT_READ = "payment:read"
    PAYMENT_POST = "payment:post"
    PAYMENT_REFUND = "payment:refund"
    LEDGER_READ = "ledger:read"
    DRAWER_USE = "drawer:use"
    DAY_CLOSE = "day:close"
    DAY_READ = "day:read"
    DOCUMENT_READ = "document:read"
    DOCUMENT_WRITE = "document:write"
    TRACE_READ = "trace:read"
    EVENTS_READ = "events:read"
    EVENT_VALUES_READ = "event_values:read"


_P = Permission

_DESK = {
    _P.CLINIC_READ,
    _P.APPOINTMENT_READ,
    _P.APPOINTMENT_BOOK,
    _P.VISIT_FLOW,
    _P.PATIENT_READ,
    _P.PATIENT_WRITE,
    _P.PATIENT_LOOKUP,
    _P.CONSENT_WRITE,
    _P.PAYER_READ,
    _P.COVERAGE_READ,
    _P.COVERAGE_WRITE,
    _P.ELIGIBILITY_CHECK,
    _P.ESTIMATE_READ,
    _P.FEE_READ,
    _P.CHARGE_WRITE,
    _P.PAYMENT_READ,
    _P.PAYMENT_POST,
    _P.DRAWER_USE,
    _P.DAY_READ,
    _P.DAY_CLOSE,
    _P.DOCUMENT_READ,
    _P.DOCUMENT_WRITE,
}

_CLINICAL = {
    _P.CLINIC_READ,
    _P.APPOINTMENT_READ,
    _P.APPOINTMENT_BOOK,
    _P.VISIT_FLOW,
    _P.PATIENT_READ,
    _P.PATIENT_LOOKUP,
    _P.PAYER_READ,
    _P.COVERAGE_READ,
    _P.ESTIMATE_READ,
    _P.DOCUMENT_READ,
}

MATRIX: Mapping[Role, frozenset[Permission]] = {
    Role.FRONT_DESK: frozenset(_DESK),
    Role.BILLER: frozenset(
        {
            _P.CLINIC_READ,
            _P.PATIENT_READ,
            _P.PATIENT_LOOKUP,
            _P.PAYER_READ,
            _P.PAYER_WRITE,
            _P.COVERAGE_READ,
            _P.COVERAGE_WRITE,
            _P.ELIGIBILITY_CHECK,
            _P.ESTIMATE_READ,
            _P.FEE_READ,
            _P.FEE_WRITE,
            _P.CHARGE_WRITE,
            _P.PAYMENT_READ,
            _P.PAYMENT_POST,
            _P.PAYMENT_REFUND,
            _P.LEDGER_READ,
            _P.DRAWER_USE,
            _P.DAY_CLOSE,
            _P.DAY_READ,
            _P.DOCUMENT_READ,
        }
    ),
    Role.NURSE: frozenset(_CLINICAL),
    Role.PROVIDER: frozenset(_CLINICAL | {_P.DOCUMENT_WRITE}),
    Role.ADMIN: frozenset(
        {
            _P.CLINIC_READ,
            _P.CLINIC_WRITE,
            _P.APPOINTMENT_READ,
            _P.APPOINTMENT_OVERBOOK,
            _P.PAYER_READ,
            _P.PAYER_WRITE,
            _P.FEE_READ,
            _P.FEE_WRITE,
            _P.DAY_READ,
        }
    ),
    Role.AUDITOR: frozenset(
        {
            _P.CLINIC_READ,
            _P.LEDGER_READ,
            _P.PAYMENT_READ,
            _P.DAY_READ,
            _P.TRACE_READ,
            _P.EVENTS_READ,
            _P.EVENT_VALUES_READ,
        }
    ),
    Role.EHR_CLIENT: frozenset(),
    Role.PORTAL: frozenset(),
    Role.OPS: frozenset({_P.TRACE_READ, _P.EVENTS_READ, _P.CLINIC_READ}),
    Role.SERVICE: frozenset({_P.PATIENT_LOOKUP, _P.CLINIC_READ}),
}
"""EHR clients and the portal have no permission yet: what is not granted is refused."""


def permissions_of(roles: Iterable[str]) -> frozenset[Permission]:
    """What a token's roles may do together; a role nobody knows grants nothing."""
    known = {role.value: role for role in Role}
    granted: set[Permission] = set()
    for name in roles:
        if name in known:
            granted |= MATRIX[known[name]]
    return frozenset(granted)
