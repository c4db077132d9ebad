"""Models of credentials and of what a clinic asks for."""

from datetime import date
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.appointments import tables as t
from shared.web.fields import STRICT, CodeText


class AddCredential(BaseModel):
    """What a provider may practise by, in a region (ISO 3166-2, such as US-CO)."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [
                {
                    "kind": "license",
                    "region": "US-CO",
                    "number": "DR.0012345",
                    "effective_from": "2026-01-01",
                }
            ]
        },
    )

    kind: CodeText
    region: Annotated[str, Field(pattern=r"^[A-Z]{2}-[A-Z0-9]{1,3}$")]
    number: CodeText
    effective_from: date
    effective_until: date | None = None


class CredentialView(BaseModel):
    """A credential of a provider."""

    id: UUID
    provider_id: UUID
    kind: str
    region: str
    number: str
    effective_from: date
    effective_until: date | None

    @classmethod
    def of(cls, row: t.ProviderCredential) -> Self:
        """The view of a row."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class CredentialList(BaseModel):
    """Credentials, those that have ended among them."""

    items: list[CredentialView]


class SetCredentialPolicy(BaseModel):
    """What a clinic asks of who works there: a kind of credential of a region, or nothing."""

    model_config = ConfigDict(
        **STRICT, json_schema_extra={"examples": [{"kind": "license", "region": "US-UT"}]}
    )

    kind: CodeText | None = None
    region: Annotated[str, Field(pattern=r"^[A-Z]{2}-[A-Z0-9]{1,3}$")] | None = None


class CredentialPolicyView(BaseModel):
    """What a clinic asks of who works there."""

    clinic_id: UUID
    kind: str | None
    region: str | None
    version: int

    @classmethod
    def of(cls, row: t.Clinic) -> Self:
        """The view of a row."""
        return cls(
            clinic_id=row.id,
            kind=row.credential_kind,
            region=row.credential_region,
            version=row.version,
        )
