"""Series through the API, on a real database."""

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from services.appointments.tests.builders import Scene, scene
from services.appointments.tests.counting import count, overlaps, rows
from shared.testing.apps import Desk, Office
from shared.values.clock import FixedClock
from shared.values.ids import new_id

TUESDAY = "2026-11-03T09:00:00-07:00"
WEEKS = "FREQ=WEEKLY;COUNT=5"
ACTIVE = "SELECT resource_kind, starts_at FROM occupancies WHERE active ORDER BY 2, 1"


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


async def asked(at: Scene, patient: UUID, starts_at: str = TUESDAY, **more: Any) -> Any:
    body = {"rrule": WEEKS, **more}
    return await at.desk.post("/v1/series", at.booking(patient, starts_at, **body))


async def booked(at: Scene, patient: UUID, **more: Any) -> dict[str, Any]:
    answer = await asked(at, patient, **more)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def in_the_way(at: Scene, starts_at: str) -> str:
    body = at.booking(await at.patient(visits=1), starts_at)
    answer = await at.desk.post("/v1/appointments", body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def starts(at: Scene, series: dict[str, Any], only: str = "booked") -> list[str]:
    seen = (await at.desk.get(f"/v1/series/{series['id']}")).json()
    return [v["starts_at"][5:16] for v in seen["visits"] if v["lifecycle"] == only]


async def said(at: Scene) -> list[str]:
    found = await rows(at, "SELECT type FROM outbox WHERE type ~ 'series|appointment\\.[a-z]+\\.v'")
    names = [row["type"].split(".", 2)[2].removesuffix(".v1") for row in found]
    return sorted(name for name in names if name != "appointment_type.published")


async def test_lesson_a_series_is_visits_of_their_own(at: Scene) -> None:
    series = await booked(at, await at.patient(visits=1))
    assert [(o["occurrence"], o["outcome"]) for o in series["outcomes"]] == [
        (n, "booked") for n in range(1, 6)
    ]
    first = series["outcomes"][0]["appointment_id"]
    visit = (await at.desk.get(f"/v1/appointments/{first}")).json()
    assert (visit["series_id"], visit["occurrence"]) == (series["id"], 1)
    confirmed = await at.desk.post(f"/v1/appointments/{first}/confirm")
    assert confirmed.status_code == 200
    assert await said(at) == ["appointment.booked"] * 5 + ["appointment.confirmed"] + [
        "series.changed"
    ]


async def test_lesson_every_occurrence_is_checked_and_a_conflict_is_named(at: Scene) -> None:
    await in_the_way(at, "2026-11-17T09:00:00-07:00")
    before = await rows(at, ACTIVE)
    refused = await asked(at, await at.patient(visits=1))
    told = refused.json()
    assert (refused.status_code, told["code"]) == (409, "slot.taken")
    assert (told["occurrence"], told["local_start"]) == (3, "2026-11-17T09:00:00")
    assert await rows(at, ACTIVE) == before
    assert await count(at, "SELECT count(*) FROM series") == 0


async def test_a_conflict_is_skipped_with_its_reason(at: Scene) -> None:
    await in_the_way(at, "2026-11-17T09:00:00-07:00")
    series = await booked(at, await at.patient(visits=1), on_conflict="skip")
    third = series["outcomes"][2]
    told = (third["outcome"], third["appointment_id"], third["code"])
    assert told == ("unchanged", None, "slot.taken")
    assert await starts(at, series) == ["11-03T16:00", "11-10T16:00", "11-24T16:00", "12-01T16:00"]
    seen = (await at.desk.get(f"/v1/series/{series['id']}")).json()
    assert seen["left_out"] == [
        {"occurrence": 3, "local_start": "2026-11-17T09:00:00", "code": "slot.taken"}
    ]


async def test_a_conflict_goes_to_the_nearest_time_or_is_left_out(at: Scene) -> None:
    await in_the_way(at, "2026-11-17T09:00:00-07:00")
    for quarter in ("08:20", "08:40", "09:00", "09:20", "09:40"):
        await in_the_way(at, f"2026-11-24T{quarter}:00-07:00")
    more = {"on_conflict": "nearest", "tolerance_minutes": 30}
    series = await booked(at, await at.patient(visits=1), **more)
    outcomes = {o["occurrence"]: (o["outcome"], o["code"]) for o in series["outcomes"]}
    assert outcomes[3] == ("nearest", "slot.taken")
    assert outcomes[4] == ("unchanged", "slot.taken")
    assert await starts(at, series) == ["11-03T16:00", "11-10T16:00", "11-17T15:30", "12-01T16:00"]
    assert await overlaps(at) == 0


async def test_a_day_off_is_a_conflict_like_any_other(at: Scene) -> None:
    more = {"rrule": "FREQ=DAILY;COUNT=7", "on_conflict": "skip"}
    series = await booked(at, await at.patient(visits=1), **more)
    codes = [o["code"] for o in series["outcomes"]]
    assert codes == [None] * 4 + ["slot.outside_schedule"] * 2 + [None]


async def test_an_occurrence_that_the_clocks_skip_is_named_s3(at: Scene) -> None:
    # The clinic is open at night on Sundays, when its clocks change on 14 March.
    hours = {"clinic_id": at.clinic_id, "weekday": 7, "opens": "00:00:00", "closes": "09:00:00"}
    await at.admin.post(f"/v1/providers/{at.provider_id}/schedules", hours)
    at.clock.at = datetime.fromisoformat("2027-02-01T15:00:00+00:00")
    night, patient = "2027-03-07T02:30:00-07:00", await at.patient(visits=1)
    refused = await asked(at, patient, night)
    told = refused.json()
    assert (refused.status_code, told["code"]) == (422, "time.nonexistent")
    assert (told["occurrence"], told["local_start"]) == (2, "2027-03-14T02:30:00")
    assert len(told["proposals"]) == 2
    more = {"on_conflict": "nearest", "tolerance_minutes": 60, "rrule": "FREQ=WEEKLY;COUNT=2"}
    series = await booked(at, patient, starts_at=night, **more)
    second = series["outcomes"][1]
    assert (second["outcome"], second["code"]) == ("nearest", "time.nonexistent")
    assert second["starts_at"] == "2027-03-14T09:30:00Z"


async def test_a_series_of_ten_thousand_is_refused_with_the_limit_s50(at: Scene) -> None:
    refused = await asked(at, await at.patient(), rrule="FREQ=DAILY;COUNT=10000")
    told = refused.json()
    assert (refused.status_code, told["code"], told["limit"]) == (422, "series.too_many", 104)
    assert await count(at, "SELECT count(*) FROM appointments") == 0


async def test_a_hundred_and_four_are_booked_in_one_go(at: Scene) -> None:
    more = {"rrule": "FREQ=DAILY;COUNT=104", "on_conflict": "skip"}
    series = await booked(at, await at.patient(visits=1), **more)
    visits = [o for o in series["outcomes"] if o["outcome"] == "booked"]
    assert (len(series["outcomes"]), len(visits)) == (104, 74)
    cancel = {"occurrence": 1, "scope": "all", "reason": "patient_request"}
    off = await at.desk.post(f"/v1/series/{series['id']}/cancel", cancel)
    assert off.status_code == 200, off.text
    assert await count(at, "SELECT count(*) FROM occupancies WHERE active") == 0


@pytest.mark.parametrize(
    ("scope", "moved"),
    [("this", {3}), ("following", {3, 4, 5}), ("all", {1, 2, 3, 4, 5})],
    ids=["this", "following", "all"],
)
async def test_an_edit_is_about_this_one_those_after_it_or_all(
    at: Scene, scope: str, moved: set[int]
) -> None:
    series = await booked(at, await at.patient(visits=1))
    wish = {
        "occurrence": 3,
        "scope": scope,
        "starts_at": "2026-11-18T10:00:00-07:00",
        "reason": "patient_request",
    }
    done = await at.desk.post(f"/v1/series/{series['id']}/reschedule", wish)
    assert done.status_code == 200, done.text
    assert {o["occurrence"] for o in done.json()["outcomes"]} == moved
    days = [3, 10, 17, 24, 31]
    expected = [
        f"{'11' if d + (n in moved) <= 30 else '12'}-{(d + (n in moved) - 1) % 30 + 1:02d}"
        f"T{17 if n in moved else 16}:00"
        for n, d in enumerate(days, 1)
    ]
    assert await starts(at, series) == expected
    assert (await said(at)).count("appointment.rescheduled") == len(moved)
    assert await overlaps(at) == 0


async def test_a_series_moves_by_a_week_onto_its_own_times(at: Scene) -> None:
    series = await booked(at, await at.patient(visits=1))
    path = f"/v1/series/{series['id']}/reschedule"
    wish = {"occurrence": 1, "scope": "all", "reason": "clinic_request"}
    later = await at.desk.post(path, {**wish, "starts_at": "2026-11-10T09:00:00-07:00"})
    assert later.status_code == 200, later.text
    assert await starts(at, series) == [
        "11-10T16:00", "11-17T16:00", "11-24T16:00", "12-01T16:00", "12-08T16:00",
    ]  # fmt: skip
    back = await at.desk.post(path, {**wish, "starts_at": TUESDAY})
    assert back.status_code == 200, back.text
    assert (await starts(at, series))[0] == "11-03T16:00"


async def test_an_edit_that_fails_moves_nothing_and_one_that_skips_the_rest(at: Scene) -> None:
    series = await booked(at, await at.patient(visits=1))
    await in_the_way(at, "2026-11-24T11:00:00-07:00")
    before = await rows(at, ACTIVE)
    path = f"/v1/series/{series['id']}/reschedule"
    wish = {
        "occurrence": 2,
        "scope": "following",
        "starts_at": "2026-11-10T11:00:00-07:00",
        "reason": "patient_request",
    }
    refused = await at.desk.post(path, wish)
    assert (refused.status_code, refused.json()["code"]) == (409, "slot.taken")
    assert refused.json()["occurrence"] == 4
    assert await rows(at, ACTIVE) == before
    done = await at.desk.post(path, {**wish, "on_conflict": "skip"})
    told = {o["occurrence"]: (o["outcome"], o["code"]) for o in done.json()["outcomes"]}
    assert told == {
        2: ("rescheduled", None),
        3: ("rescheduled", None),
        4: ("unchanged", "slot.taken"),
        5: ("rescheduled", None),
    }
    assert await starts(at, series) == [
        "11-03T16:00", "11-10T18:00", "11-17T18:00", "11-24T16:00", "12-01T18:00",
    ]  # fmt: skip


async def test_some_are_called_off_and_what_has_begun_stays(at: Scene) -> None:
    series = await booked(at, await at.patient(visits=1))
    path = f"/v1/series/{series['id']}/cancel"
    why = {"occurrence": 3, "scope": "following", "reason": "patient_request"}
    off = await at.desk.post(path, why)
    assert off.status_code == 200, off.text
    assert await starts(at, series) == ["11-03T16:00", "11-10T16:00"]
    assert await starts(at, series, "cancelled") == ["11-17T16:00", "11-24T16:00", "12-01T16:00"]
    again = await at.desk.post(path, why)
    assert (again.status_code, again.json()["code"]) == (422, "series.occurrence")
    rest = await at.desk.post(path, {**why, "occurrence": 2, "scope": "all"})
    assert {o["occurrence"] for o in rest.json()["outcomes"]} == {1, 2}
    assert await count(at, "SELECT count(*) FROM occupancies WHERE active") == 0


async def test_a_patient_reads_their_own_series_and_books_none(
    at: Scene, clinic_office: Office
) -> None:
    patient = await at.patient(visits=1)
    series = await booked(at, patient)

    def portal(whose: UUID) -> Desk:
        return clinic_office.desk("appointments", at.network_id, "portal", patient=str(whose))

    path = f"/v1/series/{series['id']}"
    assert (await portal(patient).get(path)).status_code == 200
    assert (await portal(new_id()).get(path)).status_code == 404
    body = at.booking(patient, TUESDAY, rrule=WEEKS)
    assert (await portal(patient).post("/v1/series", body)).status_code == 403
