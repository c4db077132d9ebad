"""Reminders of a visit: when, by what, and where each of them stands.

The plan is made anew whenever something changes; what it says depends on the visit, the patient's
word and what was sent before, not on how often it is made. There is at most one reminder for each
visit, channel and lead. One whose outcome is not known counts as sent.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from services.appointments.domain.reminder_states import SPENT, TOLD, State
from shared.values.zones import first_at, instants_of


class Channel(StrEnum):
    """What a message goes by."""

    EMAIL = "email"
    SMS = "sms"
    VOICE = "voice"


@dataclass(frozen=True, slots=True)
class ReminderPolicy:
    """What a network asks for.

    leads: how long before the start. channels: in order, where the patient chose none. quiet_from,
    quiet_until: the recipient's wall time in which nothing is sent (47 CFR 64.1200(c)(1) allows
    8:00 to 21:00; this is narrower). latest: nearer to the start than this nothing is sent.
    tries: how often a messenger that has surely not sent it is asked.
    """

    leads: tuple[timedelta, ...] = (timedelta(hours=72), timedelta(hours=24))
    channels: tuple[Channel, ...] = (Channel.EMAIL,)
    quiet_from: time = time(20)
    quiet_until: time = time(9)
    latest: timedelta = timedelta(hours=2)
    tries: int = 3


@dataclass(frozen=True, slots=True)
class VisitAhead:
    """The visit that is reminded of. placed_at: since when it has this time. off: why nobody is
    reminded of it, such as `visit_cancelled`; None while it is to come."""

    starts_at: datetime
    placed_at: datetime
    off: str | None = None


@dataclass(frozen=True, slots=True)
class Recipient:
    """The patient's word. zone: where they are. consent: how the consent to messages stands.
    chosen: channels in their order, None where they chose none. stopped: those they stopped.
    merged: the record was given up for another of the same person."""

    zone: ZoneInfo
    consent: str = "granted"
    chosen: tuple[Channel, ...] | None = None
    stopped: frozenset[Channel] = frozenset()
    merged: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """A reminder that is kept. current: it tells the time that the visit now has."""

    channel: Channel
    lead: timedelta
    due_at: datetime
    state: State
    current: bool = True


@dataclass(frozen=True, slots=True)
class Planned:
    """A reminder to send at `due_at`."""

    channel: Channel
    lead: timedelta
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Dropped:
    """A reminder that was planned and is not to be sent, and why."""

    channel: Channel
    lead: timedelta
    why: str


@dataclass(frozen=True, slots=True)
class ToCall:
    """From `at` on somebody has to call, for no message can reach the patient, and why."""

    at: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What is still to come of a visit's reminders."""

    send: tuple[Planned, ...] = ()
    drop: tuple[Dropped, ...] = ()
    call: tuple[ToCall, ...] = ()

    @property
    def next_at(self) -> datetime | None:
        """When something is to be done next; None where nothing is."""
        return min((item.due_at for item in self.send), default=self._call_at)

    @property
    def _call_at(self) -> datetime | None:
        return min((item.at for item in self.call), default=None)


def plan(
    policy: ReminderPolicy,
    visit: VisitAhead,
    recipient: Recipient,
    held: Iterable[Held],
    now: datetime,
) -> Plan:
    """The plan of a visit at `now`, by what is kept of it already. Made again, it is the same."""
    kept = tuple(held)
    spent = {one.lead for one in kept if one.state in SPENT}
    send: list[Planned] = []
    call: list[ToCall] = []
    reasons: dict[timedelta, str] = {}
    for lead in sorted(set(policy.leads), reverse=True):
        due = due_at(policy, visit, recipient.zone, lead, now)
        why = visit.off or _why_not(policy, visit, recipient.zone, lead, now)
        if lead in spent:
            continue
        if why is not None or due is None:
            reasons[lead] = why or "too_late"
            continue
        failed = {one.channel for one in kept if one.lead == lead and one.state is State.FAILED}
        channel, why = _channel(policy, recipient, failed)
        if channel is not None:
            send.append(Planned(channel, lead, due))
        elif why != "opted_out":
            call.append(ToCall(due, why))
        reasons[lead] = why
    if visit.off is None and not send and _told_another_time(kept):
        call.append(ToCall(now, "time_changed"))
    wanted = {(item.channel, item.lead) for item in send}
    drop = tuple(
        Dropped(one.channel, one.lead, reasons.get(one.lead) or "replaced")
        for one in kept
        if one.state is State.PLANNED and (one.channel, one.lead) not in wanted
    )
    return Plan(tuple(send), drop, tuple(call))


def _told_another_time(kept: Iterable[Held]) -> bool:
    """Whether what the patient was told last is a time that the visit no longer has."""
    told = [one.current for one in kept if one.state in TOLD]
    return bool(told) and not any(told)


def _why_not(
    policy: ReminderPolicy, visit: VisitAhead, zone: ZoneInfo, lead: timedelta, now: datetime
) -> str | None:
    """Why a lead of a visit gets no reminder, whoever the recipient is."""
    if visit.placed_at > visit.starts_at - lead:
        return "booked_late"
    mine = _first_due(policy, visit, zone, lead)
    if mine is None:
        return "quiet_hours"
    # After an outage one reminder is sent, and not each that was missed.
    nearer = [_first_due(policy, visit, zone, other) for other in policy.leads if other < lead]
    if any(due is not None and due <= max(mine, now) for due in nearer):
        return "overtaken"
    return None


def _channel(
    policy: ReminderPolicy, recipient: Recipient, failed: set[Channel]
) -> tuple[Channel | None, str]:
    """The first channel that the patient lets in and that has not failed; or why there is none."""
    if recipient.merged:
        return None, "patient_merged"
    if recipient.consent == "revoked":
        return None, "opted_out"
    if recipient.consent != "granted":
        return None, "no_consent"
    order = policy.channels if recipient.chosen is None else recipient.chosen
    allowed = [channel for channel in order if channel not in recipient.stopped]
    if not allowed:
        return None, "opted_out"
    for channel in allowed:
        if channel not in failed:
            return channel, "another_channel"
    return None, "not_reached"


def due_at(
    policy: ReminderPolicy, visit: VisitAhead, zone: ZoneInfo, lead: timedelta, now: datetime
) -> datetime | None:
    """When the reminder of a lead is sent: not in quiet hours, not in the past, and not too near
    to the start. None where no such time is left."""
    first = _first_due(policy, visit, zone, lead)
    if first is None or first >= now:
        return first
    late = loud_from(policy, zone, now)
    return late if late <= visit.starts_at - policy.latest else None


def _first_due(
    policy: ReminderPolicy, visit: VisitAhead, zone: ZoneInfo, lead: timedelta
) -> datetime | None:
    """The lead before the start; from quiet hours to their end, or where that is too near to the
    start, to a minute before they began."""
    wanted = visit.starts_at - lead
    after = loud_from(policy, zone, wanted)
    if after == wanted or after <= visit.starts_at - policy.latest:
        return after
    before = _before_quiet(policy, zone, wanted)
    return before if before is not None and before >= visit.placed_at else None


def is_quiet(policy: ReminderPolicy, zone: ZoneInfo, at: datetime) -> bool:
    """Whether an instant is in the recipient's quiet hours, by their clocks."""
    wall, start, end = at.astimezone(zone).time(), policy.quiet_from, policy.quiet_until
    if start <= end:
        return start <= wall < end
    return wall >= start or wall < end


def loud_from(policy: ReminderPolicy, zone: ZoneInfo, at: datetime) -> datetime:
    """The instant itself, or the end of the quiet hours that it is in."""
    if not is_quiet(policy, zone, at):
        return at
    day = at.astimezone(zone).date()
    ends = [end for ahead in range(4) for end in _instants(day, ahead, policy.quiet_until, zone)]
    return min(end for end in ends if end >= at and not is_quiet(policy, zone, end))


def _before_quiet(policy: ReminderPolicy, zone: ZoneInfo, at: datetime) -> datetime | None:
    """A minute before the quiet hours began that an instant is in."""
    day, minute = at.astimezone(zone).date(), timedelta(minutes=1)
    starts = [s - minute for back in (-1, 0) for s in _instants(day, back, policy.quiet_from, zone)]
    return max((s for s in starts if s < at and not is_quiet(policy, zone, s)), default=None)


def _instants(day: date, ahead: int, wall: time, zone: ZoneInfo) -> tuple[datetime, ...]:
    """When the clocks show a wall time some days on: twice in a fold, the change in a gap."""
    then = datetime.combine(date.fromordinal(day.toordinal() + ahead), wall)
    return instants_of(then, zone) or (first_at(then, zone),)
