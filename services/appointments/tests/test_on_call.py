"""Who is on call: the rule by tables, and the routes on a real database."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.appointments.domain.on_call import SHIFT_MAX, Rank, Shift, at, check_shift, gaps
from services.appointments.tests.builders import Scene, scene
from shared.testing.apps import Office
from shared.values.clock import FixedClock
from shared.values.errors import DomainError
from shared.values.interval import Interval, intersected, normalised

T0 = datetime(2026, 11, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)
ANN, BEN, NORTH, SOUTH = (UUID(int=n) for n in range(1, 5))


def shift(start: int = 0, end: int = 12, **more: Any) -> Shift:
    given: dict[str, Any] = {"role": "pediatrics", "rank": Rank.PRIMARY, "provider_id": ANN, **more}
    interval = Interval(T0 + start * HOUR, T0 + end * HOUR)
    return Shift(UUID(int=start * 1000 + end), interval=interval, **given)


@pytest.mark.parametrize(
    ("other", "code"),
    [
        (shift(6, 18, provider_id=BEN), "on_call.overlaps"),
        (shift(12, 24, provider_id=BEN), None),
        (shift(6, 18, provider_id=BEN, rank=Rank.BACKUP), None),
        (shift(6, 18, rank=Rank.BACKUP), "on_call.same_person"),
        (shift(12, 18, rank=Rank.BACKUP), None),
        (shift(6, 18, provider_id=BEN, role="surgery"), None),
        (shift(6, 18, provider_id=BEN, clinic_id=NORTH), None),
    ],
)
def test_of_each_rank_there_is_one_at_a_time(other: Shift, code: str | None) -> None:
    codes = []
    try:
        check_shift(shift(), [other])
    except DomainError as error:
        codes.append(error.code)
    assert codes == ([code] if code else [])


def test_a_shift_lasts_a_month_at_most() -> None:
    hours = SHIFT_MAX // HOUR
    check_shift(shift(0, hours), [])
    with pytest.raises(DomainError, match=r"on_call\.too_long"):
        check_shift(shift(0, hours + 1), [])


SPANS = st.tuples(st.integers(0, 90), st.integers(1, 24))


@given(st.lists(st.tuples(SPANS, st.sampled_from(Rank)), max_size=8))
def test_a_gap_is_where_nobody_is_primary(given_spans: list[tuple[tuple[int, int], Rank]]) -> None:
    window = Interval(T0, T0 + 100 * HOUR)
    shifts = [shift(start, start + length, rank=r) for (start, length), r in given_spans]
    found = [gap.interval for gap in gaps(shifts, window, "pediatrics")]
    primary = [s.interval for s in shifts if s.rank is Rank.PRIMARY]
    assert intersected(found, primary) == []
    assert normalised([*found, *intersected([window], primary)]) == [window]


def test_who_is_on_call_is_so_from_the_first_instant_and_not_at_the_last() -> None:
    both = [shift(12, 24, provider_id=BEN), shift(0, 12), shift(0, 24, rank=Rank.BACKUP)]
    assert [s.provider_id for s in at(both, T0 + 12 * HOUR)] == [BEN, ANN]
    assert [s.rank for s in at(both, T0)] == [Rank.PRIMARY, Rank.BACKUP]
    assert at(both, T0 + 24 * HOUR) == []


@pytest.fixture
async def place(
    environment: dict[str, str], clinic_office: Office, network_id: Any, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


def body(place: Scene, starts: str, ends: str, **more: Any) -> dict[str, Any]:
    who = {"role": "pediatrics", "provider_id": place.provider_id, "clinic_id": place.clinic_id}
    return {**who, "starts_at": starts, "ends_at": ends, **more}


async def test_a_night_over_a_clock_change_is_as_long_as_it_is(place: Scene) -> None:
    night = body(place, "2027-03-13T18:00:00", "2027-03-14T08:00:00")
    made = await place.admin.post("/v1/on-call-shifts", night)
    assert made.status_code == 201, made.text
    assert made.json()["local_start"] == "2027-03-13T18:00:00-07:00"
    assert made.json()["local_end"] == "2027-03-14T08:00:00-06:00"
    skipped = body(place, "2027-03-14T02:30:00", "2027-03-14T08:00:00", rank="backup")
    answer = await place.admin.post("/v1/on-call-shifts", skipped)
    assert (answer.status_code, answer.json()["code"]) == (422, "time.nonexistent")
    asked = {"since": "2027-03-13T12:00:00-07:00", "until": "2027-03-14T12:00:00-06:00"}
    found = (await place.desk.get("/v1/on-call-shifts", **asked)).json()
    assert [item["id"] for item in found["items"]] == [made.json()["id"]]
    assert [(gap["starts_at"], gap["ends_at"]) for gap in found["gaps"]] == [
        ("2027-03-13T19:00:00Z", "2027-03-14T01:00:00Z"),
        ("2027-03-14T14:00:00Z", "2027-03-14T18:00:00Z"),
    ]


async def test_who_is_on_call_now_is_asked_by_clinic_and_for_the_network(place: Scene) -> None:
    here = body(place, "2026-11-02T08:00:00", "2026-11-02T20:00:00")
    everywhere = {**here, "clinic_id": None, "time_zone": "America/New_York", "role": "triage"}
    for shift_body in (here, everywhere):
        answer = await place.admin.post("/v1/on-call-shifts", shift_body)
        assert answer.status_code == 201, answer.text
    found = (await place.desk.get("/v1/on-call", clinic_id=place.clinic_id)).json()["items"]
    assert [(item["role"], item["clinic_id"]) for item in found] == [
        ("pediatrics", place.clinic_id),
        ("triage", None),
    ]
    late = (await place.desk.get("/v1/on-call", at="2026-11-02T18:30:00-07:00")).json()["items"]
    assert [item["role"] for item in late] == ["pediatrics"]
    path = f"/v1/on-call-shifts/{late[0]['id']}/withdraw"
    assert (await place.admin.post(path)).json()["withdrawn"] is True
    assert (await place.desk.get("/v1/on-call", role="pediatrics")).json()["items"] == []
    nowhere = await place.admin.post("/v1/on-call-shifts", {**everywhere, "time_zone": None})
    assert (nowhere.status_code, nowhere.json()["code"]) == (422, "on_call.zone")


async def test_two_who_are_entered_at_once_are_not_both_first(place: Scene) -> None:
    who = {"family_name": "Reyes", "clinic_ids": [place.clinic_id]}
    other = (await place.admin.post("/v1/providers", who)).json()["id"]
    one = body(place, "2026-11-03T08:00:00", "2026-11-03T20:00:00")
    two = {**one, "provider_id": other}
    answers = await asyncio.gather(
        *(place.admin.post("/v1/on-call-shifts", shift_body) for shift_body in (one, two))
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    async with place.database.raw("app") as raw, raw.transaction():
        await raw.execute("SELECT set_config('app.network', $1, true)", str(place.network_id))
        with pytest.raises(Exception, match="on_call_one_at_a_time"):
            await raw.execute(
                "INSERT INTO on_call_shifts (id, network_id, clinic_id, role, rank, scope_id,"
                " provider_id, starts_at, ends_at, utc_offset_minutes, end_utc_offset_minutes,"
                " time_zone, version)"
                " SELECT gen_random_uuid(), network_id, clinic_id, role, rank, scope_id, $1,"
                " starts_at + interval '1 h', ends_at, utc_offset_minutes,"
                " end_utc_offset_minutes, time_zone, 1 FROM on_call_shifts",
                other,
            )
