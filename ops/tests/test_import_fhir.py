"""People of FHIR files, entered through the real APIs."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from typer.testing import CliRunner

from ops.errors import CannotRun
from ops.import_fhir import app, enter, key_of, resources, wanted
from services.appointments.tests import builders as appointments
from services.patients.tests import builders as patients
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

    def token(self, role: str) -> str:
        return self.office.issuer.token(self.network_id, role, sub="importer")

    async def enter(self, resource: dict[str, Any]) -> tuple[str, bool]:
        return await enter(self.office.http, resource, self.urls, self.token)

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
    return Desk(clinic_office, network_id, urls)


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


async def test_the_public_examples_load(at: Desk) -> None:
    for name, count in (
        ("fhir/example-patient.json", 1),
        ("fhir/example-practitioner.json", 1),
        ("fhir/example-appointment.json", 0),
        ("fhir/example-iti-scheduling-bundle.json", 0),
    ):
        said = [
            await at.enter(dict(resource))
            for resource in resources(json.loads(sample(name).read_text()))
        ]
        assert all(well for _, well in said), said
        kept = [text for text, _ in said if " entered as " in text]
        assert len(kept) == count, name
        if name.endswith("patient.json"):
            patient = await at.patient(kept[0])
            assert patient["name"]["display"] == "Meiko Lufhir JR. PHD"
            assert [phone["use"] for phone in patient["phones"]] == ["home", "work"]
        if name.endswith("practitioner.json"):
            assert "Warning: its NPI is left out" in kept[0]
    (row,) = await at.providers()
    assert (row["family_name"], row["npi"]) == ("Y", None)


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
        "Slot is left out: only Patient and Practitioner are taken.",
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
