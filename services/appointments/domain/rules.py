"""Booking rules as data: what is asked of a booking beyond time that is free.

A rule is of one kind and may be narrowed to a clinic, a kind of visit, a provider. Of each kind
one rule decides: the narrowest that holds on the visit's local day (provider before kind of visit
before clinic before network), and of those the newest version. When that one ends, the version
before it decides again. What `binds` patients alone lets the desk pass.

Booking and availability both ask `broken`; so they cannot disagree.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from services.appointments.domain.resources import AppointmentType
from services.appointments.domain.tally import Tally
from shared.values.errors import Conflict, DomainError, Forbidden, Invalid
from shared.values.interval import Interval


class RuleKind(StrEnum):
    """The kinds of rule there are; a closed list."""

    SELF_BOOKING = "self_booking"
    LEAD_TIME = "lead_time"
    HORIZON = "horizon"
    AGE = "age"
    GENDER = "gender"
    COVER = "cover"
    PAYER = "payer"
    REFERRAL = "referral"
    AUTHORIZATION = "authorization"
    WAVE = "wave"
    DAILY_CAP = "daily_cap"
    PROVIDER_DAILY_CAP = "provider_daily_cap"
    PATIENT_DAILY_CAP = "patient_daily_cap"
    OVERBOOK_PER_HOUR = "overbook_per_hour"


class Binds(StrEnum):
    """Whom a rule binds."""

    EVERYONE = "everyone"
    PATIENTS = "patients"
    """Patients who book for themselves; the desk knows why it goes beyond."""


class SelfBooking(StrEnum):
    """What patients may do by themselves with a kind of visit."""

    VIEW_ONLY = "view_only"
    """See the times."""
    REQUEST = "request"
    """See the times, and ask the desk for one."""
    SELF_BOOK = "self_book"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a rule is narrowed to; None is every one."""

    clinic_id: UUID | None = None
    type_id: UUID | None = None
    provider_id: UUID | None = None

    def takes(self, clinic_id: UUID, type_id: UUID, provider_id: UUID) -> bool:
        """Whether a visit lies within."""
        return (
            self.clinic_id in (None, clinic_id)
            and self.type_id in (None, type_id)
            and self.provider_id in (None, provider_id)
        )

    @property
    def narrowness(self) -> tuple[bool, bool, bool]:
        """Greater for what is narrower: a provider's before a kind's before a clinic's."""
        return (self.provider_id is not None, self.type_id is not None, self.clinic_id is not None)


@dataclass(frozen=True, slots=True)
class Rule:
    """One version of a rule. Version 0 is built in: lead time and horizon of the kind of visit.

    value: see `rule_values.checked_value`. effective_from, effective_until: local days of visits,
    both included; None is open.
    """

    kind: RuleKind
    value: Mapping[str, Any]
    version: int = 1
    binds: Binds = Binds.EVERYONE
    scope: Scope = Scope()
    effective_from: date | None = None
    effective_until: date | None = None
    id: UUID | None = None

    def holds_on(self, day: date) -> bool:
        """Whether it is in effect for visits of a local day."""
        begun = self.effective_from is None or self.effective_from <= day
        return begun and (self.effective_until is None or day <= self.effective_until)


PLACES = ("primary", "secondary", "tertiary")
"""Which cover pays first."""


@dataclass(frozen=True, slots=True)
class CoverHeld:
    """A cover as the card says. first, last: its days, both included; None is open."""

    payer_id: UUID
    place: str
    first: date
    last: date | None = None

    def holds_on(self, day: date) -> bool:
        """Whether it is in effect on a day."""
        return self.first <= day and (self.last is None or day <= self.last)


@dataclass(frozen=True, slots=True)
class PatientFacts:
    """What rules must know of a patient. None is what nobody has said.

    verdict: the latest on the cover of any of their visits. gender: administrative, as FHIR has it.
    """

    birth_year: int | None = None
    verdict: str | None = None
    referral: bool = False
    authorization: bool = False
    gender: str | None = None
    covers: tuple[CoverHeld, ...] = ()

    def payer_on(self, day: date) -> UUID | None:
        """Who pays first for a visit on a day; None where no cover is in effect."""
        held = [cover for cover in self.covers if cover.holds_on(day)]
        first = min(held, key=lambda cover: (PLACES.index(cover.place), cover.first), default=None)
        return None if first is None else first.payer_id


@dataclass(frozen=True, slots=True)
class Asked:
    """One time with one provider, as rules judge it. patient_id: None where nobody is named."""

    interval: Interval
    clinic_id: UUID
    type_id: UUID
    provider_id: UUID
    zone: ZoneInfo
    now: datetime
    self_service: bool
    tally: Tally
    patient_id: UUID | None = None
    patient: PatientFacts = field(default_factory=PatientFacts)
    overbooked: bool = False

    @property
    def day(self) -> date:
        """The local day of the visit."""
        return self.interval.start.astimezone(self.zone).date()


Facts = Mapping[str, Any]
"""Why a rule stands in the way: numbers, codes and times, never a name."""


@dataclass(frozen=True, slots=True)
class Check:
    """How rules of a kind are judged, and what a refusal is.

    broken: the facts where a value does not allow what is asked, else None. reason: what
    availability says; None where it does not look at the rule. of_patient: it needs a patient.
    counts: it needs the visits of that day.
    """

    kind: RuleKind
    broken: Callable[[Mapping[str, Any], Asked], Facts | None]
    error: type[Conflict] | type[Forbidden] | type[Invalid]
    code: str
    title: str
    reason: str | None
    of_patient: bool = False
    counts: bool = False
    pointer: str | None = None


def built_in(kind: AppointmentType) -> tuple[Rule, ...]:
    """The rules that a kind of visit brings with it, which rules of the network replace."""
    minutes = kind.lead_time // timedelta(minutes=1)
    days = kind.horizon / timedelta(days=1)
    days = int(days) if days.is_integer() else days
    return (
        Rule(RuleKind.LEAD_TIME, {"minutes": minutes}, 0, Binds.PATIENTS),
        Rule(RuleKind.HORIZON, {"days": days}, 0, Binds.PATIENTS),
    )


def deciding(
    rules: Iterable[Rule], clinic_id: UUID, type_id: UUID, provider_id: UUID, day: date
) -> tuple[Rule, ...]:
    """The one rule of each kind that decides of a visit on a local day, in the order of kinds."""
    chosen: dict[RuleKind, Rule] = {}
    for rule in rules:
        if not rule.holds_on(day) or not rule.scope.takes(clinic_id, type_id, provider_id):
            continue
        other = chosen.get(rule.kind)
        if other is None or _rank(rule) > _rank(other):
            chosen[rule.kind] = rule
    return tuple(chosen[kind] for kind in RuleKind if kind in chosen)


def _rank(rule: Rule) -> tuple[bool, tuple[bool, bool, bool], int]:
    return (rule.version > 0, rule.scope.narrowness, rule.version)


def broken(
    rules: Sequence[Rule], asked: Asked, checks: Mapping[RuleKind, Check]
) -> tuple[Rule, Check, Facts] | None:
    """The first of the deciding rules that stands in the way, with the facts; None if none does."""
    for rule in rules:
        check = checks[rule.kind]
        if rule.binds is Binds.PATIENTS and not asked.self_service:
            continue
        if check.of_patient and asked.patient_id is None:
            continue
        facts = check.broken(rule.value, asked)
        if facts is not None:
            return rule, check, facts
    return None


def refusal(rule: Rule, check: Check, facts: Facts) -> DomainError:
    """The refusal of a rule: which rule, which version of it, and the facts."""
    more = {"rule": rule.kind.value, "version": rule.version, "facts": dict(facts)}
    return check.error(check.code, check.title, pointer=check.pointer, facts=more)


def wave_of(rules: Sequence[Rule]) -> int | None:
    """How many patients come at the top of the hour; None where visits are not in waves."""
    return next((rule.value["visits"] for rule in rules if rule.kind is RuleKind.WAVE), None)


def self_booking_at(
    rules: Sequence[Rule], zones: Mapping[UUID, ZoneInfo], type_id: UUID, moment: datetime
) -> SelfBooking:
    """What patients may do by themselves at clinics of these zones: the strictest that any says.

    Rules narrowed to a provider say it of that provider when they book.
    """
    strictest = list(SelfBooking)
    modes = [SelfBooking.SELF_BOOK]
    for clinic_id, in_zone in zones.items():
        day = moment.astimezone(in_zone).date()
        wide = [rule for rule in rules if rule.scope.provider_id is None]
        chosen = deciding(wide, clinic_id, type_id, clinic_id, day)
        modes += [SelfBooking(r.value["mode"]) for r in chosen if r.kind is RuleKind.SELF_BOOKING]
    return min(modes, key=strictest.index)
