"""Who walks through a clinic's days with a canary in every member that tells of a person.

What is done on the way is in `walk_clinic`, `walk_people`, `walk_book`, `walk_visit`, `walk_words`
and `walk_money`, and in which order in `walk_days`. Every verb there is a call of a public API.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.leaks.canaries import Mint
from tests.leaks.place import MONDAY, Place

Body = dict[str, Any]
Ids = dict[str, str]
DAY = MONDAY + timedelta(days=1)
"""Tuesday, eight o'clock in Denver."""
VISIT_MINUTES = 40


@dataclass(slots=True)
class Person:
    """Somebody who comes. ids: of what is theirs, as paths call them.

    Many come at once, so nobody's ids are kept among another's: a path that names two things names
    two of the same person.
    """

    ids: Ids

    @property
    def patient(self) -> str:
        """Who they are."""
        return self.ids["patient_id"]

    @property
    def visit(self) -> str:
        """Their visit of the day."""
        return self.ids["appointment_id"]


@dataclass(slots=True)
class Walk:
    """The clinic. ids: of what is in it, and of one person who comes."""

    place: Place
    mint: Mint = field(default_factory=Mint)
    ids: Ids = field(default_factory=dict)

    def body(self, service: str, verb: str, path: str, /, *without: str, **given: Any) -> Body:
        """A body full of canaries."""
        return self.mint.body(service, verb, path, given, *without)

    async def make(
        self, role: str, service: str, path: str, /, *without: str, **given: Any
    ) -> Body:
        """POST a body full of canaries to a path."""
        return await self.make_at(path, role, service, path, *without, **given)

    async def make_at(
        self, at: str, role: str, service: str, path: str, /, *without: str, **given: Any
    ) -> Body:
        """The same where a path has ids: `at` is with them."""
        body = self.body(service, "POST", path, *without, **given)
        return await self.place.post(role, service, at, body)

    async def make_of(self, ids: Ids, role: str, service: str, path: str, /, **given: Any) -> Body:
        """The same where the ids of a path are among these."""
        return await self.make_at(path.format(**ids), role, service, path, **given)

    async def change(
        self,
        ids: Ids,
        role: str,
        service: str,
        verb: str,
        path: str,
        body: Body,
        version: int | None = None,
    ) -> None:
        """PUT or PATCH what must be done."""
        at = path.format(**ids)
        await self.place.succeed(role, service, verb, at, body, version=version)

    # ── when, and where ──────────────────────────────────────────────────────────────────────

    def starts(self, number: int) -> datetime:
        """When the visit of a number begins."""
        return DAY + timedelta(minutes=VISIT_MINUTES * number)

    def at(self, days: int, hours: int) -> datetime:
        """So many days after the day and hours after eight o'clock."""
        return DAY + timedelta(days=days, hours=hours)

    def booking(self, person: Person | None, starts: datetime, **more: Any) -> Body:
        """A wish for a visit, or for the time of one."""
        names = ("clinic_id", "provider_id", "appointment_type_id")
        whose = {} if person is None else {"patient_id": person.patient}
        place = {name: self.ids[name] for name in names}
        return {**place, **whose, "starts_at": starts.isoformat(), **more}
