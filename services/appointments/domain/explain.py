"""Why a booking is refused: all that stands in its way, each by the id of its rule.

`decide_booking` gives the first. To tell the rest, what it refused is assumed away and it is asked
again; so nothing is judged twice in two ways. Every rule of booking is in `RULES`.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from services.appointments.domain.booking import (
    Booking,
    BookingFacts,
    BookingPolicy,
    Wish,
    decide_booking,
    wanted_interval,
)
from services.appointments.domain.empty import Empty
from services.appointments.domain.occupancy import ResourceKind
from services.appointments.domain.rule_checks import CHECKS
from services.appointments.domain.rules import RuleKind
from shared.values.errors import Conflict, DomainError, Forbidden, Invalid

_LONG = timedelta(days=200 * 365)


@dataclass(frozen=True, slots=True)
class Case:
    """A wish, what is known, and the network's policy."""

    wish: Wish
    facts: BookingFacts
    policy: BookingPolicy


Relax = Callable[[Case], Case]


@dataclass(frozen=True, slots=True)
class Named:
    """A rule of booking: its id, the code of its refusal, and the case with it out of the way.

    relax: None where nothing else can be judged without it. where: the facts that tell it from
    another rule of the same code, None for one that is not there; of several the first is it.
    """

    id: str
    code: str
    relax: Relax | None
    where: Mapping[str, object]


def _facts(**change: object) -> Relax:
    return lambda case: replace(case, facts=replace(case.facts, **change))  # type: ignore[arg-type]


def _wish(**change: object) -> Relax:
    return lambda case: replace(case, wish=replace(case.wish, **change))  # type: ignore[arg-type]


def _policy(**change: object) -> Relax:
    return lambda case: replace(case, policy=replace(case.policy, **change))  # type: ignore[arg-type]


def _provider(**change: object) -> Relax:
    def relax(case: Case) -> Case:
        provider = replace(case.facts.provider, **change)  # type: ignore[arg-type]
        return replace(case, facts=replace(case.facts, provider=provider))

    return relax


_always_active = _provider(active_from=None, active_until=None)


def _in_person(case: Case) -> Case:
    modalities = case.facts.type.modalities | {case.wish.modality}
    return _facts(type=replace(case.facts.type, modalities=modalities))(case)


def _open(case: Case) -> Case:
    return _facts(open_times=(wanted_interval(case.wish, case.facts.type),))(case)


def _unbound(reason: Empty) -> Relax:
    return lambda case: _facts(
        bounds=tuple(bound for bound in case.facts.bounds if bound.reason is not reason)
    )(case)


def _free(kind: ResourceKind, *, of_blocks: bool | None = None) -> Relax:
    """Without what takes the time of resources of a kind: all of it, or blocks alone.

    Of providers it is the one whose visit it is: a colleague's time is another rule.
    """

    def relax(case: Case) -> Case:
        busy = tuple(
            row
            for row in case.facts.busy
            if row.kind is not kind
            or (of_blocks is True and row.lane is not None)
            or (kind is ResourceKind.PROVIDER and row.resource_id != case.facts.provider.id)
        )
        return _facts(busy=busy)(case)

    return relax


def _no_room(case: Case) -> Case:
    kind = replace(case.facts.type, needs_room=False)
    return _wish(room_id=None)(_facts(type=kind)(case))


def _no_equipment(case: Case) -> Case:
    return _facts(type=replace(case.facts.type, equipment=()))(case)


def _alone(case: Case) -> Case:
    """Without further providers: of several who cannot, the first is told."""
    kind = replace(case.facts.type, providers=1)
    return _wish(further_provider_ids=())(_facts(type=kind, colleagues=())(case))


def _without(kind: RuleKind) -> Relax:
    return lambda case: _facts(waived=case.facts.waived | {kind})(case)


def _all(*rules: tuple[str, str, Relax | None]) -> Iterator[Named]:
    for rule_id, code, relax in rules:
        yield Named(rule_id, code, relax, {})


RULES: Mapping[str, Named] = {
    rule.id: rule
    for rule in (
        *_all(
            ("time_named", "time.naive", None),
            ("time_in_minutes", "time.format", None),
            ("time_in_zone", "time.offset", None),
            ("time_exists", "time.nonexistent", None),
            ("time_once", "time.ambiguous", None),
            ("time_in_range", "time.range", None),
            ("interval_forward", "interval.reversed", None),
            ("interval_within_a_day", "interval.too_long", None),
            ("not_past", "appointment.in_past", _policy(past_grace=_LONG)),
            ("not_too_far", "appointment.too_far", _policy(months_ahead=2400)),
            ("provider_active", "provider.inactive", _always_active),
            ("clinic_open", "clinic.closed", _unbound(Empty.CLINIC_CLOSED)),
            ("provider_entitled", "provider.no_credential", _unbound(Empty.NO_CREDENTIAL)),
            ("modality_offered", "modality.not_offered", _in_person),
            ("overbook_permission", "overbook.forbidden", _facts(may_overbook=True)),
            ("overbook_quota", "overbook.quota_used", _provider(overbook_quota=1000)),
            ("patient_free", "patient.overlap", _free(ResourceKind.PATIENT)),
            ("overlap_reason", "override.reason_required", _wish(overlap_reason="waived")),
            ("for_the_desk", "booking.for_the_desk", None),
            ("colleague_count", "provider.count", _alone),
            ("room_of_kind", "room.other_kind", _no_room),
        ),
        Named("provider_in", "slot.outside_schedule", _open, {"provider_id": None}),
        Named("colleague_in", "slot.outside_schedule", _alone, {}),
        Named(
            "provider_not_blocked", "slot.taken", _free(ResourceKind.PROVIDER, of_blocks=True),
            {"resource": "provider", "blocked": True, "provider_id": None},
        ),
        Named(
            "provider_free", "slot.taken", _free(ResourceKind.PROVIDER),
            {"resource": "provider", "blocked": False, "provider_id": None},
        ),
        Named("colleague_free", "slot.taken", _alone, {"resource": "provider"}),
        Named(
            "room_not_blocked", "slot.taken", _no_room, {"resource": "room", "blocked": True},
        ),
        Named("room_free", "slot.taken", _no_room, {"resource": "room", "blocked": False}),
        Named("equipment_free", "slot.taken", _no_equipment, {"resource": "equipment"}),
        *(Named(kind.value, check.code, _without(kind), {}) for kind, check in CHECKS.items()),
    )
}  # fmt: skip
"""Every rule of booking by its id."""


def rule_of(error: DomainError) -> Named | None:
    """The rule that refused; None for a refusal that no rule of booking gives."""
    for rule in RULES.values():
        if rule.code == error.code and all(error.facts.get(n) == v for n, v in rule.where.items()):
            return rule
    return None


def named(error: DomainError) -> DomainError:
    """The same refusal with the members `rule`, `version` and `facts`.

    A rule that is built in has version 0. Left as it is: what no rule of booking refuses.
    """
    rule = rule_of(error)
    if rule is not None and "rule" not in error.facts:
        error.facts |= {"rule": rule.id, "version": 0, "facts": dict(error.facts)}
    return error


@contextmanager
def naming_rules() -> Iterator[None]:
    """Whatever refuses in the block says by which rule."""
    try:
        yield
    except (Conflict, Forbidden, Invalid) as error:
        named(error)
        raise


def explain(
    wish: Wish,
    facts: BookingFacts,
    now: datetime,
    policy: BookingPolicy | None = None,
    *,
    ignoring: UUID | None = None,
) -> tuple[Booking | None, tuple[DomainError, ...]]:
    """The booking, where there would be one; else every refusal that there would be, named.

    Raises NotFound, as booking does, for a provider or room that is not of the clinic.
    """
    case, refusals = Case(wish, facts, policy or BookingPolicy()), list[DomainError]()
    booking: Booking | None = None
    while booking is None:
        try:
            booking = decide_booking(case.wish, case.facts, now, case.policy, ignoring=ignoring)
        except (Conflict, Forbidden, Invalid) as error:
            again = {refusal.facts.get("rule") for refusal in refusals}
            refusals.append(named(error))
            rule = rule_of(error)
            if rule is None or rule.relax is None or rule.id in again:
                return None, tuple(refusals)
            case = rule.relax(case)
    return (None if refusals else booking), tuple(refusals)
