"""Settings of appointments: the chassis's, where its data is, and how messages go out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.appointments.clients import FolderMessenger, Mailer, Messenger, SmtpMessenger
from services.appointments.domain.reminders import Channel
from shared.web.settings import Chassis, Urls


class Messages(BaseSettings):
    """How messages go out: `CLINICBUS_MAIL_...`.

    by: `smtp`, `folder` (files, for the demo), or `none`; by default the folder in the local
    profile alone. host, port, sender, answers_to, user, password, tls: of the mail server.
    ca: certificates to believe besides the system's. seconds: how long each step may take.
    """

    model_config = SettingsConfigDict(env_prefix="CLINICBUS_MAIL_", extra="ignore")

    by: Literal["smtp", "folder", "none"] | None = None
    host: str = ""
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    sender: str = ""
    answers_to: str = ""
    user: str | None = None
    password: SecretStr | None = None
    tls: Literal["starttls", "tls", "none"] = "starttls"
    ca: Path | None = None
    seconds: Annotated[float, Field(gt=0, le=10)] = 10.0

    @model_validator(mode="after")
    def _complete(self) -> "Messages":
        if self.by == "smtp" and not (self.host and self.sender):
            raise ValueError("CLINICBUS_MAIL_HOST and CLINICBUS_MAIL_SENDER are needed for smtp")
        return self


@dataclass(frozen=True, slots=True)
class Settings:
    """Read from `CLINICBUS_...` and `CLINICBUS_APPOINTMENTS_...`."""

    chassis: Chassis
    urls: Urls
    messages: Messages = field(default_factory=Messages)

    @property
    def refused(self) -> tuple[str, ...]:
        """What a production profile refuses of this service's own settings."""
        if self.chassis.profile != "production":
            return ()
        found = []
        if self.messages.by == "folder":
            found.append("CLINICBUS_MAIL_BY: messages that become files")
        if self.messages.by == "smtp" and self.messages.tls == "none":
            found.append("CLINICBUS_MAIL_TLS: a mail server without TLS")
        return tuple(found)

    def messengers(self) -> Mapping[Channel, Messenger]:
        """What takes messages, by channel; a channel that is not there has nothing."""
        told = self.messages
        local = self.chassis.profile == "local"
        by = told.by or ("folder" if local else "none")
        if by == "none":
            return {}
        if by == "folder":
            folder = self.chassis.data / "appointments" / "messages"
            return {Channel.EMAIL: FolderMessenger(folder)}
        mailer = Mailer(
            host=told.host,
            port=told.port,
            sender=told.sender,
            answers_to=told.answers_to or told.sender,
            tls=told.tls,
            user=told.user,
            password=told.password.get_secret_value() if told.password else None,
            seconds=told.seconds,
            ca=told.ca,
        )
        return {Channel.EMAIL: SmtpMessenger(mailer)}


def settings() -> Settings:
    """The settings of this process. Raises pydantic's ValidationError naming what is missing."""
    return Settings(Chassis(), Urls(_env_prefix="CLINICBUS_APPOINTMENTS_"), Messages())
