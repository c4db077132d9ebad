"""Settings of eligibility: the chassis's, where its data is, and where payers are asked."""

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.web.safety import is_local, is_plain
from shared.web.settings import Chassis, Urls


class Gateway(BaseSettings):
    """Where 270s go: `CLINICBUS_PAYER_...`. The deployment says it, never a user.

    timeout_seconds: for one exchange; well below the lease of an errand, which is a minute.
    attempts: how often a payer that does not answer is asked.
    """

    model_config = SettingsConfigDict(env_prefix="CLINICBUS_PAYER_", extra="ignore")

    url: str = "http://127.0.0.1:8111/x12"
    timeout_seconds: Annotated[float, Field(gt=0, le=45)] = 20.0
    attempts: Annotated[int, Field(ge=1, le=10)] = 3


@dataclass(frozen=True, slots=True)
class Settings:
    """Read from `CLINICBUS_...` and `CLINICBUS_ELIGIBILITY_...`."""

    chassis: Chassis
    urls: Urls
    gateway: Gateway = field(default_factory=Gateway)

    @property
    def refused(self) -> tuple[str, ...]:
        """What a production profile refuses of this service's own settings."""
        if self.chassis.profile != "production":
            return ()
        url = self.gateway.url
        found = []
        if is_local(url):
            found.append("CLINICBUS_PAYER_URL: the payer simulator, on this machine")
        if is_plain(url):
            found.append("CLINICBUS_PAYER_URL: a payer without TLS")
        return tuple(found)


def settings() -> Settings:
    """The settings of this process. Raises pydantic's ValidationError naming what is missing."""
    return Settings(Chassis(), Urls(_env_prefix="CLINICBUS_ELIGIBILITY_"))
