"""What a reminder says, and what can come of sending it.

The least that is of use: which clinic, its telephone, when. Not what the visit is for, not with
whom, and not who the patient is: a message is read on a locked screen and by whoever is beside it.
"""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID
from zoneinfo import ZoneInfo

CODE_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Without those that are taken for one another (0 and O, 1 and I)."""
CODE_LENGTH = 12
"""60 bits: who guesses a thousand a second for a year has tried one code in thirty-six million."""

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Message:
    """A message that is ready to go. id: the reminder's, the same if it should ever come twice."""

    id: UUID
    subject: str
    text: str
    code: str


@dataclass(frozen=True, slots=True)
class Taken:
    """The far side took it over."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The far side has nothing and will not take it: another try is of no use."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """The far side has nothing, and may take it later."""

    reason: str


@dataclass(frozen=True, slots=True)
class Lost:
    """Nobody knows whether it left."""

    reason: str = "unknown_outcome"


Outcome = Taken | Refused | NotSent | Lost


def code_digest(code: str) -> str:
    """What is kept of a code: who reads the table can answer for nobody."""
    plain = "".join(code.split()).replace("-", "").upper()
    return sha256(plain.encode()).hexdigest()


def compose(
    reminder_id: UUID,
    code: str,
    starts_at: datetime,
    clinic: str,
    phone: str | None,
    clinic_zone: ZoneInfo,
    patient_zone: ZoneInfo,
) -> Message:
    """The message of a reminder, with the time by the patient's clocks.

    Where the clinic's show another, that is there, too: it is where the patient will be.
    """
    when = _when(starts_at, patient_zone)
    there = starts_at.astimezone(clinic_zone)
    if there.utcoffset() != starts_at.astimezone(patient_zone).utcoffset():
        when += f"; at the clinic it is {_clock(starts_at, clinic_zone)} then"
    lines = [
        f"You have an appointment at {clinic} on {when}.",
        "",
        f"Will you come? Reply YES {code} or NO {code}.",
        f"To get no more of these messages, reply STOP {code}.",
    ]
    if phone:
        lines += ["", f"{clinic}, telephone {phone}"]
    return Message(reminder_id, f"Your appointment at {clinic}", "\n".join(lines) + "\n", code)


def _when(at: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    day = f"{_DAYS[local.weekday()]}, {_MONTHS[local.month - 1]} {local.day}, {local.year}"
    return f"{day} at {_clock(at, zone)}"


def _clock(at: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    half = "AM" if local.hour < 12 else "PM"
    return f"{local.hour % 12 or 12}:{local.minute:02d} {half} ({local.tzname()})"
