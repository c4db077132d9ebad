"""Models of a person's record."""

from datetime import date, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.patients import tables as t
from services.patients.domain.birth import Gender
from services.patients.domain.demographics import (
    AddressUse,
    Demographics,
    Phone,
    PhoneUse,
    Place,
)
from services.patients.domain.names import PersonName
from services.patients.queries.visits import Visits
from shared.web.fields import STRICT, Line

PATIENT_ID = "0190a1b2-0000-7000-8000-000000000001"
_VISIT: dict[str, Any] = {
    "appointment_id": "0190a1b2-0000-7000-8000-000000000013",
    "clinic_id": "0190a1b2-0000-7000-8000-000000000010",
    "starts_at": "2026-11-30T16:00:00Z",
}
NAME: dict[str, Any] = {"family": "García López", "given": "Guadalupe", "preferred": "Lupe"}
_PERSON: dict[str, Any] = {
    "name": NAME,
    "birth_date": "1984-02-29",
    "gender": "female",
    "phones": [{"number": "+13035550142", "use": "mobile"}],
    "emails": ["lupe@example.org"],
    "addresses": [
        {
            "lines": ["100 Main Street", "Apartment 4"],
            "city": "Denver",
            "state": "CO",
            "postal_code": "80202",
            "country": "US",
            "use": "home",
        }
    ],
}


def _told(limit: int) -> object:
    """Says the limit in the document; the rule of the domain judges it, with a code of its own."""
    return Field(json_schema_extra={"maxLength": limit})


NamePart = Annotated[str, _told(100)]
PhoneText = Annotated[str, _told(40)]
EmailText = Annotated[str, _told(254)]
AddressLine = Annotated[str, _told(100)]


class NameMembers(BaseModel):
    """A name as people are called; family or given is enough."""

    model_config = ConfigDict(**STRICT)

    family: NamePart | None = None
    given: NamePart | None = None
    middle: NamePart | None = None
    suffix: NamePart | None = None
    preferred: NamePart | None = None


class PhoneMembers(BaseModel):
    """A telephone number: North American, or with a plus and its country code."""

    model_config = ConfigDict(**STRICT)

    number: PhoneText
    use: Annotated[PhoneUse, Field(strict=False)] = PhoneUse.MOBILE


class PostalMembers(BaseModel):
    """A postal address. In the United States it needs state and ZIP code."""

    model_config = ConfigDict(**STRICT)

    lines: Annotated[list[AddressLine], Field(json_schema_extra={"minItems": 1, "maxItems": 4})]
    city: AddressLine
    state: AddressLine | None = None
    postal_code: Annotated[str, _told(12)] | None = None
    country: Annotated[str, Field(max_length=2)] = "US"


class AddressMembers(PostalMembers):
    """A postal address of a patient and what it is for."""

    use: Annotated[AddressUse, Field(strict=False)] = AddressUse.HOME


class PersonMembers(BaseModel):
    """What somebody says of a person."""

    model_config = ConfigDict(**STRICT)

    name: NameMembers
    birth_date: date
    gender: Annotated[Gender, Field(strict=False)] = Gender.UNKNOWN
    phones: Annotated[list[PhoneMembers], Field(max_length=10)] = []
    emails: Annotated[list[EmailText], Field(max_length=5)] = []
    addresses: Annotated[list[AddressMembers], Field(max_length=5)] = []


class RegisterPatient(PersonMembers):
    """A person to register. `override_reason`: why it is nobody of those who are alike."""

    model_config = ConfigDict(**STRICT, json_schema_extra={"examples": [_PERSON]})

    death_date: date | None = None
    override_reason: Line | None = None


class AmendPatient(BaseModel):
    """A merge patch: what is left out stays, null takes a member away, a list is given whole."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [
                {
                    "name": {"preferred": None},
                    "phones": [{"number": "303-555-0177", "use": "home"}],
                }
            ]
        },
    )

    name: NameMembers | None = None
    birth_date: date | None = None
    death_date: date | None = None
    gender: Annotated[Gender, Field(strict=False)] | None = None
    phones: Annotated[list[PhoneMembers], Field(max_length=10)] | None = None
    emails: Annotated[list[EmailText], Field(max_length=5)] | None = None
    addresses: Annotated[list[AddressMembers], Field(max_length=5)] | None = None

    def patch(self) -> dict[str, Any]:
        """The members that were sent. Of the name, too, only those; the items of lists whole."""
        sent = self.model_dump(include=self.model_fields_set)
        if self.name is not None:
            sent["name"] = self.name.model_dump(exclude_unset=True)
        return sent


class NameView(BaseModel):
    """A name, and how it is written on one line."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {**NAME, "middle": None, "suffix": None, "display": "Guadalupe García López"}
            ]
        }
    )

    family: str | None
    given: str | None
    middle: str | None
    suffix: str | None
    preferred: str | None
    display: str

    @classmethod
    def of(cls, name: PersonName) -> Self:
        """The view of a name."""
        parts = (name.given, name.middle, name.family, name.suffix)
        return cls(
            family=name.family,
            given=name.given,
            middle=name.middle,
            suffix=name.suffix,
            preferred=name.preferred,
            display=" ".join(part for part in parts if part),
        )


class PhoneView(BaseModel):
    """A telephone number in E.164."""

    number: str
    use: str

    @classmethod
    def of(cls, phone: Phone) -> Self:
        """The view of a number."""
        return cls(number=phone.number, use=phone.use.value)


class PostalView(BaseModel):
    """A postal address."""

    lines: list[str]
    city: str
    state: str | None
    postal_code: str | None
    country: str


class AddressView(PostalView):
    """A postal address of a patient."""

    use: str

    @classmethod
    def of(cls, place: Place) -> Self:
        """The view of an address."""
        address = place.address
        return cls(
            lines=list(address.lines),
            city=address.city,
            state=address.state,
            postal_code=address.postal_code,
            country=address.country,
            use=place.use.value,
        )


class PatientVisitView(BaseModel):
    """A visit, as appointments last said. Its own service tells the rest."""

    model_config = ConfigDict(json_schema_extra={"examples": [_VISIT]})

    appointment_id: UUID
    clinic_id: UUID
    starts_at: datetime

    @classmethod
    def of(cls, row: t.KnownVisit | None) -> Self | None:
        """The view of a row."""
        if row is None:
            return None
        return cls(
            appointment_id=row.appointment_id, clinic_id=row.clinic_id, starts_at=row.starts_at
        )


class PatientView(BaseModel):
    """A person's record."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": PATIENT_ID,
                    "mrn": "000000424",
                    **_PERSON,
                    "name": {
                        **NAME,
                        "middle": None,
                        "suffix": None,
                        "display": "Guadalupe García López",
                    },
                    "death_date": None,
                    "last_visit": None,
                    "next_visit": _VISIT,
                    "registered_at": "2026-11-23T15:00:00Z",
                    "version": 1,
                }
            ]
        }
    )

    id: UUID
    mrn: str
    name: NameView
    birth_date: date
    death_date: date | None
    gender: str
    phones: list[PhoneView]
    emails: list[str]
    addresses: list[AddressView]
    last_visit: PatientVisitView | None
    next_visit: PatientVisitView | None
    registered_at: datetime
    version: int

    @classmethod
    def of(cls, row: t.Patient, who: Demographics, visits: Visits) -> Self:
        """The view of a row, what it says, and when the person was and will be here."""
        return cls(
            id=row.id,
            mrn=row.mrn,
            name=NameView.of(who.name),
            birth_date=who.birth_date,
            death_date=who.death_date,
            gender=who.gender.value,
            phones=[PhoneView.of(phone) for phone in who.phones],
            emails=list(who.emails),
            addresses=[AddressView.of(place) for place in who.addresses],
            last_visit=PatientVisitView.of(visits.last),
            next_visit=PatientVisitView.of(visits.next),
            registered_at=row.registered_at,
            version=row.version,
        )
