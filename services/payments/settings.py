"""Settings of payments: the chassis's, where its data is, and who charges cards."""

from dataclasses import dataclass
from typing import Literal

from pydantic_settings import BaseSettings, SettingsConfigDict

from services.payments.clients import CardProcessor, FolderBook, SimulatedProcessor
from shared.web.settings import Chassis, Urls


class Cards(BaseSettings):
    """`CLINICBUS_PAYMENTS_PROCESSOR`: `simulated`, or `none`, where every card is declined."""

    model_config = SettingsConfigDict(env_prefix="CLINICBUS_PAYMENTS_", extra="ignore")

    processor: Literal["simulated", "none"] | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """Read from `CLINICBUS_...` and `CLINICBUS_PAYMENTS_...`."""

    chassis: Chassis
    urls: Urls
    cards: Cards

    @property
    def refused(self) -> tuple[str, ...]:
        """What a production profile refuses of this service's own settings."""
        if self.chassis.profile == "production" and self.cards.processor == "simulated":
            return ("CLINICBUS_PAYMENTS_PROCESSOR: the simulated card processor",)
        return ()

    def processor(self) -> CardProcessor | None:
        """Who charges cards; by default the simulated processor in the local profile alone."""
        local = self.chassis.profile == "local"
        if (self.cards.processor or ("simulated" if local else "none")) == "none":
            return None
        return SimulatedProcessor(FolderBook(self.chassis.data / "payments" / "card-processor"))


def settings() -> Settings:
    """The settings of this process. Raises pydantic's ValidationError naming what is missing."""
    return Settings(Chassis(), Urls(_env_prefix="CLINICBUS_PAYMENTS_"), Cards())
