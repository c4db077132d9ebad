"""The book of a clinic, as the desk keeps it: holds, groups that have seats, visits that repeat."""

import pytest

from tests.journeys.book import hold_a_group, hold_times, repeat_weekly, wait_for_a_time
from tests.journeys.clinic import DENVER, Clinic, denver
from tests.journeys.house import House

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_time_is_held_while_somebody_looks_for_their_calendar(house: House) -> None:
    house.clock.at = denver(2, 9)
    clinic = await Clinic(house).open()
    patient = await clinic.register("Holder")
    await house.settled(clinic.network_id)
    ids = await hold_times(clinic, patient, denver(4, 9))
    states = {
        name: (await clinic.sees("dana", "appointments", f"/v1/holds/{ids[name]}"))["state"]
        for name in ("given_back", "booked", "ran_out")
    }
    assert states == {"given_back": "released", "booked": "taken", "ran_out": "expired"}
    free = await clinic.free(4)
    assert {denver(4, 9), denver(4, 11)} <= free
    assert denver(4, 10) not in free
    # Whoever hears of visits has heard of the one, and of nothing that was only held.
    assert set((await clinic.heard_states(ids["appointment_id"])).values()) == {"booked"}
    assert len(await clinic.rows("payments", "known_visits")) == 1


async def test_a_group_is_called_off_and_everybody_hears_of_every_seat(house: House) -> None:
    house.clock.at = denver(2, 9)
    clinic = await Clinic(house).open()
    patients = [await clinic.register(f"Group{n}") for n in range(3)]
    await house.settled(clinic.network_id)
    await hold_a_group(clinic, patients, denver(4, 13))
    await house.settled(clinic.network_id)
    for service in ("eligibility", "payments", "documents"):
        states = [row["state"] for row in await clinic.rows(service, "known_visits")]
        assert states == ["cancelled"] * 3, service


async def test_visits_repeat_and_those_who_listen_know_each_of_them(house: House) -> None:
    house.clock.at = denver(2, 9)
    clinic = await Clinic(house).open()
    patient = await clinic.register("Weekly")
    await house.settled(clinic.network_id)
    await repeat_weekly(clinic, patient, denver(3, 13))
    await house.settled(clinic.network_id)
    for service in ("eligibility", "payments", "documents"):
        known = sorted(await clinic.rows(service, "known_visits"), key=lambda v: v["starts_at"])
        times = [(row["starts_at"].astimezone(DENVER).hour, row["state"]) for row in known]
        assert times == [(13, "booked"), (13, "booked"), (14, "booked"), (14, "cancelled")]


async def test_a_time_that_became_free_is_passed_on_until_somebody_takes_it(house: House) -> None:
    house.clock.at = denver(2, 9)
    clinic = await Clinic(house).open()
    patients = [await clinic.register(f"Waiting{n}") for n in range(4)]
    await house.settled(clinic.network_id)
    offers = await wait_for_a_time(clinic, patients, denver(4, 9))
    await house.settled(clinic.network_id)
    rows = await clinic.rows("appointments", "waitlist_offers")
    states = {str(row["id"]): row["state"] for row in rows}
    assert [states[offer["id"]] for offer in offers] == ["declined", "expired", "accepted"]
    visits = await clinic.rows("payments", "known_visits")
    assert sorted(row["state"] for row in visits) == ["booked", "cancelled"]
