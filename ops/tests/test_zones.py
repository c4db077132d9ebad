"""S49: where the rules of a zone change, what was booked keeps its wall time.

The rules are other files for the same zone (`zone_rules`): for the command in a process of its own
by `PYTHONTZPATH`, as a release of tzdata that is installed would be.
"""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from ops import zones
from ops.layout import CHECKOUT
from ops.tests.zone_rules import compiled, entered, installed
from services.appointments.tests.builders import Scene
from services.appointments.tests.counting import count, overlaps, rows
from services.appointments.tests.reminding import Reminding, reminding
from shared.testing.apps import Office
from shared.values.clock import FixedClock
from shared.web.clocks import SharedClock

# The command is started some times, and a machine may have much else to do.
pytestmark = pytest.mark.timeout(180)

Body = dict[str, Any]
MST, MDT = -420, -360
FALL_2026 = (datetime(2026, 11, 1, 8, tzinfo=UTC), MST)
SPRING_2027 = (datetime(2027, 3, 14, 9, tzinfo=UTC), MDT)
FALL_2027 = (datetime(2027, 11, 7, 8, tzinfo=UTC), MST)
NO_SUMMER = compiled(MDT, [FALL_2026])
"""As Arizona: -07:00 for good."""
SUMMER_FOR_GOOD = compiled(MDT, [FALL_2026, SPRING_2027])
WEEK = timedelta(days=7)
A_WEEK_EARLIER = compiled(
    MDT,
    [FALL_2026, (SPRING_2027[0] - WEEK, MDT), (FALL_2027[0] - WEEK, MST)],
)
CHECK = """
INSERT INTO requirement_checks (id, network_id, appointment_id, patient_id, code, outcome,
  visit_moves, checked_at, checked_by)
SELECT gen_random_uuid(), network_id, id, patient_id, 'identity', 'verified', moves, now(), 'p'
FROM appointments WHERE id = $1 RETURNING 1
"""
NIGHTLY = "2027-11-09"
"""A Tuesday after the change of autumn, and within the time that is booked."""


@pytest.fixture
async def back(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Reminding:
    return await reminding(environment, clinic_office, network_id, clock)


@pytest.fixture
def at(back: Reminding) -> Scene:
    return back.at


@contextmanager
def denver(folder: Path, rules: bytes) -> Iterator[None]:
    with installed(entered(folder / "rules", America__Denver=rules)):
        yield


@dataclass(frozen=True, slots=True)
class Command:
    """The command as an operator calls it, on a machine with other rules."""

    environment: dict[str, str]
    at: Scene
    folder: Path
    rules: bytes

    async def __call__(self, *words: str, **more: str) -> tuple[int, list[str], str]:
        """Exit code, lines of output, and error output."""
        tzpath = entered(self.folder / "rules", America__Denver=self.rules)
        SharedClock(self.folder / "clock").set(self.at.clock.now())
        told = {"PYTHONTZPATH": str(tzpath), "CLINICBUS_CLOCK_FILE": str(self.folder / "clock")}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ops.cli", "zones", *words),
            *("--network", str(self.at.network_id)),
            cwd=CHECKOUT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | self.environment | told | more,
        )
        output, errors = await process.communicate()
        return process.returncode or 0, output.decode().splitlines(), errors.decode()


async def apply(at: Scene) -> zones.Report:
    """The same in this process."""
    return await zones.of_network(at.database, at.network_id, at.clock, apply=True)


async def booked(at: Scene, starts_at: str, **more: Any) -> Body:
    body = at.booking(more.pop("patient", None) or await at.patient(), starts_at, **more)
    answer = await at.desk.post("/v1/appointments", body)
    assert answer.status_code == 201, answer.text
    found: Body = answer.json()
    return found


async def seen(at: Scene, visit: Body) -> tuple[str, str]:
    """The wall time that is shown for a visit, and its instant."""
    found = (await at.desk.get(f"/v1/appointments/{visit['id']}")).json()
    return found["local_start"], found["starts_at"]


async def all_day(at: Scene) -> None:
    """The provider is in at any hour."""
    for weekday in range(1, 8):
        body = {"clinic_id": at.clinic_id, "weekday": weekday}
        hours = {"opens": "00:00:00", "closes": "00:00:00"}
        path = f"/v1/providers/{at.provider_id}/schedules"
        assert (await at.admin.post(path, body | hours)).status_code == 201


async def test_s49_a_visit_keeps_its_wall_time_and_its_instant_is_worked_out_anew(
    at: Scene, environment: dict[str, str], tmp_path: Path
) -> None:
    clinicbus = Command(environment, at, tmp_path, NO_SUMMER)
    soon = await booked(at, "2026-11-03T10:00:00-07:00")
    june = await booked(at, "2027-06-01T10:00:00-06:00")
    beside = await booked(at, "2027-06-01T10:40:00-06:00")
    confirmed = await at.desk.post(f"/v1/appointments/{june['id']}/confirm")
    assert confirmed.status_code == 200
    with denver(tmp_path, NO_SUMMER):
        # This is what is wrong: by the new rules the visit is shown an hour too early.
        assert await seen(at, june) == ("2027-06-01T09:00:00-07:00", "2027-06-01T16:00:00Z")

    line = f"network {at.network_id}  America/Denver: 2 visits by +60 minutes,"
    line += " 2027-06-01 to 2027-06-01"
    assert await clinicbus() == (1, [line], "")
    assert await at.said("appointment.rescheduled") == []
    moved = "  2 of 2 moved; the wall times are kept"
    assert await clinicbus("--apply") == (0, [line, moved], "")

    with denver(tmp_path, NO_SUMMER):
        assert await seen(at, june) == ("2027-06-01T10:00:00-07:00", "2027-06-01T17:00:00Z")
        assert await seen(at, beside) == ("2027-06-01T10:40:00-07:00", "2027-06-01T17:40:00Z")
        assert await seen(at, soon) == ("2026-11-03T10:00:00-07:00", "2026-11-03T17:00:00Z")
        after = (await at.desk.get(f"/v1/appointments/{june['id']}")).json()
        assert (after["confirmation"], after["lifecycle"]) == ("confirmed", "booked")
        path = f"/v1/appointments/{june['id']}"
        (move,) = (await at.desk.get(f"{path}/moves")).json()["items"]
        assert (move["move"], move["reason"]) == (1, "zone_rules")
        # Nobody gives this reason.
        wish = {"starts_at": "2027-06-01T11:20:00-07:00", "reason": "zone_rules"}
        asked = await at.desk.post(f"{path}/reschedule", wish, version=after["version"])
        assert (asked.status_code, asked.json()["code"]) == (422, "request.invalid")
    told = {event["appointment_id"]: event for event in await at.said("appointment.rescheduled")}
    assert told.keys() == {june["id"], beside["id"]}
    event = told[june["id"]]
    assert (event["reason"], event["moves"]) == ("zone_rules", 1)
    assert (event["previous_starts_at"], event["starts_at"]) == (
        "2027-06-01T16:00:00Z",
        "2027-06-01T17:00:00Z",
    )
    kept = await rows(at, "SELECT from_starts_at, to_starts_at, reason FROM appointment_moves")
    assert {row["reason"] for row in kept} == {"zone_rules"}
    assert {row["to_starts_at"] - row["from_starts_at"] for row in kept} == {timedelta(hours=1)}
    due = "SELECT due_at FROM timer WHERE kind = 'no_show' AND subject_id = $1"
    ((no_show,),) = await rows(at, due, UUID(june["id"]))
    assert no_show == datetime(2027, 6, 1, 17, 30, tzinfo=UTC)
    taken = "SELECT count(*) FROM occupancies WHERE active AND starts_at = $1"
    assert await count(at, taken, datetime(2027, 6, 1, 17, tzinfo=UTC)) == 2
    assert await count(at, taken, datetime(2027, 6, 1, 16, tzinfo=UTC)) == 0
    assert await overlaps(at) == 0
    trail = "SELECT count(*) FROM audit WHERE action = 'appointment.follow_zone'"
    trail += " AND actor LIKE 'operator/%' AND cardinality(patient_ids) = 1"
    assert await count(at, trail) == 2

    # Once moved it stays, also when it is asked for again.
    assert await clinicbus("--apply") == (0, ["Every wall time is where it was booked."], "")
    assert len(await at.said("appointment.rescheduled")) == 2


async def test_what_is_booked_under_the_new_rules_stays(at: Scene, tmp_path: Path) -> None:
    before = await booked(at, "2027-06-01T10:00:00-06:00")
    with denver(tmp_path, NO_SUMMER):
        new = await booked(at, "2027-06-01T15:00:00-07:00")
        report = await apply(at)
        assert (report.moved, report.to_see, report.done) == (1, [], True)
        assert (await seen(at, before))[0] == "2027-06-01T10:00:00-07:00"
        assert (await seen(at, new))[0] == "2027-06-01T15:00:00-07:00"


@pytest.mark.parametrize(
    ("rules", "day", "offset"),
    [
        pytest.param(NO_SUMMER, "2027-06-01", "-06:00", id="later"),
        pytest.param(SUMMER_FOR_GOOD, NIGHTLY, "-07:00", id="earlier"),
    ],
)
async def test_a_whole_day_of_neighbours_moves_by_some_at_a_time(
    at: Scene, tmp_path: Path, rules: bytes, day: str, offset: str
) -> None:
    hours = [f"{8 + n // 3:02d}:{20 * (n % 3):02d}" for n in range(zones.AT_ONCE + 8)]
    visits = {}
    for hour in hours:
        patient = await at.patient(visits=1)
        visits[hour] = await booked(at, f"{day}T{hour}:00{offset}", patient=patient)
    with denver(tmp_path, rules):
        report = await apply(at)
        assert (report.moved, report.to_see) == (len(hours), [])
        for hour, visit in visits.items():
            assert (await seen(at, visit))[0][:16] == f"{day}T{hour}"
    assert await overlaps(at) == 0
    assert len(await at.said("appointment.rescheduled")) == len(hours)


@pytest.mark.parametrize(
    ("place", "moved"),
    [
        pytest.param("work.before_commit:exit:2", 0, id="before-the-first-commit"),
        pytest.param("work.after_commit:exit:2", zones.AT_ONCE, id="after-the-first-commit"),
    ],
)
async def test_a_run_that_was_killed_is_begun_anew_and_moves_each_visit_once(
    at: Scene, environment: dict[str, str], tmp_path: Path, place: str, moved: int
) -> None:
    visits = zones.AT_ONCE + 3
    for n in range(visits):
        await booked(
            at,
            f"2027-06-01T{8 + n // 3:02d}:{20 * (n % 3):02d}:00-06:00",
            patient=await at.patient(visits=1),
        )
    clinicbus = Command(environment, at, tmp_path, NO_SUMMER)
    code, _, _ = await clinicbus("--apply", CLINICBUS_FAILPOINTS=place)
    assert code == 137
    assert len(await at.said("appointment.rescheduled")) == moved
    code, lines, errors = await clinicbus("--apply")
    assert (code, errors) == (0, "")
    assert lines[-1].startswith(f"  {visits - moved} of {visits - moved} moved")
    told = [event["appointment_id"] for event in await at.said("appointment.rescheduled")]
    assert (len(told), len(set(told))) == (visits, visits)
    assert await count(at, "SELECT count(*) FROM appointments WHERE moves <> 1") == 0
    assert await overlaps(at) == 0


async def test_two_who_move_at_once_and_a_desk_that_cancels_move_each_visit_once_at_most(
    at: Scene, tmp_path: Path
) -> None:
    visits = [
        await booked(
            at,
            f"2027-06-01T{8 + n // 3:02d}:{20 * (n % 3):02d}:00-06:00",
            patient=await at.patient(visits=1),
        )
        for n in range(zones.AT_ONCE + 8)
    ]

    async def cancel(visit: Body) -> int:
        path, why = f"/v1/appointments/{visit['id']}/cancel", {"reason": "patient_request"}
        return (await at.desk.post(path, why, version=1)).status_code

    with denver(tmp_path, NO_SUMMER):
        reports = asyncio.gather(apply(at), apply(at))
        await asyncio.gather(*(cancel(visit) for visit in visits[3:20:8]))
        assert [report.to_see for report in await reports] == [[], []]
        assert (await apply(at)).changes == []
    told = [event["appointment_id"] for event in await at.said("appointment.rescheduled")]
    assert len(told) == len(set(told)) >= len(visits) - 3
    moved = "SELECT count(*) FROM appointments WHERE lifecycle = 'booked' AND moves <> 1"
    assert await count(at, moved) == 0
    assert await overlaps(at) == 0


async def test_a_time_that_is_skipped_or_comes_twice_is_left_to_a_person(
    at: Scene, tmp_path: Path
) -> None:
    await all_day(at)
    gap = await booked(at, "2027-03-07T02:30:00-07:00")
    fold = await booked(at, "2027-10-31T01:30:00-06:00")
    clear = await booked(at, "2027-03-07T10:00:00-07:00")
    with denver(tmp_path, A_WEEK_EARLIER):
        report = await apply(at)
        left = {(str(each.what.id), each.why) for each in report.to_see}
        # The first of the two times is the instant at which it is booked: that one stays.
        assert left == {(gap["id"], "time.nonexistent")}
        assert (report.moved, report.done) == (1, False)
        assert (await seen(at, clear))[0] == "2027-03-07T10:00:00-06:00"
        assert await seen(at, fold) == ("2027-10-31T01:30:00-06:00", fold["starts_at"])
        assert (await seen(at, gap))[1] == gap["starts_at"]
        lines = zones.lines_of(report, applied=True)
        see = f"  see to visit {gap['id']}, 2027-03-07T02:30 America/Denver: time.nonexistent"
        assert see in lines
        # Where it goes, somebody says; then nothing is left.
        to = {"starts_at": "2027-03-07T03:30:00-06:00", "reason": "clinic_request"}
        path = f"/v1/appointments/{gap['id']}/reschedule"
        assert (await at.desk.post(path, to, version=1)).status_code == 200
        assert (await apply(at)).done
    # Rules that show the hour twice, and neither time is the one that was booked.
    twice = compiled(MDT, [FALL_2026, (SPRING_2027[0], -300), (FALL_2027[0], MDT)])
    other = await booked(at, "2027-11-07T02:30:00-07:00")
    with denver(tmp_path, twice):
        report = await apply(at)
        whys = {str(each.what.id): each.why for each in report.to_see}
        assert whys[other["id"]] == "time.ambiguous"


async def clinic_in(at: Scene, zone: str) -> dict[str, str]:
    """Another clinic, with a provider of its own, in on Tuesdays from 8 to 17."""
    clinic = await at.admin.post("/v1/clinics", {"name": "Elsewhere", "time_zone": zone})
    clinic_id = clinic.json()["id"]
    who = {"family_name": "Silva", "clinic_ids": [clinic_id]}
    provider_id = (await at.admin.post("/v1/providers", who)).json()["id"]
    hours = {"clinic_id": clinic_id, "weekday": 2, "opens": "08:00:00", "closes": "17:00:00"}
    answer = await at.admin.post(f"/v1/providers/{provider_id}/schedules", hours)
    assert answer.status_code == 201
    return {"clinic_id": clinic_id, "provider_id": provider_id}


@pytest.mark.parametrize(
    ("new_york", "stuck"),
    [
        pytest.param(-120, 0, id="the-other-gives-way-and-then-it-goes"),
        pytest.param(-180, 2, id="each-stands-where-the-other-goes"),
    ],
)
async def test_what_is_in_the_way_may_move_itself(
    at: Scene, tmp_path: Path, new_york: int, stuck: int
) -> None:
    harbor = await clinic_in(at, "America/New_York")
    patient = await at.patient()
    # By the new rules from 16:00 to 17:00 UTC, and from 17:00 to 15:00 or 16:00.
    await booked(at, "2027-06-01T10:00:00-06:00", patient=patient)
    await booked(at, "2027-06-01T13:00:00-04:00", patient=patient, **harbor)
    entered(tmp_path / "rules", America__New_York=compiled(-240, [(SPRING_2027[0], new_york)]))
    with denver(tmp_path, NO_SUMMER):
        report = await apply(at)
    assert (report.moved, len(report.to_see)) == (2 - stuck, stuck)
    assert {left.why for left in report.to_see} <= {"slot.taken"}
    assert await overlaps(at) == 0


async def test_what_stands_in_the_way_is_named_and_nothing_of_the_visit_moves(
    at: Scene, tmp_path: Path
) -> None:
    mesa = await clinic_in(at, "America/Phoenix")
    patient = await at.patient()
    # 10:00 in Denver is 9:00 in Phoenix; without summer time it is 10:00 there, too.
    stuck = await booked(at, "2027-06-01T10:00:00-06:00", patient=patient)
    other = await booked(at, "2027-06-01T10:00:00-07:00", patient=patient, **mesa)
    free = await booked(at, "2027-06-01T14:00:00-06:00")
    with denver(tmp_path, NO_SUMMER):
        report = await apply(at)
        assert report.moved == 1
        ((what, why, beside),) = [(s.what.id, s.why, s.beside) for s in report.to_see]
        assert (str(what), why, str(beside)) == (stuck["id"], "slot.taken", other["id"])
        assert (await seen(at, free))[0] == "2027-06-01T14:00:00-07:00"
        assert (await seen(at, stuck))[1] == stuck["starts_at"]
        assert await count(at, "SELECT count(*) FROM appointment_moves") == 1
        # When the other is gone, it goes where it belongs.
        path = f"/v1/appointments/{other['id']}/cancel"
        gone = await at.desk.post(path, {"reason": "patient_request"}, version=1)
        assert gone.status_code == 200
        assert (await apply(at)).done
        assert (await seen(at, stuck))[0] == "2027-06-01T10:00:00-07:00"
    assert await overlaps(at) == 0


async def test_a_session_moves_with_its_seats_and_none_without_the_other(
    at: Scene, tmp_path: Path
) -> None:
    body = at.booking(await at.patient(), "2027-06-01T10:00:00-06:00", seats=4)
    del body["patient_id"]
    session = (await at.desk.post("/v1/sessions", body)).json()
    patients = [await at.patient() for _ in range(3)]
    path = f"/v1/sessions/{session['id']}/seats"
    seats = [(await at.desk.post(path, {"patient_id": str(p)})).json() for p in patients]
    with denver(tmp_path, NO_SUMMER):
        report = await apply(at)
        assert (report.moved, report.to_see) == (1, [])
        for seat in seats:
            assert (await seen(at, seat))[0] == "2027-06-01T10:00:00-07:00"
        after = (await at.desk.get(f"/v1/sessions/{session['id']}")).json()
        assert after["starts_at"] == "2027-06-01T17:00:00Z"
        assert (await apply(at)).changes == []
    assert [event["reason"] for event in await at.said("session.moved")] == ["zone_rules"]
    assert len(await at.said("appointment.rescheduled")) == 3
    taken = "SELECT count(*) FROM occupancies WHERE active AND starts_at = $1"
    assert await count(at, taken, datetime(2027, 6, 1, 17, tzinfo=UTC)) == 7
    assert await count(at, taken, datetime(2027, 6, 1, 16, tzinfo=UTC)) == 0


async def test_blocks_shifts_and_holds_are_named(at: Scene, tmp_path: Path) -> None:
    days = {"starts_at": "2027-06-01T08:00:00-06:00", "ends_at": "2027-06-03T17:00:00-06:00"}
    block = {"clinic_id": at.clinic_id, "kind": "time_off", "provider_ids": [at.provider_id]}
    made = (await at.desk.post("/v1/blocks", block | days)).json()["block"]
    # From before the change to after it: its end alone is another.
    shift = {"role": "triage", "rank": "primary", "provider_id": at.provider_id}
    shift |= {"clinic_id": at.clinic_id, "starts_at": "2027-03-13T19:00:00"}
    entry = await at.admin.post("/v1/on-call-shifts", shift | {"ends_at": "2027-03-14T07:00:00"})
    assert entry.status_code == 201, entry.text
    await booked(at, "2027-06-08T10:00:00-06:00")
    held = await at.desk.post(
        "/v1/holds", at.booking(await at.patient(), "2027-06-08T14:00:00-06:00")
    )
    assert held.status_code == 201, held.text
    with denver(tmp_path, NO_SUMMER):
        report = await apply(at)
    assert {(str(each.what.id), each.why) for each in report.to_see} == {
        (made["id"], "not_moved"),
        (entry.json()["id"], "not_moved"),
    }
    assert (report.moved, report.held is not None, report.done) == (1, True, False)
    assert zones.lines_of(report, applied=True)[-1].endswith("look again then")


SPRING = (NO_SUMMER, "2027-03-16T10:00:00-06:00", datetime(2027, 3, 16, 17, tzinfo=UTC))
AUTUMN = (SUMMER_FOR_GOOD, "2027-11-09T08:00:00-07:00", datetime(2027, 11, 9, 14, tzinfo=UTC))


@pytest.mark.parametrize(
    ("change", "before", "sent"),
    [
        pytest.param(SPRING, timedelta(hours=71), 1, id="between-the-two"),
        pytest.param(SPRING, timedelta(hours=20), 2, id="after-both"),
        pytest.param(AUTUMN, timedelta(hours=22, minutes=30), 1, id="while-one-waits-for-nine"),
    ],
)
async def test_who_was_reminded_is_not_called_for_the_hour_is_the_same(
    back: Reminding,
    tmp_path: Path,
    change: tuple[bytes, str, datetime],
    before: timedelta,
    sent: int,
) -> None:
    rules, starts_at, starts = change
    back.clock.at = starts - timedelta(days=12)
    visit = await back.book(await back.patient(), starts_at)
    await back.later(to=starts - before)
    assert len(back.mail.sent) == sent
    checked = await rows(back.at, CHECK, UUID(visit))
    assert len(checked) == 1
    with denver(tmp_path, rules):
        assert (await apply(back.at)).moved == 1
        await back.later(to=starts - timedelta(minutes=1))
        assert await back.ledger(visit) == {
            ("email", 72): ("sent", None),
            ("email", 24): ("sent", None),
        }
        assert await back.calls() == []
        told = f"{int(starts_at[11:13])}:00 AM"
        assert [told in message.text for message, _ in back.mail.sent] == [True, True]
        # Half an hour after the wall time that was booked nobody has come; not before.
        path = f"/v1/appointments/{visit}"
        await back.later(to=starts + timedelta(minutes=29))
        assert (await back.at.desk.get(path)).json()["lifecycle"] == "booked"
        await back.later(to=starts + timedelta(minutes=30))
        assert (await back.at.desk.get(path)).json()["lifecycle"] == "no_show"
    assert await count(back.at, "SELECT visit_moves FROM requirement_checks") == 1
