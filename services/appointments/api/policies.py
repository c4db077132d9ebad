"""Routes of what a network asks for on the day of a visit."""

from collections.abc import Sequence

from services.appointments.api.routes import ROUTES
from services.appointments.commands import policies
from services.appointments.schemas.policies import PolicyList, PolicyView, SetPolicy
from shared.contracts.permissions import Permission as May
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.web.calls import Call, Reply


def _policy_lock(call: Call[SetPolicy]) -> Sequence[LockKey]:
    return policies.policy_lock(call.given.clinic_id, call.given.appointment_type_id)


@ROUTES.put(
    "/v1/visit-policies",
    may=May.CLINIC_WRITE,
    body=SetPolicy,
    reply=PolicyView,
    refuses=("clinic.not_found", "appointment_type.not_found"),
    locks=_policy_lock,
)
async def set_visit_policy(work: Work, call: Call[SetPolicy]) -> Reply:
    """Say what is asked for at all visits, or at those of a clinic, of a kind, or of both.

    The nearest policy applies whole: clinic and kind, clinic, kind, network.
    """
    given = call.given
    members = given.model_dump(mode="json", exclude={"clinic_id", "appointment_type_id"})
    row = await policies.set_policy(work, given.clinic_id, given.appointment_type_id, members)
    return Reply(PolicyView.of(row))


@ROUTES.get("/v1/visit-policies", may=May.CLINIC_READ, reply=PolicyList)
async def list_visit_policies(work: Work, call: Call[None]) -> Reply:
    """What is asked for, of what is entered; the default applies where nothing is."""
    return Reply(PolicyList(items=[PolicyView.of(row) for row in await policies.policies(work)]))
