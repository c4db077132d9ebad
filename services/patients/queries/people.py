"""Reading people."""

from collections import defaultdict
from collections.abc import Sequence
from typing import TypeVar
from uuid import UUID

from services.patients.domain.address import Address
from services.patients.domain.birth import Gender
from services.patients.domain.demographics import AddressUse, Demographics, Phone, PhoneUse, Place
from services.patients.domain.names import PersonName
from services.patients.tables import Patient, PatientAddress, PatientEmail, PatientPhone
from shared.db.work import Work
from shared.values.errors import NotFound

_CURRENT = "patient_id = ANY($2) AND ended_at IS NULL ORDER BY patient_id, position"

Part = TypeVar("Part", PatientPhone, PatientEmail, PatientAddress)


async def person(work: Work, patient_id: UUID) -> Patient:
    """A patient of the network. Raises NotFound."""
    row = await work.load(Patient, patient_id)
    if row is None:
        raise NotFound("patient.not_found", "There is no such patient.")
    return row


async def people(work: Work, patient_ids: Sequence[UUID]) -> list[Patient]:
    """Those of the patients that are in the network, in the order of their ids."""
    return await work.load_where(Patient, "id = ANY($2) ORDER BY id", list(patient_ids))


async def current(work: Work, part: type[Part], patient_ids: Sequence[UUID]) -> list[Part]:
    """How patients are reached now: rows of one kind, in the order in which they were given."""
    return await work.load_where(part, _CURRENT, list(patient_ids))


async def demographics(work: Work, rows: Sequence[Patient]) -> dict[UUID, Demographics]:
    """What the records of these patients say, by id."""
    ids = [row.id for row in rows]
    phones = _by_patient(await current(work, PatientPhone, ids))
    emails = _by_patient(await current(work, PatientEmail, ids))
    addresses = _by_patient(await current(work, PatientAddress, ids))
    return {
        row.id: Demographics(
            name=name_of(row),
            birth_date=row.birth_date,
            death_date=row.death_date,
            gender=Gender(row.gender),
            phones=tuple(Phone(p.number, PhoneUse(p.use)) for p in phones[row.id]),
            emails=tuple(e.address for e in emails[row.id]),
            addresses=tuple(_place(a) for a in addresses[row.id]),
        )
        for row in rows
    }


def name_of(row: Patient) -> PersonName:
    """The name of a row."""
    return PersonName(row.family, row.given, row.middle, row.suffix, row.preferred)


def _place(row: PatientAddress) -> Place:
    address = Address(tuple(row.lines), row.city, row.state, row.postal_code, row.country)
    return Place(address, AddressUse(row.use))


def _by_patient(rows: Sequence[Part]) -> dict[UUID, list[Part]]:
    found: defaultdict[UUID, list[Part]] = defaultdict(list)
    for row in rows:
        found[row.patient_id].append(row)
    return found
