"""What stands between a request and its route: who may, for whom, under which key and trace."""

from typing import Any
from uuid import UUID

from shared.bus.tracing import TRACEPARENT
from shared.contracts.permissions import ABOUT_NOBODY, NETWORK_WIDE
from shared.values.errors import DomainError, Forbidden, NotFound
from shared.values.ids import new_id
from shared.web.calls import Call
from shared.web.routes import Route
from shared.web.tokens import Principal

CLINICS_LIMITED = "This needs a token of the whole network; yours is bound to clinics."


def require_permission(route: Route, principal: Principal) -> None:
    """Raise Forbidden where the caller has none of the permissions that the route declares."""
    if principal.permissions.isdisjoint(route.permissions):
        raise Forbidden("permission.missing", "Your role does not allow this.")


def require_network(route: Route, principal: Principal) -> None:
    """Raise Forbidden where a token is bound to clinics and the route cannot tell them apart."""
    if route.may in NETWORK_WIDE and principal.actor.clinic_ids is not None:
        raise Forbidden("clinics.limited", CLINICS_LIMITED)


def is_denial(error: DomainError, principal: Principal) -> bool:
    """Whether a refusal is of somebody who asks for what is not theirs, and goes into the audit.

    To who is bound to patients or clinics, what is another's is answered as what is not there.
    """
    actor = principal.actor
    bound = actor.patient_ids is not None or actor.clinic_ids is not None
    return isinstance(error, Forbidden) or (bound and isinstance(error, NotFound))


def require_somebody(route: Route, call: Call[Any]) -> None:
    """Raise NotFound for a patient whose call concerned nobody, unless it is of the clinic's own.

    A route that forgets to say whom it is about is of no use to the portal, and does no harm.
    """
    bound = call.principal.actor.patient_ids is not None
    if bound and not call.patients and route.may not in ABOUT_NOBODY:
        raise NotFound


def trace_of(traceparent: str | None) -> tuple[UUID, str]:
    """The flow's id and the trace context to hand on (W3C Trace Context, section 3.2).

    A header of another shape starts a new trace, as the standard asks.
    """
    found = TRACEPARENT.fullmatch((traceparent or "").strip())
    if found is not None and found[1] != "0" * 32 and found[2] != "0" * 16:
        return UUID(hex=found[1]), found[0]
    flow = new_id()
    return flow, f"00-{flow.hex}-{new_id().hex[16:]}-01"
