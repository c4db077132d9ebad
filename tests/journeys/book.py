"""What a desk does with its book besides booking, so that every event of it is said."""

from datetime import datetime, timedelta
from typing import Any

from tests.journeys.clinic import Clinic


async def hold_times(clinic: Clinic, patient: str, at: datetime) -> dict[str, str]:
    """Three holds: one is given back, one becomes a visit, one runs out. Their ids, and its."""
    ids = {}
    for number, name in enumerate(("given_back", "booked", "ran_out")):
        wish = clinic.booking(patient, at + timedelta(hours=number))
        ids[name] = (await clinic.does("dana", "appointments", "/v1/holds", wish))["id"]
    path = f"/v1/holds/{ids['given_back']}/release"
    await clinic.does("dana", "appointments", path)
    booked = await clinic.book(patient, at + timedelta(hours=1), hold_id=ids["booked"])
    ids["appointment_id"] = booked["id"]
    clinic.house.clock.at += timedelta(minutes=5)
    await clinic.house.settled(clinic.network_id)
    return ids


async def change_their_mind(clinic: Clinic, patient: str, at: datetime) -> str:
    """A visit that the patient declines, and confirms after all. Its id."""
    visit = (await clinic.book(patient, at))["id"]
    for verb in ("decline", "confirm"):
        await clinic.does("dana", "appointments", f"/v1/appointments/{visit}/{verb}")
    return str(visit)


async def hold_a_group(clinic: Clinic, patients: list[str], at: datetime) -> dict[str, str]:
    """A session whose seats are taken, which moves by an hour and is called off. Its id."""
    wish = clinic.booking(patients[0], at, seats=4)
    del wish["patient_id"]
    session = (await clinic.does("dana", "appointments", "/v1/sessions", wish))["id"]
    path = f"/v1/sessions/{session}"
    for patient in patients:
        await clinic.does("dana", "appointments", f"{path}/seats", {"patient_id": patient})
    later = {"starts_at": (at + timedelta(hours=1)).isoformat(), "reason": "clinic_request"}
    await clinic.does("dana", "appointments", f"{path}/move", later, version=1)
    off = {"reason": "provider_unavailable"}
    await clinic.does("dana", "appointments", f"{path}/cancel", off, version=2)
    return {"session_id": session}


async def repeat_weekly(clinic: Clinic, patient: str, at: datetime) -> str:
    """A series of four weeks: from the third on an hour later, the last called off. Its id."""
    wish = clinic.booking(patient, at, rrule="FREQ=WEEKLY;COUNT=4")
    series = (await clinic.does("dana", "appointments", "/v1/series", wish))["id"]
    later = at + timedelta(weeks=2, hours=1)
    move = {"occurrence": 3, "scope": "following", "starts_at": later.isoformat()}
    path = f"/v1/series/{series}"
    why = {"reason": "patient_request"}
    await clinic.does("dana", "appointments", f"{path}/reschedule", move | why)
    await clinic.does(
        "dana", "appointments", f"{path}/cancel", {"occurrence": 4, "scope": "this"} | why
    )
    return str(series)


async def wait_for_a_time(
    clinic: Clinic, patients: list[str], at: datetime
) -> list[dict[str, Any]]:
    """Three wait while a visit is called off: one declines, one lets it run out, one accepts.

    Their offers, in this order. patients: the first has the visit that is called off.
    """
    house, offers = clinic.house, []
    visit = await clinic.book(patients[0], at)
    for patient in patients[1:4]:
        wish = {"patient_id": patient, "clinic_id": clinic.clinic_id}
        wish["appointment_type_id"] = clinic.type_id
        await clinic.does("dana", "appointments", "/v1/waitlist", wish)
        house.clock.at += timedelta(minutes=1)
    why = {"reason": "patient_request"}
    path = f"/v1/appointments/{visit['id']}/cancel"
    await clinic.does("dana", "appointments", path, why, version=visit["version"])
    for patient, answer in zip(patients[1:4], ("decline", None, "accept"), strict=True):
        await house.settled(clinic.network_id)
        found = await clinic.sees("dana", "appointments", "/v1/waitlist-offers", patient_id=patient)
        (offer,) = found["items"]
        offers.append(offer)
        if answer is None:
            house.clock.at += timedelta(minutes=30)
        else:
            path = f"/v1/waitlist-offers/{offer['id']}/{answer}"
            await clinic.does("dana", "appointments", path)
    return offers


async def ask_for_times(
    clinic: Clinic, patients: list[str], soon: datetime, at: datetime
) -> list[str]:
    """Four patients ask the desk for a time: one has it booked, one is declined, one takes it back,
    and of the last the time passes once it is `soon`. Their requests."""
    found = []
    for number, patient in enumerate(patients[:4]):
        wish = {"patient_id": patient, "clinic_id": clinic.clinic_id, "wished": [at.isoformat()]}
        wish["appointment_type_id"] = clinic.type_id
        if number == 3:
            wish["wished"] = [soon.isoformat()]
        made = await clinic.does("dana", "appointments", "/v1/appointment-requests", wish)
        found.append(str(made["id"]))
    answers: list[tuple[str, dict[str, str] | None]] = [
        ("accept", {"starts_at": at.isoformat(), "provider_id": clinic.provider_id}),
        ("decline", {"reason": "no_time_free"}),
        ("withdraw", None),
    ]
    for request, (verb, body) in zip(found, answers, strict=False):
        path = f"/v1/appointment-requests/{request}/{verb}"
        await clinic.does("dana", "appointments", path, body)
    return found
