"""The plan of a visit's reminders: tables, and what holds for every plan."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.appointments.domain.reminder_states import SPENT, STEPS, State, Step, next_state
from services.appointments.domain.reminders import (
    Channel,
    Held,
    Plan,
    Planned,
    Recipient,
    ReminderPolicy,
    VisitAhead,
    is_quiet,
    loud_from,
    plan,
)
from shared.values.errors import IllegalTransition

DENVER = ZoneInfo("America/Denver")
ZONES = [DENVER, ZoneInfo("Europe/Berlin"), ZoneInfo("Australia/Lord_Howe"), ZoneInfo("UTC")]
POLICY = ReminderPolicy()
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
STARTS = datetime(2026, 11, 20, 10, 0, tzinfo=DENVER).astimezone(UTC)
BOOKED = STARTS - 10 * DAY
VISIT = VisitAhead(STARTS, BOOKED)
PATIENT = Recipient(DENVER)


def kept(*items: Planned, state: State = State.PLANNED) -> list[Held]:
    return [Held(item.channel, item.lead, item.due_at, state) for item in items]


def leads(made: Plan) -> list[float]:
    return [item.lead / HOUR for item in made.send]


def test_a_visit_gets_a_reminder_for_each_lead() -> None:
    made = plan(POLICY, VISIT, PATIENT, (), BOOKED)
    assert made.send == (
        Planned(Channel.EMAIL, 72 * HOUR, STARTS - 72 * HOUR),
        Planned(Channel.EMAIL, 24 * HOUR, STARTS - 24 * HOUR),
    )
    assert (made.drop, made.call) == ((), ())
    assert made.next_at == STARTS - 72 * HOUR


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [(80, [72, 24]), (72, [72, 24]), (71, [24]), (24, [24]), (23, [])],
)
def test_no_reminder_for_a_visit_booked_later_than_the_lead(
    ahead: int, expected: list[float]
) -> None:
    booked = STARTS - ahead * HOUR
    made = plan(POLICY, replace(VISIT, placed_at=booked), PATIENT, (), booked)
    assert leads(made) == expected


@pytest.mark.parametrize(
    ("recipient", "channel", "calls"),
    [
        (Recipient(DENVER), Channel.EMAIL, []),
        (Recipient(DENVER, "never_granted"), None, ["no_consent", "no_consent"]),
        (Recipient(DENVER, "expired"), None, ["no_consent", "no_consent"]),
        (Recipient(DENVER, "revoked"), None, []),
        (Recipient(DENVER, merged=True), None, ["patient_merged", "patient_merged"]),
        (Recipient(DENVER, chosen=(Channel.SMS, Channel.EMAIL)), Channel.SMS, []),
        (Recipient(DENVER, chosen=()), None, []),
        (
            Recipient(
                DENVER,
                chosen=(Channel.SMS, Channel.EMAIL),
                stopped=frozenset({Channel.SMS}),
            ),
            Channel.EMAIL,
            [],
        ),
        (Recipient(DENVER, stopped=frozenset({Channel.EMAIL})), None, []),
    ],
    ids=[
        "plain",
        "never",
        "expired",
        "revoked",
        "merged",
        "chosen",
        "none",
        "one-stopped",
        "all-stopped",
    ],
)
def test_consent_and_choice_decide_the_channel(
    recipient: Recipient, channel: Channel | None, calls: list[str]
) -> None:
    made = plan(POLICY, VISIT, recipient, (), BOOKED)
    assert {item.channel for item in made.send} == ({channel} if channel else set())
    assert [item.why for item in made.call] == calls


def test_a_channel_that_failed_is_followed_by_the_next_and_then_by_a_call() -> None:
    patient = replace(PATIENT, chosen=(Channel.SMS, Channel.EMAIL))
    lead, now = 24 * HOUR, STARTS - 24 * HOUR
    failed = [Held(Channel.SMS, lead, now, State.FAILED)]
    made = plan(POLICY, VISIT, patient, failed, now)
    assert [(i.channel, i.lead) for i in made.send] == [(Channel.EMAIL, lead)]
    both = [*failed, Held(Channel.EMAIL, lead, now, State.FAILED)]
    made = plan(POLICY, VISIT, patient, both, now)
    assert made.send == ()
    assert [item.why for item in made.call] == ["not_reached"]


@pytest.mark.parametrize("state", sorted(SPENT))
def test_a_lead_that_is_spent_gets_no_other_reminder(state: State) -> None:
    """One whose outcome is unknown is never sent again, by no channel."""
    for chosen in ((Channel.EMAIL,), (Channel.SMS,)):
        spent = [Held(Channel.EMAIL, lead, BOOKED, state) for lead in POLICY.leads]
        made = plan(POLICY, VISIT, replace(PATIENT, chosen=chosen), spent, BOOKED)
        assert made == Plan()


def test_a_visit_that_is_off_drops_what_was_planned() -> None:
    before = plan(POLICY, VISIT, PATIENT, (), BOOKED)
    off = replace(VISIT, off="visit_cancelled")
    made = plan(POLICY, off, PATIENT, kept(*before.send), BOOKED)
    assert [item.why for item in made.drop] == ["visit_cancelled", "visit_cancelled"]
    assert (made.send, made.call, made.next_at) == ((), (), None)


def test_a_moved_visit_keeps_its_reminders_at_new_times() -> None:
    before = plan(POLICY, VISIT, PATIENT, (), BOOKED)
    moved = VisitAhead(STARTS + 7 * DAY, BOOKED + DAY)
    made = plan(POLICY, moved, PATIENT, kept(*before.send), BOOKED + DAY)
    assert [i.due_at - b.due_at for i, b in zip(made.send, before.send, strict=True)] == [
        7 * DAY
    ] * 2
    assert made.drop == ()


def test_who_was_told_a_time_that_has_changed_is_called_where_no_message_is_left() -> None:
    told = [Held(Channel.EMAIL, lead, BOOKED, State.SENT, current=False) for lead in POLICY.leads]
    made = plan(POLICY, VISIT, PATIENT, told, BOOKED)
    assert [(item.at, item.why) for item in made.call] == [(BOOKED, "time_changed")]
    # One message of the two is left: it will tell.
    assert plan(POLICY, VISIT, PATIENT, told[:1], BOOKED).call == ()
    assert plan(POLICY, replace(VISIT, off="visit_cancelled"), PATIENT, told, BOOKED).call == ()


def test_after_an_outage_one_reminder_is_sent_and_not_each_that_was_missed() -> None:
    before = plan(POLICY, VISIT, PATIENT, (), BOOKED)
    now = STARTS - 20 * HOUR
    made = plan(POLICY, VISIT, PATIENT, kept(*before.send), now)
    assert made.send == (Planned(Channel.EMAIL, 24 * HOUR, now),)
    assert [(item.lead, item.why) for item in made.drop] == [(72 * HOUR, "overtaken")]


def test_what_is_too_near_to_the_start_is_left_out() -> None:
    before = plan(POLICY, VISIT, PATIENT, (), BOOKED)
    now = STARTS - HOUR
    made = plan(POLICY, VISIT, PATIENT, kept(*before.send), now)
    assert made.send == ()
    assert {item.why for item in made.drop} == {"overtaken", "too_late"}


@pytest.mark.parametrize(
    ("starts", "lead", "expected"),
    [
        ((20, 10, 0), 24, (19, 10, 0)),
        ((20, 21, 0), 24, (20, 9, 0)),
        ((20, 7, 0), 24, (19, 9, 0)),
        ((20, 7, 0), 2, (19, 19, 59)),
        ((20, 9, 0), 2, (19, 19, 59)),
        ((20, 11, 0), 3, (20, 9, 0)),
        ((20, 12, 0), 1, (20, 11, 0)),
    ],
)
def test_quiet_hours_put_a_reminder_off_or_forward(
    starts: tuple[int, int, int], lead: int, expected: tuple[int, int, int]
) -> None:
    def at(day: int, hour: int, minute: int) -> datetime:
        return datetime(2026, 11, day, hour, minute, tzinfo=DENVER).astimezone(UTC)

    policy = replace(POLICY, leads=(lead * HOUR,))
    made = plan(policy, VisitAhead(at(*starts), BOOKED), PATIENT, (), BOOKED)
    assert [item.due_at for item in made.send] == [at(*expected)]


def test_quiet_hours_are_the_recipients() -> None:
    """10:00 in Denver is 7:00 in Honolulu."""
    patient = Recipient(ZoneInfo("Pacific/Honolulu"))
    made = plan(replace(POLICY, leads=(24 * HOUR,)), VISIT, patient, (), BOOKED)
    assert [i.due_at.astimezone(patient.zone).time() for i in made.send] == [time(9)]


def test_quiet_hours_that_leave_no_minute_send_nothing() -> None:
    always = replace(POLICY, quiet_from=time(9), quiet_until=time(8, 59, 59))
    booked = STARTS - 25 * HOUR
    made = plan(always, VisitAhead(STARTS, booked), PATIENT, (), booked)
    assert all(not is_quiet(always, DENVER, item.due_at) for item in made.send)


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("step", list(Step))
def test_what_the_table_does_not_list_does_not_happen(state: State, step: Step) -> None:
    if (state, step) in STEPS:
        assert next_state(state, step) is STEPS[state, step]
    else:
        with pytest.raises(IllegalTransition):
            next_state(state, step)


def test_nothing_leads_from_what_may_have_been_sent_back_to_sending() -> None:
    """But for the word of the far side that it has nothing, which is `put_off`."""
    reached, edge = set(), {State.SENT, State.UNKNOWN, State.FAILED}
    while edge:
        reached |= edge
        edge = {after for (state, _), after in STEPS.items() if state in edge} - reached
    assert reached == {State.SENT, State.UNKNOWN, State.FAILED}


# ── what holds for every plan ────────────────────────────────────────────────────────────────

_TIMES = st.times().map(lambda t: t.replace(second=0, microsecond=0, fold=0))
_POLICIES = st.builds(
    ReminderPolicy,
    leads=st.lists(
        st.integers(1, 200).map(lambda h: h * HOUR), min_size=1, max_size=4, unique=True
    ).map(tuple),
    channels=st.permutations(list(Channel)).map(tuple),
    quiet_from=_TIMES,
    quiet_until=_TIMES,
    latest=st.integers(0, 6).map(lambda h: h * HOUR),
)
# Around the changes of clocks of every zone above.
_AROUND = st.sampled_from(
    [
        datetime(2026, month, day, tzinfo=UTC)
        for month, day in ((3, 8), (3, 29), (4, 5), (10, 4), (10, 25), (11, 1))
    ]
)
_MINUTES = st.integers(-5 * 1440, 5 * 1440)
_INSTANTS = st.builds(lambda day, m: day + timedelta(minutes=m), _AROUND, _MINUTES)
_ZONES = st.sampled_from(ZONES)
_RECIPIENTS = st.builds(
    Recipient,
    zone=_ZONES,
    consent=st.sampled_from(["granted", "granted", "revoked", "never_granted", "expired"]),
    chosen=st.none() | st.lists(st.sampled_from(list(Channel)), unique=True).map(tuple),
    stopped=st.frozensets(st.sampled_from(list(Channel)), max_size=2),
)
_OFF = st.sampled_from([None, None, None, "visit_cancelled"])


@st.composite
def visits(draw: st.DrawFn) -> tuple[VisitAhead, datetime]:
    """A visit, and a moment at or after it got its time."""
    starts = draw(_INSTANTS)
    placed = starts - timedelta(minutes=draw(st.integers(0, 300 * 60)))
    now = placed + timedelta(minutes=draw(st.integers(0, 310 * 60)))
    return VisitAhead(starts, placed, draw(_OFF)), now


@st.composite
def ledgers(draw: st.DrawFn, policy: ReminderPolicy) -> list[Held]:
    keys = [(channel, lead) for channel in Channel for lead in policy.leads]
    chosen = draw(st.lists(st.sampled_from(keys), unique=True))
    return [
        Held(channel, lead, draw(_INSTANTS), draw(st.sampled_from(list(State))))
        for channel, lead in chosen
    ]


def applied(held: list[Held], made: Plan) -> list[Held]:
    """What is kept once a plan is written."""
    rows = {(one.channel, one.lead): one for one in held}
    for gone in made.drop:
        rows[gone.channel, gone.lead] = replace(
            rows[gone.channel, gone.lead], state=State.SUPPRESSED
        )
    for item in made.send:
        before = rows.get((item.channel, item.lead))
        state = State.PLANNED if before is None else next_state(before.state, Step.PLAN)
        rows[item.channel, item.lead] = Held(item.channel, item.lead, item.due_at, state)
    return list(rows.values())


@given(_POLICIES, _ZONES, _INSTANTS)
def test_what_is_loud_is_never_in_quiet_hours(
    policy: ReminderPolicy, zone: ZoneInfo, at: datetime
) -> None:
    loud = loud_from(policy, zone, at)
    assert loud >= at
    assert not is_quiet(policy, zone, loud)


@given(_ZONES, _INSTANTS)
def test_the_end_of_the_night_is_not_missed_when_clocks_change(
    zone: ZoneInfo, at: datetime
) -> None:
    loud, step = loud_from(POLICY, zone, at), timedelta(minutes=5)
    while at < loud:
        assert is_quiet(POLICY, zone, at)
        at += step


@settings(max_examples=300)
@given(st.data(), _POLICIES, _RECIPIENTS, visits())
def test_every_plan(
    data: st.DataObject,
    policy: ReminderPolicy,
    recipient: Recipient,
    ahead: tuple[VisitAhead, datetime],
) -> None:
    visit, now = ahead
    held = data.draw(ledgers(policy))
    made = plan(policy, visit, recipient, held, now)
    for item in made.send:
        assert not is_quiet(policy, recipient.zone, item.due_at)
        assert item.due_at >= now
        assert visit.placed_at <= visit.starts_at - item.lead
        assert visit.off is None
        assert recipient.consent == "granted"
        assert item.channel not in recipient.stopped
    # At most one of a lead; none of a lead that is spent.
    assert len({item.lead for item in made.send}) == len(made.send)
    spent = {one.lead for one in held if one.state in SPENT}
    assert spent.isdisjoint(item.lead for item in made.send)
    # What is written is one row of a key, and making the plan again changes nothing.
    after = applied(held, made)
    assert len({(one.channel, one.lead) for one in after}) == len(after)
    again = plan(policy, visit, recipient, after, now)
    assert again == replace(made, drop=())
    assert sorted(map(repr, applied(after, again))) == sorted(map(repr, after))
