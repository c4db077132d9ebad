"""Models of visitors who are no patients."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.appointments import tables as t
from shared.web.fields import STRICT, Line, QueryDay
from shared.web.pages import PageQuery


class LetIn(BaseModel):
    """A visitor who is no patient."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [
                {
                    "name": "Ines Duarte",
                    "company": "Brightlift Elevators",
                    "purpose": "Yearly inspection",
                    "visits": "Facilities",
                    "badge": "V-12",
                }
            ]
        },
    )

    name: Line
    company: Line | None = None
    purpose: Line
    visits: Line
    badge: Annotated[Line, Field(max_length=40)]


class VisitorView(BaseModel):
    """A visitor, and when they came and went."""

    id: UUID
    clinic_id: UUID
    name: str
    company: str | None
    purpose: str
    visits: str
    badge: str
    came_at: datetime
    let_in_by: str
    left_at: datetime | None
    let_out_by: str | None

    @classmethod
    def of(cls, row: t.Visitor) -> Self:
        """The view of a row."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class VisitorPage(BaseModel):
    """Visitors, by when they came."""

    items: list[VisitorView]
    next: str | None


class ListVisitors(PageQuery):
    """The visitors of a local day; without one, all there were."""

    day: QueryDay | None = None
