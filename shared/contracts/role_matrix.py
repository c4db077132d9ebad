"""The role matrix as data: each role's permissions at the most, and what is special of some."""

from collections.abc import Mapping
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
    """What a route asks for. One of a minimum kind shows some fields, or some things, of a read."""

    CLINIC_READ = "clinic:read"
    CLINIC_WRITE = "clinic:write"
    CALENDAR_READ = "calendar:read"
    CALENDAR_WRITE = "calendar:write"
    APPOINTMENT_READ = "appointment:read"
    APPOINTMENT_BOOK = "appointment:book"
    REQUEST_ANSWER = "request:answer"
    APPOINTMENT_OVERBOOK = "appointment:overbook"
    VISIT_CHECK_IN = "visit:check_in"
    VISIT_FLOW = "visit:flow"
    VISIT_SUPERVISE = "visit:supervise"
    DISPLAY_READ = "display:read"
    VISITOR_READ = "visitor:read"
    VISITOR_WRITE = "visitor:write"
    REMINDER_REPLY = "reminder:reply"
    CALL_LIST_USE = "call_list:use"
    PATIENT_READ = "patient:read"
    PATIENT_READ_MINIMUM = "patient:read_minimum"
    PATIENT_FIND = "patient:find"
    PATIENT_WRITE = "patient:write"
    PATIENT_LOOKUP = "patient:lookup"
    CONTACT_POINT_READ = "contact_point:read"
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
    ACCOUNT_READ = "account:read"
    LEDGER_READ = "ledger:read"
    LEDGER_READ_MINIMUM = "ledger:read_minimum"
    LEDGER_READ_TOTALS = "ledger:read_totals"
    DRAWER_USE = "drawer:use"
    DAY_CLOSE = "day:close"
    DAY_READ = "day:read"
    DOCUMENT_READ = "document:read"
    DOCUMENT_READ_CLAIMS = "document:read_claims"
    DOCUMENT_WRITE = "document:write"
    TRACE_READ = "trace:read"
    AUDIT_READ = "audit:read"
    ACCESS_REVOKE = "access:revoke"
    PROXY_WRITE = "proxy:write"
    PROXY_POLICY = "proxy:policy"
    EMERGENCY_OPEN = "emergency:open"
    EMERGENCY_REVIEW = "emergency:review"
    EVENTS_READ = "events:read"
    EVENT_VALUES_READ = "event_values:read"


_P = Permission

_DESK = {
    _P.CLINIC_READ,
    _P.CALENDAR_READ,
    _P.CALENDAR_WRITE,
    _P.APPOINTMENT_READ,
    _P.APPOINTMENT_BOOK,
    _P.REQUEST_ANSWER,
    _P.VISIT_CHECK_IN,
    _P.VISIT_FLOW,
    _P.DISPLAY_READ,
    _P.VISITOR_READ,
    _P.VISITOR_WRITE,
    _P.CALL_LIST_USE,
    _P.PATIENT_READ,
    _P.PATIENT_FIND,
    _P.PATIENT_WRITE,
    _P.PATIENT_LOOKUP,
    _P.CONSENT_WRITE,
    _P.PROXY_WRITE,
    _P.PAYER_READ,
    _P.COVERAGE_READ,
    _P.COVERAGE_WRITE,
    _P.ELIGIBILITY_CHECK,
    _P.ESTIMATE_READ,
    _P.FEE_READ,
    _P.CHARGE_WRITE,
    _P.PAYMENT_READ,
    _P.PAYMENT_POST,
    _P.LEDGER_READ_MINIMUM,
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
    _P.REQUEST_ANSWER,
    _P.VISIT_CHECK_IN,
    _P.VISIT_FLOW,
    _P.PATIENT_READ,
    _P.PATIENT_FIND,
    _P.PATIENT_LOOKUP,
    _P.PAYER_READ,
    _P.COVERAGE_READ,
    _P.ESTIMATE_READ,
    _P.DOCUMENT_READ,
}

_CALENDAR = {_P.CALENDAR_READ, _P.CALENDAR_WRITE}
"""Blocks show the visits in their way: not for the administration, which sees no patient."""

MATRIX: Mapping[Role, frozenset[Permission]] = {
    Role.FRONT_DESK: frozenset(_DESK),
    Role.BILLER: frozenset(
        {
            _P.CLINIC_READ,
            _P.PATIENT_READ_MINIMUM,
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
            _P.ACCOUNT_READ,
            _P.LEDGER_READ,
            _P.DRAWER_USE,
            _P.DAY_CLOSE,
            _P.DAY_READ,
            _P.DOCUMENT_READ_CLAIMS,
        }
    ),
    Role.NURSE: frozenset(_CLINICAL | _CALENDAR | {_P.CALL_LIST_USE, _P.EMERGENCY_OPEN}),
    Role.PROVIDER: frozenset(_CLINICAL | _CALENDAR | {_P.DOCUMENT_WRITE, _P.EMERGENCY_OPEN}),
    Role.ADMIN: frozenset(
        {
            _P.CLINIC_READ,
            _P.CLINIC_WRITE,
            _P.APPOINTMENT_OVERBOOK,
            _P.VISIT_SUPERVISE,
            _P.PAYER_READ,
            _P.PAYER_WRITE,
            _P.FEE_READ,
            _P.FEE_WRITE,
            _P.LEDGER_READ_TOTALS,
            _P.ACCESS_REVOKE,
            _P.PROXY_POLICY,
        }
    ),
    Role.AUDITOR: frozenset(
        {
            _P.CLINIC_READ,
            _P.ACCOUNT_READ,
            _P.VISITOR_READ,
            _P.LEDGER_READ,
            _P.PAYMENT_READ,
            _P.DAY_READ,
            _P.TRACE_READ,
            _P.AUDIT_READ,
            _P.EMERGENCY_REVIEW,
            _P.EVENTS_READ,
            _P.EVENT_VALUES_READ,
        }
    ),
    Role.EHR_CLIENT: frozenset(
        _CLINICAL | {_P.DISPLAY_READ, _P.PATIENT_WRITE, _P.COVERAGE_WRITE, _P.ELIGIBILITY_CHECK}
    ),
    Role.PORTAL: frozenset(
        {
            _P.CLINIC_READ,
            _P.APPOINTMENT_READ,
            _P.APPOINTMENT_BOOK,
            _P.VISIT_CHECK_IN,
            _P.REMINDER_REPLY,
            _P.PATIENT_READ,
            _P.COVERAGE_READ,
            _P.ESTIMATE_READ,
            _P.PAYMENT_READ,
            _P.ACCOUNT_READ,
            _P.DOCUMENT_READ,
        }
    ),
    Role.OPS: frozenset({_P.TRACE_READ, _P.EVENTS_READ, _P.CLINIC_READ}),
    Role.SERVICE: frozenset(
        {_P.PATIENT_LOOKUP, _P.CONTACT_POINT_READ, _P.REMINDER_REPLY, _P.CLINIC_READ}
    ),
}
"""What each role may at the most. A machine has of it what its scopes name, the portal its own."""

ABOUT_NOBODY = frozenset({_P.CLINIC_READ})
"""What a patient may ask without naming themselves: it is the clinic's own, and of no patient."""

IN_EMERGENCY = frozenset({_P.PATIENT_READ, _P.APPOINTMENT_READ, _P.DOCUMENT_READ})
"""What break-glass opens beyond the clinics of a token: reads of one patient, and never money."""

NETWORK_WIDE = frozenset({_P.AUDIT_READ, _P.EMERGENCY_REVIEW})
"""What tells of rows that do not say their clinic: who is bound to clinics is refused, since a row
may be of any other."""

WITHOUT_PHI = frozenset(
    {
        _P.CLINIC_READ,
        _P.CLINIC_WRITE,
        _P.PAYER_READ,
        _P.PAYER_WRITE,
        _P.FEE_READ,
        _P.FEE_WRITE,
        _P.PROXY_POLICY,
    }
)
"""What shows and changes nothing of a patient: it goes on where nobody knows who was revoked."""
