"""Booking rules, and what they must know: read only where a rule asks for it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from services.appointments.domain.rule_checks import CHECKS
from services.appointments.domain.rules import (
    Binds,
    CoverHeld,
    PatientFacts,
    Rule,
    RuleKind,
    Scope,
)
from services.appointments.domain.tally import Counted
from services.appointments.tables import BookingRule, KnownCover
from shared.db.actor import at_clinic
from shared.db.work import Work
from shared.values.errors import NotFound
from shared.values.zones import day_bounds

LIMIT = 500

MEMBERS = (
    "json_build_array(kind, value, rule_version, binds, clinic_id, appointment_type_id,"
    " provider_id, effective_from, effective_until, id)"
)
"""A rule as one member of a statement; see `rule_of`."""

_COUNTED = """
SELECT id, starts_at, clinic_id, appointment_type_id, provider_id, patient_id, overbooked
FROM appointments WHERE network_id = $1 AND starts_at >= $2 AND starts_at < $3
 AND lifecycle NOT IN ('no_show', 'cancelled', 'entered_in_error') AND"""

OF_A_DAY = f"""
{_COUNTED} clinic_id = $4 AND appointment_type_id = $5 UNION {_COUNTED} provider_id = $6
UNION {_COUNTED} patient_id = $7
"""
"""The visits that could count against one booking: of its kind, its provider, its patient."""

OF_MANY = f"""
{_COUNTED} clinic_id = $4 AND appointment_type_id = $5 UNION {_COUNTED} provider_id = ANY ($6)
UNION {_COUNTED} patient_id = $7
"""

LATEST_VERDICT = """
SELECT v.verdict FROM appointments a JOIN visit_covers v
 ON v.network_id = a.network_id AND v.appointment_id = a.id
WHERE a.network_id = $1 AND a.patient_id = $2 ORDER BY v.decided_at DESC LIMIT 1
"""


def rule_of(members: Sequence[Any]) -> Rule:
    """A rule from what `MEMBERS` gives."""
    kind, value, version, binds, clinic, type_, provider, first, last, key = members
    return Rule(
        kind=RuleKind(kind),
        value=value,
        version=version,
        binds=Binds(binds),
        scope=Scope(*(UUID(each) if each else None for each in (clinic, type_, provider))),
        effective_from=date.fromisoformat(first) if first else None,
        effective_until=date.fromisoformat(last) if last else None,
        id=UUID(key),
    )


async def rules_for(work: Work, clinic_ids: Sequence[UUID], type_id: UUID) -> tuple[Rule, ...]:
    """The rules that could decide of a kind of visit at any of these clinics."""
    found = await work.load_where(
        BookingRule,
        "(clinic_id IS NULL OR clinic_id = ANY($2))"
        " AND (appointment_type_id IS NULL OR appointment_type_id = $3)",
        list(clinic_ids),
        type_id,
    )
    return tuple(of_row(row) for row in found)


def of_row(row: BookingRule) -> Rule:
    """The rule of a row."""
    return Rule(
        kind=RuleKind(row.kind),
        value=row.value,
        version=row.rule_version,
        binds=Binds(row.binds),
        scope=Scope(row.clinic_id, row.appointment_type_id, row.provider_id),
        effective_from=row.effective_from,
        effective_until=row.effective_until,
        id=row.id,
    )


async def patient_facts(
    work: Work,
    rules: Collection[Rule],
    patient_id: UUID | None,
    known: tuple[int | None, str | None],
) -> PatientFacts:
    """What rules must know of a patient. Of referrals and authorizations nothing is heard yet.

    known: the year of birth and the administrative gender.
    """
    asked, verdict, covers = {rule.kind for rule in rules}, None, list[KnownCover]()
    if patient_id is not None and RuleKind.COVER in asked:
        verdict = await work.raw.fetchval(LATEST_VERDICT, work.network_id, patient_id)
    if patient_id is not None and RuleKind.PAYER in asked:
        covers = await work.load_where(KnownCover, "patient_id = $2", patient_id)
    birth_year, gender = known
    return PatientFacts(
        birth_year,
        verdict,
        gender=gender,
        covers=tuple(CoverHeld(c.payer_id, c.place, c.first, c.last) for c in covers),
    )


async def visits_of_day(
    work: Work,
    rules: Collection[Rule],
    times: tuple[datetime, datetime],
    in_zone: ZoneInfo,
    of: tuple[UUID, UUID, UUID, UUID | None],
) -> tuple[Counted, ...]:
    """The visits of the local days from one time to another that caps count.

    of: clinic, kind of visit, provider, patient.
    """
    if not counting(rules):
        return ()
    first, last = (at.astimezone(in_zone).date() for at in times)
    since, until = day_bounds(first, in_zone)[0], day_bounds(last, in_zone)[1]
    return _counted(await work.raw.fetch(OF_A_DAY, work.network_id, since, until, *of))


async def visits_between(
    work: Work,
    rules: Collection[Rule],
    window: tuple[datetime, datetime],
    of: tuple[UUID, UUID, Sequence[UUID], UUID | None],
) -> tuple[Counted, ...]:
    """The same of several days and providers. A day more on either side: days are of a zone."""
    if not counting(rules):
        return ()
    since, until = window[0] - timedelta(days=2), window[1] + timedelta(days=2)
    clinic_id, type_id, providers, patient_id = of
    return _counted(
        await work.raw.fetch(
            OF_MANY, work.network_id, since, until, clinic_id, type_id, list(providers), patient_id
        )
    )


def counting(rules: Collection[Rule]) -> bool:
    """Whether some rule counts visits."""
    return any(CHECKS[rule.kind].counts for rule in rules)


def _counted(rows: Sequence[Any]) -> tuple[Counted, ...]:
    return tuple(Counted(*row) for row in rows)


async def rule_row(work: Work, rule_id: UUID) -> BookingRule:
    """A rule of the network and of the caller's clinics. Raises NotFound.

    One for every clinic is there for each; to change it is for who may act at every clinic.
    """
    row = await work.load(BookingRule, rule_id)
    mine = work.actor.clinic_ids is None
    if row is None or not (mine if row.clinic_id is None else at_clinic(work.actor, row.clinic_id)):
        raise NotFound("booking_rule.not_found", "There is no such booking rule.")
    return row


@dataclass(frozen=True, slots=True)
class RuleFilter:
    """Which rules are listed: those that could decide of visits there; None is not asked.

    ended: those of the past as well.
    """

    kind: str | None = None
    clinic_id: UUID | None = None
    appointment_type_id: UUID | None = None
    provider_id: UUID | None = None
    ended: bool = False


async def list_rules(work: Work, wanted: RuleFilter) -> list[BookingRule]:
    """Rules by kind, narrowing and version; of other clinics than the caller's none."""
    mine = work.actor.clinic_ids
    return await work.load_where(
        BookingRule,
        "($2::text IS NULL OR kind = $2)"
        " AND ($3::uuid IS NULL OR clinic_id IS NULL OR clinic_id = $3)"
        " AND ($4::uuid IS NULL OR appointment_type_id IS NULL OR appointment_type_id = $4)"
        " AND ($5::uuid IS NULL OR provider_id IS NULL OR provider_id = $5)"
        " AND ($6 OR effective_until IS NULL OR effective_until >= $7)"
        " AND ($8::uuid[] IS NULL OR clinic_id IS NULL OR clinic_id = ANY($8))"
        " ORDER BY kind, clinic_id, appointment_type_id, provider_id, rule_version"
        f" LIMIT {LIMIT}",
        wanted.kind,
        wanted.clinic_id,
        wanted.appointment_type_id,
        wanted.provider_id,
        wanted.ended,
        (work.now - timedelta(days=1)).date(),
        None if mine is None else list(mine),
    )
