"""Visits of FHIR R4 Appointments: where they are to be, and how they get there.

An Appointment says when, and refers to who. It does not say in which of our clinics, by which
clock, or for whom an open proposal is: that is given beside the file (`Mapping`), and without it
the visit is refused with what is missing. Everything goes through the public APIs.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from ops.fhir_people import Refused, Resource, Sender, key_of
from shared.values.errors import Invalid
from shared.values.zones import zone

BOOKABLE = ("proposed", "pending", "booked")
"""The statuses that are of a visit to come (FHIR R4: appointmentstatus)."""
AHEAD = timedelta(days=7)
"""How long before a visit the business clock is set."""
NEWS_SECONDS, NEWS_STEP = 20.0, 0.2
NOBODY = "Patient"
"""The reference for whom a proposal is that names no patient."""


@dataclass(slots=True)
class Mapping:
    """Where visits go. clinic, time_zone: the clinic's name (opened if it is not there) and zone.

    people: ids of ours by reference, such as `Practitioner/dr-y`; who is imported is added.
    same: references that stand for another, such as `Patient` for `Patient/pat1`.
    set_clock: sets the business clock, for files that lie in the past; None leaves it.
    """

    clinic: str | None = None
    time_zone: str | None = None
    people: dict[str, UUID] = field(default_factory=dict)
    same: dict[str, str] = field(default_factory=dict)
    set_clock: Callable[[datetime], None] | None = None
    clinic_id: UUID | None = None

    async def opened(self, sender: Sender) -> UUID | None:
        """The clinic's id, None where none is given. Raises Refused where it is in another zone."""
        if self.clinic is None or self.time_zone is None or self.clinic_id is not None:
            return self.clinic_id
        try:
            zone(self.time_zone)
        except Invalid as error:
            raise Refused(error.code) from error
        there = await sender.get("appointments", "/v1/clinics", "admin")
        found = next((c for c in there["items"] if c["name"] == self.clinic), None)
        if found is None:
            body = {"name": self.clinic, "time_zone": self.time_zone}
            key = str(uuid5(NAMESPACE_URL, f"clinic/{self.clinic}/{self.time_zone}"))
            found = await sender.post("appointments", "/v1/clinics", "admin", body, key)
        if found["time_zone"] != self.time_zone:
            raise Refused(f"the clinic is in {found['time_zone']}, not in {self.time_zone}")
        self.clinic_id = UUID(found["id"])
        return self.clinic_id


async def book(resource: Resource, mapping: Mapping, sender: Sender) -> str:
    """Book the visit of an Appointment; its id. Raises Refused with what is missing or in the way.

    The provider is entered as being in for the time of the visit on that day: the file says so.
    """
    status = resource.get("status")
    if status not in BOOKABLE:
        raise Refused(f"its status is {status}, of no visit to come")
    starts, ends = _instant(resource, "start"), _instant(resource, "end")
    if ends <= starts:
        raise Refused("its end is not after its start")
    clinic_id = await mapping.opened(sender)
    if clinic_id is None:
        raise Refused("no clinic is given for it: name one by --clinic and --zone")
    provider = _who(resource, mapping, "Practitioner")
    patient = _who(resource, mapping, "Patient")
    if mapping.set_clock is not None:
        mapping.set_clock(starts - AHEAD)
    kind = await _kind(resource, sender, ends - starts)
    await _be_in(sender, provider, clinic_id, str(mapping.time_zone), starts, ends)
    body = {
        "patient_id": str(patient),
        "clinic_id": str(clinic_id),
        "provider_id": str(provider),
        "appointment_type_id": kind,
        "starts_at": starts.isoformat(),
        "ends_at": ends.isoformat(),
    }
    made = await _heard(sender, body, f"{key_of(resource)}-{patient}")
    return str(made["id"])


async def _heard(sender: Sender, body: dict[str, Any], key: str) -> Any:
    """Book, and wait a while for news of a patient who has just been entered."""
    until = asyncio.get_running_loop().time() + NEWS_SECONDS
    while True:
        try:
            return await sender.post("appointments", "/v1/appointments", "front_desk", body, key)
        except Refused as refused:
            late = asyncio.get_running_loop().time() > until
            if str(refused) != "patient.not_found" or late:
                raise
        await asyncio.sleep(NEWS_STEP)


def _instant(resource: Resource, member: str) -> datetime:
    try:
        found = datetime.fromisoformat(str(resource.get(member)))
    except ValueError:
        raise Refused(f"its {member} is no instant") from None
    if found.tzinfo is None:
        raise Refused(f"its {member} has no offset")
    return found.astimezone(UTC)


def _who(resource: Resource, mapping: Mapping, kind: str) -> UUID:
    """Our id of the one participant of a kind."""
    references = [
        str(actor.get("reference"))
        for each in resource.get("participant") or ()
        if str((actor := each.get("actor") or {}).get("reference", "")).startswith(f"{kind}/")
    ]
    if len(set(references)) > 1:
        raise Refused(f"it names more than one {kind}")
    reference = references[0] if references else kind
    found = mapping.people.get(mapping.same.get(reference, reference))
    if found is None and not references and kind == NOBODY:
        raise Refused("it names no patient: say for whom by --map Patient=ID")
    if found is None:
        raise Refused(f"its {kind} is not known here: import it too, or name it by --map")
    return found


async def _kind(resource: Resource, sender: Sender, length: timedelta) -> str:
    """The kind of visit of a service type, by its name; published with this length if new."""
    concept = (resource.get("serviceType") or [{}])[0]
    coding = (concept.get("coding") or [{}])[0]
    name = concept.get("text") or coding.get("display") or "Visit"
    there = await sender.get("appointments", "/v1/appointment-types", "admin")
    found = next((t for t in there["items"] if t["name"] == name), None)
    if found is None:
        minutes, code = length // timedelta(minutes=1), str(coding.get("code") or "VISIT")
        body = {
            "name": name,
            "minutes_new": minutes,
            "minutes_known": minutes,
            "service_code_new": code,
            "service_code_known": code,
        }
        key = str(uuid5(NAMESPACE_URL, f"type/{name}"))
        found = await sender.post("appointments", "/v1/appointment-types", "admin", body, key)
    return str(found["id"])


async def _be_in(
    sender: Sender, provider: UUID, clinic: UUID, name: str, starts: datetime, ends: datetime
) -> None:
    here = zone(name)
    first, last = starts.astimezone(here), ends.astimezone(here)
    day = first.date().isoformat()
    body = {
        "clinic_id": str(clinic),
        "weekday": first.isoweekday(),
        "opens": first.time().isoformat("seconds"),
        "closes": "00:00:00" if last.date() != first.date() else last.time().isoformat("seconds"),
        "effective_from": day,
        "effective_until": day,
    }
    key = str(uuid5(NAMESPACE_URL, f"in/{provider}/{clinic}/{starts.isoformat()}/{ends}"))
    path = f"/v1/providers/{provider}/schedules"
    await sender.post("appointments", path, "admin", body, key)
