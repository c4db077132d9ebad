"""Bearer tokens of the local issuer: JWTs signed with ES256, `typ` at+jwt (RFC 9068).

    minter = Minter.of(folder, "http://127.0.0.1:8110")
    minter.person("front_desk", network)         # what `clinicbus token front_desk` prints

The claims are those that `shared.web.tokens` reads: iss, aud, sub, jti, iat, exp, network, clinics
(absent: all of the network), roles, `scope` for an EHR, `patient` and `acts_for` for the portal,
`acr` and `auth_time` of who has just proven who they are.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from joserfc import jwt
from joserfc.jwk import ECKey, KeyParameters, KeySet

from ops import private_files
from ops.errors import CannotRun
from ops.revocations import Revocations
from shared.contracts.permissions import Role
from shared.values.clock import Clock
from shared.values.ids import derived_id, new_id
from shared.web.clocks import SystemClock

AUDIENCE = "clinicbus"
PERSON_LIFETIME = timedelta(hours=8)
SERVICE_LIFETIME = timedelta(minutes=10)
PROVEN = "aal2"
"""A proof by two factors (NIST SP 800-63B)."""
KEYS_FILE = "keys.json"
PERSON_ROLES = tuple(role.value for role in Role if role is not Role.SERVICE)


@dataclass(frozen=True, slots=True)
class Minter:
    """Signs tokens as one issuer. The first key signs; all keys are published."""

    issuer: str
    keys: KeySet
    clock: Clock
    revocations: Revocations

    @classmethod
    def of(cls, folder: Path, issuer: str, clock: Clock | None = None) -> "Minter":
        """The issuer whose private keys are kept in `folder`; made when there are none."""
        text = private_files.kept(folder / KEYS_FILE, _fresh_keys)
        clock = clock or SystemClock()
        taken = Revocations(folder, clock, PERSON_LIFETIME)
        return cls(issuer, KeySet.import_key_set(json.loads(text)), clock, taken)

    def person(
        self,
        role: str,
        network: UUID,
        *,
        clinics: Sequence[UUID] | None = None,
        person: UUID | None = None,
        patient: UUID | None = None,
        acts_for: Sequence[UUID] = (),
        proven: bool = False,
        acting_for: str | None = None,
        lifetime: timedelta = PERSON_LIFETIME,
    ) -> str:
        """A token for a person in one role.

        person: who it is; without it the same made-up person for each network and role.
        patient: whose portal it is. acts_for: other patients for whom its person says they act,
        such as a child; who is no patient has these alone. The register of proxies has to back it.
        One of the two is needed for the role `portal` and refused for any other.
        proven: whether they have just proven who they are with a second factor (`acr` aal2).
        acting_for: on whose behalf (`act`, RFC 8693, section 4.1), which every audit row names.
        Raises CannotRun when the role is unknown, the patient is missing, or it was taken back.
        """
        if role not in PERSON_ROLES:
            raise CannotRun(f"There is no role {role!r}: choose one of {', '.join(PERSON_ROLES)}.")
        if (role == Role.PORTAL) != (patient is not None or bool(acts_for)):
            raise CannotRun("A portal token, and no other, names a patient: give --patient ID.")
        claims: dict[str, Any] = {
            "sub": str(person or derived_id(network, f"person:{role}")),
            "network": str(network),
            "roles": [role],
        }
        if clinics is not None:
            claims["clinics"] = [str(clinic) for clinic in clinics]
        if patient is not None:
            claims["patient"] = str(patient)
        if role == Role.PORTAL:
            claims["acts_for"] = [str(other) for other in acts_for]
        if acting_for is not None:
            claims["act"] = {"sub": acting_for}
        if proven:
            claims |= {"acr": PROVEN, "auth_time": _seconds(self.clock.now())}
        return self.sign(claims, lifetime)

    def client(
        self, client_id: str, roles: Sequence[str], network: UUID, more: dict[str, Any]
    ) -> str:
        """A token for a program: a service of ours, or a machine such as an EHR.

        more: `act` {"sub": who caused it}, `purpose`, `event` and `clinics`, where they are known.
        """
        claims = {
            "sub": client_id,
            "client_id": client_id,
            "network": str(network),
            "roles": list(roles),
            **more,
        }
        return self.sign(claims, SERVICE_LIFETIME)

    def sign(self, claims: dict[str, Any], lifetime: timedelta) -> str:
        """A token with these claims and the issuer's own. Raises CannotRun where it was taken back
        that its subject may have one."""
        if self.revocations.barred(claims["network"], claims["sub"], claims["roles"]):
            raise CannotRun("That was taken back: `clinicbus revoke --lift` gives it again.")
        key = self.keys.keys[0]
        now = self.clock.now()
        full = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "jti": str(new_id()),
            "iat": _seconds(now),
            "exp": _seconds(now + lifetime),
            **claims,
        }
        return jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": key.kid}, full, key)

    def published(self) -> dict[str, Any]:
        """The public halves of the keys (RFC 7517)."""
        return dict(self.keys.as_dict(private=False))


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _fresh_keys() -> str:
    parameters: KeyParameters = {"kid": str(new_id()), "alg": "ES256", "use": "sig"}
    key = ECKey.generate_key("P-256", parameters, private=True)
    return json.dumps(KeySet([key]).as_dict(private=True))
