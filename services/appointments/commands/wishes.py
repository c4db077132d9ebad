"""Enter the waitlist, and wish for something else."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any
from uuid import UUID

from services.appointments import events
from services.appointments.domain.waitlist import Priority, require_reason
from services.appointments.queries import visits
from services.appointments.queries import waitlist as read
from services.appointments.tables import AppointmentType, WaitlistEntry
from shared.db.work import Work, match_version
from shared.values.errors import Conflict, Forbidden, Invalid, NotFound, NotYetHeard


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An entry as asked for. None in the lists stands for any."""

    patient_id: UUID
    clinic_id: UUID
    appointment_type_id: UUID
    clinic_ids: list[UUID] | None = None
    provider_ids: list[UUID] | None = None
    weekdays: list[int] | None = None
    opens: time = time(0)
    closes: time = time(0)
    earliest: date | None = None
    latest: date | None = None
    notice_minutes: int = 0
    priority: str = "normal"
    priority_reason: str | None = None
    replaces_appointment_id: UUID | None = None


async def enter(work: Work, given: Waiting) -> WaitlistEntry:
    """Put somebody on the list. Under `waitlist_lock`.

    Raises NotFound, NotYetHeard; Invalid for wishes that nothing meets, a high priority without a
    reason, and ``waitlist.replaces_another`` for a visit of another patient or type; Forbidden
    ``waitlist.for_the_desk`` for a priority above normal that a patient gives.
    """
    _require_desk(work, given.priority, given.priority_reason)
    require_reason(Priority[given.priority.upper()], given.priority_reason)
    await visits.named_zone(work, given.clinic_id)
    if await work.load(AppointmentType, given.appointment_type_id) is None:
        raise NotFound("appointment_type.not_found", "There is no such appointment type.")
    patient = await visits.one_known_patient(work, given.patient_id)
    if patient is None or not patient.registered:
        raise NotYetHeard("patient.not_found", "There is no such patient.")
    if given.replaces_appointment_id is not None:
        row = await visits.visit(work, given.replaces_appointment_id)
        same = (row.patient_id, row.appointment_type_id)
        if same != (given.patient_id, given.appointment_type_id) or row.lifecycle != "booked":
            title = "The visit to replace is not a booked one of this patient and type."
            raise Invalid("waitlist.replaces_another", title, pointer="/replaces_appointment_id")
    values = {name: getattr(given, name) for name in Waiting.__dataclass_fields__}
    entry = work.create(
        WaitlistEntry,
        id=work.new_id("waitlist_entry"),
        network_id=work.network_id,
        entered_at=work.now,
        **values,
    )
    read.wishes_of(entry)
    work.say(events.waitlist_entered(entry), of=entry)
    return entry


async def change(
    work: Work, entry_id: UUID, wishes: Mapping[str, Any], version: int | None
) -> WaitlistEntry:
    """Wish for something else, and keep one's place: what is named changes. Under `waitlist_lock`.

    wishes: by column. An offer that is open stays. Raises NotFound; Conflict ``waitlist.over`` for
    who waits no longer; Invalid and Forbidden as `enter`.
    """
    entry = await read.found_entry(work, entry_id)
    match_version(version, entry.version)
    if entry.state != "waiting":
        raise Conflict("waitlist.over", "They wait no longer.")
    _require_desk(work, wishes.get("priority"), wishes.get("priority_reason"))
    for name, value in wishes.items():
        setattr(entry, name, value)
    require_reason(Priority[entry.priority.upper()], entry.priority_reason)
    read.wishes_of(entry)
    work.save(entry)
    return entry


def _require_desk(work: Work, priority: str | None, reason: str | None) -> None:
    # Otherwise everybody who enters by the portal is urgent, and nobody is.
    lifted = priority == "high" or reason is not None
    if lifted and work.actor.patient_ids is not None:
        raise Forbidden("waitlist.for_the_desk", "A high priority is for the desk to give.")
