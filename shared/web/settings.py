"""Settings of a service process, from the environment. Composed into each service's own."""

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.web.limits import DEFAULTS, SETTING, Rate, rates_of


class Urls(BaseSettings):
    """Where a service's data and bus are: `CLINICBUS_<SERVICE>_APP_URL` and so on."""

    model_config = SettingsConfigDict(extra="ignore")

    app_url: str
    worker_url: str | None = None
    bus_url: str | None = None


class Chassis(BaseSettings):
    """What every service process is told: `CLINICBUS_...`."""

    model_config = SettingsConfigDict(env_prefix="CLINICBUS_", extra="ignore")

    profile: Literal["local", "production"] = "local"
    issuer: str = "http://127.0.0.1:8110"
    revocations: str | None = None
    """Where the list of revocations is; None: at the issuer, `/revocations`."""
    step_up_acr: str = "aal2"
    """The levels of proof, parted by blanks, that money given back and the like ask for."""
    bus: Literal["postgres", "kafka"] = "postgres"
    kafka: str | None = None
    outbox_days: int | None = Field(default=None, ge=1)
    """How long what a service said is kept in its database; None for ever."""
    clock_file: Path | None = None
    failpoints: str = ""
    service_secret: str = "local-development-only"  # noqa: S105 - refused in production
    urls: Annotated[dict[str, str], NoDecode] = Field(default_factory=dict)
    rates: Annotated[dict[str, Rate], NoDecode] = Field(default_factory=lambda: dict(DEFAULTS))
    """How often one caller may ask; empty for as often as they like. See `shared.web.limits`."""
    trusted_proxies: str = ""
    """Addresses whose X-Forwarded headers are believed, with commas; nobody's by default."""
    data: Path = Path(".clinicbus/data")
    log_level: Literal["DEBUG", "INFO", "WARNING"] = "INFO"

    @field_validator("urls", mode="before")
    @classmethod
    def _read_urls(cls, value: object) -> object:
        return json.loads(value) if isinstance(value, str) else value

    @field_validator("rates", mode="before")
    @classmethod
    def _read_rates(cls, value: object) -> object:
        return rates_of(value) if isinstance(value, str) else value


def unsafe_settings(chassis: Chassis) -> list[str]:
    """What a production profile refuses, each named; empty in the local profile."""
    if chassis.profile != "production":
        return []
    found = []
    if chassis.clock_file is not None:
        found.append("CLINICBUS_CLOCK_FILE: a settable clock")
    if chassis.failpoints:
        found.append("CLINICBUS_FAILPOINTS: failpoints")
    if chassis.service_secret == Chassis.model_fields["service_secret"].default:
        found.append("CLINICBUS_SERVICE_SECRET: the default secret")
    if chassis.issuer.startswith("http://"):
        found.append("CLINICBUS_ISSUER: an issuer without TLS, such as the embedded one")
    if not chassis.rates:
        found.append(f"{SETTING}: no limit on how often somebody asks")
    if chassis.log_level == "DEBUG":
        found.append("CLINICBUS_LOG_LEVEL: debug")
    return found
