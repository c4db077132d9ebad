"""Models of templates, exceptions, and clinic hours."""

from datetime import date
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.appointments import tables as t
from services.appointments.domain.clinic_hours import HOLIDAYS_MAX
from services.appointments.domain.schedule import Rhythm
from shared.web.fields import STRICT, Line, WallTime

_CLINIC = "0190a1b2-0000-7000-8000-000000000010"

Weekday = Annotated[int, Field(ge=1, le=7)]


def _members(cls: type[BaseModel], row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in cls.model_fields}


class AddSchedule(BaseModel):
    """Hours of a provider at a clinic, in wall time. 00:00 as `closes` is midnight.

    `biweekly` counts from the day `anchor`; `monthly` takes the `nth` such weekday, -1 the last.
    """

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [
                {"clinic_id": _CLINIC, "weekday": 1, "opens": "08:00:00", "closes": "17:00:00"}
            ]
        },
    )

    clinic_id: UUID
    weekday: Weekday
    opens: WallTime
    closes: WallTime
    effective_from: date | None = None
    effective_until: date | None = None
    rhythm: Annotated[Rhythm, Field(strict=False)] = Rhythm.WEEKLY
    anchor: date | None = None
    nth: Literal[1, 2, 3, 4, 5, -1] | None = None


class ScheduleView(BaseModel):
    """Hours on a weekday."""

    id: UUID
    provider_id: UUID
    clinic_id: UUID
    weekday: int
    opens: WallTime
    closes: WallTime
    effective_from: date | None
    effective_until: date | None
    rhythm: str
    anchor: date | None
    nth: int | None

    @classmethod
    def of(cls, row: t.WeeklySchedule) -> Self:
        """The view of a row."""
        return cls(**_members(cls, row))


class ScheduleList(BaseModel):
    """Hours of a provider, those that have ended among them."""

    items: list[ScheduleView]


class EndOn(BaseModel):
    """The last day of something."""

    model_config = ConfigDict(
        **STRICT, json_schema_extra={"examples": [{"last_day": "2026-12-31"}]}
    )

    last_day: date


class ChangeSchedule(BaseModel):
    """What a template is from a day on; what is left out stays as it is."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={"examples": [{"first_day": "2026-12-01", "closes": "16:00:00"}]},
    )

    first_day: date
    weekday: Weekday | None = None
    opens: WallTime | None = None
    closes: WallTime | None = None
    rhythm: Annotated[Rhythm | None, Field(strict=False)] = None
    anchor: date | None = None
    nth: Literal[1, 2, 3, 4, 5, -1] | None = None

    def changed(self) -> dict[str, Any]:
        """The members that were given; another rhythm brings its own anchor and number."""
        found = {n: getattr(self, n) for n in self.model_fields_set if n != "first_day"}
        found = {n: value for n, value in found.items() if value is not None}
        if "rhythm" in found:
            found = {"anchor": None, "nth": None, **found}
        return found


class AddException(BaseModel):
    """Days on which a provider is away, or in at other hours, maybe at another clinic."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [
                {
                    "first_day": "2026-12-24",
                    "last_day": "2026-12-24",
                    "clinic_id": _CLINIC,
                    "opens": "08:00:00",
                    "closes": "12:00:00",
                }
            ]
        },
    )

    first_day: date
    last_day: date
    clinic_id: UUID | None = None
    opens: WallTime | None = None
    closes: WallTime | None = None


class ExceptionView(BaseModel):
    """Days on which a provider's hours differ; closed without a clinic."""

    id: UUID
    provider_id: UUID
    first_day: date
    last_day: date
    clinic_id: UUID | None
    opens: WallTime | None
    closes: WallTime | None
    withdrawn: bool

    @classmethod
    def of(cls, row: t.ScheduleException) -> Self:
        """The view of a row."""
        names = [name for name in cls.model_fields if name != "withdrawn"]
        members = {name: getattr(row, name) for name in names}
        return cls(**members, withdrawn=row.withdrawn_at is not None)


class ExceptionList(BaseModel):
    """Exceptions by day."""

    items: list[ExceptionView]


class OpenHoursItem(BaseModel):
    """Open on a weekday; a day may have several."""

    model_config = ConfigDict(**STRICT)

    weekday: Weekday
    opens: WallTime
    closes: WallTime


class HolidayItem(BaseModel):
    """A day with a name, closed or with short hours."""

    model_config = ConfigDict(**STRICT)

    day: date
    name: Line
    opens: WallTime | None = None
    closes: WallTime | None = None


class SetClinicHours(BaseModel):
    """A clinic's hours and holidays, all of them. Without hours it is open when somebody is in."""

    model_config = ConfigDict(
        **STRICT,
        json_schema_extra={
            "examples": [
                {
                    "hours": [
                        {"weekday": day, "opens": "07:00:00", "closes": "19:00:00"}
                        for day in range(1, 7)
                    ],
                    "holidays": [{"day": "2026-12-25", "name": "Christmas Day"}],
                }
            ]
        },
    )

    hours: Annotated[list[OpenHoursItem], Field(max_length=50)]
    holidays: Annotated[list[HolidayItem], Field(max_length=HOLIDAYS_MAX)]


class ClinicHoursView(BaseModel):
    """A clinic's hours and holidays, in its wall time."""

    clinic_id: UUID
    time_zone: str
    hours: list[OpenHoursItem]
    holidays: list[HolidayItem]
    version: int

    @classmethod
    def of(cls, row: t.Clinic) -> Self:
        """The view of a row."""
        members = {
            "clinic_id": row.id,
            "time_zone": row.time_zone,
            "hours": row.hours,
            "holidays": row.holidays,
            "version": row.version,
        }
        return cls.model_validate(members, strict=False)
