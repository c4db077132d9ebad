"""All that the reminders of a visit depend on."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from services.appointments.domain.messages import code_digest
from services.appointments.domain.reasons import Unchosen
from services.appointments.domain.reminder_states import State
from services.appointments.domain.reminders import (
    Channel,
    Held,
    Recipient,
    ReminderPolicy,
    VisitAhead,
)
from services.appointments.domain.requirements import ConsentAsked, ConsentHeld, consent_standing
from services.appointments.tables import (
    Appointment,
    AppointmentMove,
    CallTask,
    ChannelStop,
    Clinic,
    KnownConsent,
    KnownPatient,
    KnownPreference,
    Reminder,
    ReminderSettings,
)
from shared.db.actor import at_clinic
from shared.db.together import load_together
from shared.db.work import Work
from shared.values.errors import NotFound
from shared.values.zones import zone

MESSAGES = ConsentAsked("messages")
_OFF = {
    "cancelled": "visit_cancelled",
    "no_show": "visit_no_show",
    "entered_in_error": "visit_in_error",
}


@dataclass(frozen=True, slots=True)
class ReminderFacts:
    """What is known of a visit's reminders. moves: how often the visit has moved."""

    clinic: Clinic
    policy: ReminderPolicy
    visit: VisitAhead
    recipient: Recipient
    rows: Sequence[Reminder]
    moves: int

    def held(self, *, as_planned: UUID | None = None) -> list[Held]:
        """The ledger. as_planned: a reminder that is due and judged once more as if it were not."""
        return [
            Held(
                Channel(row.channel),
                timedelta(minutes=row.lead_minutes),
                row.due_at,
                State.PLANNED if row.id == as_planned else State(row.state),
                row.move == self.moves,
            )
            for row in self.rows
        ]


_ALL = (
    (Clinic, "id = ANY($2)"),
    (KnownPatient, "patient_id = ANY($3)"),
    (KnownConsent, "patient_id = ANY($3)"),
    (KnownPreference, "patient_id = ANY($3)"),
    (ChannelStop, "patient_id = ANY($3)"),
    (Reminder, "appointment_id = ANY($4) ORDER BY lead_minutes DESC, channel"),
    (AppointmentMove, "appointment_id = ANY($4) ORDER BY move"),
)


async def reminder_facts(work: Work, row: Appointment) -> ReminderFacts:
    """What is known of one visit now."""
    (facts,) = await all_reminder_facts(work, [row])
    return facts


async def all_reminder_facts(work: Work, rows: Sequence[Appointment]) -> list[ReminderFacts]:
    """What is known of each of these visits now, in two questions for all of them."""
    ids = [list({getattr(row, of) for row in rows}) for of in ("clinic_id", "patient_id", "id")]
    found = await load_together(work, _ALL, *ids)
    clinics = {clinic.id: clinic for clinic in found[0]}
    # The driver does not read arrays inside of the rows that are loaded together.
    settings = await work.load_where(ReminderSettings, "clinic_id = ANY($2)", ids[0])
    asked = {one.clinic_id: one for one in settings}
    people, consents, preferences, stops = (_by(held, "patient_id") for held in found[1:5])
    reminders, moves = (_by(held, "appointment_id") for held in found[5:])
    return [
        ReminderFacts(
            clinic=(clinic := clinics[row.clinic_id]),
            policy=_policy(asked.get(row.clinic_id)),
            visit=VisitAhead(row.starts_at, _placed_at(row, moves[row.id]), _off(row)),
            recipient=_recipient(
                zone(clinic.time_zone),
                work.now,
                people[row.patient_id],
                consents[row.patient_id],
                preferences[row.patient_id],
                stops[row.patient_id],
            ),
            rows=reminders[row.id],
            moves=row.moves,
        )
        for row in rows
    ]


def _by(rows: Sequence[Any], key: str) -> Mapping[UUID, list[Any]]:
    found: dict[UUID, list[Any]] = defaultdict(list)
    for row in rows:
        found[getattr(row, key)].append(row)
    return found


async def settings_of(work: Work, clinic_id: UUID) -> ReminderSettings | None:
    """What a clinic asks for; None where it is as usual."""
    rows = await work.load_where(ReminderSettings, "clinic_id = $2", clinic_id)
    return rows[0] if rows else None


async def policy_of(work: Work, clinic_id: UUID) -> ReminderPolicy:
    """The policy of a clinic."""
    return _policy(await settings_of(work, clinic_id))


def _policy(row: ReminderSettings | None) -> ReminderPolicy:
    if row is None:
        return ReminderPolicy()
    return ReminderPolicy(
        leads=tuple(timedelta(minutes=minutes) for minutes in row.lead_minutes),
        channels=tuple(map(Channel, row.channels)),
        quiet_from=row.quiet_from,
        quiet_until=row.quiet_until,
    )


async def reminders_of(work: Work, appointment_id: UUID) -> list[Reminder]:
    """The reminders of a visit, the earliest lead first."""
    where = "appointment_id = $2 ORDER BY lead_minutes DESC, channel"
    return await work.load_where(Reminder, where, appointment_id)


async def reminder_by_code(work: Work, code: str) -> Reminder | None:
    """The reminder whose message named a code; None for one that nobody was given."""
    rows = await work.load_where(Reminder, "code_digest = $2", code_digest(code))
    return rows[0] if rows else None


async def visits_ahead(work: Work, patient_id: UUID) -> list[UUID]:
    """The booked visits of a patient that are to come."""
    rows = await work.raw.fetch(
        "SELECT id FROM appointments WHERE network_id = $1 AND patient_id = $2"
        " AND starts_at > $3 AND lifecycle = 'booked' ORDER BY id",
        work.network_id, patient_id, work.now,
    )  # fmt: skip
    return [row["id"] for row in rows]


async def call_of_visit(work: Work, appointment_id: UUID) -> CallTask | None:
    """The call about a visit, whatever came of it."""
    rows = await work.load_where(CallTask, "appointment_id = $2", appointment_id)
    return rows[0] if rows else None


async def call_task(work: Work, call_id: UUID) -> CallTask:
    """A call of the caller's clinics. Raises NotFound."""
    row = await work.load(CallTask, call_id)
    if row is None or not at_clinic(work.actor, row.clinic_id):
        raise NotFound("call.not_found", "There is no such call.")
    return row


async def calls_to_make(
    work: Work, clinic_id: UUID, after: tuple[datetime, UUID] | None, limit: int
) -> list[CallTask]:
    """The calls of a clinic that are open or taken, the most urgent first, after a position."""
    where, arguments = "clinic_id = $2 AND state <> 'done'", [clinic_id]
    if after is not None:
        where += " AND (due_by, id) > ($4, $5)"
    where += " ORDER BY due_by, id LIMIT $3"
    return await work.load_where(CallTask, where, *arguments, limit, *(after or ()))


def _off(row: Appointment) -> str | None:
    if row.lifecycle != "booked" or row.flow != "expected":
        return _OFF.get(row.lifecycle, "visit_begun")
    return "visit_declined" if row.confirmation == "declined" else None


def _placed_at(row: Appointment, moves: Sequence[AppointmentMove]) -> datetime:
    """Since when a visit has its wall time: it keeps that where its zone's rules change."""
    kept = Unchosen.ZONE_RULES.value
    return next((m.moved_at for m in reversed(moves) if m.reason != kept), row.booked_at)


def _recipient(
    judged_in: ZoneInfo,
    now: datetime,
    people: Sequence[KnownPatient],
    consents: Sequence[KnownConsent],
    preferences: Sequence[KnownPreference],
    stops: Sequence[ChannelStop],
) -> Recipient:
    held = [
        ConsentHeld(c.kind, c.text_version, c.granted_at, c.expires_on, c.revoked_at)
        for c in consents
    ]
    standing = consent_standing(MESSAGES, held, now, judged_in)
    merged = any(known.merged_into is not None for known in people)
    if not preferences:
        stopped = frozenset(Channel(stop.channel) for stop in stops)
        return Recipient(judged_in, standing, None, stopped, merged)
    wish = preferences[0]
    # The last word counts: what was chosen after a stop opens the channel again.
    later = [stop for stop in stops if stop.stopped_at >= wish.preferred_at]
    return Recipient(
        zone(wish.time_zone) if wish.time_zone else judged_in,
        standing,
        tuple(map(Channel, wish.channels)),
        frozenset(Channel(stop.channel) for stop in later),
        merged,
    )
