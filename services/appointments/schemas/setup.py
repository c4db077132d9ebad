"""Models of clinics, rooms, providers, types."""

from datetime import date
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.appointments import tables as t
from shared.web.fields import STRICT, CodeText, CurrencyCode, Line

_CLINIC = "0190a1b2-0000-7000-8000-000000000010"
_PROVIDER = "0190a1b2-0000-7000-8000-000000000011"


class OpenClinic(BaseModel):
    """A clinic to enter."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [
                {"name": "Northside Clinic", "time_zone": "America/Denver", "currency": "USD"}
            ]
        },
    )

    name: Line
    time_zone: Annotated[str, Field(max_length=64)]
    currency: CurrencyCode = "USD"
    phone: Annotated[str, Field(pattern=r"^\+?[0-9 ()\-.]{7,24}$")] | None = None
    address: dict[str, Line] | None = None


class ClinicView(BaseModel):
    """A clinic."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": _CLINIC,
                    "name": "Northside Clinic",
                    "time_zone": "America/Denver",
                    "currency": "USD",
                    "phone": None,
                    "address": None,
                    "version": 1,
                }
            ]
        }
    )

    id: UUID
    name: str
    time_zone: str
    currency: str
    phone: str | None
    address: dict[str, str] | None
    version: int

    @classmethod
    def of(cls, row: t.Clinic) -> Self:
        """The view of a row."""
        return cls(
            id=row.id,
            name=row.name,
            time_zone=row.time_zone,
            currency=row.currency,
            phone=row.phone,
            address=row.address,
            version=row.version,
        )


class ClinicList(BaseModel):
    """The clinics of the network that the caller may know of."""

    items: list[ClinicView]


class AddRoom(BaseModel):
    """A room to enter."""

    model_config = ConfigDict(
        **STRICT, json_schema_extra={"examples": [{"clinic_id": _CLINIC, "name": "Room 1"}]}
    )

    clinic_id: UUID
    name: Line
    capacity: Annotated[int, Field(ge=1, le=100)] = 1
    position: Annotated[int, Field(ge=0, le=1000)] = 0
    kind: CodeText | None = None


class RoomView(BaseModel):
    """A room."""

    id: UUID
    clinic_id: UUID
    name: str
    capacity: int
    position: int
    kind: str | None


class AddProvider(BaseModel):
    """A provider to enter. An NPI whose check digit fails is refused; without one it may be."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [{"family_name": "Okafor", "given_name": "Ada", "clinic_ids": [_CLINIC]}]
        },
    )

    family_name: Line
    given_name: Line | None = None
    npi: Annotated[str, Field(max_length=16)] | None = None
    clinic_ids: Annotated[list[UUID], Field(max_length=100)] = []
    active_from: date | None = None
    active_until: date | None = None
    capacity: Annotated[int, Field(ge=1, le=100)] = 1
    overbook_quota: Annotated[int, Field(ge=0, le=100)] = 1


class ProviderView(BaseModel):
    """A provider."""

    id: UUID
    family_name: str
    given_name: str | None
    npi: str | None
    clinic_ids: list[UUID]
    active_from: date | None
    active_until: date | None
    capacity: int
    overbook_quota: int

    @classmethod
    def of(cls, row: t.Provider, clinic_ids: list[UUID]) -> Self:
        """The view of a row and where its provider works."""
        return cls(
            id=row.id,
            family_name=row.family_name,
            given_name=row.given_name,
            npi=row.npi,
            clinic_ids=clinic_ids,
            active_from=row.active_from,
            active_until=row.active_until,
            capacity=row.capacity,
            overbook_quota=row.overbook_quota,
        )


class ProviderList(BaseModel):
    """Providers."""

    items: list[ProviderView]


Units = Annotated[int, Field(ge=1, le=20)]


class PublishType(BaseModel):
    """A kind of visit to enter.

    room_kind: the kind of room that it needs, where it needs one. equipment: how many units of
    which kinds. providers: how many take part. The service codes are what it is priced as.
    """

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [
                {
                    "name": "Office visit",
                    "minutes_new": 40,
                    "minutes_known": 20,
                    "buffer_after_minutes": 5,
                    "needs_room": True,
                    "service_code_new": "V-NEW",
                    "service_code_known": "V-EST",
                }
            ]
        },
    )

    name: Line
    minutes_new: Annotated[int, Field(ge=1, le=720)]
    minutes_known: Annotated[int, Field(ge=1, le=720)]
    buffer_before_minutes: Annotated[int, Field(ge=0, le=120)] = 0
    buffer_after_minutes: Annotated[int, Field(ge=0, le=120)] = 0
    needs_room: bool = False
    room_kind: CodeText | None = None
    equipment: Annotated[dict[CodeText, Units], Field(max_length=10)] | None = None
    providers: Annotated[int, Field(ge=1, le=4)] = 1
    lead_time_minutes: Annotated[int, Field(ge=0, le=100_000)] = 0
    horizon_days: Annotated[int, Field(ge=1, le=600)] = 366
    modalities: Annotated[
        list[Literal["in_person", "video", "phone"]], Field(min_length=1, max_length=3)
    ] = ["in_person"]
    service_code_new: CodeText
    service_code_known: CodeText


class TypeView(BaseModel):
    """A kind of visit."""

    id: UUID
    name: str
    minutes_new: int
    minutes_known: int
    buffer_before_minutes: int
    buffer_after_minutes: int
    needs_room: bool
    room_kind: str | None
    equipment: dict[str, int] | None
    providers: int
    lead_time_minutes: int
    horizon_days: int
    modalities: list[str]
    service_code_new: str
    service_code_known: str

    @classmethod
    def of(cls, row: t.AppointmentType) -> Self:
        """The view of a row."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class TypeList(BaseModel):
    """Kinds of visit."""

    items: list[TypeView]
