"""Models of other people to turn to."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.patients import tables as t
from services.patients.commands.contact import ContactKind
from services.patients.domain.contact import Relationship
from services.patients.schemas.people import (
    PATIENT_ID,
    EmailText,
    NamePart,
    PhoneText,
    PostalMembers,
    PostalView,
)
from shared.web.fields import STRICT

_CONTACT: dict[str, Any] = {
    "id": "0190a1b2-0000-7000-8000-000000000003",
    "patient_id": PATIENT_ID,
    "kind": "emergency",
    "relationship": "spouse",
    "contact_patient_id": None,
    "name": {"family": "López", "given": "Rafael"},
    "phone": "+13035550177",
    "email": None,
    "address": None,
    "added_at": "2026-11-23T15:00:00Z",
    "ended_at": None,
}


class ContactName(BaseModel):
    """A name; family or given is enough."""

    model_config = ConfigDict(**STRICT)

    family: NamePart | None = None
    given: NamePart | None = None


class AddContact(BaseModel):
    """Somebody to turn to: named, or another patient of the network, or both."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [
                {
                    "kind": "emergency",
                    "relationship": "spouse",
                    "name": {"family": "López", "given": "Rafael"},
                    "phone": "303-555-0177",
                }
            ]
        },
    )

    kind: Annotated[ContactKind, Field(strict=False)]
    relationship: Annotated[Relationship, Field(strict=False)]
    contact_patient_id: UUID | None = None
    name: ContactName | None = None
    phone: PhoneText | None = None
    email: EmailText | None = None
    address: PostalMembers | None = None


class ContactNameView(BaseModel):
    """A contact's name."""

    family: str | None
    given: str | None


class ContactView(BaseModel):
    """Somebody to turn to."""

    model_config = ConfigDict(json_schema_extra={"examples": [_CONTACT]})

    id: UUID
    patient_id: UUID
    kind: str
    relationship: str
    contact_patient_id: UUID | None
    name: ContactNameView | None
    phone: str | None
    email: str | None
    address: PostalView | None
    added_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, row: t.Contact) -> Self:
        """The view of a row."""
        named = row.family is not None or row.given is not None
        return cls(
            id=row.id,
            patient_id=row.patient_id,
            kind=row.kind,
            relationship=row.relationship,
            contact_patient_id=row.contact_patient_id,
            name=ContactNameView(family=row.family, given=row.given) if named else None,
            phone=row.phone,
            email=row.email,
            address=_address(row),
            added_at=row.added_at,
            ended_at=row.ended_at,
        )


class ContactList(BaseModel):
    """Whom to turn to now, in the order in which they were added."""

    items: list[ContactView]


def _address(row: t.Contact) -> PostalView | None:
    if row.lines is None or row.city is None or row.country is None:
        return None
    return PostalView(
        lines=row.lines,
        city=row.city,
        state=row.state,
        postal_code=row.postal_code,
        country=row.country,
    )
