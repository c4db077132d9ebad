"""What a chart packet says, as one structure for JSON and PDF alike. Every text in it is final."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from services.documents.domain.packet import (
    DEFAULT_POLICY,
    Cover,
    Estimate,
    Heard,
    Policy,
    Verdict,
    in_words,
    missing,
)

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_VERDICTS = {
    Verdict.ACTIVE: "Active",
    Verdict.INACTIVE: "Inactive",
    Verdict.UNVERIFIED: "Unverified",
    Verdict.SELF_PAY: "Self-pay",
}


@dataclass(frozen=True, slots=True)
class Names:
    """What the errand fetched for this one printing; kept nowhere but in the PDF."""

    clinic: str
    patient: str
    mrn: str
    birth_date: date | None = None
    provider: str | None = None
    visit_type: str | None = None


def content(
    heard: Heard,
    names: Names,
    *,
    revision: int,
    made_at: datetime,
    policy: Policy = DEFAULT_POLICY,
) -> dict[str, Any]:
    """The packet as plain JSON values. revision: 1 for the first one of the visit."""
    zone = heard.visit.zone
    still = missing(heard, policy)
    return {
        "title": f"Chart packet {names.mrn}, {day_text(_day(heard.visit.starts_at, zone))}",
        "clinic": names.clinic,
        "patient": names.patient,
        "revision": revision,
        "foot": f"{names.mrn}, {names.patient}. Revision {revision}, made {_moment(made_at, zone)}",
        "facts": _pairs(
            ("Record number", names.mrn),
            ("Born", _birth(names.birth_date, _day(heard.visit.starts_at, zone))),
            ("Visit", _span(heard)),
            ("Kind", _kind(heard, names)),
            ("Provider", names.provider),
        ),
        "missing": [{"code": each.code, "text": each.text} for each in still],
        "cover": _cover(heard.cover, zone),
        "estimate": _estimate(heard.estimate),
        "owed": money_text(heard.owed_cents, heard.currency) if heard.owed_cents > 0 else None,
        "documents": [
            {
                "document_id": str(each.document_id),
                "kind": in_words(each.document_class.value).capitalize(),
                "received": day_text(each.received_on),
                "pages": "" if each.page_count is None else str(each.page_count),
                "of": "this visit" if each.of_this_visit else "the patient",
            }
            for each in sorted(
                heard.filed, key=lambda f: (f.received_on, f.document_id.int), reverse=True
            )
        ],
    }


def money_text(cents: int, currency: str) -> str:
    """Cents as a person writes them: ``$30.00``, ``EUR 30.00``. For currencies with two digits."""
    units, rest = divmod(abs(cents), 100)
    mark = "$" if currency == "USD" else f"{currency} "
    return f"{'-' if cents < 0 else ''}{mark}{units:,}.{rest:02d}"


def day_text(day: date) -> str:
    """``Mon, November 30, 2026``, the same in every locale."""
    return f"{_WEEKDAYS[day.weekday()]}, {_MONTHS[day.month - 1]} {day.day}, {day.year}"


def _cover(cover: Cover | None, zone: ZoneInfo) -> dict[str, str]:
    if cover is None:
        return {"verdict": "Not checked", "reason": "No check has been made.", "when": ""}
    return {
        "verdict": _VERDICTS[cover.verdict],
        "reason": in_words(cover.reason).capitalize(),
        "when": f"as of {_moment(cover.decided_at, zone)}",
    }


def _estimate(estimate: Estimate | None) -> dict[str, Any] | None:
    if estimate is None:
        return None
    rest = estimate.patient_cents - estimate.copay_cents
    elsewhere = estimate.fee_cents - estimate.patient_cents
    lines = [
        ("Price of the visit", estimate.fee_cents),
        ("Paid by the plan or taken off", -elsewhere),
        ("Patient's share", estimate.patient_cents),
        ("\u2003of it the copay, due at the visit", estimate.copay_cents),
        ("\u2003of it the rest", rest),
    ]
    shown = [(text, cents) for text, cents in lines if cents]
    return {
        "certain": estimate.certain,
        "lines": [
            {"text": text, "cents": cents, "amount": money_text(cents, estimate.currency)}
            for text, cents in shown
        ],
    }


def _pairs(*pairs: tuple[str, str | None]) -> list[dict[str, str]]:
    return [{"label": label, "text": text} for label, text in pairs if text]


def _kind(heard: Heard, names: Names) -> str:
    marks = [
        names.visit_type or "",
        "new patient" if heard.visit.new_patient else "",
        "walk-in" if heard.visit.walk_in else "",
    ]
    return ", ".join(mark for mark in marks if mark)


def _birth(born: date | None, on: date) -> str | None:
    if born is None:
        return None
    age = on.year - born.year - ((on.month, on.day) < (born.month, born.day))
    return f"{_MONTHS[born.month - 1]} {born.day}, {born.year} (age {age})"


def _span(heard: Heard) -> str:
    start, end = (
        each.astimezone(heard.visit.zone) for each in (heard.visit.starts_at, heard.visit.ends_at)
    )
    return f"{day_text(start.date())}, {_clock(start)} to {_clock(end)} {end.tzname()}"


def _moment(instant: datetime, zone: ZoneInfo) -> str:
    wall = instant.astimezone(zone)
    return f"{day_text(wall.date())}, {_clock(wall)} {wall.tzname()}"


def _clock(wall: datetime) -> str:
    return f"{wall.hour % 12 or 12}:{wall.minute:02d} {'AM' if wall.hour < 12 else 'PM'}"


def _day(instant: datetime, zone: ZoneInfo) -> date:
    return instant.astimezone(zone).date()
