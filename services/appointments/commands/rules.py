"""Entering and ending booking rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from services.appointments.commands.setup import clinic
from services.appointments.domain.rule_values import check_effective, checked_value
from services.appointments.domain.rules import Binds, RuleKind
from services.appointments.queries.booking_facts import load_type
from services.appointments.queries.rules import rule_row
from services.appointments.tables import BookingRule, Provider, ProviderClinic
from shared.db.locks import LockKey, lock_key
from shared.db.work import Work, match_version
from shared.values.errors import Conflict, Forbidden, Invalid, NotFound


@dataclass(frozen=True, slots=True)
class RuleWish:
    """A rule to enter. What is None is not narrowed; days are local days of visits, included."""

    kind: RuleKind
    value: Mapping[str, Any]
    binds: Binds
    clinic_id: UUID | None = None
    appointment_type_id: UUID | None = None
    provider_id: UUID | None = None
    effective_from: date | None = None
    effective_until: date | None = None


def rules_lock() -> Sequence[LockKey]:
    """What entering or ending a rule changes: the network's list of them."""
    return (lock_key("booking-rules", "all"),)


async def enter_rule(work: Work, wish: RuleWish) -> BookingRule:
    """Enter a rule, or the next version of one with the same kind and narrowing.

    Raises Invalid ``rule.value``, ``rule.effective``; NotFound for a clinic, kind of visit or
    provider that is not there; Forbidden ``rule.for_the_network`` where the caller is bound to
    clinics and the rule is not.
    """
    value = checked_value(wish.kind, wish.value)
    check_effective(wish.effective_from, wish.effective_until)
    await _check_scope(work, wish)
    row = BookingRule(
        id=work.new_id("booking-rule"),
        network_id=work.network_id,
        kind=wish.kind.value,
        rule_version=await _next_version(work, wish),
        value=value,
        binds=wish.binds.value,
        clinic_id=wish.clinic_id,
        appointment_type_id=wish.appointment_type_id,
        provider_id=wish.provider_id,
        effective_from=wish.effective_from,
        effective_until=wish.effective_until,
        entered_at=work.now,
        entered_by=str(work.actor),
    )
    work.add(row)
    return row


async def end_rule(
    work: Work, rule_id: UUID, effective_until: date, version: int | None
) -> BookingRule:
    """End a version of a rule with a local day of visits, included; what was before decides then.

    Raises NotFound; Conflict ``rule.ended`` where it ends earlier already; Invalid
    ``rule.effective`` for a day before its first.
    """
    row = await rule_row(work, rule_id)
    match_version(version, row.version)
    if row.effective_until is not None and row.effective_until <= effective_until:
        raise Conflict("rule.ended", "This rule ends no later than that already.")
    check_effective(row.effective_from, effective_until)
    row.effective_until, row.ended_at, row.ended_by = effective_until, work.now, str(work.actor)
    work.save(row)
    await work.flush()
    return row


async def _check_scope(work: Work, wish: RuleWish) -> None:
    if wish.clinic_id is not None:
        await clinic(work, wish.clinic_id)
    elif work.actor.clinic_ids is not None:
        title = "A rule for every clinic is for who may act at every clinic."
        raise Forbidden("rule.for_the_network", title)
    if wish.appointment_type_id is not None:
        await load_type(work, wish.appointment_type_id)
    if wish.provider_id is None:
        return
    there = await work.load(Provider, wish.provider_id) is not None
    if there and wish.clinic_id is not None:
        where = "provider_id = $2 AND clinic_id = $3"
        there = bool(await work.load_where(ProviderClinic, where, wish.provider_id, wish.clinic_id))
    if not there:
        raise NotFound("provider.not_found", "There is no such provider at this clinic.")
    if wish.kind is RuleKind.DAILY_CAP:
        title = "A cap of one provider is a `provider_daily_cap`."
        raise Invalid("rule.scope", title, pointer="/provider_id")


async def _next_version(work: Work, wish: RuleWish) -> int:
    found = await work.raw.fetchval(
        "SELECT max(rule_version) FROM booking_rules WHERE network_id = $1 AND kind = $2"
        " AND clinic_id IS NOT DISTINCT FROM $3 AND appointment_type_id IS NOT DISTINCT FROM $4"
        " AND provider_id IS NOT DISTINCT FROM $5",
        work.network_id,
        wish.kind.value,
        wish.clinic_id,
        wish.appointment_type_id,
        wish.provider_id,
    )
    return int(found or 0) + 1
