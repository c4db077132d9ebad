"""Whatever changes a visit makes the plan of its reminders anew, whichever way it came."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.appointments.tests.reminding import Reminding, reminding
from shared.testing.apps import Office
from shared.values.clock import FixedClock

STARTS = datetime(2026, 11, 12, 17, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
WHY = {"reason": "patient_request"}
PLANNED = {("email", 72): ("planned", None), ("email", 24): ("planned", None)}


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Reminding:
    return await reminding(environment, clinic_office, network_id, clock)


async def seated(at: Reminding) -> tuple[str, str]:
    """A session on the day, and a seat in it."""
    wish = at.at.booking(await at.patient(), "2026-11-12T10:00:00-07:00", seats=3)
    patient = wish.pop("patient_id")
    path = f"/v1/sessions/{(await at.does('/v1/sessions', wish))['id']}"
    visit = (await at.does(f"{path}/seats", {"patient_id": patient}))["id"]
    assert await at.ledger(visit) == PLANNED
    return path, visit


async def test_a_seat_is_reminded_of_when_its_session_is_after_it_moved(at: Reminding) -> None:
    path, visit = await seated(at)
    later = {"starts_at": "2026-11-18T10:00:00-07:00", **WHY}
    await at.does(f"{path}/move", later, version=1)
    await at.later(to=STARTS)
    assert (at.mail.sent, await at.ledger(visit)) == ([], PLANNED)
    await at.later(to=STARTS + timedelta(days=6))
    assert ["November 18" in message.text for message, _ in at.mail.sent] == [True, True]


async def test_no_seat_of_a_session_that_is_called_off_is_reminded_of(at: Reminding) -> None:
    path, visit = await seated(at)
    await at.does(f"{path}/cancel", WHY, version=1)
    assert set((await at.ledger(visit)).values()) == {("suppressed", "visit_cancelled")}


async def test_each_visit_of_a_series_is_reminded_of_at_the_time_that_it_has(
    at: Reminding,
) -> None:
    wish = at.at.booking(
        await at.patient(), "2026-11-12T10:00:00-07:00", rrule="FREQ=WEEKLY;COUNT=3"
    )
    series = await at.does("/v1/series", wish)
    visits = [outcome["appointment_id"] for outcome in series["outcomes"]]
    assert [await at.ledger(visit) for visit in visits] == [PLANNED] * 3
    path = f"/v1/series/{series['id']}"
    move = {"occurrence": 2, "scope": "following", "starts_at": "2026-11-20T10:00:00-07:00"}
    await at.does(f"{path}/reschedule", move | WHY)
    await at.does(f"{path}/cancel", {"occurrence": 3, "scope": "this"} | WHY)
    assert [await at.ledger(visit) for visit in visits[:2]] == [PLANNED] * 2
    assert set((await at.ledger(visits[2])).values()) == {("suppressed", "visit_cancelled")}
    await at.later(to=STARTS + timedelta(days=20))
    days = [message.text.partition("November ")[2][:2] for message, _ in at.mail.sent]
    assert days == ["12", "12", "20", "20"]


async def test_a_visit_that_never_was_is_not_reminded_of(at: Reminding) -> None:
    visit = await at.book(await at.patient())
    path = f"/v1/appointments/{visit}/enter-in-error"
    answer = await at.at.admin.post(path, {"reason": "It was their sister."})
    assert answer.status_code == 200, answer.text
    await at.fire()
    assert set((await at.ledger(visit)).values()) == {("suppressed", "visit_in_error")}


async def test_who_is_here_is_not_reminded_and_who_is_not_here_after_all_is(at: Reminding) -> None:
    hours = {"lead_minutes": [180], "channels": ["email"]}
    quiet = {"quiet_from": "20:00:00", "quiet_until": "09:00:00"}
    settings = f"/v1/clinics/{at.at.clinic_id}/reminder-settings"
    assert (await at.at.admin.put(settings, hours | quiet)).status_code == 200
    visit = await at.book(await at.patient(), "2026-11-12T15:00:00-07:00")
    at.clock.at = STARTS + HOUR
    path = f"/v1/appointments/{visit}"
    await at.does(f"{path}/arrive")
    assert await at.ledger(visit) == {("email", 3): ("suppressed", "visit_begun")}
    await at.does(f"{path}/undo-arrival", {"reason": "It was their sister."})
    assert await at.ledger(visit) == {("email", 3): ("planned", None)}
    await at.later(to=STARTS + 3 * HOUR)
    assert len(at.mail.sent) == 1


@pytest.mark.parametrize("ends", ["no-show", "cancel"])
async def test_nobody_calls_about_a_visit_that_is_over(at: Reminding, ends: str) -> None:
    visit = await at.book(await at.patient(consent=False))
    await at.later(to=STARTS + timedelta(minutes=10))
    assert [call["reasons"] for call in await at.calls()] == [["no_consent"]]
    more: dict[str, Any] = {} if ends == "no-show" else {"body": WHY, "version": 1}
    await at.does(f"/v1/appointments/{visit}/{ends}", **more)
    assert await at.calls() == []
