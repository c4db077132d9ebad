"""Who may do what: what a token's roles and scopes come to.

A token names roles; a role is a set of permissions; a route declares the one permission it needs.
A role is an upper bound: SMART scopes of a token narrow it, and a machine has nothing without them.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shared.contracts.role_matrix import (
    ABOUT_NOBODY,
    IN_EMERGENCY,
    MATRIX,
    NETWORK_WIDE,
    WITHOUT_PHI,
    Permission,
    Role,
)

__all__ = [
    "ABOUT_NOBODY",
    "IN_EMERGENCY",
    "MATRIX",
    "NEEDS",
    "NETWORK_WIDE",
    "WITHOUT_PHI",
    "Permission",
    "Role",
    "Scope",
    "covered",
    "permissions_of",
    "scope_of",
]

_P = Permission

NEEDS: Mapping[Permission, tuple[tuple[str, str], ...]] = {
    _P.CLINIC_READ: (("Location", "rs"), ("Practitioner", "rs")),
    _P.APPOINTMENT_READ: (("Appointment", "rs"),),
    _P.APPOINTMENT_BOOK: (("Appointment", "cu"),),
    _P.REQUEST_ANSWER: (("Appointment", "cu"),),
    _P.VISIT_CHECK_IN: (("Encounter", "c"),),
    _P.VISIT_FLOW: (("Encounter", "cu"),),
    # A screen in a waiting room finds visits and reads none: `system/Encounter.s` is all it holds.
    _P.DISPLAY_READ: (("Encounter", "s"),),
    _P.REMINDER_REPLY: (("Appointment", "u"),),
    _P.PATIENT_READ: (("Patient", "r"),),
    _P.PATIENT_READ_MINIMUM: (("Patient", "rs"),),
    _P.PATIENT_WRITE: (("Patient", "cu"),),
    _P.PATIENT_FIND: (("Patient", "s"),),
    _P.PATIENT_LOOKUP: (("Patient", "r"),),
    _P.PAYER_READ: (("Organization", "rs"),),
    _P.COVERAGE_READ: (("Coverage", "rs"),),
    _P.COVERAGE_WRITE: (("Coverage", "cu"),),
    _P.ELIGIBILITY_CHECK: (("CoverageEligibilityRequest", "c"),),
    _P.ESTIMATE_READ: (("CoverageEligibilityResponse", "rs"),),
    _P.PAYMENT_READ: (("Account", "rs"),),
    _P.ACCOUNT_READ: (("Account", "rs"),),
    _P.LEDGER_READ_MINIMUM: (("Account", "rs"),),
    _P.DOCUMENT_READ: (("DocumentReference", "rs"),),
    _P.DOCUMENT_READ_CLAIMS: (("DocumentReference", "rs"),),
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
