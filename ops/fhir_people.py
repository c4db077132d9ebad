"""People of FHIR R4 resources as requests, and how requests are sent."""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import httpx

from ops.errors import CannotRun
from shared.values.errors import Invalid
from shared.values.npi import checked_npi

Resource = Mapping[str, Any]
Token = Callable[[str], str]
"""role -> a bearer token."""

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


class Refused(Exception):
    """A resource is not entered; the text says why, and repeats nothing of it."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends to services by their URLs, as somebody in a role."""

    http: httpx.AsyncClient
    urls: Mapping[str, str]
    token: Token

    async def post(
        self, service: str, path: str, role: str, body: Mapping[str, Any], key: str
    ) -> Any:
        """What was made. Raises Refused with the reason, CannotRun where the service is away."""
        headers = {"Idempotency-Key": key}
        answer = await self._send(service, "POST", path, role, json=body, headers=headers)
        if answer.status_code not in (200, 201):
            raise Refused(why(answer.json()))
        return answer.json()

    async def get(self, service: str, path: str, role: str) -> Any:
        """What is there. Raises as `post`."""
        answer = await self._send(service, "GET", path, role, headers={})
        if answer.status_code != 200:
            raise Refused(why(answer.json()))
        return answer.json()

    async def _send(
        self, service: str, method: str, path: str, role: str, **given: Any
    ) -> httpx.Response:
        headers = {**given.pop("headers"), "Authorization": f"Bearer {self.token(role)}"}
        try:
            while True:
                answer = await self.http.request(
                    method, self.urls[service] + path, headers=headers, **given
                )
                if answer.status_code != 429:
                    return answer
                # A long file is entered as fast as its service takes it.
                await asyncio.sleep(float(answer.headers.get("Retry-After", 1)))
        except httpx.HTTPError as error:
            raise CannotRun(
                f"{service} could not be asked ({type(error).__name__}): see `clinicbus status`."
            ) from error


def why(problem: Mapping[str, Any]) -> str:
    """The code of a problem document, and the members at fault with codes of their own."""
    code = str(problem.get("code"))
    faults = [
        each["pointer"] if each["code"] == code else f"{each['pointer']} {each['code']}"
        for each in problem.get("errors") or ()
    ]
    return " ".join([code, ", ".join(faults)]).strip()
