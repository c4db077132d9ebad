"""Who may do what: the role matrix as data, in one place.

A token names roles; a role is a set of permissions; a route declares the one permission it needs.
A role is an upper bound: SMART scopes of a token narrow it, and a machine has nothing without them.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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
    VISIT_CHECK_IN = "visit:check_in"
    VISIT_FLOW = "visit:flow"
    PATIENT_READ = "patient:read"
    PATIENT_FIND = "patient:find"
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
    AUDIT_READ = "audit:read"
    ACCESS_REVOKE = "access:revoke"
    EMERGENCY_OPEN = "emergency:open"
    EMERGENCY_REVIEW = "emergency:review"
    EVENTS_READ = "events:read"
    EVENT_VALUES_READ = "event_values:read"


_P = Permission

_DESK = {
    _P.CLINIC_READ,
    _P.APPOINTMENT_READ,
    _P.APPOINTMENT_BOOK,
    _P.VISIT_CHECK_IN,
    _P.VISIT_FLOW,
    _P.PATIENT_READ,
    _P.PATIENT_FIND,
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

MATRIX: Mapping[Role, frozenset[Permission]] = {
    Role.FRONT_DESK: frozenset(_DESK),
    Role.BILLER: frozenset(
        {
            _P.CLINIC_READ,
            _P.PATIENT_FIND,
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
    Role.NURSE: frozenset(_CLINICAL | {_P.EMERGENCY_OPEN}),
    Role.PROVIDER: frozenset(_CLINICAL | {_P.DOCUMENT_WRITE, _P.EMERGENCY_OPEN}),
    Role.ADMIN: frozenset(
        {
            _P.CLINIC_READ,
            _P.CLINIC_WRITE,
            _P.APPOINTMENT_OVERBOOK,
            _P.PAYER_READ,
            _P.PAYER_WRITE,
            _P.FEE_READ,
            _P.FEE_WRITE,
            _P.LEDGER_READ,
            _P.DAY_READ,
            _P.ACCESS_REVOKE,
        }
    ),
    Role.AUDITOR: frozenset(
        {
            _P.CLINIC_READ,
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
        _CLINICAL | {_P.PATIENT_WRITE, _P.COVERAGE_WRITE, _P.ELIGIBILITY_CHECK}
    ),
    Role.PORTAL: frozenset(
        {
            _P.CLINIC_READ,
            _P.APPOINTMENT_READ,
            _P.APPOINTMENT_BOOK,
            _P.VISIT_CHECK_IN,
            _P.PATIENT_READ,
            _P.COVERAGE_READ,
            _P.ESTIMATE_READ,
            _P.PAYMENT_READ,
            _P.DOCUMENT_READ,
        }
    ),
    Role.OPS: frozenset({_P.TRACE_READ, _P.EVENTS_READ, _P.CLINIC_READ}),
    Role.SERVICE: frozenset({_P.PATIENT_LOOKUP, _P.CLINIC_READ}),
}
"""What each role may at the most. A machine has of it what its scopes name, the portal its own."""

ABOUT_NOBODY = frozenset({_P.CLINIC_READ})
"""What a patient may ask without naming themselves: it is the clinic's own, and of no patient."""

IN_EMERGENCY = frozenset({_P.PATIENT_READ, _P.APPOINTMENT_READ, _P.DOCUMENT_READ})
"""What break-glass opens beyond the clinics of a token: reads of one patient, and never money."""

WITHOUT_PHI = frozenset(
    {
        _P.CLINIC_READ,
        _P.CLINIC_WRITE,
        _P.PAYER_READ,
        _P.PAYER_WRITE,
        _P.FEE_READ,
        _P.FEE_WRITE,
    }
)
"""What shows and changes nothing of a patient: it goes on where nobody knows who was revoked."""

NEEDS: Mapping[Permission, tuple[tuple[str, str], ...]] = {
    _P.CLINIC_READ: (("Location", "rs"), ("Practitioner", "rs")),
    _P.APPOINTMENT_READ: (("Appointment", "rs"),),
    _P.APPOINTMENT_BOOK: (("Appointment", "cu"),),
    _P.VISIT_CHECK_IN: (("Encounter", "c"),),
    _P.VISIT_FLOW: (("Encounter", "cu"),),
    _P.PATIENT_READ: (("Patient", "r"),),
    _P.PATIENT_WRITE: (("Patient", "cu"),),
    _P.PATIENT_FIND: (("Patient", "s"),),
    _P.PATIENT_LOOKUP: (("Patient", "r"),),
    _P.PAYER_READ: (("Organization", "rs"),),
    _P.COVERAGE_READ: (("Coverage", "rs"),),
    _P.COVERAGE_WRITE: (("Coverage", "cu"),),
    _P.ELIGIBILITY_CHECK: (("CoverageEligibilityRequest", "c"),),
    _P.ESTIMATE_READ: (("CoverageEligibilityResponse", "rs"),),
    _P.PAYMENT_READ: (("Account", "rs"),),
    _P.DOCUMENT_READ: (("DocumentReference", "rs"),),
}
"""What scopes must name for a permission: resource types of FHIR, each with these letters."""

_RESOURCES = frozenset(resource for needs in NEEDS.values() for resource, _ in needs)
_LEVELS = {Role.EHR_CLIENT: "system", Role.PORTAL: "patient"}
_SCOPE = re.compile(r"(patient|user|system)/(\*|[A-Z][A-Za-z]*)\.(?=[cruds])(c?r?u?d?s?)")
_OF_SMART = ("patient/", "user/", "system/")


@dataclass(frozen=True, slots=True)
class Scope:
    """A SMART App Launch 2 scope: whose view it is, a resource type or `*`, letters of `cruds`."""

    level: str
    resource: str
    letters: str


def scope_of(text: str) -> Scope | None:
    """The scope of a text; None for one that is not known, which is dropped.

    A scope with a query (`?category=...`) is none that is known: what cannot be told apart is not
    granted as a whole.
    """
    found = _SCOPE.fullmatch(text)
    if found is None or (found[2] != "*" and found[2] not in _RESOURCES):
        return None
    return Scope(found[1], found[2], found[3])


def permissions_of(
    roles: Iterable[str], scopes: str = "", *, patient: bool = False
) -> frozenset[Permission]:
    """What a token's roles may do together; a role nobody knows grants nothing.

    scopes: those of the token, parted by blanks. A person's role stands whole where they hold none
    of SMART's; a machine's is nothing then. patient: the token names whose it is; the portal is
    nobody's without.
    """
    texts = scopes.split()
    narrowed = any(text.startswith(_OF_SMART) for text in texts)
    held = [scope for text in texts if (scope := scope_of(text)) is not None]
    known = {role.value: role for role in Role}
    granted: set[Permission] = set()
    for role in (known[name] for name in roles if name in known):
        if role is Role.PORTAL and not patient:
            continue
        if role is Role.EHR_CLIENT or (narrowed and role is not Role.SERVICE):
            granted |= MATRIX[role] & _named(held, _LEVELS.get(role, "user"))
        else:
            granted |= MATRIX[role]
    return frozenset(granted)


def _named(held: Iterable[Scope], level: str) -> frozenset[Permission]:
    """The permissions that scopes of a level name, each with all that it needs."""
    return frozenset(
        permission
        for permission, needs in NEEDS.items()
        if all(covered(held, Scope(level, *need)) for need in needs)
    )


def covered(held: Iterable[Scope], wanted: Scope) -> bool:
    """Whether scopes together name all that one does."""
    fitting = [
        scope.letters
        for scope in held
        if scope.level == wanted.level and scope.resource in ("*", wanted.resource)
    ]
    return set(wanted.letters) <= set("".join(fitting))
