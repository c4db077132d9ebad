"""How each kind of booking rule is judged. One entry a kind: the registry that tests go through."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from services.appointments.domain.rules import Asked, Check, Facts, RuleKind, SelfBooking
from shared.values.errors import Conflict, Forbidden, Invalid

Value = Mapping[str, Any]
ASK = "/v1/appointment-requests"
"""Where patients ask the desk for a time that they may not book by themselves."""


def _self_booking(value: Value, asked: Asked) -> Facts | None:
    mode = value["mode"]
    refused = asked.self_service and mode != SelfBooking.SELF_BOOK
    if not refused:
        return None
    way = {"ask": ASK} if mode == SelfBooking.REQUEST else {}
    return {"self_booking": mode, **way}


def _lead_time(value: Value, asked: Asked) -> Facts | None:
    earliest = asked.now + timedelta(minutes=value["minutes"])
    if asked.interval.start >= earliest:
        return None
    return {"minutes": value["minutes"], "earliest": earliest.isoformat()}


def _horizon(value: Value, asked: Asked) -> Facts | None:
    latest = asked.now + timedelta(days=value["days"])
    if asked.interval.start <= latest:
        return None
    return {"days": value["days"], "latest": latest.isoformat()}


def _age(value: Value, asked: Asked) -> Facts | None:
    """By the year of birth, which is all that travels: somebody has one of two ages in a year.

    A patient who books for themselves must fit with both; the desk, which sees the birth date, is
    refused where neither fits. Whoever's year nobody has said fits nowhere by themselves.
    """
    low, high = value.get("from_years"), value.get("until_years")
    facts = {"from_years": low, "until_years": high}
    year = asked.patient.birth_year
    if year is None:
        return facts if asked.self_service else None
    older = asked.day.year - year
    fits = [
        (low is None or low <= age) and (high is None or age <= high) for age in (older - 1, older)
    ]
    return None if (all(fits) if asked.self_service else any(fits)) else facts


def _gender(value: Value, asked: Asked) -> Facts | None:
    """By administrative gender. Where it is not known the desk, which sees who it is, may book."""
    gender = asked.patient.gender or "unknown"
    open_to_the_desk = gender == "unknown" and not asked.self_service
    if gender in value["genders"] or open_to_the_desk:
        return None
    return {"accepted": sorted(value["genders"])}


def _cover(value: Value, asked: Asked) -> Facts | None:
    verdict = asked.patient.verdict or "unverified"
    if verdict in value["verdicts"]:
        return None
    return {"verdict": verdict, "accepted": sorted(value["verdicts"])}


def _payer(value: Value, asked: Asked) -> Facts | None:
    """By who pays first on the visit's day. Whoever has no cover is not of the only payers."""
    payer = asked.patient.payer_on(asked.day)
    facts = {"payer_id": None if payer is None else str(payer)}
    if "only_payers" in value:
        return None if facts["payer_id"] in value["only_payers"] else facts
    return facts if facts["payer_id"] in value["not_payers"] else None


def _referral(value: Value, asked: Asked) -> Facts | None:
    return {"required": True} if value["required"] and not asked.patient.referral else None


def _authorization(value: Value, asked: Asked) -> Facts | None:
    return {"required": True} if value["required"] and not asked.patient.authorization else None


def _wave(value: Value, asked: Asked) -> Facts | None:
    """Everybody comes at the top of the hour; how many is a matter of the provider's lanes."""
    minute = asked.interval.start.astimezone(asked.zone).minute
    return {"visits": value["visits"], "minute": minute} if minute else None


def _cap(value: Value, booked: int) -> Facts | None:
    return {"visits": value["visits"], "booked": booked} if booked >= value["visits"] else None


def _daily_cap(value: Value, asked: Asked) -> Facts | None:
    return _cap(value, asked.tally.of_type(asked.clinic_id, asked.type_id, asked.day))


def _provider_daily_cap(value: Value, asked: Asked) -> Facts | None:
    return _cap(value, asked.tally.of_provider(asked.provider_id, asked.day))


def _patient_daily_cap(value: Value, asked: Asked) -> Facts | None:
    if asked.patient_id is None:
        return None
    return _cap(value, asked.tally.of_patient(asked.patient_id, asked.day))


def _overbook_per_hour(value: Value, asked: Asked) -> Facts | None:
    if not asked.overbooked:
        return None
    return _cap(value, asked.tally.overbooked(asked.provider_id, asked.interval.start))


_STARTS = "/starts_at"

CHECKS: Mapping[RuleKind, Check] = {
    check.kind: check
    for check in (
        Check(
            RuleKind.SELF_BOOKING, _self_booking, Forbidden, "self_booking.by_the_desk",
            "This kind of visit is booked by the desk.", None,
        ),
        Check(
            RuleKind.LEAD_TIME, _lead_time, Invalid, "appointment.lead_time",
            "This is too soon to book.", "lead_time", pointer=_STARTS,
        ),
        Check(
            RuleKind.HORIZON, _horizon, Invalid, "appointment.outside_horizon",
            "This is too far ahead to book.", "outside_horizon", pointer=_STARTS,
        ),
        Check(
            RuleKind.AGE, _age, Invalid, "patient.age_limit",
            "The patient's age is not one that this visit is for.", "age_limit", of_patient=True,
        ),
        Check(
            RuleKind.GENDER, _gender, Invalid, "patient.gender_limit",
            "This visit is not for patients of this administrative gender.", "gender_limit",
            of_patient=True,
        ),
        Check(
            RuleKind.COVER, _cover, Conflict, "cover.not_accepted",
            "What is known of the patient's cover is not enough for this visit.", "cover_limit",
            of_patient=True,
        ),
        Check(
            RuleKind.PAYER, _payer, Conflict, "payer.not_accepted",
            "The payer of the patient's cover is not one that this visit is booked with.",
            "payer_limit", of_patient=True,
        ),
        Check(
            RuleKind.REFERRAL, _referral, Conflict, "referral.required",
            "This visit needs a referral.", "referral_required", of_patient=True,
        ),
        Check(
            RuleKind.AUTHORIZATION, _authorization, Conflict, "authorization.required",
            "This visit needs an authorization.", "authorization_required", of_patient=True,
        ),
        Check(
            RuleKind.WAVE, _wave, Conflict, "wave.off_the_hour",
            "These visits begin at the full hour.", "off_the_hour",
        ),
        Check(
            RuleKind.DAILY_CAP, _daily_cap, Conflict, "daily_cap.reached",
            "The clinic takes no more of these visits on that day.", "daily_cap", counts=True,
        ),
        Check(
            RuleKind.PROVIDER_DAILY_CAP, _provider_daily_cap, Conflict,
            "provider_daily_cap.reached", "The provider takes no more visits on that day.",
            "provider_daily_cap", counts=True,
        ),
        Check(
            RuleKind.PATIENT_DAILY_CAP, _patient_daily_cap, Conflict, "patient_daily_cap.reached",
            "The patient has as many visits on that day as are allowed.", "patient_daily_cap",
            of_patient=True, counts=True,
        ),
        Check(
            RuleKind.OVERBOOK_PER_HOUR, _overbook_per_hour, Conflict, "overbook.hour_quota_used",
            "The quota for overbooking in that hour is used up.", None, counts=True,
        ),
    )
}  # fmt: skip
"""Every kind, in the order in which they are asked."""
