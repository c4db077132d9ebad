"""What documents asks of others: the names that a chart packet prints. No transaction is open."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar
from uuid import UUID

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from services.documents.clients import ObjectStore, put
from services.documents.commands import packets
from services.documents.domain.packet import missing
from services.documents.domain.packet_text import Names, content
from shared.db.errands import Errand, Errands, Intent, TryLater
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.pdf import RenderError, render, template
from shared.values.errors import Invalid
from shared.values.zones import zone
from shared.web.service_calls import ServiceCalls

PURPOSE = "chart_packet"
ATTEMPTS_MAX = 6
T = TypeVar("T")


class Clinic(BaseModel):
    """What a packet prints of a clinic."""

    name: str
    time_zone: str


class Provider(BaseModel):
    """What a packet prints of a provider."""

    id: UUID
    family_name: str
    given_name: str | None = None


class VisitType(BaseModel):
    """What a packet prints of a kind of visit."""

    id: UUID
    name: str


class PersonName(BaseModel):
    """A name on one line."""

    display: str


class Person(BaseModel):
    """What a packet prints of a patient."""

    id: UUID
    mrn: str
    name: PersonName
    birth_date: date | None = None


class Providers(BaseModel):
    """Providers of the network."""

    items: list[Provider]


class VisitTypes(BaseModel):
    """Kinds of visit of the network."""

    items: list[VisitType]


class People(BaseModel):
    """People of the network."""

    items: list[Person]


@dataclass(frozen=True, slots=True)
class Assembly:
    """Makes chart packets: fetches the names, prints, keeps the file, then files it."""

    calls: ServiceCalls
    store: ObjectStore

    async def make(self, intent: Intent) -> packets.Made | None:
        """Print one packet and keep it; None where it is no longer wanted.

        Raises TryLater where a name cannot be had or the file cannot be kept.
        """
        wanted: packets.ToPrint | None = intent.facts
        if wanted is None:
            return None
        facts = wanted.facts
        place, names = await self._names(intent.network_id, wanted)
        try:
            heard = facts.heard(zone(place.time_zone))
            text = content(heard, names, revision=wanted.revision, made_at=wanted.made_at)
            pdf = await render(template("services.documents", "chart_packet.typ"), text)
            kept = await put(self.store, intent.network_id, pdf)
        except (RenderError, Invalid) as error:
            raise TryLater(f"packet.unprintable:{type(error).__name__}") from None
        except OSError as error:
            raise TryLater(f"store.away:{type(error).__name__}") from None
        return packets.Made(
            sha256=kept.sha256,
            byte_count=kept.byte_count,
            filename=f"chart-packet-{facts.starts_at:%Y-%m-%d}-r{wanted.revision}.pdf",
            missing=tuple(each.code for each in missing(heard)),
            facts_hash=facts.digest(),
        )

    async def _names(self, network_id: UUID, wanted: packets.ToPrint) -> tuple[Clinic, Names]:
        facts, why = wanted.facts, _why(network_id, wanted)
        place = await self._ask(f"/v1/clinics/{facts.clinic_id}", Clinic, why)
        providers = (await self._ask("/v1/providers", Providers, why)).items
        types = (await self._ask("/v1/appointment-types", VisitTypes, why)).items
        answer = await self.calls.post(
            "patients", "/v1/patients/lookup", body={"ids": [str(facts.patient_id)]}, **why
        )
        people = _read("patients", answer, People).items
        person = _one("patients", people, facts.patient_id)
        provider = next((p for p in providers if p.id == facts.provider_id), None)
        kind = next((t for t in types if t.id == facts.appointment_type_id), None)
        return place, Names(
            clinic=place.name,
            patient=person.name.display,
            mrn=person.mrn,
            birth_date=person.birth_date,
            provider=_full_name(provider) if provider else None,
            visit_type=kind.name if kind else None,
        )

    async def _ask(self, path: str, model: type[T], why: dict[str, Any]) -> T:
        return _read("appointments", await self.calls.get("appointments", path, **why), model)


def _why(network_id: UUID, wanted: packets.ToPrint) -> dict[str, Any]:
    """For whom, what for and on whose account the owner is asked."""
    return {
        "network_id": network_id,
        "actor": wanted.actor,
        "purpose": PURPOSE,
        "event": wanted.cause,
    }


def _read(service: str, answer: httpx.Response, model: type[T]) -> T:
    if answer.status_code != httpx.codes.OK:
        raise TryLater(f"{service}.answered_{answer.status_code}")
    try:
        return TypeAdapter(model).validate_json(answer.content)
    except ValidationError:
        raise TryLater(f"{service}.unreadable") from None


def _one(service: str, people: Sequence[Person], patient_id: UUID) -> Person:
    found = next((person for person in people if person.id == patient_id), None)
    if found is None:
        raise TryLater(f"{service}.unknown_patient")
    return found


def _full_name(provider: Provider) -> str:
    return " ".join(part for part in (provider.given_name, provider.family_name) if part)


async def prepare(work: Work, intent: Intent) -> packets.ToPrint | None:
    """What the packet is made from."""
    return await packets.to_print(work, intent.subject_id, intent.id)


async def settle(work: Work, intent: Intent, made: packets.Made | None) -> None:
    """The packet is printed, or was not wanted any more."""
    if made is not None:
        await packets.settle(work, intent.subject_id, intent.id, made)


async def give_up(work: Work, intent: Intent, reason: str) -> None:
    """The packet could not be printed."""
    await packets.give_up(work, intent.subject_id, intent.id, reason)


def locks(intent: Intent) -> Sequence[LockKey]:
    """What the functions above read and change."""
    return packets.visit_lock(intent.subject_id)


def errands(calls: ServiceCalls, store: ObjectStore) -> Errands:
    """The errands of this service, with what they reach the outside by."""
    assembly = Assembly(calls, store)
    return {
        packets.ASSEMBLE: Errand(
            assembly.make, settle, give_up, locks, ATTEMPTS_MAX, prepare=prepare
        )
    }
