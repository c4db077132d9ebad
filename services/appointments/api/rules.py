"""Routes of booking rules, and of why a booking would be refused."""

from collections.abc import Sequence
from typing import Any

from services.appointments.api.booking import may_overbook, near
from services.appointments.api.routes import ROUTES
from services.appointments.commands import rules
from services.appointments.commands.explain import explain_booking
from services.appointments.commands.places import Request
from services.appointments.queries import rules as read
from services.appointments.queries.visits import named_zone
from services.appointments.schemas.rules import (
    EndRule,
    EnterRule,
    ExplainBooking,
    ExplanationView,
    FindRules,
    RefusalView,
    RuleList,
    RuleView,
)
from services.appointments.schemas.visits import RuleVersion
from shared.contracts.permissions import Permission as May
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.values.errors import DomainError
from shared.web.calls import Call, Reply, created
from shared.web.problems import STATUS_OF_KIND


def _rules_lock(_: Call[Any]) -> Sequence[LockKey]:
    return rules.rules_lock()


@ROUTES.post(
    "/v1/booking-rules",
    may=May.CLINIC_WRITE,
    body=EnterRule,
    reply=RuleView,
    status=201,
    refuses=("rule.value", "rule.effective", "rule.scope", "rule.for_the_network"),
    locks=_rules_lock,
)
async def enter_booking_rule(work: Work, call: Call[EnterRule]) -> Reply:
    """Enter a booking rule.

    Of each kind one rule decides: the narrowest that holds on the visit's local day (provider
    before kind of visit before clinic before network), and of those the newest version.
    """
    given = {name: getattr(call.given, name) for name in EnterRule.model_fields}
    wish = rules.RuleWish(**{**given, "value": call.given.value.model_dump(mode="json")})
    row = await rules.enter_rule(work, wish)
    return created(RuleView.of(row), f"/v1/booking-rules/{row.id}")


@ROUTES.get("/v1/booking-rules", may=May.CLINIC_READ, query=FindRules, reply=RuleList)
async def list_booking_rules(work: Work, call: Call[FindRules]) -> Reply:
    """The booking rules that hold from today on, and with `ended` those of the past."""
    if call.given.clinic_id is not None:
        await named_zone(work, call.given.clinic_id)
    rows = await read.list_rules(work, read.RuleFilter(**call.given.model_dump()))
    return Reply(RuleList(items=[RuleView.of(row) for row in rows]))


@ROUTES.post(
    "/v1/booking-rules/{rule_id}/end",
    may=May.CLINIC_WRITE,
    body=EndRule,
    reply=RuleView,
    versioned=True,
    refuses=("rule.ended", "rule.effective"),
    locks=_rules_lock,
)
async def end_booking_rule(work: Work, call: Call[EndRule]) -> Reply:
    """End a version of a rule with a day; the one before it decides from then on."""
    last = call.given.effective_until
    row = await rules.end_rule(work, call.id("rule_id"), last, call.if_match)
    return Reply(RuleView.of(row), version=row.version)


@ROUTES.post(
    "/v1/appointments/explain",
    may=May.APPOINTMENT_BOOK,
    body=ExplainBooking,
    reply=ExplanationView,
    keyed=False,
)
async def explain_appointment(work: Work, call: Call[ExplainBooking]) -> Reply:
    """Judge a booking without making it: every refusal that there would be, and what is free.

    With `appointment_id` it is a move of that visit.
    """
    given = call.given
    call.concerns(given.patient_id)
    request = Request(**{n: v for n, v in vars(given).items() if n != "appointment_id"})
    booking, refusals = await explain_booking(
        work, request, given.appointment_id, may_overbook=may_overbook(call)
    )
    decided = booking.decided_by if booking is not None else ()
    view = ExplanationView(
        bookable=booking is not None,
        refusals=[_view(refusal) for refusal in refusals],
        decided_by=[RuleVersion(rule=rule.kind, version=rule.version) for rule in decided],
        alternatives=await near(work, given, refusals),
    )
    return Reply(view)


def _view(refusal: DomainError) -> RefusalView:
    known = refusal.facts
    return RefusalView(
        rule=known.get("rule", refusal.code),
        version=known.get("version", 0),
        facts=known.get("facts", {}),
        code=refusal.code,
        status=STATUS_OF_KIND[refusal.kind],
        title=refusal.title,
    )
