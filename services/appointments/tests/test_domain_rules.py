"""Every rule of booking: a case that triggers it and one that clears it, from the registry."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from services.appointments.domain.allotment import Colleague
from services.appointments.domain.booking import (
    Booking,
    BookingFacts,
    BookingPolicy,
    Wish,
    decide_booking,
)
from services.appointments.domain.bounds import Bound
from services.appointments.domain.empty import Empty
from services.appointments.domain.explain import RULES, Case, explain, named, rule_of
from services.appointments.domain.occupancy import Busy, ResourceKind
from services.appointments.domain.resources import (
    AppointmentType,
    Equipment,
    Modality,
    Provider,
    Room,
)
from services.appointments.domain.rule_checks import CHECKS
from services.appointments.domain.rule_values import checked_value
from services.appointments.domain.rules import (
    PLACES,
    Binds,
    CoverHeld,
    PatientFacts,
    Rule,
    RuleKind,
    Scope,
    deciding,
)
from services.appointments.domain.tally import Counted
from shared.values.errors import DomainError, Invalid
from shared.values.interval import Interval
from shared.values.zones import instant_in, resolved

DENVER = ZoneInfo("America/Denver")
ANN, BEN, PAT, SUE = (UUID(int=n) for n in (1, 2, 3, 4))
NORTH, SOUTH, ROOM, ITEM, KIND, OTHER = (UUID(int=n) for n in (11, 12, 21, 22, 31, 32))
NOW = datetime(2027, 3, 1, 15, tzinfo=UTC)
DAY = date(2027, 3, 1)


def wall(at: str, day: date = DAY) -> datetime:
    return datetime.combine(day, time.fromisoformat(at), DENVER)


def between(start: str, end: str) -> Interval:
    return Interval(wall(start), wall(end))


TYPE = AppointmentType(KIND, timedelta(minutes=40), timedelta(minutes=20))
ROOMED = replace(TYPE, needs_room=True)
CLEAR = Case(
    Wish(NORTH, PAT, wall("10:00")),
    BookingFacts(
        DENVER, TYPE, Provider(ANN, frozenset({NORTH})), (between("09:00", "12:00"),),
        rooms=(Room(ROOM, NORTH),),
    ),
    BookingPolicy(),
)  # fmt: skip


def wish(case: Case = CLEAR, **change: Any) -> Case:
    return replace(case, wish=replace(case.wish, **change))


def facts(case: Case = CLEAR, **change: Any) -> Case:
    return replace(case, facts=replace(case.facts, **change))


def busy(kind: ResourceKind, whose: UUID, lane: int | None = 1) -> Busy:
    return Busy(kind, whose, lane, between("10:00", "10:20"))


def bound(reason: Empty, start: str, end: str) -> Bound:
    return Bound(reason, (between(start, end),))


def ruled(kind: RuleKind, case: Case = CLEAR, version: int = 7, **value: Any) -> Case:
    return facts(case, rules=(Rule(kind, checked_value(kind, value), version),))


def visits(number: int, **change: Any) -> tuple[Counted, ...]:
    one = Counted(UUID(int=0), wall("09:00").astimezone(UTC), NORTH, KIND, ANN, SUE)
    return tuple(replace(one, appointment_id=UUID(int=900 + n), **change) for n in range(number))


PAYER_1, PAYER_2 = UUID(int=41), UUID(int=42)


def covered(*payers: UUID, last: date | None = None) -> Case:
    """Cover by payers, the first of which pays first."""
    held = tuple(
        CoverHeld(payer, place, date(2027, 1, 1), last)
        for payer, place in zip(payers, PLACES, strict=False)
    )
    return facts(patient=PatientFacts(covers=held))


PROVIDER, PATIENT = ResourceKind.PROVIDER, ResourceKind.PATIENT
BOOKED = busy(PROVIDER, ANN)
FULL = facts(wish(overbook=True), busy=(BOOKED,))
OVER = facts(FULL, may_overbook=True)
MINE = wish(self_service=True)
TOGETHER = facts(
    wish(further_provider_ids=(BEN,)),
    type=replace(TYPE, providers=2),
    colleagues=(Colleague(Provider(BEN, frozenset({NORTH})), (between("09:00", "12:00"),)),),
)
SCANNED = facts(
    type=replace(TYPE, equipment=(("scanner", 1),)), equipment=(Equipment(ITEM, NORTH, "scanner"),)
)
NAIVE = datetime(2027, 3, 1, 10)  # noqa: DTZ001 - a time without an offset is what it is about
GAP, FOLD = (datetime(2027, 3, 14, 2, 30), datetime(2027, 11, 7, 1, 30))  # noqa: DTZ001


@dataclass(frozen=True)
class Pair:
    """A case that a rule refuses, and one beside it that it lets pass."""

    triggers: Case | Callable[[], object]
    clears: Case | Callable[[], object]


def at_door(moment: datetime) -> Callable[[], object]:
    return lambda: instant_in(moment, DENVER)


FAR = date(2028, 9, 4)


def on(day: date, case: Case = CLEAR) -> Case:
    hours = (Interval(wall("09:00", day), wall("12:00", day)),)
    return facts(wish(case, starts_at=wall("10:00", day)), open_times=hours)


def for_the_desk(lifts: bool) -> Callable[[], object]:
    from services.appointments.commands.places import Request, require_desk
    from shared.db.actor import Actor

    patient = Actor("patient", "p", patient_ids=frozenset({PAT}))
    request = Request(
        patient_id=PAT,
        clinic_id=NORTH,
        provider_id=ANN,
        appointment_type_id=KIND,
        starts_at=NOW,
        walk_in=lifts,
    )
    return lambda: require_desk(patient, request)


PAIRS: dict[str, Pair] = {
    "time_named": Pair(wish(starts_at=NAIVE), CLEAR),
    "time_in_minutes": Pair(wish(starts_at=wall("10:00:30")), CLEAR),
    "time_in_zone": Pair(
        at_door(datetime.fromisoformat("2027-03-01T10:00:00-05:00")),
        at_door(datetime.fromisoformat("2027-03-01T10:00:00-07:00")),
    ),
    "time_exists": Pair(lambda: resolved(GAP, DENVER), lambda: resolved(NAIVE, DENVER)),
    "time_once": Pair(lambda: resolved(FOLD, DENVER), lambda: resolved(NAIVE, DENVER)),
    "time_in_range": Pair(at_door(datetime(9998, 1, 1, tzinfo=UTC)), at_door(NOW)),
    "interval_forward": Pair(wish(ends_at=wall("09:00")), wish(ends_at=wall("10:30"))),
    "interval_within_a_day": Pair(
        wish(ends_at=wall("10:01", date(2027, 3, 2))), wish(ends_at=wall("12:00"))
    ),
    "not_past": Pair(
        facts(wish(starts_at=wall("07:40")), open_times=(between("07:00", "12:00"),)), CLEAR
    ),
    "not_too_far": Pair(on(FAR), on(date(2028, 9, 1))),
    "provider_active": Pair(
        facts(provider=Provider(ANN, frozenset({NORTH}), date(2027, 3, 2))),
        facts(provider=Provider(ANN, frozenset({NORTH}), DAY)),
    ),
    "provider_in": Pair(wish(starts_at=wall("11:50")), wish(starts_at=wall("11:40"))),
    "clinic_open": Pair(
        facts(bounds=(bound(Empty.CLINIC_CLOSED, "10:10", "12:00"),)),
        facts(bounds=(bound(Empty.CLINIC_CLOSED, "10:00", "10:20"),)),
    ),
    "provider_entitled": Pair(
        facts(bounds=(Bound(Empty.NO_CREDENTIAL, ()),)),
        facts(bounds=(bound(Empty.NO_CREDENTIAL, "00:00", "23:00"),)),
    ),
    "modality_offered": Pair(
        wish(modality=Modality.VIDEO),
        facts(wish(modality=Modality.VIDEO), type=replace(TYPE, modalities=frozenset(Modality))),
    ),
    "overbook_permission": Pair(FULL, OVER),
    "overbook_quota": Pair(
        facts(OVER, provider=Provider(ANN, frozenset({NORTH}), overbook_quota=0)), OVER
    ),
    "patient_free": Pair(facts(busy=(busy(PATIENT, PAT),)), facts(busy=(busy(PATIENT, SUE),))),
    "overlap_reason": Pair(
        facts(wish(overlap_reason=" "), busy=(busy(PATIENT, PAT),)),
        facts(wish(overlap_reason="Interpreter"), busy=(busy(PATIENT, PAT),)),
    ),
    "for_the_desk": Pair(for_the_desk(True), for_the_desk(False)),
    "provider_not_blocked": Pair(facts(busy=(busy(PROVIDER, ANN, None),)), CLEAR),
    "provider_free": Pair(facts(busy=(BOOKED,)), facts(busy=(busy(PROVIDER, BEN),))),
    "room_not_blocked": Pair(
        facts(type=ROOMED, busy=(busy(ResourceKind.ROOM, ROOM, None),)), facts(type=ROOMED)
    ),
    "room_free": Pair(
        facts(type=ROOMED, busy=(busy(ResourceKind.ROOM, ROOM),)), facts(type=ROOMED)
    ),
    "room_of_kind": Pair(
        facts(wish(room_id=ROOM), type=replace(ROOMED, room_kind="quiet")),
        facts(wish(room_id=ROOM), type=ROOMED),
    ),
    "colleague_count": Pair(wish(TOGETHER, further_provider_ids=()), TOGETHER),
    "colleague_in": Pair(
        facts(TOGETHER, colleagues=(replace(TOGETHER.facts.colleagues[0], open_times=()),)),
        TOGETHER,
    ),
    "colleague_free": Pair(facts(TOGETHER, busy=(busy(PROVIDER, BEN),)), TOGETHER),
    "equipment_free": Pair(
        facts(SCANNED, busy=(busy(ResourceKind.EQUIPMENT, ITEM),)),
        facts(
            wish(SCANNED, modality=Modality.VIDEO),
            type=replace(SCANNED.facts.type, modalities=frozenset(Modality)),
            busy=(busy(ResourceKind.EQUIPMENT, ITEM),),
        ),
    ),
    "self_booking": Pair(
        ruled(RuleKind.SELF_BOOKING, MINE, mode="request"),
        ruled(RuleKind.SELF_BOOKING, MINE, mode="self_book"),
    ),
    "lead_time": Pair(
        ruled(RuleKind.LEAD_TIME, minutes=121), ruled(RuleKind.LEAD_TIME, minutes=120)
    ),
    "horizon": Pair(on(date(2027, 3, 3), ruled(RuleKind.HORIZON, days=1)),
                    on(date(2027, 3, 2), ruled(RuleKind.HORIZON, days=2))),
    "age": Pair(
        ruled(RuleKind.AGE, facts(patient=PatientFacts(2010)), from_years=18),
        ruled(RuleKind.AGE, facts(patient=PatientFacts(2009)), from_years=18),
    ),
    "gender": Pair(
        ruled(RuleKind.GENDER, facts(patient=PatientFacts(gender="male")), genders=["female"]),
        ruled(RuleKind.GENDER, facts(patient=PatientFacts(gender="female")), genders=["female"]),
    ),
    "payer": Pair(
        ruled(RuleKind.PAYER, covered(PAYER_1), not_payers=[str(PAYER_1)]),
        ruled(RuleKind.PAYER, covered(PAYER_1), only_payers=[str(PAYER_1)]),
    ),
    "cover": Pair(
        ruled(RuleKind.COVER, facts(patient=PatientFacts(verdict="inactive")), verdicts=["active"]),
        ruled(RuleKind.COVER, facts(patient=PatientFacts(verdict="active")), verdicts=["active"]),
    ),
    "referral": Pair(
        ruled(RuleKind.REFERRAL, required=True),
        ruled(RuleKind.REFERRAL, facts(patient=PatientFacts(referral=True)), required=True),
    ),
    "authorization": Pair(
        ruled(RuleKind.AUTHORIZATION, required=True),
        ruled(RuleKind.AUTHORIZATION, required=False),
    ),
    "wave": Pair(
        ruled(RuleKind.WAVE, wish(starts_at=wall("10:20")), visits=2),
        ruled(RuleKind.WAVE, facts(busy=(BOOKED,)), visits=2),
    ),
    "daily_cap": Pair(
        ruled(RuleKind.DAILY_CAP, facts(visits=visits(2, provider_id=BEN)), visits=2),
        ruled(RuleKind.DAILY_CAP, facts(visits=visits(2, type_id=OTHER)), visits=2),
    ),
    "provider_daily_cap": Pair(
        ruled(RuleKind.PROVIDER_DAILY_CAP, facts(visits=visits(2, type_id=OTHER)), visits=2),
        ruled(RuleKind.PROVIDER_DAILY_CAP, facts(visits=visits(2, provider_id=BEN)), visits=2),
    ),
    "patient_daily_cap": Pair(
        ruled(RuleKind.PATIENT_DAILY_CAP, facts(visits=visits(1, patient_id=PAT)), visits=1),
        ruled(RuleKind.PATIENT_DAILY_CAP, facts(visits=visits(1)), visits=1),
    ),
    "overbook_per_hour": Pair(
        ruled(
            RuleKind.OVERBOOK_PER_HOUR,
            facts(OVER, visits=visits(1, starts_at=wall("10:40").astimezone(UTC), overbooked=True)),
            visits=1,
        ),
        ruled(RuleKind.OVERBOOK_PER_HOUR, facts(OVER, visits=visits(1, overbooked=True)), visits=1),
    ),
}  # fmt: skip


def outcome(case: Case | Callable[[], object]) -> DomainError | object:
    try:
        if isinstance(case, Case):
            return decide_booking(case.wish, case.facts, NOW, case.policy)
        return case()
    except DomainError as error:
        return error


@pytest.mark.parametrize("rule_id", sorted(RULES))
def test_each_rule_has_a_case_that_triggers_it_and_one_that_clears_it(rule_id: str) -> None:
    pair = PAIRS[rule_id]
    refused = outcome(pair.triggers)
    assert isinstance(refused, DomainError)
    found = rule_of(refused)
    assert found is not None
    assert found.id == rule_id
    said = named(refused).facts
    assert said["rule"] == rule_id
    assert said["version"] == (7 if rule_id in set(RuleKind) else 0)
    assert isinstance(said["facts"], dict)
    assert not isinstance(outcome(pair.clears), DomainError)


def test_there_is_no_pair_of_a_rule_that_is_gone() -> None:
    assert set(PAIRS) == set(RULES)


def test_every_kind_of_rule_is_judged_and_asked_in_the_order_of_the_kinds() -> None:
    assert list(CHECKS) == list(RuleKind)


@pytest.mark.parametrize("rule_id", sorted(r.id for r in RULES.values() if r.relax is not None))
def test_a_rule_out_of_the_way_leaves_a_booking(rule_id: str) -> None:
    """`explain` finds this refusal, and with it assumed away no other."""
    case = PAIRS[rule_id].triggers
    assert isinstance(case, Case)
    booking, refusals = explain(case.wish, case.facts, NOW, case.policy)
    assert booking is None
    assert [refusal.facts["rule"] for refusal in refusals] == [rule_id]


def test_all_that_is_in_the_way_is_told_at_once() -> None:
    rules = (
        Rule(RuleKind.PATIENT_DAILY_CAP, {"visits": 1}, 3),
        Rule(RuleKind.LEAD_TIME, {"minutes": 600}, 2, Binds.PATIENTS),
        Rule(RuleKind.COVER, {"verdicts": ["active"]}, 5),
    )
    case = facts(
        MINE,
        type=ROOMED,
        rules=rules,
        visits=visits(1, patient_id=PAT),
        busy=(busy(PROVIDER, ANN, None), BOOKED, busy(PATIENT, PAT), busy(ResourceKind.ROOM, ROOM)),
    )
    booking, refusals = explain(case.wish, case.facts, NOW)
    assert booking is None
    assert [(r.facts["rule"], r.facts["version"]) for r in refusals] == [
        ("lead_time", 2),
        ("cover", 5),
        ("patient_daily_cap", 3),
        ("provider_not_blocked", 0),
        ("provider_free", 0),
        ("room_free", 0),
        ("patient_free", 0),
    ]


def test_a_colleague_and_equipment_are_told_beside_the_provider() -> None:
    case = facts(
        TOGETHER,
        type=replace(TOGETHER.facts.type, equipment=(("scanner", 1),)),
        busy=(BOOKED, busy(PROVIDER, BEN, None)),
    )
    booking, refusals = explain(case.wish, case.facts, NOW)
    assert booking is None
    told = ["provider_free", "colleague_free", "equipment_free"]
    assert [refusal.facts["rule"] for refusal in refusals] == told
    assert refusals[1].facts["facts"]["blocked"] is True


def test_what_can_be_booked_is_explained_by_the_booking() -> None:
    booking, refusals = explain(CLEAR.wish, CLEAR.facts, NOW)
    assert refusals == ()
    assert isinstance(booking, Booking)
    assert booking.decided_by == ()
    with_rule = ruled(RuleKind.DAILY_CAP, visits=9)
    booking, _ = explain(with_rule.wish, with_rule.facts, NOW)
    assert booking is not None
    assert [(rule.kind, rule.version) for rule in booking.decided_by] == [(RuleKind.DAILY_CAP, 7)]


# ── which rule decides ───────────────────────────────────────────────────────────────────────────


def cap(number: int, version: int = 1, scope: Scope | None = None, **change: Any) -> Rule:
    value = {"visits": number}
    return Rule(RuleKind.DAILY_CAP, value, version, scope=scope or Scope(), **change)


@pytest.mark.parametrize(
    ("rules", "decides"),
    [
        ([], None),
        ([cap(1), cap(2, 2)], 2),
        ([cap(2, 2), cap(1)], 2),
        ([cap(1, 9), cap(2, scope=Scope(NORTH))], 2),
        ([cap(1, 9, Scope(NORTH)), cap(2, scope=Scope(type_id=KIND))], 2),
        ([cap(1, 9, Scope(NORTH, KIND)), cap(2, scope=Scope(provider_id=ANN))], 2),
        ([cap(1), cap(2, 9, Scope(SOUTH)), cap(3, 9, Scope(provider_id=BEN))], 1),
        ([cap(1), cap(2, 2, effective_until=date(2027, 2, 28))], 1),
        ([cap(1), cap(2, 2, effective_until=DAY)], 2),
        ([cap(1), cap(2, 2, effective_from=date(2027, 3, 2))], 1),
        ([cap(1), cap(2, 2, effective_from=DAY)], 2),
        ([cap(1, effective_until=date(2027, 2, 1))], None),
    ],
)  # fmt: skip
def test_the_narrowest_and_of_those_the_newest_decides(
    rules: list[Rule], decides: int | None
) -> None:
    found = deciding(rules, NORTH, KIND, ANN, DAY)
    assert [rule.value["visits"] for rule in found] == ([] if decides is None else [decides])


@pytest.mark.parametrize("kind", [RuleKind.LEAD_TIME, RuleKind.HORIZON])
def test_a_rule_of_the_network_replaces_what_the_kind_of_visit_brings(kind: RuleKind) -> None:
    strict = replace(TYPE, lead_time=timedelta(hours=9), horizon=timedelta(hours=10))
    asked = on(date(2027, 3, 2), facts(MINE, type=strict))
    builtin = outcome(asked)
    assert isinstance(builtin, Invalid)
    assert builtin.facts["version"] == 0
    rules = (
        Rule(RuleKind.LEAD_TIME, {"minutes": 0}, 1),
        Rule(RuleKind.HORIZON, {"days": 5}, 1),
    )
    assert isinstance(outcome(facts(asked, rules=rules)), Booking)


@pytest.mark.parametrize(("self_service", "refused"), [(True, True), (False, False)])
def test_what_binds_patients_lets_the_desk_pass(self_service: bool, refused: bool) -> None:
    rule = Rule(RuleKind.REFERRAL, {"required": True}, 1, Binds.PATIENTS)
    found = outcome(facts(wish(self_service=self_service), rules=(rule,)))
    assert isinstance(found, DomainError) is refused


@pytest.mark.parametrize(
    ("born", "by_oneself", "refused"),
    [
        (2008, True, False),   # 18 or 19 on that day
        (2009, True, True),    # 17 or 18: the desk sees which
        (2009, False, False),
        (2010, False, True),   # 16 or 17
        (None, True, True),
        (None, False, False),
    ],
)  # fmt: skip
def test_an_age_is_judged_by_the_year_of_birth(
    born: int | None, by_oneself: bool, refused: bool
) -> None:
    case = facts(wish(self_service=by_oneself), patient=PatientFacts(born))
    found = outcome(ruled(RuleKind.AGE, case, from_years=18))
    assert isinstance(found, DomainError) is refused


@pytest.mark.parametrize(
    ("gender", "by_oneself", "refused"),
    [
        ("female", True, False),
        ("male", True, True),
        ("male", False, True),
        ("other", False, True),
        ("unknown", True, True),
        ("unknown", False, False),   # the desk sees who it is
        (None, True, True),
        (None, False, False),
    ],
)  # fmt: skip
def test_a_limit_by_gender_lets_the_desk_judge_where_nobody_has_said(
    gender: str | None, by_oneself: bool, refused: bool
) -> None:
    case = facts(wish(self_service=by_oneself), patient=PatientFacts(gender=gender))
    found = outcome(ruled(RuleKind.GENDER, case, genders=["female"]))
    assert isinstance(found, DomainError) is refused


ONLY, NOT = {"only_payers": [str(PAYER_1)]}, {"not_payers": [str(PAYER_1)]}


@pytest.mark.parametrize(
    ("case", "value", "refused"),
    [
        (covered(PAYER_1), ONLY, False),
        (covered(PAYER_2), ONLY, True),
        (CLEAR, ONLY, True),
        (covered(PAYER_2, PAYER_1), ONLY, True),    # who pays first
        (covered(PAYER_1, last=DAY), ONLY, False),
        (covered(PAYER_1, last=date(2027, 2, 28)), ONLY, True),
        (covered(PAYER_1), NOT, True),
        (covered(PAYER_2), NOT, False),
        (CLEAR, NOT, False),
        (covered(PAYER_1, last=date(2027, 2, 28)), NOT, False),
    ],
)  # fmt: skip
def test_a_limit_by_payer_asks_who_pays_first_on_the_day_of_the_visit(
    case: Case, value: dict[str, Any], refused: bool
) -> None:
    found = outcome(ruled(RuleKind.PAYER, case, **value))
    assert isinstance(found, DomainError) is refused


def test_a_wave_takes_so_many_at_the_full_hour_and_no_more() -> None:
    lanes = [replace(BOOKED, lane=lane) for lane in (1, 2)]
    third = ruled(RuleKind.WAVE, facts(busy=tuple(lanes)), visits=3)
    found = outcome(third)
    assert isinstance(found, Booking)
    assert (found.occupancies[0].lane, found.overbooked) == (3, False)
    full = facts(third, busy=(*lanes, replace(BOOKED, lane=3)))
    refused = outcome(full)
    assert isinstance(refused, DomainError)
    assert refused.code == "slot.taken"


def test_the_visit_that_moves_does_not_count() -> None:
    own = visits(1, patient_id=PAT)
    case = ruled(RuleKind.PATIENT_DAILY_CAP, facts(visits=own), visits=1)
    moved = decide_booking(case.wish, case.facts, NOW, ignoring=own[0].appointment_id)
    assert moved.patient_id == PAT


# ── what a rule may say ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (RuleKind.LEAD_TIME, {}),
        (RuleKind.LEAD_TIME, {"minutes": -1}),
        (RuleKind.LEAD_TIME, {"minutes": 100_001}),
        (RuleKind.LEAD_TIME, {"minutes": True}),
        (RuleKind.LEAD_TIME, {"minutes": 5, "visits": 1}),
        (RuleKind.HORIZON, {"days": 0}),
        (RuleKind.HORIZON, {"days": 601}),
        (RuleKind.AGE, {}),
        (RuleKind.AGE, {"from_years": None, "until_years": None}),
        (RuleKind.AGE, {"from_years": 18, "until_years": 17}),
        (RuleKind.AGE, {"from_years": -1}),
        (RuleKind.AGE, {"until_years": 131}),
        (RuleKind.COVER, {"verdicts": []}),
        (RuleKind.COVER, {"verdicts": ["active", "active"]}),
        (RuleKind.COVER, {"verdicts": ["perhaps"]}),
        (RuleKind.GENDER, {"genders": []}),
        (RuleKind.GENDER, {"genders": ["female", "female"]}),
        (RuleKind.GENDER, {"genders": ["lady"]}),
        (RuleKind.PAYER, {}),
        (RuleKind.PAYER, {"only_payers": []}),
        (RuleKind.PAYER, {"only_payers": ["acme"]}),
        (RuleKind.PAYER, {"not_payers": [str(PAYER_1), str(PAYER_1)]}),
        (RuleKind.PAYER, {**ONLY, **NOT}),
        (RuleKind.REFERRAL, {"required": None}),
        (RuleKind.AUTHORIZATION, {"required": 1}),
        (RuleKind.WAVE, {"visits": 0}),
        (RuleKind.DAILY_CAP, {"visits": -1}),
        (RuleKind.PROVIDER_DAILY_CAP, {"visits": 1001}),
        (RuleKind.PATIENT_DAILY_CAP, {"visits": 0}),
        (RuleKind.OVERBOOK_PER_HOUR, {"visits": 101}),
        (RuleKind.SELF_BOOKING, {"mode": "sometimes"}),
    ],
)
def test_nonsense_is_refused(kind: RuleKind, value: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        checked_value(kind, value)
    assert refused.value.code == "rule.value"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (RuleKind.LEAD_TIME, {"minutes": 0}),
        (RuleKind.HORIZON, {"days": 600}),
        (RuleKind.AGE, {"from_years": 18, "until_years": 18}),
        (RuleKind.AGE, {"until_years": 0}),
        (RuleKind.COVER, {"verdicts": ["self_pay", "active"]}),
        (RuleKind.DAILY_CAP, {"visits": 0}),
        (RuleKind.GENDER, {"genders": ["female", "other"]}),
        (RuleKind.PAYER, ONLY),
        (RuleKind.PAYER, NOT),
        (RuleKind.SELF_BOOKING, {"mode": "view_only"}),
    ],
)
def test_what_makes_sense_is_kept_without_the_members_that_are_null(
    kind: RuleKind, value: dict[str, Any]
) -> None:
    assert checked_value(kind, {**value, "minutes_of_another_kind": None}) == value


def test_a_closed_clinic_and_a_lapsed_license_are_both_told() -> None:
    shut = (Bound(Empty.CLINIC_CLOSED, ()), Bound(Empty.NO_CREDENTIAL, ()))
    case = wish(facts(bounds=shut), starts_at=wall("11:50"))
    booking, refusals = explain(case.wish, case.facts, NOW, case.policy)
    assert booking is None
    told = ["provider_in", "clinic_open", "provider_entitled"]
    assert [refusal.facts["rule"] for refusal in refusals] == told
