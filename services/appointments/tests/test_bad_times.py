"""Bad times through the API, by their numbers in the catalogue of bad input (S1 to S26, S42, S43).

Those that are questions of a rule alone are with the rules: S27 to S34 in
`test_domain_booking_conflicts`, S3 and S50 in `test_series`.
"""

from typing import Any
from uuid import UUID

import pytest

from services.appointments.tests.builders import Scene, scene
from services.appointments.tests.counting import count
from shared.testing.apps import Desk, Office
from shared.values.clock import FixedClock

TEN = "2026-11-03T10:00:00-07:00"


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


async def open_on_sunday_nights(at: Scene) -> None:
    hours = {"clinic_id": at.clinic_id, "weekday": 7, "opens": "00:00:00", "closes": "09:00:00"}
    answer = await at.admin.post(f"/v1/providers/{at.provider_id}/schedules", hours)
    assert answer.status_code == 201, answer.text


async def asked(at: Scene, starts_at: Any, ends_at: Any = None) -> tuple[int, str | None]:
    body = at.booking(await at.patient(), starts_at)
    body |= {"ends_at": ends_at} if ends_at is not None else {}
    answer = await at.desk.post("/v1/appointments", body)
    return answer.status_code, answer.json().get("code")


@pytest.mark.parametrize(
    ("starts_at", "ends_at", "code"),
    [
        pytest.param("2027-03-14T02:30:00-07:00", None, "time.nonexistent", id="S1-in-the-gap"),
        pytest.param(
            "2027-03-14T01:45:00-07:00",
            "2027-03-14T02:30:00-07:00",
            "time.nonexistent",
            id="S2-ends-in-the-gap",
        ),
        pytest.param("2027-11-07T01:30:00", None, "time.ambiguous", id="S6-twice"),
        pytest.param("2026-11-03T09:00:00", None, "time.naive", id="S10-naive"),
        pytest.param("2026-11-03T09:00:00+25:00", None, "request.invalid", id="S11-offset"),
        pytest.param("2026-11-03T09:00:00-05:00", None, "time.offset", id="S12-contradicts"),
        pytest.param("0000-11-03T09:00:00Z", None, "request.invalid", id="S15-year-0"),
        pytest.param("9999-12-31T23:59:00Z", None, "time.range", id="S15-year-9999"),
        pytest.param("2026-11-03T23:59:60Z", None, "request.invalid", id="S16-leap-second"),
        pytest.param("2027-02-29T09:00:00-07:00", None, "request.invalid", id="S17-29-february"),
        pytest.param("2026-11-03T24:00:00-07:00", None, "request.invalid", id="S18-24-00"),
        pytest.param(1793725200, None, "request.invalid", id="S19-epoch"),
        pytest.param("1793725200", None, "request.invalid", id="S19-epoch-as-text"),
        pytest.param("2026-11-03T09:00:30-07:00", None, "time.format", id="S20-seconds"),
        pytest.param("2026-11-03", None, "request.invalid", id="S21-date-only"),
        pytest.param(TEN, TEN, "interval.reversed", id="S22-equal"),
        pytest.param(TEN, "2026-11-03T09:00:00-07:00", "interval.reversed", id="S23-reversed"),
        pytest.param(TEN, "2026-11-04T10:01:00-07:00", "interval.too_long", id="S24-over-a-day"),
        pytest.param(None, None, "request.invalid", id="S25-null"),
        pytest.param("infinity", None, "request.invalid", id="S25-infinity"),
        pytest.param(TEN, "-infinity", "request.invalid", id="S25-minus-infinity"),
        pytest.param(TEN, "-PT30M", "request.invalid", id="S26-negative-length"),
    ],
)
async def test_a_time_that_cannot_be_meant_is_refused(
    at: Scene, starts_at: Any, ends_at: Any, code: str
) -> None:
    await open_on_sunday_nights(at)
    assert await asked(at, starts_at, ends_at) == (422, code)
    assert await count(at, "SELECT count(*) FROM occupancies") == 0


@pytest.mark.parametrize(
    ("name", "starts_at"),
    [
        pytest.param("Africa/Cairo", "2027-04-30T00:30:00+02:00", id="S4-gap-at-midnight"),
        pytest.param(
            "Australia/Lord_Howe", "2027-10-03T02:15:00+10:30", id="S5-gap-of-half-an-hour"
        ),
    ],
)
async def test_gaps_are_those_of_the_clinics_own_zone(at: Scene, name: str, starts_at: str) -> None:
    clinic = await at.admin.post("/v1/clinics", {"name": "Elsewhere", "time_zone": name})
    clinic_id = clinic.json()["id"]
    provider = {"family_name": "Baker", "clinic_ids": [clinic_id]}
    provider_id = (await at.admin.post("/v1/providers", provider)).json()["id"]
    body = at.booking(await at.patient(), starts_at, clinic_id=clinic_id, provider_id=provider_id)
    refused = await at.desk.post("/v1/appointments", body)
    assert (refused.status_code, refused.json()["code"]) == (422, "time.nonexistent")
    assert len(refused.json()["proposals"]) == 2


@pytest.mark.parametrize(
    "name", ["Mars/Phobos", "EST", "MST7MDT", "posix/America/Denver", "../etc/passwd"]
)
async def test_s13_s14_a_zone_is_an_iana_region(at: Scene, name: str) -> None:
    refused = await at.admin.post("/v1/clinics", {"name": "Nowhere", "time_zone": name})
    assert (refused.status_code, refused.json()["code"]) == (422, "time.zone_unknown")


async def test_s7_s8_s9_the_hour_that_comes_twice_is_two_hours(at: Scene) -> None:
    await open_on_sunday_nights(at)
    first, second = "2027-11-07T01:30:00-06:00", "2027-11-07T01:30:00-07:00"
    assert await asked(at, first, "2027-11-07T01:45:00-06:00") == (201, None)
    assert await asked(at, second, "2027-11-07T01:45:00-07:00") == (201, None)
    # From a quarter to two to a quarter past one, half an hour later.
    over = at.booking(await at.patient(), "2027-11-07T01:45:00-06:00")
    answer = await at.desk.post(
        "/v1/appointments", {**over, "ends_at": "2027-11-07T01:15:00-07:00"}
    )
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert (told["starts_at"], told["ends_at"]) == ("2027-11-07T07:45:00Z", "2027-11-07T08:15:00Z")
    # 40 minutes for a new patient are 40 minutes on any night.
    late = await at.desk.post(
        "/v1/appointments", at.booking(await at.patient(), "2027-11-07T00:50:00-06:00")
    )
    assert late.json()["ends_at"] == "2027-11-07T07:30:00Z"


async def test_s42_s43_a_change_names_the_version_that_it_saw(at: Scene) -> None:
    visit = (await at.desk.post("/v1/appointments", at.booking(await at.patient(), TEN))).json()
    desk: Desk = at.desk
    path, why = f"/v1/appointments/{visit['id']}/cancel", {"reason": "patient_request"}
    stale = await desk.post(path, why, version=7)
    assert (stale.status_code, stale.json()["code"]) == (412, "version.stale")
    missing = await desk.post(path, why)
    assert (missing.status_code, missing.json()["code"]) == (428, "version.missing")
    assert (await desk.post(path, why, version=1)).status_code == 200
