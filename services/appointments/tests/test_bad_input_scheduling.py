"""List S of the bad inputs, through the API: what is refused leaves nothing behind.

S10, S20, S22 to S24, S27 to S36, S40, S41 and S44 to S47 are cases of the rules' own tests as well
(test_domain_booking*.py, test_domain_changes.py).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from services.appointments.tests.builders import Scene, scene
from shared.db.actor import Actor
from shared.db.work import Context
from shared.testing.apps import Office
from shared.values.clock import FixedClock
from shared.values.ids import new_id

Body = dict[str, Any]
WRITTEN = (
    "appointments", "appointment_moves", "occupancies", "timer", "outbox", "audit", "idempotency",
    "clinics", "appointment_types", "booking_rules",
)  # fmt: skip


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: Any, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


@dataclass(slots=True)
class Night:
    """A clinic somewhere whose provider is in all day, every day."""

    at: Scene
    clinic_id: str
    provider_id: str

    async def body(self, starts_at: Any, **more: Any) -> Body:
        patient = more.pop("patient_id", None) or await self.at.patient()
        place = {"clinic_id": self.clinic_id, "provider_id": self.provider_id}
        return {**self.at.booking(patient, starts_at), **place, **more}

    async def book(self, starts_at: Any, **more: Any) -> httpx.Response:
        return await self.at.desk.post("/v1/appointments", await self.body(starts_at, **more))


async def night_in(at: Scene, zone: str) -> Night:
    clinic = {"name": "Night", "time_zone": zone}
    clinic_id = (await at.admin.post("/v1/clinics", clinic)).json()["id"]
    provider = {"family_name": "Owl", "clinic_ids": [clinic_id]}
    provider_id = (await at.admin.post("/v1/providers", provider)).json()["id"]
    for weekday in range(1, 8):
        hours = {"clinic_id": clinic_id, "weekday": weekday, "opens": "00:00", "closes": "00:00"}
        path = f"/v1/providers/{provider_id}/schedules"
        hours |= {"opens": "00:00:00", "closes": "00:00:00"}
        assert (await at.admin.post(path, hours)).status_code == 201
    return Night(at, clinic_id, provider_id)


async def left(at: Scene) -> dict[str, int]:
    """How many rows there are of all that a booking writes."""
    context = Context(at.network_id, Actor("person", "test"), at.clock.now())
    async with at.database.work(context) as work:
        return {t: await work.raw.fetchval(f"SELECT count(*) FROM {t}") for t in WRITTEN}


async def refused(
    at: Scene, answer: httpx.Response, before: dict[str, int], code: str, status: int = 422
) -> Body:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert await left(at) == before
    found: Body = answer.json()
    return found


@pytest.mark.parametrize(
    ("zone", "times", "code", "rule"),
    [
        pytest.param(
            "America/Denver", {"starts_at": "2027-03-14T02:30:00-07:00"},
            "time.nonexistent", "time_exists", id="S1-in-the-gap",
        ),
        pytest.param(
            "America/Denver",
            {"starts_at": "2027-03-14T01:30:00-07:00", "ends_at": "2027-03-14T02:15:00-07:00"},
            "time.nonexistent", "time_exists", id="S2-end-in-the-gap",
        ),
        pytest.param(
            "Africa/Cairo", {"starts_at": "2027-04-30T00:30:00+02:00"},
            "time.nonexistent", "time_exists", id="S4-gap-at-midnight",
        ),
        pytest.param(
            "Australia/Lord_Howe", {"starts_at": "2027-10-03T02:15:00+10:30"},
            "time.nonexistent", "time_exists", id="S5-gap-of-half-an-hour",
        ),
        pytest.param(
            "America/Denver", {"starts_at": "2027-11-07T01:30:00"},
            "time.ambiguous", "time_once", id="S6-twice",
        ),
        pytest.param(
            "America/Denver", {"starts_at": "2026-11-03T09:00:00"},
            "time.naive", "time_named", id="S10-naive",
        ),
        pytest.param(
            "America/Denver", {"starts_at": "2026-11-03T09:00:00-05:00"},
            "time.offset", "time_in_zone", id="S12-offset-of-elsewhere",
        ),
        pytest.param(
            "America/Denver", {"starts_at": "9999-01-01T00:00:00Z"},
            "time.range", "time_in_range", id="S15-year-9999",
        ),
        pytest.param(
            "America/Denver", {"starts_at": "2026-11-03T09:00:30-07:00"},
            "time.format", "time_in_minutes", id="S20-seconds",
        ),
        pytest.param(
            "America/Denver",
            {"starts_at": "2026-11-03T09:00:00-07:00", "ends_at": "2026-11-03T09:00:00-07:00"},
            "interval.reversed", "interval_forward", id="S22-equal-ends",
        ),
        pytest.param(
            "America/Denver",
            {"starts_at": "2026-11-03T09:00:00-07:00", "ends_at": "2026-11-03T08:00:00-07:00"},
            "interval.reversed", "interval_forward", id="S23-reversed",
        ),
        pytest.param(
            "America/Denver",
            {"starts_at": "2026-11-03T09:00:00-07:00", "ends_at": "2026-11-04T09:01:00-07:00"},
            "interval.too_long", "interval_within_a_day", id="S24-over-a-day",
        ),
        pytest.param(
            "America/Denver", {"starts_at": "2026-11-02T07:44:00-07:00"},
            "appointment.in_past", "not_past", id="S44-past-beyond-grace",
        ),
        pytest.param(
            "America/Denver", {"starts_at": "2028-05-03T09:00:00-06:00"},
            "appointment.too_far", "not_too_far", id="S45-over-18-months",
        ),
    ],
)  # fmt: skip
async def test_a_time_that_cannot_be_is_refused_by_its_rule(
    at: Scene, zone: str, times: Body, code: str, rule: str
) -> None:
    night = await night_in(at, zone)
    body = await night.body(**times)
    before = await left(at)
    found = await refused(at, await at.desk.post("/v1/appointments", body), before, code)
    assert (found["rule"], found["version"]) == (rule, 0)
    if code in ("time.nonexistent", "time.ambiguous"):
        assert len(found["proposals"]) == 2


@pytest.mark.parametrize(
    "times",
    [
        pytest.param({"starts_at": "2026-11-03T09:00:00+25:00"}, id="S11-offset-of-25-hours"),
        pytest.param({"starts_at": "0000-11-03T09:00:00Z"}, id="S15-year-0000"),
        pytest.param({"starts_at": "2026-12-31T23:59:60Z"}, id="S16-leap-second"),
        pytest.param({"starts_at": "2027-02-29T09:00:00-07:00"}, id="S17-29-february"),
        pytest.param({"starts_at": "2026-11-03T24:00:00-07:00"}, id="S18-24-o-clock"),
        pytest.param({"starts_at": 1793721600}, id="S19-epoch"),
        pytest.param({"starts_at": "1793721600"}, id="S19-epoch-as-text"),
        pytest.param({"starts_at": "2026-11-03"}, id="S21-date-only"),
        pytest.param({"starts_at": None}, id="S25-null"),
        pytest.param({"starts_at": "infinity"}, id="S25-infinity"),
        pytest.param(
            {"starts_at": "2026-11-03T09:00:00-07:00", "ends_at": "-infinity"},
            id="S25-minus-infinity",
        ),
        pytest.param(
            {"starts_at": "2026-11-03T09:00:00-07:00", "ends_at": "-PT20M"},
            id="S26-negative-duration",
        ),
    ],
)
async def test_what_is_no_time_is_refused_before_it_is_asked_about(at: Scene, times: Body) -> None:
    night = await night_in(at, "America/Denver")
    body = await night.body(**times)
    before = await left(at)
    found = await refused(
        at, await at.desk.post("/v1/appointments", body), before, "request.invalid"
    )
    assert found["errors"][0]["pointer"] in ("/starts_at", "/ends_at")


@pytest.mark.parametrize(
    "zone", [pytest.param("Mars/Phobos", id="S13"), pytest.param("EST", id="S14")]
)
async def test_a_zone_that_is_none_opens_no_clinic(at: Scene, zone: str) -> None:
    before = await left(at)
    answer = await at.admin.post("/v1/clinics", {"name": "Nowhere", "time_zone": zone})
    await refused(at, answer, before, "time.zone_unknown")


async def test_s26_a_kind_of_visit_of_negative_length_is_refused(at: Scene) -> None:
    before = await left(at)
    kind = {"name": "Odd", "service_code_new": "V", "service_code_known": "V"}
    answer = await at.admin.post(
        "/v1/appointment-types", {**kind, "minutes_new": -20, "minutes_known": 20}
    )
    await refused(at, answer, before, "request.invalid")


async def test_s7_the_hour_that_is_there_twice_takes_two_bookings(at: Scene) -> None:
    night = await night_in(at, "America/Denver")
    for offset in ("-06:00", "-07:00"):
        made = await night.book(f"2027-11-07T01:30:00{offset}")
        assert made.status_code == 201, made.text
        assert made.json()["local_start"] == f"2027-11-07T01:30:00{offset}"


async def test_s8_from_01_45_to_01_15_is_half_an_hour(at: Scene) -> None:
    night = await night_in(at, "America/Denver")
    made = await night.book("2027-11-07T01:45:00-06:00", ends_at="2027-11-07T01:15:00-07:00")
    assert made.status_code == 201, made.text
    assert (made.json()["starts_at"], made.json()["ends_at"]) == (
        "2027-11-07T07:45:00Z",
        "2027-11-07T08:15:00Z",
    )


async def test_s9_the_length_over_the_change_is_elapsed_time(at: Scene) -> None:
    night = await night_in(at, "America/Denver")
    made = (await night.book("2027-11-07T01:50:00-06:00")).json()
    assert (made["starts_at"], made["ends_at"]) == (
        "2027-11-07T07:50:00Z",
        "2027-11-07T08:30:00Z",
    )


TEN = "2026-11-03T10:00:00-07:00"


@pytest.mark.parametrize(
    ("starts_at", "ends_at"),
    [
        pytest.param("10:00", None, id="S27-same"),
        pytest.param("09:40", "10:01", id="S28-head"),
        pytest.param("10:39", "11:00", id="S29-tail"),
        pytest.param("10:10", "10:20", id="S30-contained"),
        pytest.param("09:00", "11:00", id="S31-contains"),
    ],
)
async def test_time_that_is_taken_is_refused(
    at: Scene, starts_at: str, ends_at: str | None
) -> None:
    first = at.booking(await at.patient(), TEN)
    assert (await at.desk.post("/v1/appointments", first)).status_code == 201
    wish = at.booking(await at.patient(), f"2026-11-03T{starts_at}:00-07:00")
    if ends_at is not None:
        wish["ends_at"] = f"2026-11-03T{ends_at}:00-07:00"
    before = await left(at)
    answer = await at.desk.post("/v1/appointments", wish)
    found = await refused(at, answer, before, "slot.taken", 409)
    assert (found["rule"], found["facts"]) == (
        "provider_free",
        {"resource": "provider", "blocked": False},
    )


async def test_s37_what_a_cancellation_frees_can_be_booked(at: Scene) -> None:
    body = at.booking(await at.patient(), TEN)
    made = (await at.desk.post("/v1/appointments", body)).json()
    path = f"/v1/appointments/{made['id']}/cancel"
    assert (await at.desk.post(path, {"reason": "patient_request"}, version=1)).is_success
    again = at.booking(await at.patient(), TEN)
    assert (await at.desk.post("/v1/appointments", again)).status_code == 201


async def test_s38_a_cancelled_visit_is_not_checked_in(at: Scene) -> None:
    body = at.booking(await at.patient(), TEN)
    made = (await at.desk.post("/v1/appointments", body)).json()
    path = f"/v1/appointments/{made['id']}"
    assert (await at.desk.post(f"{path}/cancel", {"reason": "transport"}, version=1)).is_success
    before = await left(at)
    answer = await at.desk.post(f"{path}/check-in", {})
    await refused(at, answer, before, "lifecycle.illegal_transition", 409)


async def test_s39_checking_in_twice_is_once(at: Scene) -> None:
    patient = await at.patient(identity_verified_at=at.clock.now())
    await _consented(at, patient)
    made = (await at.desk.post("/v1/appointments", at.booking(patient, TEN))).json()
    at.clock.at = datetime(2026, 11, 3, 16, 55, tzinfo=UTC)
    path, words = f"/v1/appointments/{made['id']}/check-in", {"self_pay_acknowledged": True}
    words["cover_override_reason"] = "The card is on its way."  # type: ignore[assignment]
    once = await at.desk.post(path, words)
    assert once.status_code == 200, once.text
    said = (await left(at))["outbox"]
    twice = await at.desk.post(path, words)
    assert (twice.status_code, twice.json()) == (200, once.json())
    assert (await left(at))["outbox"] == said


async def _consented(at: Scene, patient: Any) -> None:
    from services.appointments.tables import KnownConsent

    now = at.clock.now()
    async with at.database.work(Context(at.network_id, Actor("person", "test"), now)) as work:
        for kind in ("treatment", "privacy_notice"):
            work.create(
                KnownConsent, network_id=at.network_id, consent_id=new_id(), patient_id=patient,
                kind=kind, text_version="2026-01", granted_at=now,
            )  # fmt: skip


async def test_s42_s43_a_version_is_asked_for_and_has_to_be_the_current_one(at: Scene) -> None:
    body = at.booking(await at.patient(), TEN)
    made = (await at.desk.post("/v1/appointments", body)).json()
    path = f"/v1/appointments/{made['id']}/cancel"
    before = await left(at)
    reason = {"reason": "patient_request"}
    stale = await at.desk.post(path, reason, version=7)
    await refused(at, stale, before, "version.stale", 412)
    missing = await at.desk.post(path, reason)
    await refused(at, missing, before, "version.missing", 428)


async def test_s48_the_server_s_clock_rules_whatever_the_client_s_shows(at: Scene) -> None:
    """A client whose clock is ten minutes ahead; the last start within the grace is 07:45."""
    night = await night_in(at, "America/Denver")
    ahead = {"Date": (at.clock.now() + timedelta(minutes=10)).strftime("%a, %d %b %Y %T GMT")}
    body = await night.body("2026-11-02T07:45:00-07:00")
    made = await at.desk.post("/v1/appointments", body, headers=ahead)
    assert made.status_code == 201, made.text
    assert made.json()["booked_at"] == "2026-11-02T15:00:00Z"
