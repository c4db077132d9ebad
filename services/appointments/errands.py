"""What appointments asks and sends outside: the address of a patient, and then the message."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from pydantic import BaseModel, ValidationError

from services.appointments.clients import Messenger
from services.appointments.commands import sending
from services.appointments.commands.reminders import SEND
from services.appointments.domain.messages import (
    CODE_LENGTH,
    CODE_LETTERS,
    Lost,
    Message,
    Outcome,
    Refused,
)
from services.appointments.domain.reminders import Channel
from shared.db.errands import Errand, Errands, Intent, TryLater
from shared.db.locks import LockKey
from shared.db.work import Work
from shared.web.service import Ports
from shared.web.service_calls import ServiceCalls

ATTEMPTS_MAX = 6
PURPOSE = "reminder"


class _ContactPoint(BaseModel):
    """What a message needs of what patients knows."""

    address: str | None


@dataclass(frozen=True, slots=True)
class _ToSend:
    """A message and where it goes. The address is kept nowhere here."""

    message: Message
    address: str | None


@dataclass(frozen=True, slots=True)
class Postroom:
    """Sends reminders: asks for the address, and hands the message over once."""

    calls: ServiceCalls
    messengers: Mapping[Channel, Messenger]

    async def ask(self, intent: Intent) -> str | None:
        """The address of the patient for the channel, None where they have none or are unknown.

        Raises TryLater where it cannot be had now; nothing is sent then.
        """
        if Channel(intent.body["channel"]) not in self.messengers:
            return None
        wanted = {name: intent.body[name] for name in ("patient_id", "channel")}
        answer = await self.calls.post(
            "patients",
            "/v1/contact-points/lookup",
            network_id=intent.network_id,
            actor=str(intent.actor),
            purpose=PURPOSE,
            event=intent.causation_id,
            body=wanted,
        )
        if answer.status_code == 404:
            return None
        if answer.status_code != 200:
            raise TryLater("patients.refused")
        try:
            return _ContactPoint.model_validate_json(answer.content).address
        except ValidationError:
            raise TryLater("patients.unreadable") from None

    async def send(self, intent: Intent) -> Outcome | None:
        """Hand the message over, where there still is one to send."""
        found: _ToSend | Lost | None = intent.facts
        if not isinstance(found, _ToSend):
            return found
        messenger = self.messengers.get(Channel(intent.body["channel"]))
        if messenger is None:
            return Refused("no_messenger")
        if found.address is None:
            return Refused("no_address")
        return await messenger.send(found.message, found.address)


async def prepare(work: Work, intent: Intent) -> _ToSend | Lost | None:
    """Judge the reminder once more, and keep that it is being sent."""
    code = "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))
    begun = await sending.begin(work, intent.subject_id, code)
    return _ToSend(begun, intent.facts) if isinstance(begun, Message) else begun


async def settle(work: Work, intent: Intent, outcome: Outcome | None) -> None:
    """Keep what came of it."""
    await sending.settle(work, intent.subject_id, outcome)


async def give_up(work: Work, intent: Intent, reason: str) -> None:
    """The address could not be had."""
    await sending.not_reached(work, intent.subject_id, reason)


def locks(intent: Intent) -> Sequence[LockKey]:
    """What the functions above read and change."""
    body = intent.body
    return sending.sending_locks(UUID(body["appointment_id"]), UUID(body["patient_id"]))


def errands(ports: Ports, messengers: Mapping[Channel, Messenger]) -> Errands:
    """The errands of a process."""
    room = Postroom(ServiceCalls(ports), messengers)
    return {
        SEND: Errand(
            room.send,
            settle,
            give_up,
            locks,
            attempts_max=ATTEMPTS_MAX,
            prepare=prepare,
            ask=room.ask,
        )
    }
