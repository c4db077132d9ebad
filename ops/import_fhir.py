"""`clinicbus import-fhir FILE`: people of FHIR R4 resources, as patients and providers.

Takes a Patient, a Practitioner, or a Bundle of them. Everything goes through the public APIs, so
what they refuse is refused here, with the same reason. An NPI whose check digit fails is left out
with a warning: a wrong identifier is worse than none.
"""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any
from uuid import NAMESPACE_URL, UUID, uuid5

import httpx
import typer

from ops import layout, state
from ops.errors import CannotRun
from ops.token_command import token_for
from shared.values.errors import Invalid
from shared.values.npi import checked_npi

Resource = Mapping[str, Any]
Token = Callable[[str], str]

_PHONE_USE = {"mobile": "mobile", "home": "home", "work": "work"}
_ADDRESS_USE = {"home": "home", "work": "work"}
_COUNTRY = {"USA": "US", "": "US"}
_OLD = "old"
"""The use of what no longer holds (FHIR R4: contact-point-use, address-use, name-use)."""
NPI_SYSTEMS = ("http://hl7.org/fhir/sid/us-npi", "http://hl7.org.fhir/sid/us-npi")
"""The system of the standard, and one that published examples are misspelt with."""


@dataclass(slots=True)
class Wanted:
    """A request to make: for which service, at which path, with which body, and what was left."""

    service: str
    path: str
    role: str
    what: str
    body: dict[str, Any]
    warnings: list[str] = field(default_factory=list)


def resources(document: Resource) -> Iterator[Resource]:
    """The resources of a document: of a Bundle each entry's, else the document itself."""
    if document.get("resourceType") == "Bundle":
        for entry in document.get("entry", ()):
            if isinstance(entry, dict) and isinstance(entry.get("resource"), dict):
                yield entry["resource"]
    else:
        yield document


def wanted(resource: Resource) -> Wanted | None:
    """The request that enters a resource; None for a kind that is not taken."""
    kind = resource.get("resourceType")
    if kind == "Patient":
        return _patient(resource)
    if kind == "Practitioner":
        return _practitioner(resource)
    return None


def _patient(resource: Resource) -> Wanted:
    body: dict[str, Any] = {
        "name": _name(resource),
        "birth_date": resource.get("birthDate"),
        "gender": resource.get("gender", "unknown"),
        "phones": [
            {"number": t["value"], "use": _PHONE_USE.get(t.get("use", ""), "home")}
            for t in _telecom(resource, "phone")
        ],
        "emails": [t["value"] for t in _telecom(resource, "email")],
        "addresses": [_address(a) for a in resource.get("address", ()) if a.get("use") != _OLD],
        "override_reason": None,
    }
    return Wanted("patients", "/v1/patients", "front_desk", "patient", body)


def _practitioner(resource: Resource) -> Wanted:
    name = _name(resource)
    body: dict[str, Any] = {
        "family_name": name.get("family") or name.get("given"),
        "given_name": name.get("given") if name.get("family") else None,
    }
    made = Wanted("appointments", "/v1/providers", "admin", "provider", body)
    for identifier in resource.get("identifier", ()):
        if identifier.get("system") in NPI_SYSTEMS:
            try:
                body["npi"] = checked_npi(str(identifier.get("value", "")))
            except Invalid as error:
                made.warnings.append(f"its NPI is left out: {error.title}")
    return made


def _name(resource: Resource) -> dict[str, Any]:
    names = [n for n in resource.get("name", ()) if n.get("use") not in (_OLD, "maiden")] or [{}]
    chosen = next((n for n in names if n.get("use") in ("official", "usual")), names[0])
    given = " ".join(chosen.get("given", ())) or None
    suffix = " ".join(chosen.get("suffix", ())) or None
    found = {"family": chosen.get("family"), "given": given, "suffix": suffix}
    return {name: value for name, value in found.items() if value}


def _telecom(resource: Resource, system: str) -> list[Resource]:
    current = [t for t in resource.get("telecom", ()) if t.get("use") != _OLD]
    return [t for t in current if t.get("system") == system and t.get("value")]


def _address(address: Resource) -> dict[str, Any]:
    country = str(address.get("country", ""))
    return {
        "lines": list(address.get("line", ())),
        "city": address.get("city"),
        "state": address.get("state"),
        "postal_code": address.get("postalCode"),
        "country": _COUNTRY.get(country, country),
        "use": _ADDRESS_USE.get(address.get("use", ""), "home"),
    }


def key_of(resource: Resource) -> str:
    """The same for the same resource, so that a file imported twice enters nobody twice.

    A key belongs to the network and the caller: in another network the person is another one.
    """
    return f"import-fhir-{uuid5(NAMESPACE_URL, json.dumps(resource, sort_keys=True))}"


app = typer.Typer(add_completion=False)


@app.command()
def import_fhir(
    files: Annotated[
        list[Path], typer.Argument(help="FHIR R4 JSON: Patient, Practitioner, Bundle")
    ],
    network: Annotated[UUID | None, typer.Option(help="Else the demo network.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="The data folder; else .clinicbus here.")
    ] = None,
) -> None:
    """Enter the people of FHIR files as patients and providers, through the running services."""
    chosen = layout.choose(data)
    running = state.read(chosen.state)
    if running is None:
        raise CannotRun("ClinicBus is not running here: start it with `make run`.")
    refused = asyncio.run(
        _import(files, running.urls, lambda role: token_for(chosen, role, network))
    )
    if refused:
        raise CannotRun(f"{refused} could not be entered; the reasons are above.")


async def _import(files: list[Path], urls: Mapping[str, str], token: Token) -> int:
    """Enter the people of files, and say of each what came of it; how many were refused."""
    refused = 0
    async with httpx.AsyncClient(timeout=20) as http:
        for path in files:
            for resource in resources(_read(path)):
                said, entered = await enter(http, resource, urls, token)
                print(f"{path.name}: {said}")
                refused += not entered
    return refused


def _read(path: Path) -> Resource:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CannotRun(f"{path.name} cannot be read as JSON ({type(error).__name__}).") from error
    if not isinstance(found, dict) or "resourceType" not in found:
        raise CannotRun(f"{path.name} is not a FHIR resource.")
    return found


async def enter(
    http: httpx.AsyncClient, resource: Resource, urls: Mapping[str, str], token: Token
) -> tuple[str, bool]:
    """Enter one resource. One sentence of what came of it, and whether it is entered.

    token(role) gives a bearer token. Raises CannotRun where the service is away.
    """
    kind = resource.get("resourceType", "resource")
    try:
        request = wanted(resource)
    except (AttributeError, KeyError, TypeError):
        return f"{kind} refused: its members are not as FHIR R4 has them.", False
    if request is None:
        return f"{kind} is left out: only Patient and Practitioner are taken.", True
    body = {name: value for name, value in request.body.items() if value is not None}
    headers = {
        "Authorization": f"Bearer {token(request.role)}",
        "Idempotency-Key": key_of(resource),
    }
    try:
        while True:
            answer = await http.post(
                urls[request.service] + request.path, json=body, headers=headers
            )
            if answer.status_code != 429:
                break
            # A long file is entered as fast as its service takes it.
            await asyncio.sleep(float(answer.headers.get("Retry-After", 1)))
    except httpx.HTTPError as error:
        raise CannotRun(
            f"{request.service} could not be asked ({type(error).__name__}):"
            " see `clinicbus status`."
        ) from error
    members = answer.json()
    notes = "".join(f" Warning: {warning}" for warning in request.warnings)
    if answer.status_code == 201:
        return f"{kind} entered as {request.what} {members['id']}.{notes}", True
    return f"{kind} refused: {_why(members)}{notes}", False


def _why(problem: Mapping[str, Any]) -> str:
    """The code of a problem document, and the members at fault with codes of their own."""
    code = str(problem.get("code"))
    faults = [
        each["pointer"] if each["code"] == code else f"{each['pointer']} {each['code']}"
        for each in problem.get("errors") or ()
    ]
    return " ".join([code, ", ".join(faults)]).strip()
