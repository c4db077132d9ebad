"""Settings of patients: the chassis's, and where its data is."""

from dataclasses import dataclass

from shared.web.settings import Chassis, Urls


@dataclass(frozen=True, slots=True)
class Settings:
    """Read from `CLINICBUS_...` and `CLINICBUS_PATIENTS_...`."""

    chassis: Chassis
    urls: Urls


def settings() -> Settings:
    """The settings of this process. Raises pydantic's ValidationError naming what is missing."""
    return Settings(Chassis(), Urls(_env_prefix="CLINICBUS_PATIENTS_"))
