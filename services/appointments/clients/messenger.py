"""The messenger port: a message goes to one address, and what came of it is told as a value.

The line that matters is the one after which nobody can know: before it the answer is that nothing
left, beyond it `Lost`. There is an adapter for e-mail. SMS and voice are channels without one: who
is reached by these alone is called.
"""

from typing import Protocol

from services.appointments.domain.messages import Message, Outcome


class Messenger(Protocol):
    """What takes messages of one channel."""

    async def send(self, message: Message, address: str) -> Outcome:
        """Hand a message over, once. Never raises for what the far side or the way there does, and
        never tells of the address or the message in what it gives."""
        ...
