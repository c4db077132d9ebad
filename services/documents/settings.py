"""Settings of documents: the chassis's, and where its data and its files are."""

from dataclasses import dataclass
from pathlib import Path

from shared.web.settings import Chassis, Urls


@dataclass(frozen=True, slots=True)
class Settings:
    """Read from `CLINICBUS_...` and `CLINICBUS_DOCUMENTS_...`."""

    chassis: Chassis
    urls: Urls

    @property
    def objects(self) -> Path:
        """The folder of the object store."""
        return self.chassis.data / "objects"


def settings() -> Settings:
    """The settings of this process. Raises pydantic's ValidationError naming what is missing."""
    return Settings(Chassis(), Urls(_env_prefix="CLINICBUS_DOCUMENTS_"))
