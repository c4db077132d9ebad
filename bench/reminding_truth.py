"""What must hold after reminders were sent among kills: from what was asked of the town and what
left, held against the rows. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

TAKEN, CUT, REFUSED, LATER = "taken", "cut", "refused", "later"
"""What the far side did with a message. `cut`: it kept it and hung up without a word."""
LEFT = (TAKEN, CUT)
LAST = frozenset({"sent", "failed", "unknown", "suppressed"})
"""States that a reminder may end in."""
NO_MORE = ("cancelled", "opted_out", "merged")
"""After these nothing is sent."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the far side, in the order in which it came. when: the time that it told."""

    reminder: UUID
    patient: UUID
    when: str
    did: str


@dataclass(frozen=True, slots=True)
class Deed:
    """A change of a visit that was committed. begun: the reminders that were being sent by then, or
    had been. calls: how many calls the far side had had by then. told: the time that holds from
    then on, as messages write it."""

    what: str
    begun: frozenset[UUID]
    calls: int
    told: str


@dataclass(slots=True)
class Visit:
    """A visit. leads: minutes before its start. deeds: what became of it, in order."""

    id: UUID
    patient: UUID
    told: str
    leads: tuple[int, ...]
    starts_at: datetime
    deeds: list[Deed] = field(default_factory=list)

    def was(self, what: str) -> bool:
        """Whether a deed was done to it."""
        return any(deed.what == what for deed in self.deeds)


def problems(
    visits: Sequence[Visit],
    calls: Sequence[Call],
    rows: Iterable[Mapping[str, Any]],
    call_list: Mapping[UUID, Sequence[str]],
) -> list[str]:
    """All that does not hold; each begins with the name of what it breaks.

    rows: the reminders. call_list: the reasons to call, by visit.
    """
    by_id = {row["id"]: row for row in rows}
    of_visit: dict[UUID, list[Mapping[str, Any]]] = {}
    for row in by_id.values():
        of_visit.setdefault(row["appointment_id"], []).append(row)
    of_patient: dict[UUID, list[tuple[int, Call]]] = {}
    for number, call in enumerate(calls):
        of_patient.setdefault(call.patient, []).append((number, call))
    found = _rows_and_calls(by_id, calls)
    for visit in visits:
        mine = of_visit.get(visit.id, [])
        reasons = call_list.get(visit.id, ())
        left = of_patient.get(visit.patient, [])
        found += _once(visit, by_id, left)
        found += _not_after(visit, left)
        found += _nobody_forgotten(visit, mine, reasons)
    return found


def _rows_and_calls(by_id: Mapping[UUID, Mapping[str, Any]], calls: Sequence[Call]) -> list[str]:
    """Each message that left is told of, and each that is told of left."""
    found = []
    did = Counter((call.reminder, call.did) for call in calls)
    for call in calls:
        row = by_id.get(call.reminder)
        if row is None:
            found.append(f"untold: reminder {call.reminder} left and is not there")
        elif row["patient_id"] != call.patient:
            found.append(f"another_patient: reminder {call.reminder} went to {call.patient}")
        elif call.did in LEFT and row["state"] not in ("sent", "unknown"):
            found.append(f"untold: reminder {call.reminder} left and is {row['state']}")
        elif call.did == CUT and row["state"] != "unknown":
            found.append(f"untold: reminder {call.reminder} was cut and is {row['state']}")
    for row in by_id.values():
        if row["state"] == "sent" and not did[row["id"], TAKEN]:
            found.append(f"not_sent: reminder {row['id']} is sent and never came")
        if row["state"] not in LAST:
            found.append(f"unsettled: reminder {row['id']} is {row['state']}")
        if row["state"] == "suppressed" and not row["reason"]:
            found.append(f"unsettled: reminder {row['id']} is suppressed and nobody knows why")
    return found


def _once(
    visit: Visit, by_id: Mapping[UUID, Mapping[str, Any]], left: Sequence[tuple[int, Call]]
) -> list[str]:
    """At most one message for each channel and lead."""
    keys = Counter[Any]()
    for _, call in left:
        if call.did in LEFT:
            row = by_id.get(call.reminder)
            keys[(row["channel"], row["lead_minutes"]) if row else call.reminder] += 1
    return [f"doubled: visit {visit.id}, {key}: {n} times" for key, n in keys.items() if n > 1]


def _not_after(visit: Visit, left: Sequence[tuple[int, Call]]) -> list[str]:
    """Nothing to whom it was over, and of a visit that moved the time it has."""
    found = []
    for number, call in left:
        if call.did not in LEFT:
            continue
        told = visit.told
        for deed in visit.deeds:
            if number < deed.calls or call.reminder in deed.begun:
                break
            told = deed.told
            if deed.what in NO_MORE:
                found.append(f"{deed.what}: visit {visit.id} was reminded of all the same")
        if call.when != told:
            found.append(f"another_time: visit {visit.id} was told {call.when}, not {told}")
    return found


def _nobody_forgotten(
    visit: Visit, rows: Sequence[Mapping[str, Any]], reasons: Sequence[str]
) -> list[str]:
    """Each lead is sent, or suppressed with a reason, or somebody calls."""
    found = []
    states = {row["lead_minutes"]: row["state"] for row in rows}
    off = visit.was("cancelled") or visit.was("opted_out")
    if "unknown" in states.values() and "unknown_outcome" not in reasons:
        found.append(f"uncalled: visit {visit.id} has one of unknown outcome, and nobody calls")
    over = any(map(visit.was, NO_MORE))
    if not over and "failed" in states.values() and "not_reached" not in reasons:
        found.append(f"uncalled: visit {visit.id} was not reached, and nobody calls")
    if visit.deeds:
        if not off and not rows and not reasons:
            found.append(f"forgotten: visit {visit.id} moved, and there is nothing")
        return found
    for lead in visit.leads:
        if states.get(lead) not in ("sent", "failed", "unknown"):
            found.append(f"forgotten: visit {visit.id} at {lead} minutes is {states.get(lead)}")
    return found
