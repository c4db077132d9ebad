"""A made-up event with all that a schema of ours can say, so that each rule is tried."""

from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.contracts.envelope import Code, Event


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Place(BaseModel):
    zone: Code
    floor: int = 0


class Sealed(BaseModel):
    model_config = ConfigDict(extra="forbid")

    level: int


class ByCash(BaseModel):
    tag: Literal["cash"]
    cents: int


class ByCard(BaseModel):
    tag: Literal["card"]
    network: Code


class EverythingHappened(Event):
    """All of it."""

    producer: ClassVar[str] = "alpha"
    aggregate: ClassVar[str] = "thing"
    subject_field: ClassVar[str] = "thing_id"
    name: ClassVar[str] = "everything.happened"

    thing_id: UUID
    at: AwareDatetime
    on: date
    colour: Colour
    fixed: Literal["one"] = "one"
    level: Literal[1, 2, 3]
    flag: bool
    place: Place
    other_place: Place | None = None
    places: list[Place] = Field(min_length=1, max_length=4)
    sealed: Sealed
    counts: dict[str, int]
    pair: tuple[int, Code]
    paid: Annotated[ByCash | ByCard, Field(discriminator="tag")]
    some: set[Code] = Field(max_length=5)
    percent: int = Field(ge=3, le=100)
    above: int = Field(gt=2, lt=50)
    ratio: float = Field(ge=0, le=1)
    beyond: float = Field(gt=2.0)
    dozen: int = Field(multiple_of=3)
    short: str = Field(min_length=2, max_length=8)
    open_list: Code = Field(json_schema_extra={"x-extensible-enum": ["A1", "B2"]})
    either: int | Code | None
    needed_or_null: Code | None
