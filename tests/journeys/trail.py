"""What the services say happened to a visit, put together as `clinicbus trace` does."""

from datetime import datetime

from shared.db.provision import SERVICES
from tests.journeys.clinic import DENVER, Clinic

Step = tuple[str, str, str, str]


async def trail(clinic: Clinic, subject_id: str, kind: str = "event") -> list[Step]:
    """(day and time in Denver, service, what, who), in the order of time.

    At one instant the services stand in their usual order, each with its own things in its own.
    Operations see what was said; who did what is for the auditor.
    """
    who = "ute" if kind == "audit" else "olga"
    found = []
    for service in SERVICES:
        view = await clinic.sees(who, service, f"/v1/traces/{subject_id}")
        assert view["service"] == service
        for entry in view["entries"]:
            if entry["kind"] == kind:
                what = entry["what"].removeprefix(f"clinicbus.{service}.").removesuffix(".v1")
                found.append((datetime.fromisoformat(entry["at"]), service, what, entry["actor"]))
    # The sort keeps the order of those that are equal.
    found.sort(key=lambda step: step[0])
    return [(f"{at.astimezone(DENVER):%a %H:%M}", *rest) for at, *rest in found]
