"""Settings of a service process, from the environment. Composed into each service's own."""

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.bus.kafka_access import KafkaAccess
from shared.db.anchors import Anchors
from shared.web.limits import DEFAULTS, Rate, rates_of


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
    kafka_access: Annotated[KafkaAccess, NoDecode] = Field(
        default_factory=lambda: KafkaAccess.of(os.environ)
    )
    outbox_days: int | None = Field(default=None, ge=1)
    """How long what a service said is kept in its database; None for ever."""
    clock_file: Path | None = None
    failpoints: str = ""
    service_secret: str = "local-development-only"  # noqa: S105 - refused in production
    urls: Annotated[dict[str, str], NoDecode] = Field(default_factory=dict)
    pod_network: Literal["plain", "encrypted"] = "plain"
    """Whether what lies between services encrypts by itself (a mesh, WireGuard): then `urls` may
    lead to plain HTTP in production."""
    rates: Annotated[dict[str, Rate], NoDecode] = Field(default_factory=lambda: dict(DEFAULTS))
    """How often one caller may ask; empty for as often as they like. See `shared.web.limits`."""
    trusted_proxies: str = ""
    """Addresses whose X-Forwarded headers are believed, with commas; nobody's by default."""
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Origins whose pages may read answers, with blanks; in the local profile this machine's own
    alone, and no others."""
    docs: Literal["on", "off"] | None = None
    """Whether `/docs` and `/openapi.json` are there; by default in the local profile alone."""
    audit_key: Path | None = None
    """The private key (a JWK) that signs the anchors of the audit; None: nothing is anchored."""
    audit_anchor_folder: Path = Path(".clinicbus/anchors")
    """Where anchors go: a place that the database's administrators cannot write to."""
    audit_anchor_seconds: float = Field(default=60, ge=1)
    data: Path = Path(".clinicbus/data")
    log_level: Literal["DEBUG", "INFO", "WARNING"] = "INFO"

    @property
    def has_docs(self) -> bool:
        """Whether this process describes itself to whoever asks."""
        return (self.docs or ("on" if self.profile == "local" else "off")) == "on"

    def audit_anchors(self) -> Anchors | None:
        """Where and how the audit is anchored. Raises OSError, ValueError for an unreadable key."""
        if self.audit_key is None:
            return None
        every = timedelta(seconds=self.audit_anchor_seconds)
        return Anchors.of(self.audit_anchor_folder, self.audit_key, every)

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _read_origins(cls, value: object) -> object:
        return tuple(value.split()) if isinstance(value, str) else value

    @field_validator("audit_key", mode="before")
    @classmethod
    def _read_key(cls, value: object) -> object:
        return value or None

    @field_validator("urls", mode="before")
    @classmethod
    def _read_urls(cls, value: object) -> object:
        return json.loads(value) if isinstance(value, str) else value

    @field_validator("rates", mode="before")
    @classmethod
    def _read_rates(cls, value: object) -> object:
        return rates_of(value) if isinstance(value, str) else value
