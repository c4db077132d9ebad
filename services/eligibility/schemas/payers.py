"""Models of payers."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.eligibility import tables as t
from shared.web.fields import STRICT, Line

PAYER = "0190a1b2-0000-7000-8000-000000000021"
PayerCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.\-]{0,79}$")]
"""NM109 of a payer."""
Address = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9][A-Z0-9.\-]{1,14}$")]
"""An interchange address: 2 to 15 characters."""
ServiceType = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{1,3}$")]
"""X12 code list 1365."""
_PAYER: dict[str, Any] = {
    "name": "Evergreen Health Plan",
    "payer_id": "EVG01",
    "sender_id": "CLINICBUS",
    "receiver_id": "EVG01",
    "provider_name": "Northside Clinics",
    "provider_npi": "1000000004",
    "service_types": ["30"],
}


class AddPayer(BaseModel):
    """A payer to enter: whom a 270 is addressed to, and who asks.

    sender_id, receiver_id: ISA06 and ISA08. provider_name, provider_npi: the information receiver
    (loop 2100B). service_types: what is asked for; payers advise one, 30 for the plan as a whole.
    """

    model_config = ConfigDict(**STRICT, json_schema_extra={"examples": [_PAYER]})

    name: Line
    payer_id_qualifier: Literal["PI"] = "PI"
    payer_id: PayerCode
    sender_id: Address
    receiver_id: Address
    provider_name: Line
    provider_npi: Annotated[str, Field(max_length=16)]
    service_types: Annotated[list[ServiceType], Field(min_length=1, max_length=10)] = ["30"]


class PayerView(BaseModel):
    """A payer."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"id": PAYER, "payer_id_qualifier": "PI", "version": 1, **_PAYER}]
        }
    )

    id: UUID
    name: str
    payer_id_qualifier: str
    payer_id: str
    sender_id: str
    receiver_id: str
    provider_name: str
    provider_npi: str
    service_types: list[str]
    version: int

    @classmethod
    def of(cls, row: t.Payer) -> Self:
        """The view of a row."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class PayerList(BaseModel):
    """The payers of the network."""

    items: list[PayerView]
