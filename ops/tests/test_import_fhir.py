"""People of FHIR files, entered through the real APIs."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from typer.testing import CliRunner

from ops.errors import CannotRun
from ops.fhir_people import key_of, resources, wanted
from ops.fhir_visits import Mapping
from ops.import_fhir import app, enter
from services.appointments.tables import KnownPatient
from services.appointments.tests import builders as appointments
from services.patients.tests import builders as patients
from shared.db.actor import Actor
from shared.db.database import Database
from shared.db.work import Context
from shared.testing.apps import Office
from shared.values.clock import FixedClock
from shared.web.service import app_of
from shared.x12.tests.samples import sample

RUN = CliRunner()
NPI = "http://hl7.org/fhir/sid/us-npi"
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "name": [
        {"use": "old", "family": "Before", "given": ["Ana"]},
        {"use": "official", "family": "Łukasiewicz", "given": ["Ana", "Sofía"], "suffix": ["MD"]},
    ],
    "birthDate": "1984-02-29",
    "gender": "female",
    "telecom": [
        {"system": "phone", "value": "303-555-0142", "use": "mobile"},
        {"system": "phone", "value": "303-555-0100", "use": "old"},
        {"system": "fax", "value": "303-555-0199"},
        {"system": "email", "value": "ana@example.org"},
        {"system": "email"},
    ],
    "address": [
        {
            "use": "home",
            "line": ["100 Main Street", "Apartment 4"],
            "city": "Denver",
            "state": "CO",
            "postalCode": "80202",
            "country": "USA",
        },
        {"use": "old", "line": ["1 Elsewhere"], "city": "Gone"},
    ],
}


def practitioner(*npis: str, **name: Any) -> dict[str, Any]:
    return {
        "resourceType": "Practitioner",
        "name": [name or {"family": "Okafor", "given": ["Ada"]}],
        "identifier": [{"system": NPI, "value": npi} for npi in npis],
    }


@dataclass(slots=True)
class Desk:
    """A network into which people are imported."""

    office: Office
    network_id: UUID
    urls: dict[str, str]
    environment: dict[str, str]
    clock: FixedClock

    def token(self, role: str) -> str:
        return self.office.issuer.token(self.network_id, role, sub="importer")

    async def enter(
        self, resource: dict[str, Any], mapping: Mapping | None = None
    ) -> tuple[str, bool]:
        return await enter(self.office.http, resource, self.urls, self.token, mapping)

    async def heard_of(self, patient_id: str) -> None:
        """Appointments has heard of a patient, as the bus would tell it."""
        urls = appointments.settings_from(self.environment).urls
        database = Database.connect("appointments", urls.app_url, urls.worker_url)
        context = Context(self.network_id, Actor("person", "test"), self.clock.now())
        async with database.work(context) as work:
            work.create(
                KnownPatient,
                network_id=self.network_id,
                patient_id=UUID(patient_id),
                registered=True,
            )
        await database.close()

    def mapping(self) -> Mapping:
        """A clinic in California, with the business clock that goes where it must."""

        def set_clock(moment: datetime) -> None:
            self.clock.at = moment

        return Mapping("Vineyard Office", "America/Los_Angeles", set_clock=set_clock)

    async def read(self, service: str, role: str, path: str) -> dict[str, Any]:
        answer = await self.office.desk(service, self.network_id, role).get(path)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def patient(self, said: str) -> dict[str, Any]:
        return await self.read("patients", "front_desk", f"/v1/patients/{entered(said)}")

    async def providers(self) -> list[dict[str, Any]]:
        found = await self.read("appointments", "admin", "/v1/providers")
        return list(found["items"])


def entered(said: str) -> str:
    """The id in a sentence about somebody who was entered."""
    words = said.partition(".")[0].split()
    return str(UUID(words[-1]))


@pytest.fixture
async def at(
    environment: dict[str, str], clinic_office: Office, network_id: UUID, clock: FixedClock
) -> Desk:
    urls = {
        "patients": await clinic_office.start(
            "patients", app_of(patients.build(environment, clinic_office, clock), "api")
        ),
        "appointments": await clinic_office.start(
            "appointments", app_of(appointments.build(environment, clinic_office, clock), "api")
        ),
    }
    return Desk(clinic_office, network_id, urls, environment, clock)


async def test_a_patient_is_entered_with_what_holds_now(at: Desk) -> None:
    said, well = await at.enter(PATIENT)
    assert well
    assert said.startswith("Patient entered as patient ")
    found = await at.patient(said)
    assert found["name"]["display"] == "Ana Sofía Łukasiewicz MD"
    assert (found["birth_date"], found["gender"]) == ("1984-02-29", "female")
    assert found["phones"] == [{"number": "+13035550142", "use": "mobile"}]
    assert found["emails"] == ["ana@example.org"]
    (address,) = found["addresses"]
    assert (address["country"], address["postal_code"], address["use"]) == ("US", "80202", "home")


async def test_imported_twice_a_file_enters_nobody_twice(at: Desk) -> None:
    first, again = await at.enter(PATIENT), await at.enter(dict(reversed(PATIENT.items())))
    assert first == again
    doctor = practitioner("1000000012")
    assert await at.enter(doctor) == await at.enter(doctor)
    assert len(await at.providers()) == 1
    # Somebody who is nearly the same is left to a person to decide.
    said, well = await at.enter({**PATIENT, "gender": "unknown"})
    assert (said, well) == ("Patient refused: patient.maybe_known", False)


async def test_a_practitioner_is_entered_with_an_npi_that_holds(at: Desk) -> None:
    said, well = await at.enter(practitioner("1000000012"))
    assert well
    assert "Warning" not in said
    (row,) = await at.providers()
    assert (row["id"], row["npi"]) == (entered(said), "1000000012")
    assert (row["family_name"], row["given_name"]) == ("Okafor", "Ada")


@pytest.mark.parametrize("npi", ["1000000013", "12", "", "9941339108", "١٠٠٠٠٠٠٠١٢"])
async def test_an_npi_that_does_not_hold_is_left_out_with_a_warning(at: Desk, npi: str) -> None:
    said, well = await at.enter(practitioner(npi))
    assert well
    assert "Warning: its NPI is left out" in said
    (row,) = await at.providers()
    assert (row["family_name"], row["npi"]) == ("Okafor", None)


def visit(status: str = "booked", patient: str | None = "pat-a", **more: Any) -> dict[str, Any]:
    """An Appointment in the shape of the public examples."""
    who = [{"actor": {"reference": "Practitioner/dr-a", "display": "Dr A"}, "status": "accepted"}]
    who.append({"actor": {"display": "Vineyard Office"}, "status": "accepted"})
    if patient is not None:
        who.append({"actor": {"reference": f"Patient/{patient}"}, "status": "accepted"})
    return {
        "resourceType": "Appointment",
        "id": "visit-a",
        "status": status,
        "serviceType": [{"coding": [{"code": "185389009"}], "text": "Office Call"}],
        "start": "2025-03-18T00:45:00Z",
        "end": "2025-03-18T01:00:00Z",
        "participant": who,
        **more,
    }


async def people(at: Desk, mapping: Mapping) -> str:
    """Dr A and their patient, entered; the patient's id."""
    said, well = await at.enter({**practitioner(), "id": "dr-a"}, mapping)
    assert well, said
    said, well = await at.enter({**PATIENT, "id": "pat-a"}, mapping)
    assert well, said
    await at.heard_of(entered(said))
    return entered(said)


async def booked(at: Desk, said: str) -> dict[str, Any]:
    return await at.read("appointments", "front_desk", f"/v1/appointments/{entered(said)}")


async def test_a_visit_of_the_past_is_booked_with_the_clock_before_it(at: Desk) -> None:
    mapping = at.mapping()
    patient = await people(at, mapping)
    said, well = await at.enter(visit(), mapping)
    assert well, said
    assert said.startswith("Appointment booked as visit ")
    found = await booked(at, said)
    assert (found["local_start"], found["time_zone"]) == (
        "2025-03-17T17:45:00-07:00",
        "America/Los_Angeles",
    )
    assert (found["ends_at"], found["patient_id"]) == ("2025-03-18T01:00:00Z", patient)
    assert found["booked_at"] == "2025-03-11T00:45:00Z"
    again = await at.enter(visit(), mapping)
    assert again == (said, True)


async def test_a_proposal_is_booked_for_whom_it_is_mapped_to(at: Desk) -> None:
    mapping = at.mapping()
    patient = await people(at, mapping)
    open_one = visit("proposed", None)
    said = await at.enter(open_one, mapping)
    assert said == (
        "Appointment refused: it names no patient: say for whom by --map Patient=ID",
        False,
    )
    mapping.same["Patient"] = "Patient/pat-a"
    text, well = await at.enter(open_one, mapping)
    assert well, text
    assert (await booked(at, text))["patient_id"] == patient
    other = {**open_one, "id": "visit-b"}
    assert await at.enter(other, mapping) == ("Appointment refused: slot.taken", False)


UNKNOWN = "not known here: import it too, or name it by --map"


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (visit("cancelled"), "its status is cancelled, of no visit to come"),
        (visit(start="2025-03-18"), "its start has no offset"),
        (visit(end="tomorrow"), "its end is no instant"),
        (visit(end="2025-03-18T00:45:00Z"), "its end is not after its start"),
        (visit(patient="pat-z"), f"its Patient is {UNKNOWN}"),
        (
            visit(participant=[{"actor": {"reference": "Patient/pat-a"}}]),
            f"its Practitioner is {UNKNOWN}",
        ),
        (
            visit(participant=[
                {"actor": {"reference": f"Practitioner/dr-{n}"}} for n in "ab"
            ]),
            "it names more than one Practitioner",
        ),
        (visit(participant=["dr-a"]), "its members are not as FHIR R4 has them."),
    ],
    ids=["status", "day", "text", "equal-ends", "patient", "nobody", "two", "shape"],
)  # fmt: skip
async def test_a_visit_that_cannot_be_placed_is_refused_with_its_reason(
    at: Desk, resource: dict[str, Any], reason: str
) -> None:
    mapping = at.mapping()
    await people(at, mapping)
    assert await at.enter(resource, mapping) == (f"Appointment refused: {reason}", False)


async def test_unmapped_a_visit_says_what_is_missing(at: Desk) -> None:
    mapping = Mapping()
    await people(at, mapping)
    said = await at.enter(visit(), mapping)
    assert said == (
        "Appointment refused: no clinic is given for it: name one by --clinic and --zone",
        False,
    )
    # Mapped, and the clock where it is: the visit lies in the past.
    placed = Mapping("Vineyard Office", "America/Los_Angeles")
    await people_again(at, placed, mapping)
    assert await at.enter(visit(), placed) == (
        "Appointment refused: appointment.in_past /starts_at",
        False,
    )
    wrong = Mapping("Vineyard Office", "America/Denver", dict(placed.people))
    assert await at.enter(visit(), wrong) == (
        "Appointment refused: the clinic is in America/Los_Angeles, not in America/Denver",
        False,
    )
    nowhere = Mapping("Vineyard Office", "EST")
    assert await at.enter(visit(), nowhere) == ("Appointment refused: time.zone_unknown", False)


async def people_again(at: Desk, mapping: Mapping, before: Mapping) -> None:
    said, well = await at.enter({**practitioner(), "id": "dr-a"}, mapping)
    assert well, said
    mapping.people["Patient/pat-a"] = before.people["Patient/pat-a"]


def example(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(sample(f"fhir/{name}.json").read_text())
    return found


async def test_the_public_examples_load_and_book_where_they_are_mapped(at: Desk) -> None:
    mapping = at.mapping()
    said, well = await at.enter(example("example-patient"), mapping)
    assert well, said
    patient = await at.patient(said)
    assert patient["name"]["display"] == "Meiko Lufhir JR. PHD"
    assert [phone["use"] for phone in patient["phones"]] == ["home", "work"]
    await at.heard_of(entered(said))
    said, well = await at.enter(example("example-practitioner"), mapping)
    assert well, said
    assert "Warning: its NPI is left out" in said
    (row,) = await at.providers()
    assert (row["family_name"], row["npi"]) == ("Y", None)
    said, well = await at.enter(example("example-appointment"), mapping)
    assert well, said
    assert (await booked(at, said))["local_start"] == "2025-03-16T17:45:00-07:00"
    mapping.people["Patient"] = mapping.people["Patient/pat1"]
    found = list(resources(example("example-iti-scheduling-bundle")))
    all_ = [await at.enter(dict(resource), mapping) for resource in found]
    assert [text.startswith("Appointment booked") for text, _ in all_] == [True] * 3 + [False]
    starts = [(await booked(at, text))["local_start"] for text, _ in all_[:3]]
    assert starts == [f"2017-07-16T{at_}:00-07:00" for at_ in ("17:45", "18:00", "19:00")]
    assert all_[3][0].startswith("OperationOutcome is left out")


async def test_the_public_examples_unmapped_are_refused_each_with_its_reason(at: Desk) -> None:
    found = [example("example-appointment")]
    found += map(dict, resources(example("example-iti-scheduling-bundle")))
    said = [await at.enter(resource) for resource in found]
    reason = "no clinic is given for it: name one by --clinic and --zone"
    assert said[:4] == [(f"Appointment refused: {reason}", False)] * 4


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"birthDate": "1984-02"}, "Patient refused: request.invalid /birth_date "),
        ({"birthDate": "2126-01-01"}, "Patient refused: birth_date.future /birth_date"),
        ({"birthDate": None}, "Patient refused: request.invalid /birth_date missing"),
        ({"gender": "F"}, "Patient refused: request.invalid /gender "),
        ({"name": []}, "Patient refused: name.missing /name"),
        ({"name": "Ana"}, "Patient refused: its members are not as FHIR R4 has them."),
        ({"telecom": [["phone"]]}, "Patient refused: its members are not as FHIR R4 has them."),
        ({"address": [{"line": ["1 Main"], "city": "Denver"}]}, "Patient refused: address.state"),
        ({"telecom": [{"system": "phone", "value": "911"}]}, "Patient refused: phone.invalid"),
    ],
)
async def test_what_the_api_refuses_is_refused_with_its_reason(
    at: Desk, change: dict[str, Any], expected: str
) -> None:
    said, well = await at.enter({**PATIENT, **change})
    assert said.startswith(expected)
    assert not well
    assert "Ana" not in said
    search = {"birth_date": "1984-02-29"}
    found = await at.office.desk("patients", at.network_id, "front_desk").post(
        "/v1/patients/search", search
    )
    assert found.json()["items"] == []


async def test_other_resources_are_left_out_and_a_bundle_is_read_entry_by_entry(at: Desk) -> None:
    assert await at.enter({"resourceType": "Slot"}) == (
        "Slot is left out: it is no Patient, Practitioner or Appointment.",
        True,
    )
    bundle = {
        "resourceType": "Bundle",
        "entry": [{"resource": PATIENT}, {"fullUrl": "urn:x"}, "odd", {"resource": {}}],
    }
    assert list(resources(bundle)) == [PATIENT, {}]
    assert wanted({}) is None


async def test_a_service_that_is_away_is_named(at: Desk) -> None:
    async with httpx.AsyncClient(transport=httpx.MockTransport(_nobody)) as http:
        with pytest.raises(CannotRun, match=r"^patients could not be asked \(ConnectError\)"):
            await enter(http, PATIENT, at.urls, at.token)


def _nobody(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("nobody there", request=request)


def test_a_key_is_the_resources_own() -> None:
    assert key_of(PATIENT) == key_of(json.loads(json.dumps(PATIENT)))
    assert key_of(PATIENT) != key_of({**PATIENT, "gender": "male"})


def test_where_nothing_runs_one_sentence_says_so(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps(PATIENT))
    result = RUN.invoke(app, [str(path), "--data", str(tmp_path / "d")])
    assert isinstance(result.exception, CannotRun)
    assert "start it with `make run`" in str(result.exception)
