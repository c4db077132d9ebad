"""How a broker is reached: in the clear on one machine, else by TLS, and as whom.

Files are read anew for each client, so that a certificate or password that was changed on disk is
taken with the next connection.
"""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from shared.bus.port import BusUnavailable

PREFIX = "CLINICBUS_KAFKA_"


class KafkaAccess(BaseModel):
    """`CLINICBUS_KAFKA_...`.

    ca_file: who may have signed the broker's certificate; the system's authorities where there is
    none. The broker's name is always compared with its certificate.
    cert_file, key_file: our own certificate, where the broker asks for one.
    sasl_password, or sasl_password_file: of `sasl_user`, with SASL_SSL.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_SSL"] = "PLAINTEXT"
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    sasl_mechanism: Literal["SCRAM-SHA-512", "PLAIN"] = "SCRAM-SHA-512"
    sasl_user: str | None = None
    sasl_password: SecretStr | None = None
    sasl_password_file: Path | None = None

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> Self:
        """What the variables say. Raises pydantic's ValidationError."""
        names = {name: f"{PREFIX}{name.upper()}" for name in cls.model_fields}
        given = {name: variables[key] for name, key in names.items() if variables.get(key)}
        return cls.model_validate(given)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise PydanticCustomError("kafka_cert_and_key", "one of the two alone is of no use")
        passwords = (self.sasl_password, self.sasl_password_file).count(None)
        if self.security_protocol == "SASL_SSL" and (not self.sasl_user or passwords != 1):
            raise PydanticCustomError("kafka_user_and_one_password", "SASL_SSL needs both")
        return self

    @property
    def encrypted(self) -> bool:
        """Whether nobody on the way can read along."""
        return self.security_protocol != "PLAINTEXT"

    def client(self) -> dict[str, Any]:
        """What every client of aiokafka is told. Raises BusUnavailable where a file is missing."""
        if not self.encrypted:
            return {}
        told: dict[str, Any] = {"security_protocol": self.security_protocol}
        try:
            told["ssl_context"] = self._context()
            if self.security_protocol == "SASL_SSL":
                told["sasl_mechanism"] = self.sasl_mechanism
                told["sasl_plain_username"] = self.sasl_user
                told["sasl_plain_password"] = self._password()
        except (OSError, UnicodeError) as error:
            raise BusUnavailable(f"certificate or password: {type(error).__name__}") from error
        return told

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.ca_file)
        if self.cert_file is not None:
            context.load_cert_chain(self.cert_file, self.key_file)
        return context

    def _password(self) -> str:
        if self.sasl_password_file is not None:
            return self.sasl_password_file.read_text().rstrip("\r\n")
        return self.sasl_password.get_secret_value() if self.sasl_password else ""
