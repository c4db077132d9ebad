"""A patient asks the desk for a time; the desk books it, declines it, or lets it pass."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.appointments.tests.builders import Scene, scene
from services.appointments.tests.counting import count
from services.appointments.tests.test_api_rules import enter, refused
from services.appointments.timers import TIMERS
from shared.db.timers import fire_due
from shared.testing.apps import Desk, Office
from shared.values.clock import FixedClock
from shared.values.ids import new_id

TEN, ELEVEN, TWO = (f"2026-11-03T{hour}:00:00-07:00" for hour in (10, 11, 14))
PATH = "/v1/appointment-requests"
Body = dict[str, Any]


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Scene:
    return await scene(environment, clinic_office, network_id, clock)


def portal(at: Scene, office: Office, patient: UUID) -> Desk:
    return office.desk("appointments", at.network_id, "portal", patient=str(patient))


def wish(at: Scene, patient: UUID, *wished: str, **more: Any) -> Body:
    return {
        "patient_id": str(patient),
        "clinic_id": at.clinic_id,
        "appointment_type_id": at.type_id,
        "wished": list(wished or (TEN, TWO)),
        **more,
    }


async def asks(at: Scene, desk: Desk, patient: UUID, *wished: str, **more: Any) -> Body:
    answer = await desk.post(PATH, wish(at, patient, *wished, **more))
    assert answer.status_code == 201, answer.text
    found: Body = answer.json()
    return found


async def accepts(at: Scene, request: Body, starts_at: str = TEN, **more: Any) -> httpx.Response:
    body = {"starts_at": starts_at, "provider_id": at.provider_id, **more}
    return await at.desk.post(f"{PATH}/{request['id']}/accept", body)


async def listed(at: Scene, **more: Any) -> list[str]:
    answer = await at.desk.get(PATH, clinic_id=at.clinic_id, **more)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


async def state(desk: Desk, request: Body) -> str:
    return str((await desk.get(f"{PATH}/{request['id']}")).json()["state"])


def is_over(answer: httpx.Response, state: str) -> bool:
    return (answer.status_code, answer.json()["code"]) == (409, f"appointment_request.{state}")


async def test_lesson_staff_is_told_of_what_patients_book_themselves(
    at: Scene, clinic_office: Office, clock: FixedClock
) -> None:
    """openemr/openemr#2777"""
    patient = await at.patient()
    theirs = portal(at, clinic_office, patient)
    booked = await theirs.post("/v1/appointments", at.booking(patient, TEN))
    assert (booked.status_code, booked.json()["self_booked"]) == (201, True)
    desks = await at.desk.post("/v1/appointments", at.booking(await at.patient(), TWO))
    assert desks.json()["self_booked"] is False
    seen = clock.now() + timedelta(minutes=1)
    clock.move(timedelta(minutes=2))
    later = await theirs.post("/v1/appointments", at.booking(patient, ELEVEN))

    async def told(**of: Any) -> list[str]:
        answer = await at.desk.get("/v1/appointments", clinic_id=at.clinic_id, **of)
        assert answer.status_code == 200, answer.text
        return [item["id"] for item in answer.json()["items"]]

    ids = [answer.json()["id"] for answer in (booked, later, desks)]
    assert await told() == ids
    assert await told(self_booked=True) == ids[:2]
    assert await told(self_booked=False) == ids[2:]
    assert await told(self_booked=True, booked_since=seen.isoformat()) == [ids[1]]
    naive = await at.desk.get(
        "/v1/appointments", clinic_id=at.clinic_id, booked_since="2026-11-01T10:00:00"
    )
    assert (naive.status_code, naive.json()["code"]) == (422, "request.invalid")


async def test_lesson_who_may_not_book_is_shown_the_way_and_asks_and_the_desk_books(
    at: Scene, clinic_office: Office
) -> None:
    await enter(at, "self_booking", {"mode": "request"}, appointment_type_id=at.type_id)
    patient = await at.patient()
    mine = portal(at, clinic_office, patient)
    facts = refused(
        await mine.post("/v1/appointments", at.booking(patient, TEN)), 403, "self_booking", 1
    )
    made = await asks(at, mine, patient, TWO, TEN, note="Mornings are better.")
    assert facts["ask"] == PATH
    assert made["state"] == "open"
    assert [time[11:16] for time in made["local"]] == ["14:00", "10:00"]
    assert await listed(at) == [made["id"]]
    # Nothing is occupied by it.
    assert await count(at, "SELECT count(*) FROM occupancies") == 0
    answer = await accepts(at, made)
    assert answer.status_code == 200, answer.text
    visit = answer.json()["appointment"]
    assert (visit["patient_id"], visit["lifecycle"]) == (str(patient), "booked")
    assert answer.json()["request"]["appointment_id"] == visit["id"]
    again = await accepts(at, made, ELEVEN)
    assert again.json()["appointment"]["id"] == visit["id"]
    assert await listed(at) == []
    assert await listed(at, state="accepted") == [made["id"]]
    own = (await mine.get(f"{PATH}/of-patient", patient_id=str(patient))).json()["items"]
    assert [(item["id"], item["state"]) for item in own] == [(made["id"], "accepted")]
    (said,) = await at.said("appointment_request.made")
    assert "note" not in said
    assert len(said["wished"]) == 2
    (accepted,) = await at.said("appointment_request.accepted")
    assert accepted["appointment_id"] == visit["id"]


async def test_lesson_every_rule_holds_again_at_acceptance_and_what_one_refuses_stays_open(
    at: Scene,
) -> None:
    patient = await at.patient()
    made = await asks(at, at.desk, patient)
    taken = at.booking(await at.patient(), TEN)
    assert (await at.desk.post("/v1/appointments", taken)).status_code == 201
    refused(await accepts(at, made), 409, "provider_free", 0)
    await enter(at, "provider_daily_cap", {"visits": 1})
    refused(await accepts(at, made, TWO), 409, "provider_daily_cap", 1)
    assert await state(at.desk, made) == "open"
    assert await at.said("appointment_request.accepted") == []
    assert (await accepts(at, made, "2026-11-04T10:00:00-07:00")).status_code == 200


async def test_somebody_has_to_be_named_once(at: Scene) -> None:
    made = await asks(at, at.desk, await at.patient())
    answer = await at.desk.post(f"{PATH}/{made['id']}/accept", {"starts_at": TEN})
    assert answer.json()["code"] == "appointment_request.provider"
    named = await asks(at, at.desk, await at.patient(), provider_id=at.provider_id)
    answer = await at.desk.post(f"{PATH}/{named['id']}/accept", {"starts_at": TEN})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("mode", "status"), [("view_only", 403), ("request", 201), ("self_book", 201)]
)
async def test_who_may_only_look_may_not_ask(
    at: Scene, clinic_office: Office, mode: str, status: int
) -> None:
    await enter(at, "self_booking", {"mode": mode})
    patient = await at.patient()
    answer = await portal(at, clinic_office, patient).post(PATH, wish(at, patient))
    assert answer.status_code == status, answer.text


async def test_one_is_open_for_each_kind_of_visit(at: Scene) -> None:
    patient = await at.patient()
    answers = await asyncio.gather(*(at.desk.post(PATH, wish(at, patient)) for _ in range(6)))
    assert sorted(a.status_code for a in answers) == [201] + [409] * 5
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {
        "appointment_request.open"
    }
    (made,) = [a.json() for a in answers if a.status_code == 201]
    assert (await at.desk.post(f"{PATH}/{made['id']}/withdraw")).status_code == 200
    await asks(at, at.desk, patient)


async def test_two_who_answer_at_once_end_it_once(at: Scene) -> None:
    made = await asks(at, at.desk, await at.patient())
    path = f"{PATH}/{made['id']}"
    answers = await asyncio.gather(
        accepts(at, made),
        at.desk.post(f"{path}/decline", {"reason": "no_time_free"}),
        at.desk.post(f"{path}/withdraw"),
    )
    assert sorted(a.status_code for a in answers) == [200, 409, 409]
    names = ("accepted", "declined", "withdrawn")
    said = [len(await at.said(f"appointment_request.{name}")) for name in names]
    assert sorted(said) == [0, 0, 1]
    assert await count(at, "SELECT count(*) FROM appointments") == said[0]


async def test_the_desk_declines_with_a_reason_and_the_patient_takes_it_back(
    at: Scene, clinic_office: Office
) -> None:
    patient = await at.patient()
    mine = portal(at, clinic_office, patient)
    first = await asks(at, mine, patient)
    path, why = f"{PATH}/{first['id']}", {"reason": "no_time_free"}
    assert (await mine.post(f"{path}/decline", why)).status_code == 403
    assert (await mine.post(f"{path}/accept", {"starts_at": TEN})).status_code == 403
    assert (await at.desk.post(f"{path}/decline", {"reason": "because"})).status_code == 422
    for _ in range(2):
        declined = await at.desk.post(f"{path}/decline", why)
        assert (declined.status_code, declined.json()["reason"]) == (200, "no_time_free")
    assert is_over(await mine.post(f"{path}/withdraw"), "declined")
    assert is_over(await accepts(at, first), "declined")
    second = await asks(at, mine, patient)
    for _ in range(2):
        assert (await mine.post(f"{PATH}/{second['id']}/withdraw")).json()["state"] == "withdrawn"
    assert is_over(await at.desk.post(f"{PATH}/{second['id']}/decline", why), "withdrawn")
    assert len(await at.said("appointment_request.declined")) == 1
    assert len(await at.said("appointment_request.withdrawn")) == 1


async def test_it_is_over_when_the_last_time_has_passed(at: Scene) -> None:
    patient = await at.patient()
    made = await asks(at, at.desk, patient, TWO, TEN)
    at.clock.at += timedelta(days=1, hours=3)  # eleven on the day, by the clinic's clocks
    await fire_due(at.database, TIMERS, at.clock)
    assert await state(at.desk, made) == "open"
    at.clock.at += timedelta(hours=4)
    # Before the timer has said so it is over all the same, and another can be made.
    assert is_over(await accepts(at, made, "2026-11-05T10:00:00-07:00"), "expired")
    again = await asks(at, at.desk, patient, "2026-11-05T10:00:00-07:00")
    assert await state(at.desk, made) == "expired"
    at.clock.at += timedelta(days=5)
    await fire_due(at.database, TIMERS, at.clock)
    assert await state(at.desk, again) == "expired"
    assert len(await at.said("appointment_request.expired")) == 2


async def test_a_patient_asks_for_themselves_and_sees_their_own_alone(
    at: Scene, clinic_office: Office
) -> None:
    patient, other = await at.patient(), await at.patient()
    theirs = await asks(at, at.desk, other)
    mine = portal(at, clinic_office, patient)
    assert (await mine.post(PATH, wish(at, other))).status_code == 404
    assert (await mine.get(f"{PATH}/{theirs['id']}")).status_code == 404
    assert (await mine.post(f"{PATH}/{theirs['id']}/withdraw")).status_code == 404
    assert (await mine.get(f"{PATH}/of-patient", patient_id=str(other))).status_code == 404
    assert (await mine.get(PATH, clinic_id=at.clinic_id)).status_code == 403
    assert await state(at.desk, theirs) == "open"


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"wished": []}, 422, "request.invalid"),
        ({"wished": [TEN, TEN]}, 422, "appointment_request.times"),
        ({"wished": ["2026-11-01T10:00:00-07:00"]}, 422, "appointment_request.in_past"),
        ({"wished": ["2029-11-05T10:00:00-07:00"]}, 422, "appointment_request.too_far"),
        ({"wished": ["2026-11-03T10:00:00-05:00"]}, 422, "time.offset"),
        ({"wished": ["2026-11-03T10:00:00"]}, 422, "time.naive"),
        ({"clinic_id": str(UUID(int=9))}, 404, "clinic.not_found"),
        ({"appointment_type_id": str(UUID(int=9))}, 404, "appointment_type.not_found"),
        ({"provider_id": str(UUID(int=9))}, 404, "provider.not_found"),
        ({"patient_id": str(UUID(int=9))}, 404, "patient.not_found"),
    ],
)
async def test_what_is_no_request_is_refused(
    at: Scene, change: Body, status: int, code: str
) -> None:
    body = wish(at, await at.patient()) | change
    answer = await at.desk.post(PATH, body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_the_desk_reads_page_by_page_the_oldest_first(at: Scene) -> None:
    made = []
    for _ in range(5):
        made.append((await asks(at, at.desk, await at.patient()))["id"])
        at.clock.at += timedelta(minutes=1)
    found, cursor = list[str](), None
    while True:
        more: Body = {} if cursor is None else {"cursor": cursor}
        page = (await at.desk.get(PATH, clinic_id=at.clinic_id, limit=2, **more)).json()
        found += [item["id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert found == made
    other = {"name": "Elsewhere", "time_zone": "America/Denver"}
    elsewhere = (await at.admin.post("/v1/clinics", other)).json()["id"]
    assert (await at.desk.get(PATH, clinic_id=elsewhere)).json()["items"] == []
    assert (await at.desk.get(PATH, clinic_id=str(new_id()))).status_code == 404


async def test_postgres_holds_what_the_rule_holds(at: Scene) -> None:
    """One open for a patient and kind of visit, and no end without what belongs to it."""
    made = await asks(at, at.desk, await at.patient())
    columns = (
        "network_id, patient_id, clinic_id, appointment_type_id, wished, last_wished, state,"
        " made_at, made_by, version, event_seq"
    )
    copied = (
        f"INSERT INTO appointment_requests (id, {columns})"
        f" SELECT gen_random_uuid(), {columns} FROM appointment_requests"
    )
    for statement, constraint in (
        (copied, "appointment_requests_one_open"),
        ("UPDATE appointment_requests SET state = 'accepted', ended_at = now(), ended_by = 'x'",
         "appointment_requests_check"),
        ("UPDATE appointment_requests SET state = 'declined', ended_at = now(), ended_by = 'x'",
         "appointment_requests_check"),
        ("UPDATE appointment_requests SET state = 'withdrawn'", "appointment_requests_check"),
        ("UPDATE appointment_requests SET wished = '{}'", "appointment_requests_wished_check"),
    ):  # fmt: skip
        with pytest.raises(Exception, match=constraint):
            await count(at, f"WITH done AS ({statement} RETURNING 1) SELECT count(*) FROM done")
    assert await state(at.desk, made) == "open"
