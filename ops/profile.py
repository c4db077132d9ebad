"""What commands that serve may do in the production profile."""

import os
import re
from collections.abc import Mapping

from pydantic import ValidationError

from ops.errors import CannotRun
from shared.db.secured import is_exposed
from shared.web.safety import EXPOSED, unsafe_settings
from shared.web.settings import Chassis

PROFILE = "CLINICBUS_PROFILE"
_DATABASE = re.compile(r"CLINICBUS_[A-Z]+_(OWNER|APP|WORKER|BUS)_URL")
_OF_A_SERVICE = "CLINICBUS_SERVICE_SECRET"


def refuse_outside_local(what: str) -> None:
    """Raise CannotRun in any profile but the local one: this is for one machine."""
    if os.environ.get(PROFILE, "local") != "local":
        raise CannotRun(f"{what} is for one machine: {PROFILE} is not local.")


def require_safe(variables: Mapping[str, str]) -> None:
    """Raise CannotRun, naming each finding, where production was told what it refuses.

    variables: what leads to the system; an operator's command has no service's secret.
    """
    if variables.get(PROFILE) != "production":
        return
    try:
        found = unsafe_settings(Chassis())
    except ValidationError:
        raise CannotRun("Settings cannot be read: start a service to see which.") from None
    found = [each for each in found if not each.startswith(_OF_A_SERVICE)]
    found += [
        f"{name}: {EXPOSED}"
        for name, url in sorted(variables.items())
        if _DATABASE.fullmatch(name) and is_exposed(url, os.environ)
    ]
    if found:
        raise CannotRun(f"This production profile does not start: {'; '.join(found)}.")
